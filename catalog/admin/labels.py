"""Labels, each with its way from the votes to the models, and what was exported of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any, cast
from zipfile import ZIP_STORED, ZipFile

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from catalog import tasks
from catalog.admin.base import ReadOnlyScreen, of_celebrity, thumbnail
from catalog.admin.review import review_urls
from catalog.errors import CatalogError
from catalog.models import CelebrityImage, ImageLabel, LabelExport, PartLabel
from catalog.models.labels import LabelState
from catalog.services.autolabel import autolabel_create
from catalog.services.label_export import ZipTarget, labels_export, releases_trained_on
from inference.contracts import FacePart

# A larger export belongs to the command line, where nobody waits for a page.
MAX_EXPORTED = 5000
_STEPS_SHOWN = 50
_COLOURS = {FacePart.WHOLE_FACE: "#16a34a", FacePart.UPPER_FACE: "#2563eb", FacePart.LOWER_FACE: "#d9480f"}


@admin.register(ImageLabel)
class ImageLabelAdmin(ReadOnlyScreen):
    """Labels change on the review page."""

    list_display = ["preview", "celebrity", "state", "whole_face_type", "doubt_percent", "reviewed_by", "reviewed_at"]
    list_display_links = ["preview", "celebrity"]
    list_select_related = ["image__celebrity", "reviewed_by"]
    list_filter = ["state", "refusal", "rejection"]
    search_fields = ["image__celebrity__name_ko", "image__celebrity__name_en"]
    search_help_text = _("A celebrity's name, or the whole SHA-256 of a picture.")
    ordering = ["state", "-doubt", "pk"]
    fieldsets = [
        (None, {"fields": ["picture", "image_link", "state", "rejection", "refusal", "doubt_percent"]}),
        (_("From the votes to the models"), {"fields": ["votes", "parts_table", "exports_table"]}),
        (_("Review"), {"fields": ["reviewed_by", "reviewed_at", "analysed_at", "steps"]}),
    ]
    actions = ["autolabel_selected", "export_selected"]
    actions_list = ["start_review"]
    actions_detail = ["review_this"]

    class Media:
        css = {"all": ["css/lists.css"]}

    def get_urls(self) -> list[URLPattern]:
        return [*review_urls(), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImageLabel]:
        labels: QuerySet[ImageLabel] = super().get_queryset(request)
        return labels.prefetch_related("parts__face_type")

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[ImageLabel], search_term: str
    ) -> tuple[QuerySet[ImageLabel], bool]:
        return (queryset.filter(of_celebrity(search_term, image="image__")) if search_term else queryset), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Also the links that other screens make."""
        allowed: bool = super().lookup_allowed(lookup, value, request)
        return allowed or lookup in ("exports__id__exact", "parts__result_row__result__id__exact")

    def has_review_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        return request.user.has_perm("catalog.change_imagelabel")

    def has_export_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        return request.user.has_perm("catalog.add_labelexport")

    @admin.display(description=_("picture"))
    def preview(self, label: ImageLabel) -> SafeString:
        return thumbnail(label.image)

    @admin.display(description=_("celebrity"), ordering="image__celebrity__name_en")
    def celebrity(self, label: ImageLabel) -> str:
        return str(label.image.celebrity)

    @admin.display(description=_("face type"), empty_value="–")
    def whole_face_type(self, label: ImageLabel) -> str:
        types = (part.face_type for part in label.parts.all() if part.part == FacePart.WHOLE_FACE)
        return str(next(types, None) or "") or "–"

    @admin.display(description=_("doubt"), ordering="doubt")
    def doubt_percent(self, label: ImageLabel) -> str:
        return f"{100 * label.doubt:.0f} %"

    @admin.display(description=_("picture"))
    def picture(self, label: ImageLabel) -> SafeString:
        image = label.image
        rectangles = format_html_join(
            "",
            '<rect x="{}" y="{}" width="{}" height="{}" fill="none" stroke="{}" stroke-width="3"/>',
            (
                (box.x0, box.y0, box.width, box.height, _COLOURS[FacePart(part.part)])
                for part in label.parts.all()
                for box in [part.box]
                if box
            ),
        )
        return format_html(
            '<svg viewBox="0 0 {} {}" style="width:min(100%,280px);height:auto" role="img" aria-label="{}">'
            '<image href="{}" width="{}" height="{}"/>{}</svg>',
            *(image.width, image.height, image.celebrity),
            *(image.url, image.width, image.height, rectangles),
        )

    @admin.display(description=_("image"))
    def image_link(self, label: ImageLabel) -> SafeString:
        return _link("admin:catalog_celebrityimage_change", label.image_id, str(label.image))

    @admin.display(description=_("survey"), empty_value="–")
    def votes(self, label: ImageLabel) -> str:
        parts = label.parts.exclude(result_row=None).select_related("result_row__result__survey")
        return _table(
            [_("part"), _("result"), _("ratings"), _("value"), _("rank")],
            (
                (
                    part.get_part_display(),
                    _link("admin:catalog_surveyresult_change", part.result_row.result_id, str(part.result_row.result)),
                    part.result_row.count,
                    f"{part.result_row.value:.2f}",
                    part.result_row.rank,
                )
                for part in parts
                if part.result_row
            ),
        )

    @admin.display(description=_("parts"), empty_value="–")
    def parts_table(self, label: ImageLabel) -> str:
        parts: QuerySet[PartLabel] = label.parts.all()
        return _table(
            [_("part"), _("face type"), _("type by"), _("box by"), _("confidence"), _("model")],
            (
                (
                    part.get_part_display(),
                    part.face_type or "–",
                    part.get_type_source_display() or "–",
                    part.get_box_source_display() or "–",
                    "–" if part.confidence is None else f"{100 * part.confidence:.0f} %",
                    part.model_version or "–",
                )
                for part in parts
            ),
        )

    @admin.display(description=_("exports and models"), empty_value="–")
    def exports_table(self, label: ImageLabel) -> str:
        exports = list(label.exports.all()[:_STEPS_SHOWN])
        releases = releases_trained_on(exports)
        return _table(
            [_("export"), _("created"), _("models trained on it")],
            (
                (
                    _link("admin:catalog_labelexport_change", export.pk, str(export)),
                    f"{export.created_at:%Y-%m-%d %H:%M}",
                    ", ".join(map(str, releases[export.sha256])) or gettext("none yet"),
                )
                for export in exports
            ),
        )

    @admin.display(description=_("steps"), empty_value="–")
    def steps(self, label: ImageLabel) -> str:
        return _table(
            [_("action"), _("by"), _("created"), _("undone")],
            (
                (
                    event.get_action_display(),
                    event.reviewer or "–",
                    f"{event.created_at:%Y-%m-%d %H:%M}",
                    f"{event.undone_at:%Y-%m-%d %H:%M}" if event.undone_at else "",
                )
                for event in label.events.select_related("reviewer")[:_STEPS_SHOWN]
            ),
        )

    @action(  # type: ignore[untyped-decorator]
        description=_("Review"), url_path="start-review", permissions=["review"], icon="rate_review"
    )
    def start_review(self, _request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:catalog_review"))

    @action(  # type: ignore[untyped-decorator]
        description=_("Review"), url_path="review-this", permissions=["review"], icon="rate_review"
    )
    def review_this(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:catalog_review')}?label={object_id}")

    @admin.action(description=_("Label automatically again"), permissions=["review"])
    def autolabel_selected(self, request: HttpRequest, labels: QuerySet[ImageLabel]) -> HttpResponse:
        images = CelebrityImage.objects.filter(label__in=labels.order_by().values("pk"))
        return begin_autolabel(request, images)

    @admin.action(description=_("Export for training"), permissions=["export"])
    def export_selected(self, request: HttpRequest, labels: QuerySet[ImageLabel]) -> HttpResponseBase | None:
        return export_response(request, ImageLabel.objects.filter(pk__in=labels.order_by().values("pk")))


@admin.register(LabelExport)
class LabelExportAdmin(ReadOnlyScreen):
    list_display = ["__str__", "label_count", "created_by", "created_at"]
    list_select_related = ["created_by"]
    search_fields = ["sha256"]
    fieldsets = [(None, {"fields": ["sha256", "labels_link", "releases", "created_by", "created_at"]})]

    @admin.display(description=_("labels"))
    def labels_link(self, export: LabelExport) -> SafeString:
        url = reverse("admin:catalog_imagelabel_changelist")
        return format_html('<a href="{}?exports__id__exact={}">{}</a>', url, export.pk, export.label_count)

    @admin.display(description=_("models trained on it"))
    def releases(self, export: LabelExport) -> str:
        links = (
            (_link("admin:inference_modelrelease_change", release.pk, str(release)),)
            for release in releases_trained_on([export])[export.sha256]
        )
        return format_html_join(", ", "{}", links) or gettext("none yet")


def begin_autolabel(request: HttpRequest, images: QuerySet[CelebrityImage]) -> HttpResponse:
    """Have images labelled in the background, and show how far it is."""
    job = autolabel_create(images=images.order_by("pk"), created_by=cast("User", request.user))  # type: ignore[arg-type]
    tasks.job_begin(job)
    return HttpResponseRedirect(reverse("admin:catalog_job_change", args=[job.pk]))


def export_response(request: HttpRequest, labels: QuerySet[ImageLabel]) -> HttpResponseBase | None:
    """A ZIP of the accepted ones among labels; None, and a message, where there are none or too many."""
    accepted = labels.filter(state=LabelState.ACCEPTED).order_by("image_id")
    count = accepted.count()
    if not count:
        messages.error(request, _("None of the selected labels is accepted."))
        return None
    if count > MAX_EXPORTED:
        messages.error(
            request,
            _("That are more than %(limit)d labels; use manage.py export_labels.") % {"limit": MAX_EXPORTED},
        )
        return None
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    try:
        with ZipFile(file, "w", ZIP_STORED) as archive:
            labels_export(labels=accepted, target=ZipTarget(archive), created_by=cast("User", request.user))
    except CatalogError as error:
        file.close()
        messages.error(request, str(error))
        return None
    left_out = labels.count() - count
    if left_out:
        messages.warning(
            request,
            ngettext(
                "%(count)d label was left out: it is not accepted.",
                "%(count)d labels were left out: they are not accepted.",
                left_out,
            )
            % {"count": left_out},
        )
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename="labels.zip", content_type="application/zip")


def _link(name: str, pk: int, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(name, args=[pk]), text)


def _table(headings: list[Any], rows: Iterator[tuple[object, ...]]) -> str:
    cells = '<td style="padding:2px 20px 2px 0">{}</td>' * len(headings)
    body = format_html_join("", f"<tr>{cells}</tr>", rows)
    if not body:
        return ""
    head = format_html_join(
        "", '<th scope="col" style="padding:2px 20px 2px 0;text-align:left">{}</th>', ((text,) for text in headings)
    )
    return format_html('<div style="overflow-x:auto"><table><tr>{}</tr>{}</table></div>', head, body)
