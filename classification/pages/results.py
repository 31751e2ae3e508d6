"""The pages of a browser's own results: reading, listing, downloading and erasing them."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_control

from classification import export, photos, selectors, services
from classification.errors import ClassificationError, ClassificationNotFound, PhotoNotStored, StorageUnavailable
from classification.models import Classification
from classification.ownership import forget, is_owner, owned_ids
from classification.problems import problem_of
from classification.result_page import ResultPage, ResultSummary

# What one person sees is nobody else's, and no cache's; not even the browser's, once it is erased.
private = method_decorator(cache_control(no_store=True, private=True), name="dispatch")


def owned_classification(request: HttpRequest, classification_id: UUID) -> Classification:
    """Raises ClassificationNotFound for a result that is expired, deleted, or not of this browser."""
    if not is_owner(request, classification_id):
        raise ClassificationNotFound
    return selectors.classification_alive(classification_id)


def gone(request: HttpRequest, error: ClassificationError) -> HttpResponse:
    """The page in place of a result, or of a piece of it, that cannot be shown."""
    problem = problem_of(error)
    context = {"problem": problem, "is_gone": isinstance(error, ClassificationNotFound)}
    return render(request, "classification/result_gone.html", context, status=problem.status)


@private
class ResultView(View):
    def get(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        try:
            classification = owned_classification(request, classification_id)
        except ClassificationNotFound as error:
            response = gone(request, error)
            forget(request, response, [classification_id])
            return response
        photo_url = reverse("result-photo", args=[classification_id]) if classification.photo_key else ""
        link = selectors.share_link_of(classification)
        context = {
            "result": ResultPage.of(selectors.answer_of(classification), photo_url=photo_url),
            "link": link,
            "link_url": request.build_absolute_uri(reverse("shared", args=[link.token])) if link else "",
            "has_own_address": True,
        }
        return render(request, "classification/result.html", context)


@private
class ResultPhotoView(View):
    """The stored photo, decrypted, for its owner alone."""

    def get(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        try:
            classification = owned_classification(request, classification_id)
            if not classification.photo_key:
                raise PhotoNotStored
            photo = photos.photo_read(classification.photo_key)
        except ClassificationError as error:
            return gone(request, error)
        return HttpResponse(photo, content_type="image/jpeg")


@private
class ResultListView(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        remembered = owned_ids(request)
        classifications = selectors.classifications_alive(remembered)
        context = {
            "results": [ResultSummary.of(classification) for classification in classifications],
            "has_photos": any(classification.photo_key for classification in classifications),
        }
        response = render(request, "classification/results.html", context)
        alive = {classification.pk for classification in classifications}
        forget(request, response, [each for each in remembered if each not in alive])
        return response


@private
class ResultDeleteView(View):
    """Erase one result, or all of this browser's."""

    def get(self, request: HttpRequest, classification_id: UUID | None = None) -> HttpResponse:  # noqa: ARG002
        """Whoever reloads the address of an attempt that failed lands where they can go on."""
        return redirect("result-list")

    def post(self, request: HttpRequest, classification_id: UUID | None = None) -> HttpResponse:
        wanted = [classification_id] if classification_id else owned_ids(request)
        try:
            if classification_id and not is_owner(request, classification_id):
                raise ClassificationNotFound
            # One that is gone already, by another tab or a double click, is erased as its owner wishes.
            for classification in selectors.classifications_alive(wanted):
                services.classification_delete(classification)
        except ClassificationError as error:
            problem = problem_of(error)
            context = {"problem": problem, "can_retry": isinstance(error, StorageUnavailable)}
            return render(request, "classification/not_deleted.html", context, status=problem.status)
        response = redirect("result-deleted")
        forget(request, response, wanted)
        return response


@private
class ResultDeletedView(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "classification/deleted.html", {"kept_ids": owned_ids(request)})


@private
class ResultExportView(View):
    """Everything we keep about this browser's results, as one JSON file or, with the stored photos, as a ZIP."""

    file_format = "json"

    def get(self, request: HttpRequest) -> HttpResponseBase:
        classifications = selectors.classifications_to_export(owned_ids(request))
        document = export.document_of(classifications)
        if self.file_format == "json":
            response: HttpResponseBase = HttpResponse(document, content_type="application/json")
        else:
            try:
                content = export.archive_of(document, classifications)
            except StorageUnavailable as error:
                return gone(request, error)
            response = StreamingHttpResponse(content, content_type="application/zip")
        response["Content-Disposition"] = f'attachment; filename="alpha-project-results.{self.file_format}"'
        return response
