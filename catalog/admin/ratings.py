"""Raters and their ratings, to look at. Lists of a million rows, so that nothing here counts or sorts them all."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.admin.base import ReadOnlyScreen, UncountedScreen
from catalog.models import Rater, Rating
from catalog.services.aggregation import ExclusionReason

EXCLUSION_REASONS = {
    ExclusionReason.SAME_ANSWER: gettext_lazy("gives nearly always the same answer"),
    ExclusionReason.GOLD: gettext_lazy("answers known questions wrongly"),
    ExclusionReason.REPEATS: gettext_lazy("answers repeated questions differently"),
    ExclusionReason.RELIABILITY: gettext_lazy("does not agree with the others"),
}


def exclusion_reason(code: str) -> str:
    return str(EXCLUSION_REASONS[ExclusionReason(code)]) if code else ""


@admin.register(Rater)
class RaterAdmin(ReadOnlyScreen, UncountedScreen):
    list_display = [
        "__str__",
        "survey",
        "language",
        "sex",
        "age_band",
        "reliability",
        "excluded",
        "ratings",
        "created_at",
    ]
    list_select_related = ["survey"]
    list_filter = ["survey", "sex", "age_band", "exclusion_reason"]
    ordering = ["-pk"]
    sortable_by = ()
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "survey",
                    "is_identified",
                    "language",
                    "sex",
                    "age_band",
                    "consented_at",
                    "reliability",
                    "excluded",
                    "ratings",
                    "created_at",
                ]
            },
        )
    ]

    @admin.display(description=gettext_lazy("excluded because"), empty_value="–")
    def excluded(self, rater: Rater) -> str:
        return exclusion_reason(rater.exclusion_reason)

    @admin.display(description=gettext_lazy("ratings"))
    def ratings(self, rater: Rater) -> SafeString:
        url = reverse("admin:catalog_rating_changelist")
        return format_html('<a href="{}?rater={}">{}</a>', url, rater.pk, _("ratings"))


@admin.register(Rating)
class RatingAdmin(ReadOnlyScreen, UncountedScreen):
    list_display = ["survey_image", "rater", "part", "round", "value", "created_at"]
    list_display_links = None
    list_select_related = ["survey_image", "rater"]
    list_filter = ["part"]
    ordering = ["-pk"]
    sortable_by = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # What the raters' and the images' lists link to; both have an index.
        return lookup in ("rater", "survey_image") or super().lookup_allowed(lookup, value, request)
