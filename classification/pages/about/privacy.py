"""What is kept of people, for how long, and how it goes."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from classification.pages.about.page import AboutPage


class PrivacyView(AboutPage):
    template_name = "about/privacy.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            retention_days=settings.RETENTION_DAYS,
            min_age=settings.MIN_AGE,
            max_megabytes=settings.MAX_PHOTO_BYTES // (1024 * 1024),
            **kwargs,
        )
