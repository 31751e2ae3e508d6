"""Middleware for every request."""

from __future__ import annotations

import socket
import sqlite3
import time
import uuid
from collections.abc import Callable
from functools import partial

import structlog
from django.conf import settings
from django.db import DataError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.functional import SimpleLazyObject

from alphaproject.errors import bad_request, unavailable, upload_failed
from alphaproject.metrics import request_observe
from catalog.services.audit import acting
from inference.client import awaited_while

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
TOOL_PREFIXES = ("/admin/", "/api/v1/docs/reference/")


_UNSTORABLE = (
    (DataError, "NUL"),
    (OverflowError, "too large to convert to SQLite"),
    (RecursionError, "while decoding a JSON"),
)


class RequestLogMiddleware:
    """Give each request an id, answer with it, count it, and log one line: method, route, status, time."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = uuid.uuid4().hex
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            # The route, not the path: paths carry ids.
            route = request.resolver_match.route if request.resolver_match else None
            seconds = time.perf_counter() - started
            request_observe(route=route, method=request.method, status=response.status_code, seconds=seconds)
            logger.info(
                "request",
                method=request.method,
                route=route,
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
            )
        response["X-Request-ID"] = request_id
        return response


class AwaitedMiddleware:
    """Let the models know whether a client still waits for its answer."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        connection = request.META.get("gunicorn.socket")
        if connection is None:
            return self.get_response(request)
        with awaited_while(partial(_is_open, connection)):
            return self.get_response(request)


def _is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


class UploadMiddleware:
    """Have a request's body in memory before anything reads a part of it, or say why it did not come.

    What is too large for that is left for its view to stream or to refuse.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and 0 < int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            try:
                _ = request.body
            except UnreadablePostError as error:
                return upload_failed(request, error)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """For views that stream."""
        return upload_failed(request, exception) if isinstance(exception, UnreadablePostError) else None


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


class DatabaseMiddleware:
    """Answer 503 where the database does not, or has no connection or lock to give in time."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, OperationalError) or not _may_pass(exception):
            return None
        logger.warning("unavailable", code="busy", exc_info=exception)
        return unavailable(request)


def _may_pass(error: OperationalError) -> bool:
    """Whether it may be otherwise in a moment. SQLite says in the same way that a table is missing or a disk full."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    # Its lowest byte is the kind.
    return code is None or code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


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
