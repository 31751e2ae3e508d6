"""The web pages: the start page with its answer, and erasing a result."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.generic import TemplateView
from rest_framework.views import APIView

from catalog.errors import CatalogError
from classification import selectors, services
from classification.api.uploads import refuse_oversized
from classification.errors import ClassificationError, LengthRequired, StorageUnavailable
from classification.forms import PhotoForm
from classification.models import Client
from classification.problems import SENTENCES, Problem, problem_of
from classification.result_page import ResultPage
from inference.contracts import InferenceError, PhotoTooLarge, RefusalReason

# Each of these refusals has a drawing of what went wrong.
DRAWN_CODES = frozenset(reason.value for reason in RefusalReason)


# The middleware's CSRF check would parse the body first; post() has its size checked before that.
@method_decorator(csrf_exempt, name="dispatch")
class StartView(View):
    """The form and, once it is sent, the answer.

    The answer stands at the form's own address: it shows the photo, which is in no storage that a
    page of its own could read it from.
    """

    # A person gets one allowance, whether they use the page or the API.
    throttle_scope = "classify"
    throttle_classes = APIView.throttle_classes

    def get(self, request: HttpRequest) -> HttpResponse:
        return _start_page(request, PhotoForm())

    @method_decorator(cache_control(no_store=True))
    def post(self, request: HttpRequest) -> HttpResponseBase:
        try:
            refuse_oversized(request)
        except (PhotoTooLarge, LengthRequired) as error:
            return _start_page(request, PhotoForm(), problem=problem_of(error))
        return self.classify(request)

    @method_decorator(csrf_protect)
    def classify(self, request: HttpRequest) -> HttpResponse:
        form = PhotoForm(request.POST, request.FILES)
        if not form.is_valid():
            return _start_page(request, form, status=HTTPStatus.BAD_REQUEST)
        if seconds := self.seconds_to_wait(request):
            throttled = Problem(
                HTTPStatus.TOO_MANY_REQUESTS, "throttled", str(SENTENCES["throttled"]), retry_after=seconds
            )
            return _start_page(request, form, problem=throttled)
        try:
            answer = services.classification_create(
                photo=form.cleaned_data["photo"],
                birth_date=form.cleaned_data["birth_date"],
                mbti=form.cleaned_data["mbti"],
                store_photo=form.cleaned_data["store_photo"],
                client=Client.WEB,
                language=get_language() or settings.LANGUAGE_CODE,
                idempotency_key=form.idempotency_key,
                with_preview=True,
            )
        except (InferenceError, ClassificationError, CatalogError) as error:
            return _start_page(request, form, problem=problem_of(error))
        return render(request, "classification/result.html", {"result": ResultPage.of(answer)})

    def seconds_to_wait(self, request: HttpRequest) -> int:
        """Until this client may classify again; 0 means now."""
        for throttle in (throttle_class() for throttle_class in self.throttle_classes):
            # A throttle asks for the user, the address and the scope, which Django's own classes have too.
            if not throttle.allow_request(request, self):  # type: ignore[arg-type]
                return ceil(throttle.wait() or 1)
        return 0


class ResultDeleteView(View):
    def get(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:  # noqa: ARG002
        """Whoever reloads the address of an attempt that failed lands where they can go on."""
        return redirect("start")

    def post(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        owner_token = request.POST.get("owner_token", "")
        try:
            classification = selectors.classification_for_owner(
                classification_id=classification_id, owner_token=owner_token
            )
            services.classification_delete(classification)
        except ClassificationError as error:
            problem = problem_of(error)
            context = {
                "problem": problem,
                "can_retry": isinstance(error, StorageUnavailable),
                "classification_id": classification_id,
                "owner_token": owner_token,
            }
            return render(request, "classification/not_deleted.html", context, status=problem.status)
        return redirect("result-deleted")


class ResultDeletedView(TemplateView):
    template_name = "classification/deleted.html"


def _start_page(
    request: HttpRequest, form: PhotoForm, *, problem: Problem | None = None, status: int = HTTPStatus.OK
) -> HttpResponse:
    context = {
        "form": form,
        "problem": problem,
        "drawing": f"drawings/{problem.code}.svg" if problem and problem.code in DRAWN_CODES else "",
        "max_photo_bytes": settings.MAX_PHOTO_BYTES,
    }
    response = render(request, "classification/start.html", context, status=problem.status if problem else status)
    if problem and problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    return response
