"""The API, for developers."""

from __future__ import annotations

from typing import Any

from django.utils.safestring import mark_safe
from django.utils.translation import get_language

from classification.api.guide import guide
from classification.pages.about.page import AboutPage


class DevelopersView(AboutPage):
    template_name = "about/developers.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        text = guide(get_language() or "")
        server = self.request.build_absolute_uri("/").rstrip("/")
        # The host is one of ALLOWED_HOSTS, and the text our own.
        return super().get_context_data(
            html=mark_safe(text.for_server(server)),  # noqa: S308
            headings=text.headings,
            **kwargs,
        )
