"""The start page: the form and, once it is sent, the answer."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from rest_framework.views import APIView

from catalog.errors import CatalogError
from classification import services
from classification.api.uploads import refuse_oversized
from classification.errors import ClassificationError, LengthRequired
from classification.forms import PhotoForm
from classification.models import Client
from classification.ownership import remember
from classification.problems import PROBLEM_MEDIA_TYPE, SENTENCES, Problem, problem_of
from classification.result_page import ResultPage
from classification.selectors import Answer
from inference.contracts import InferenceError, PhotoTooLarge, RefusalReason

# Each of these refusals has a drawing of what went wrong.
DRAWN_CODES = frozenset(reason.value for reason in RefusalReason)


# The middleware's CSRF check would parse the body first; post() has its size checked before that.
@method_decorator(csrf_exempt, name="dispatch")
class StartView(View):
    """The form and, once it is sent, the answer: a page, or JSON for the form's own script.

    The page that answers stands at the form's address: it shows the photo, which is in no storage that a page of its
    own could read it from. The script keeps the photo in the browser, and is told the address of the result.
    """

    # A person gets one allowance, whether they use the page or the API.
    throttle_scope = "classify"
    throttle_classes = APIView.throttle_classes

    def get(self, request: HttpRequest) -> HttpResponse:
        return _start_page(request, PhotoForm(initial={"next": _local(request.GET.get("next", ""))}))

    @method_decorator(cache_control(no_store=True))
    def post(self, request: HttpRequest) -> HttpResponseBase:
        try:
            refuse_oversized(request)
        except (PhotoTooLarge, LengthRequired) as error:
            return _refused(request, PhotoForm(), problem_of(error))
        return self.classify(request)

    @method_decorator(csrf_protect)
    def classify(self, request: HttpRequest) -> HttpResponse:
        form = PhotoForm(request.POST, request.FILES)
        if not form.is_valid():
            return _invalid(request, form)
        if seconds := self.seconds_to_wait(request):
            throttled = Problem(
                HTTPStatus.TOO_MANY_REQUESTS, "throttled", str(SENTENCES["throttled"]), retry_after=seconds
            )
            return _refused(request, form, throttled)
        next_page = _local(form.cleaned_data["next"])
        try:
            answer = services.classification_create(
                photo=form.cleaned_data["photo"],
                birth_date=form.cleaned_data["birth_date"],
                mbti=form.cleaned_data["mbti"],
                store_photo=form.cleaned_data["store_photo"],
                client=Client.WEB,
                language=get_language() or settings.LANGUAGE_CODE,
                idempotency_key=form.idempotency_key,
                with_preview=not (next_page or _wants_json(request)),
            )
        except (InferenceError, ClassificationError, CatalogError) as error:
            return _refused(request, form, problem_of(error))
        response = _answered(request, answer, next_page)
        remember(request, response, answer.classification.pk)
        return response

    def seconds_to_wait(self, request: HttpRequest) -> int:
        """Until this client may classify again; 0 means now."""
        for throttle in (throttle_class() for throttle_class in self.throttle_classes):
            # A throttle asks for the user, the address and the scope, which Django's own classes have too.
            if not throttle.allow_request(request, self):  # type: ignore[arg-type]
                return ceil(throttle.wait() or 1)
        return 0


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _local(address: str) -> str:
    """The address if it lies on this site, else nothing: no link of ours sends people elsewhere."""
    return address if url_has_allowed_host_and_scheme(address, allowed_hosts=None) else ""


def _answered(request: HttpRequest, answer: Answer, next_page: str) -> HttpResponse:
    classification_id = answer.classification.pk
    if _wants_json(request):
        addresses = {
            "url": next_page or reverse("result", args=[classification_id]),
            "delete_url": reverse("result-delete", args=[classification_id]),
        }
        return JsonResponse({"id": classification_id} | addresses, status=HTTPStatus.CREATED)
    if next_page:
        return redirect(next_page)
    return render(request, "classification/result.html", {"result": ResultPage.of(answer)})


def _invalid(request: HttpRequest, form: PhotoForm) -> HttpResponse:
    if not _wants_json(request):
        return _start_page(request, form, status=HTTPStatus.BAD_REQUEST)
    problem = Problem(HTTPStatus.BAD_REQUEST, "invalid", str(SENTENCES["invalid"]))
    return _problem_json(problem, {"errors": form.errors})


def _refused(request: HttpRequest, form: PhotoForm, problem: Problem) -> HttpResponse:
    drawing = f"drawings/{problem.code}.svg" if problem.code in DRAWN_CODES else ""
    if _wants_json(request):
        response: HttpResponse = _problem_json(problem, {"drawing": static(drawing)} if drawing else {})
    else:
        response = _start_page(request, form, problem=problem, drawing=drawing, status=problem.status)
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    return response


def _problem_json(problem: Problem, extension: dict[str, object]) -> JsonResponse:
    return JsonResponse(problem.body() | extension, status=problem.status, content_type=PROBLEM_MEDIA_TYPE)


def _start_page(
    request: HttpRequest,
    form: PhotoForm,
    *,
    problem: Problem | None = None,
    drawing: str = "",
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    context = {"form": form, "problem": problem, "drawing": drawing, "max_photo_bytes": settings.MAX_PHOTO_BYTES}
    return render(request, "classification/start.html", context, status=status)
