"""Catalogue pictures, where a folder keeps them; a bucket serves its own."""

from __future__ import annotations

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import storages
from django.http import FileResponse, Http404, HttpRequest
from django.views.decorators.http import require_safe


@require_safe
def catalog_picture(request: HttpRequest, key: str) -> FileResponse:  # noqa: ARG001
    """A file of the public "catalog" storage. Its name is its hash, so it never changes."""
    try:
        file = storages["catalog"].open(key)
    # ValueError: a NUL byte in the key.
    except (OSError, SuspiciousFileOperation, ValueError) as error:
        raise Http404 from error
    response = FileResponse(file)
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
