"""What the server says at its door: the application's own words, written once for each kind of request."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from gunicorn.config import Config

from alphaproject.refusals import Refusals
from alphaproject.wsgi import application
from tests.alphaproject.http_server import head

pytestmark = pytest.mark.django_db


class Counted:
    """The application, and how often it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, *arguments: Any) -> Iterable[bytes]:
        self.count += 1
        return application(*arguments)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def refusals(counted: Counted) -> Refusals:
    return Refusals(Config(), counted)


def _of(answer: bytes | None) -> tuple[list[str], bytes]:
    assert answer is not None
    lines, _, body = answer.partition(b"\r\n\r\n")
    return lines.decode().split("\r\n"), body


def test_it_is_a_whole_answer_without_what_is_each_requests_own(refusals: Refusals) -> None:
    (status, *fields), body = _of(
        refusals.answer_to(head("POST", "/api/v1/classifications/", X_Forwarded_Proto="https"))
    )

    assert status == "HTTP/1.1 503 Service Unavailable"
    assert [field for field in fields if field.startswith("Content-Length")] == [f"Content-Length: {len(body)}"]
    assert json.loads(body)["code"] == "busy"
    assert not any(field.startswith("X-Request-ID") for field in fields)
    assert not any(field.startswith("Set-Cookie") for field in fields)


def test_it_is_written_once_for_each_language_and_not_for_each_client(refusals: Refusals, counted: Counted) -> None:
    for number in range(50):
        for language in ("en", "ko"):
            of_one = {"User-Agent": f"app/{number}", "Content-Length": str(number), "Cookie": f"sessionid={number}"}
            refusals.answer_to(head("POST", "/", **of_one, Accept_Language=language))

    assert counted.count == 2


@pytest.mark.parametrize(
    "request_head",
    [head("POST", "/").replace(b"localhost", b"elsewhere"), b"P(ST / HTTP/1.1\r\n\r\n", head("HEAD", "/")],
    ids=["another host", "no request", "no body in the answer"],
)
def test_what_is_otherwise_is_left_to_the_application(refusals: Refusals, request_head: bytes) -> None:
    assert refusals.answer_to(request_head) is None
