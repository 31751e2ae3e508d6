"""Results in the back office: to look at, and to erase for a person who asks for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from catalog.admin.base import UncountedScreen
from classification import staff
from classification.errors import StorageUnavailable
from classification.models import Classification
from classification.problems import problem_of
from classification.result_page import PART_NAMES

VIEW_PHOTO = "classification.view_photo"


class KeptPhotoFilter(admin.SimpleListFilter):
    title = _("photo")
    parameter_name = "photo"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return [("kept", _("kept")), ("none", _("not kept"))]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Classification]) -> QuerySet[Classification] | None:
        match self.value():
            case "kept":
                return queryset.exclude(photo_key="")
            case "none":
                return queryset.filter(photo_key="")
        return None


@admin.register(Classification)
class ClassificationAdmin(UncountedScreen):
    list_display = ["created_at", "type", "shown_score", "shown_confidence", "client", "has_photo", "id"]
    list_display_links = ["created_at", "id"]
    list_select_related = ["type", "borderline_with"]
    list_filter = ["type", "client", KeptPhotoFilter, ("created_at", admin.DateFieldListFilter)]
    # Any field: what is searched is the id, see get_search_results.
    search_fields = ["id"]
    search_help_text = _("The whole id of a result.")
    ordering = ["-created_at"]
    # Any other order would sort the whole table.
    sortable_by = ["created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Classification | None = None) -> bool:  # noqa: ARG002
        return False

    def get_fieldsets(self, request: HttpRequest, _obj: Classification | None = None) -> Any:
        fieldsets: list[Any] = [
            (None, {"fields": ["id", "type", "borderline_with", "shown_score", "shown_confidence", "part_table"]}),
            (_("Request"), {"fields": ["client", "language", "created_at", "expires_at", "has_photo"]}),
            (_("Models"), {"fields": ["gate_version", "parts_version", "types_version"]}),
        ]
        if request.user.has_perm(VIEW_PHOTO):
            fieldsets.append((_("Person"), {"fields": ["birth_date", "mbti", "photo_link"]}))
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Classification | None = None) -> Any:
        return [name for _title, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[Classification], search_term: str
    ) -> tuple[QuerySet[Classification], bool]:
        if not search_term:
            return queryset, False
        # An exact id is found by the key's index; a part of one would be looked for in every row.
        try:
            return queryset.filter(pk=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    def get_urls(self) -> list[URLPattern]:
        photo = path(
            "<uuid:classification_id>/photo/",
            self.admin_site.admin_view(self.photo_view, cacheable=False),
            name="classification_classification_photo",
        )
        return [photo, *super().get_urls()]

    def photo_view(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        """The kept photo, for those who may see it; each time anew, so that each view is in the audit log."""
        if not request.user.has_perm(VIEW_PHOTO) or not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "GET":
            return HttpResponse(status=405, headers={"Allow": "GET"})
        classification = get_object_or_404(Classification, pk=classification_id)
        if not classification.photo_key:
            raise Http404
        try:
            photo = staff.photo_view(classification)
        except StorageUnavailable as error:
            messages.error(request, problem_of(error).detail)
            return HttpResponseRedirect(_detail_url(classification))
        return HttpResponse(photo, content_type="image/jpeg", headers={"Cache-Control": "no-store, private"})

    def delete_model(self, _request: HttpRequest, classification: Classification) -> None:
        staff.classification_erase(classification)

    def delete_queryset(self, _request: HttpRequest, classifications: QuerySet[Classification]) -> None:
        for classification in classifications:
            staff.classification_erase(classification)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().delete_view(request, *args, **kwargs)
        except StorageUnavailable as error:
            return self._not_erased(request, error)
        return response

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changelist_view(request, *args, **kwargs)
        except StorageUnavailable as error:
            return self._not_erased(request, error)

    def _not_erased(self, request: HttpRequest, error: StorageUnavailable) -> HttpResponse:
        messages.error(request, problem_of(error).detail)
        return HttpResponseRedirect(request.get_full_path())

    @admin.display(description=_("score"))
    def shown_score(self, classification: Classification) -> str:
        return f"{classification.score:.1f}"

    @admin.display(description=_("confidence"))
    def shown_confidence(self, classification: Classification) -> str:
        return f"{100 * classification.confidence:.0f} %"

    @admin.display(description=_("photo kept"), boolean=True)
    def has_photo(self, classification: Classification) -> bool:
        return bool(classification.photo_key)

    @admin.display(description=_("parts"))
    def part_table(self, classification: Classification) -> SafeString:
        rows = format_html_join(
            "",
            '<tr><td style="padding:2px 24px 2px 0">{}</td><td style="padding:2px 24px 2px 0">{}</td>'
            '<td style="padding:2px 0">{} %</td></tr>',
            (
                (PART_NAMES[part["part"]], part["type"].capitalize(), f"{100 * max(part['probabilities']):.0f}")
                for part in classification.parts
            ),
        )
        return format_html("<table>{}</table>", rows)

    @admin.display(description=_("photo"), empty_value="–")
    def photo_link(self, classification: Classification) -> SafeString | None:
        if not classification.photo_key:
            return None
        url = reverse("admin:classification_classification_photo", args=[classification.pk])
        return format_html(
            '<a href="{}" class="text-primary-600 dark:text-primary-500" rel="noreferrer">{}</a>',
            url,
            _("Show the photo. The audit log will say that you did."),
        )


def _detail_url(classification: Classification) -> str:
    return reverse("admin:classification_classification_change", args=[classification.pk])
