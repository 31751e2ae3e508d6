"""The screens of imports and auto-labelling: what was asked, how far it is, what became of each image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from catalog import tasks
from catalog.admin.base import ReadOnlyScreen
from catalog.errors import CatalogError
from catalog.models import Job, JobRow
from catalog.models.jobs import Outcome
from catalog.services.archives import open_zip
from catalog.services.image_import import FAULTS, NEEDED_COLUMNS, OTHER_COLUMNS, import_confirm, import_create
from catalog.services.job_workers import archive_remove, archive_store
from catalog.services.jobs import is_stalled, job_cancel, outcome_counts
from catalog.services.tables import csv_lines

_ROWS_A_PAGE = 100
_PERMISSIONS = {
    Job.Kind.IMPORT: "catalog.add_celebrityimage",
    Job.Kind.AUTOLABEL: "catalog.change_imagelabel",
}


class ImportForm(forms.Form):
    archive = forms.FileField(
        label=gettext_lazy("ZIP archive"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".zip,application/zip"}),
        help_text=gettext_lazy("Pictures (JPEG, PNG or WebP) and one CSV table that names them."),
    )
    table = forms.CharField(
        label=gettext_lazy("Table"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("The CSV's name inside the archive, where there are several."),
    )
    allow_similar = forms.BooleanField(
        label=gettext_lazy("Add pictures that look like others, too"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
    )


@admin.register(Job)
class JobAdmin(ReadOnlyScreen):
    list_display = ["__str__", "state", "progress", "created_by", "created_at"]
    list_filter = ["kind", "state"]
    list_select_related = ["created_by"]
    actions_list = ["upload_archive"]

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("import/", self.admin_site.admin_view(self.import_view), name="catalog_import"),
            path("<int:job_id>/progress/", self.admin_site.admin_view(self.progress_view), name="catalog_job_progress"),
            path("<int:job_id>/report/", self.admin_site.admin_view(self.report_view), name="catalog_job_report"),
            path("<int:job_id>/step/<slug:step>/", self.admin_site.admin_view(self.step_view), name="catalog_job_step"),
        ]
        return [*own, *super().get_urls()]

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, job: Job) -> str:
        return f"{job.done} / {job.total}"

    def has_add_images_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(_PERMISSIONS[Job.Kind.IMPORT])

    @action(  # type: ignore[untyped-decorator]
        description=gettext_lazy("Import images"),
        url_path="upload",
        permissions=["add_images"],
        icon="upload_file",
    )
    def upload_archive(self, _request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:catalog_import"))

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_images_permission(request):
            raise PermissionDenied
        is_sent = request.method == "POST"
        form = ImportForm(request.POST, request.FILES) if is_sent else ImportForm()
        if is_sent and form.is_valid():
            try:
                job = _import_from(form, cast("User", request.user))
            except CatalogError as error:
                form.add_error("archive", str(error))
            else:
                return HttpResponseRedirect(reverse("admin:catalog_job_change", args=[job.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import images"),
            "opts": self.opts,
            "form": form,
            "needed_columns": NEEDED_COLUMNS,
            "other_columns": OTHER_COLUMNS,
        }
        status = 200 if not form.errors else 422
        return TemplateResponse(request, "admin/catalog/import.html", context, status=status)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A job's page: its progress, its rows, and what can be done with it."""
        del form_url, extra_context
        # Nothing is changed here: each step has an address of its own.
        if not self.has_view_permission(request) or request.method == "POST":
            raise PermissionDenied
        job = self.get_object(request, object_id)
        if job is None:
            raise Http404
        outcome = request.GET.get("outcome", "")
        rows = job.rows.order_by("number").select_related("image")
        if outcome in Outcome.values and "outcome" in request.GET:
            rows = rows.filter(outcome=outcome)
        page = Paginator(rows, _ROWS_A_PAGE).get_page(request.GET.get("p"))
        context = {
            **self.admin_site.each_context(request),
            **_progress_context(request, job),
            "title": str(job),
            "opts": self.opts,
            "page": page,
            "outcome": outcome if "outcome" in request.GET else None,
        }
        return TemplateResponse(request, "admin/catalog/job.html", context)

    def progress_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """What of a job's page changes while it runs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = get_object_or_404(Job, pk=job_id)
        context = _progress_context(request, job)
        return JsonResponse(
            {
                "html": render_to_string("admin/catalog/_job_progress.html", context, request),
                "is_at_work": job.is_at_work,
                "state": job.state,
            }
        )

    def report_view(self, request: HttpRequest, job_id: int) -> StreamingHttpResponse:
        """All rows as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = get_object_or_404(Job, pk=job_id)
        response = StreamingHttpResponse(csv_lines(_report_rows(job)), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="job-{job.pk}.csv"'
        return response

    def step_view(self, request: HttpRequest, job_id: int, step: str) -> HttpResponse:
        """What a curator decides: add the good ones, cancel, go on."""
        if request.method != "POST":
            raise Http404
        job = get_object_or_404(Job, pk=job_id)
        if not request.user.has_perm(_PERMISSIONS[Job.Kind(job.kind)]):
            raise PermissionDenied
        try:
            match step:
                case "confirm":
                    import_confirm(job=job)
                    tasks.job_begin(job)
                case "cancel":
                    job_cancel(job=job)
                    archive_remove(job.archive)
                case "resume":
                    tasks.job_resume(job)
                case _:
                    raise Http404
        except CatalogError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:catalog_job_change", args=[job.pk]))


def _import_from(form: ImportForm, user: User) -> Job:
    upload: UploadedFile[bytes] = form.cleaned_data["archive"]
    with open_zip(upload) as archive:
        # Checked before it is stored.
        key = archive_store(upload)
        try:
            job = import_create(
                archive=archive,
                created_by=user,
                table_name=form.cleaned_data["table"],
                archive_key=key,
                allow_similar=form.cleaned_data["allow_similar"],
            )
        except BaseException:
            # No job names the file.
            archive_remove(key)
            raise
    tasks.job_begin(job)
    return job


def _progress_context(request: HttpRequest, job: Job) -> dict[str, Any]:
    counts = outcome_counts(job)
    labels = dict(Outcome.choices)
    return {
        "job": job,
        "percent": 100 * job.done // job.total if job.total else 100,
        "counts": [(outcome, labels[outcome], count) for outcome, count in sorted(counts.items())],
        "ready": counts.get(Outcome.READY, 0),
        "faults": sum(counts.get(outcome, 0) for outcome in FAULTS),
        "is_stalled": is_stalled(job),
        "may_decide": request.user.has_perm(_PERMISSIONS[Job.Kind(job.kind)]),
    }


def _report_rows(job: Job) -> Iterator[tuple[object, ...]]:
    yield ("row", "file", "outcome", "reason", "image")
    rows: Iterator[JobRow] = job.rows.order_by("number").iterator(chunk_size=2000)
    for row in rows:
        yield (row.number, row.name, row.outcome, row.message, row.image_id)
