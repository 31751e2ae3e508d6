"""What requests are told that find the server full, without a thread that would tell them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from socket import socket
from typing import Any, NoReturn, cast

from django.conf import settings
from gunicorn.config import Config
from gunicorn.http import RequestParser, wsgi
from gunicorn.http.errors import ParseException

from alphaproject.uploads import UploadMemoryFull

# What the answer depends on, besides the request's line: who serves it, its shape and its language.
_DECIDING = (b"host", b"accept", b"accept-language", b"x-forwarded-proto")
# Of each request's own.
_VARYING = ("X-Request-ID", "Content-Length")
_NOBODY = ("127.0.0.1", 0)


class Refusals:
    """The application's own answers to uploads there is no room for.

    It writes each once: what hundreds a second are told must cost next to nothing, or those who are served would pay.
    """

    def __init__(self, cfg: Config, application: Callable[..., Iterable[bytes]]) -> None:
        self._cfg = cfg
        self._application = application
        self._write_once = lru_cache(maxsize=256)(self._write)

    def answer_to(self, head: bytes) -> bytes | None:
        """The whole answer to a request with this head; None where it would be no refusal for want of room."""
        line, *fields = head.rstrip(b"\r\n").split(b"\r\n")
        return self._write_once(b"\r\n".join([line, *_deciding(fields), b"Content-Length: 1", b"", b""]))

    def _write(self, head: bytes) -> bytes | None:
        try:
            request = next(RequestParser(self._cfg, [head], _NOBODY))
        except ParseException:
            return None
        if request.method == "HEAD":
            # It has an answer without a body.
            return None
        # Nothing is sent: the socket is for early hints, of which there are none.
        _, environ = wsgi.create(request, cast("socket", None), _NOBODY, _NOBODY, self._cfg)
        environ["wsgi.input"] = _Full()
        written: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
            kept = (f"{name}: {value}" for name, value in headers if name not in _VARYING)
            written.extend([f"HTTP/1.1 {status}", *kept])

        answer = self._application(environ, start_response)
        try:
            body = b"".join(answer)
        finally:
            if close := getattr(answer, "close", None):
                close()
        if not written[0].startswith(f"HTTP/1.1 {HTTPStatus.SERVICE_UNAVAILABLE}"):
            return None
        return "\r\n".join([*written, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


class _Full(io.RawIOBase):
    """A body for which there is no memory."""

    def readinto(self, _: object) -> NoReturn:
        raise UploadMemoryFull


def _deciding(fields: Iterable[bytes]) -> Iterable[bytes]:
    for field in fields:
        name, _, value = field.partition(b":")
        if name.lower() in _DECIDING:
            yield field
        elif name.lower() == b"cookie":
            # Of a browser's cookies only the language: a session would be looked up in the database.
            language = f"{settings.LANGUAGE_COOKIE_NAME}=".encode()
            yield from (
                b"Cookie: " + cookie for cookie in map(bytes.strip, value.split(b";")) if cookie.startswith(language)
            )
