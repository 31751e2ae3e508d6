"""Middleware for every request."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from alphaproject.errors import bad_request
from catalog.services.audit import acting

GetResponse = Callable[[HttpRequest], HttpResponse]

logger = structlog.get_logger("alphaproject.requests")

# Everything comes from this server; pages preview a photo from memory (blob:). Pictures may also
# come from the bucket that serves the catalogue.
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob: https:; style-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
# Unfold and Swagger UI style their elements inline, and Unfold's Alpine.js evaluates expressions.
TOOL_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
    "script-src 'self'", "script-src 'self' 'unsafe-inline' 'unsafe-eval'"
)
TOOL_PREFIXES = ("/admin/", "/api/v1/docs/")


_UNSTORABLE = (
    (ValueError, "NUL"),
    (OverflowError, "too large to convert to SQLite"),
    (RecursionError, "while decoding a JSON"),
)


class RequestLogMiddleware:
    """Give each request an id, answer with it, and log one line: method, route, status, time."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = uuid.uuid4().hex
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            # The route, not the path: paths carry ids.
            match = request.resolver_match
            logger.info(
                "request",
                method=request.method,
                route=match.route if match else None,
                status=response.status_code,
                milliseconds=round((time.perf_counter() - started) * 1000, 1),
            )
        response["X-Request-ID"] = request_id
        return response


class UnstorableInputMiddleware:
    """Answer 400 where what a client sent can be neither read nor asked of the database.

    That is a NUL byte, which PostgreSQL's text cannot hold; a number beyond SQLite's integers; and JSON with brackets
    in brackets without end. Each is told by its message, so that an error of ours stays a 500.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        message = str(exception)
        if any(isinstance(exception, kind) and part in message for kind, part in _UNSTORABLE):
            return bad_request(request, exception)
        return None


class AuditActorMiddleware:
    """Tell the audit log who is signed in.

    The user is looked up only where an entry is written: other requests touch no session, and a token that an API
    view accepts later counts as well. Auditlog's own middleware would believe any X-Forwarded-For and keep it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with acting(SimpleLazyObject(lambda: request.user)):
            return self.get_response(request)


class ContentSecurityPolicyMiddleware:
    """Tell browsers to run and load nothing but what we serve."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = TOOL_POLICY if request.path.startswith(TOOL_PREFIXES) else PAGE_POLICY
        response.setdefault("Content-Security-Policy", policy)
        return response
