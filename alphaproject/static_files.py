"""How static files are stored: compressed, under names that change with what is in them."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise is untyped
    """Scripts import each other, so their imports need the changed names as well."""

    support_js_module_import_aggregation = True
