"""From an error to its answer: problem details (RFC 9457) with a stable code.

The API's views raise; this is the one place that turns what they raised into a response.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, get_args

import structlog
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.shortcuts import render
from django.utils.translation import get_language
from django.views import defaults
from rest_framework import exceptions
from rest_framework.views import exception_handler

from alphaproject.uploads import UploadMemoryFull
from classification.api import legacy
from classification.problems import PROBLEM_MEDIA_TYPE, SENTENCES, DomainError, Problem, problem_of
from inference.contracts import Busy

API_PREFIX = "/api/"

logger = structlog.get_logger(__name__)


def problem_response(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's exception handler; None lets an unexpected error become a 500."""
    if isinstance(error, get_args(DomainError)):
        problem = problem_of(error)
        # That the line is full is said by the request's own line, hundreds of times a second.
        is_full = isinstance(error, Busy) and error.__cause__ is None
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not is_full:
            logger.warning("unavailable", code=problem.code, exc_info=error)
        headers = {"Retry-After": str(problem.retry_after)} if problem.retry_after else {}
        return _respond(problem.body(), headers)
    response = exception_handler(error, context)
    if response is None:
        return None
    code = _framework_code(error)
    body = Problem(response.status_code, code, str(SENTENCES[code])).body()
    if isinstance(error, exceptions.ValidationError):
        body["errors"] = response.data
    kept = ("Retry-After", "WWW-Authenticate")
    return _respond(body, {name: response[name] for name in kept if name in response})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The 404 for addresses that no view knows."""
    if request.path.startswith(API_PREFIX):
        return _plain_problem(request, "not_found", HTTPStatus.NOT_FOUND)
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The 400 for requests that Django itself finds suspicious."""
    if request.path.startswith(API_PREFIX):
        return _plain_problem(request, "invalid", HTTPStatus.BAD_REQUEST)
    if isinstance(exception, RequestDataTooBig):
        return render(request, "413.html", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return defaults.bad_request(request, exception)


def upload_failed(request: HttpRequest, error: UnreadablePostError) -> HttpResponse:
    """The answer to a request whose body came too slowly, or found no memory."""
    if _is_caused_by(error, UploadMemoryFull):
        return unavailable(request)
    return _problem_or_page(request, "upload_timeout", HTTPStatus.REQUEST_TIMEOUT, "upload_timeout.html")


def unavailable(request: HttpRequest) -> HttpResponse:
    """The 503 for want of what is to be had again in a moment, such as memory or the database."""
    response = _problem_or_page(request, "busy", HTTPStatus.SERVICE_UNAVAILABLE, "busy.html")
    response["Retry-After"] = "1"
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """The 500; what went wrong is in the log only."""
    if request.path.startswith(API_PREFIX):
        return _plain_problem(request, "error", HTTPStatus.INTERNAL_SERVER_ERROR)
    return defaults.server_error(request)


def _is_caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    # Django wraps what reading raised, once or twice.
    while error is not None and not isinstance(error, kind):
        error = error.__cause__
    return error is not None


def _framework_code(error: Exception) -> str:
    if isinstance(error, exceptions.ValidationError | exceptions.ParseError):
        return "invalid"
    if isinstance(error, Http404):
        return "not_found"
    if isinstance(error, exceptions.AuthenticationFailed):
        return "not_authenticated"
    code = getattr(error, "default_code", "permission_denied")
    return code if code in SENTENCES else "error"


def _problem_or_page(request: HttpRequest, code: str, status: HTTPStatus, template: str) -> HttpResponse:
    if request.path.startswith(API_PREFIX) or "application/json" in request.headers.get("Accept", ""):
        return _plain_problem(request, code, status)
    return render(request, template, {"sentence": SENTENCES[code]}, status=status)


def _respond(body: dict[str, Any], headers: dict[str, str]) -> JsonResponse:
    """Always JSON: a problem is not for content negotiation."""
    headers = {"Content-Language": get_language() or "en"} | headers
    return JsonResponse(body, status=body["status"], content_type=PROBLEM_MEDIA_TYPE, headers=headers)


def _plain_problem(request: HttpRequest, code: str, status: HTTPStatus) -> JsonResponse:
    """The problem that an address under /api/ gets where no view of it answered."""
    body = Problem(status, code, str(SENTENCES[code])).body()
    if request.path.startswith(legacy.PATH_PREFIX):
        return JsonResponse(legacy.without_result(body), status=status)
    return _respond(body, {})
