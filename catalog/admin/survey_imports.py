"""Imports of ratings: a file is sent, its columns are named, what it holds is looked at, and then it is imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from catalog.admin.base import ReadOnlyScreen
from catalog.errors import CatalogError
from catalog.models import Survey, SurveyImport
from catalog.models.labels import PART_CHOICES
from catalog.services.survey_files import ALLOWED, MAX_BYTES, Field, ImportOptions, Layout
from catalog.services.survey_import import upload_check, upload_columns, upload_create, upload_dismiss, upload_import

_CONDITIONS = 2
_PERMISSION = "catalog.change_survey"
_FIELD_LABELS = {
    Field.RATER: gettext_lazy("Column of the rater"),
    Field.IMAGE: gettext_lazy("Column of the image"),
    Field.VALUE: gettext_lazy("Column of the rating"),
    Field.PART: gettext_lazy("Column of the part"),
    Field.ROUND: gettext_lazy("Column of the round (0: first answer, 1: repeat)"),
    Field.SEX: gettext_lazy("Column of the rater's sex"),
    Field.AGE: gettext_lazy("Column of the rater's age"),
}
_NONE = [("", gettext_lazy("– none –"))]


class UploadForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"}),
    )

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if file.size and file.size > MAX_BYTES:
            raise forms.ValidationError(
                _("The table is larger than %(limit)d MB. Import it in several files.") % {"limit": MAX_BYTES // 2**20}
            )
        return file


class OptionsForm(forms.Form):
    """Which column holds what; its choices are the file's own columns."""

    layout = forms.ChoiceField(
        label=gettext_lazy("Layout"),
        choices=[
            (Layout.LONG.value, gettext_lazy("long: one row an answer")),
            (Layout.WIDE.value, gettext_lazy("wide: one row a rater, one column an image")),
        ],
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, columns: Sequence[str], survey: Survey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(column, column[:80]) for column in dict.fromkeys(columns) if column]
        for held, label in _FIELD_LABELS.items():
            self.fields[held.value] = _column_field(label, choices)
        self.fields["part_given"] = forms.ChoiceField(
            label=gettext_lazy("Part that all answers are about"),
            choices=[*_NONE, *((part, label) for part, label in PART_CHOICES if part in survey.parts)],
            required=False,
            widget=UnfoldAdminSelectWidget,
        )
        for number in range(_CONDITIONS):
            self.fields[f"where_column_{number}"] = _column_field(
                gettext_lazy("Import only rows where this column"), choices
            )
            self.fields[f"where_text_{number}"] = forms.CharField(
                label=gettext_lazy("is exactly"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget
            )
        self.fields["ignored"] = forms.MultipleChoiceField(
            label=gettext_lazy("Columns of a wide file that are no image"),
            choices=choices,
            required=False,
            widget=UnfoldAdminSelectMultipleWidget,
        )
        for name, label in (
            ("add_images", gettext_lazy("Also take images that the survey does not have")),
            ("skip_bad_rows", gettext_lazy("Import the rest where some rows are wrong")),
        ):
            self.fields[name] = forms.BooleanField(label=label, required=False, widget=UnfoldBooleanSwitchWidget)

    @staticmethod
    def initial_of(options: ImportOptions) -> dict[str, Any]:
        conditions = list(options.where.items())[:_CONDITIONS]
        return {
            "layout": options.layout.value,
            **{held.value: column for held, column in options.columns.items()},
            "part_given": options.part,
            **{f"where_column_{number}": column for number, (column, _text) in enumerate(conditions)},
            **{f"where_text_{number}": text for number, (_column, text) in enumerate(conditions)},
            "ignored": list(options.ignored),
            "add_images": options.add_images,
            "skip_bad_rows": options.skip_bad_rows,
        }

    def options(self) -> ImportOptions:
        values = self.cleaned_data
        layout = Layout(values["layout"])
        conditions = [
            (values[f"where_column_{number}"], values[f"where_text_{number}"]) for number in range(_CONDITIONS)
        ]
        return ImportOptions(
            layout=layout,
            columns={held: values[held.value] for held in ALLOWED[layout] if values[held.value]},
            where={column: text for column, text in conditions if column},
            part=values["part_given"],
            ignored=tuple(values["ignored"]) if layout is Layout.WIDE else (),
            add_images=values["add_images"],
            skip_bad_rows=values["skip_bad_rows"],
        )


def _column_field(label: Any, choices: Sequence[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=[*_NONE, *choices], required=False, widget=UnfoldAdminSelectWidget)


@admin.register(SurveyImport)
class SurveyImportAdmin(ReadOnlyScreen):
    list_display = ["file_name", "survey", "state", "created_by", "created_at", "finished_at"]
    list_select_related = ["survey", "created_by"]
    list_filter = ["state"]

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("into/<int:survey_id>/", self.admin_site.admin_view(self.upload_view), name="catalog_survey_import"),
            path(
                "<int:upload_id>/step/<slug:step>/",
                self.admin_site.admin_view(self.step_view),
                name="catalog_surveyimport_step",
            ),
        ]
        return [*own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SurveyImport]:
        # Files are large; only the page of one import opens its own.
        imports: QuerySet[SurveyImport] = super().get_queryset(request).defer("content")
        return imports

    def upload_view(self, request: HttpRequest, survey_id: int) -> HttpResponse:
        if not request.user.has_perm(_PERMISSION):
            raise PermissionDenied
        survey = get_object_or_404(Survey, pk=survey_id)
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file: UploadedFile[bytes] = form.cleaned_data["file"]
            try:
                upload = upload_create(
                    survey=survey,
                    file_name=file.name or "",
                    content=file.read(),
                    created_by=cast("User", request.user),
                )
            except CatalogError as error:
                form.add_error("file", str(error))
            else:
                return _to_page(upload)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import ratings"),
            "opts": self.opts,
            "form": form,
            "button": _("Upload"),
            "explanation": [
                str(survey),
                _("One row an answer, or one row a rater and one column an image. UTF-8 or CP949."),
                _("Nothing is imported before you have seen what is in the file and say so."),
            ],
        }
        return TemplateResponse(request, "admin/catalog/survey_form.html", context, status=422 if form.errors else 200)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """An import's page: how its columns are read, what that gives, and what can be done with it."""
        del form_url, extra_context
        may_decide = request.user.has_perm(_PERMISSION)
        if not self.has_view_permission(request) or (request.method == "POST" and not may_decide):
            raise PermissionDenied
        upload = self.get_object(request, object_id)
        if upload is None:
            raise Http404
        waits = upload.state == SurveyImport.State.CHECKED or upload.is_stalled
        form: OptionsForm | None = None
        if waits and may_decide:
            form = OptionsForm(
                request.POST or None,
                columns=upload_columns(upload),
                survey=upload.survey,
                initial=OptionsForm.initial_of(ImportOptions.of_json(upload.options)),
            )
            if request.method == "POST" and form.is_valid():
                try:
                    upload_check(upload=upload, options=form.options())
                except CatalogError as error:
                    form.add_error(None, str(error))
                else:
                    return _to_page(upload)
        report = upload.report
        context = {
            **self.admin_site.each_context(request),
            "title": str(upload),
            "opts": self.opts,
            "upload": upload,
            "form": form,
            "report": report,
            "first_answers": [
                answer | {"part_name": dict(PART_CHOICES)[answer["part"]]} for answer in report.get("first_answers", [])
            ],
            "more_problems": report and report["problem_count"] - len(report["problems"]),
            "is_importable": report
            and report["new"]
            and (not report["problem_count"] or upload.options["skip_bad_rows"]),
        }
        status = 422 if form is not None and form.errors else 200
        return TemplateResponse(request, "admin/catalog/survey_import.html", context, status=status)

    def step_view(self, request: HttpRequest, upload_id: int, step: str) -> HttpResponse:
        """Import a file, or forget it."""
        if request.method != "POST" or step not in ("import", "dismiss"):
            raise Http404
        if not request.user.has_perm(_PERMISSION):
            raise PermissionDenied
        upload = get_object_or_404(SurveyImport.objects.defer("content"), pk=upload_id)
        try:
            if step == "import":
                upload_import(upload=upload)
            else:
                upload_dismiss(upload=upload)
        except CatalogError as error:
            messages.error(request, str(error))
        return _to_page(upload)


def _to_page(upload: SurveyImport) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:catalog_surveyimport_change", args=[upload.pk]))
