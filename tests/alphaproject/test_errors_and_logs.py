"""An error nobody expected: the client learns a code, the log learns where, nobody learns a value."""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
from collections.abc import Callable
from typing import NoReturn

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client as HttpClient

from inference import client as inference_client
from inference.contracts import Busy, FaceAnalysis
from tests.fakes import FakeBackend
from tests.images import jpeg

SECRET = "a secret value"


def formatted(record: logging.LogRecord) -> str:
    """The line as it would be written."""
    return logging.getLogger("django.server").handlers[0].format(record)


class BrokenBackend:
    def analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
        raise RuntimeError(SECRET)


@pytest.mark.usefixtures("catalogue", "engine")
def test_unexpected_error_is_a_problem_and_a_log_line_without_values(
    client: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    inference_client.configure(BrokenBackend)  # type: ignore[arg-type]
    client.raise_request_exception = False

    response = client.post(
        "/api/v1/classifications/", {"photo": SimpleUploadedFile("p.jpg", jpeg()), "birth_date": "1996-05-04"}
    )

    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "error"
    log = "\n".join(formatted(record) for record in caplog.records)
    assert SECRET not in response.content.decode() + log
    (line,) = [entry for entry in map(json.loads, log.splitlines()) if "error" in entry]
    assert line["error"]["type"] == "RuntimeError"
    assert line["error"]["at"][-1].startswith("tests.alphaproject.test_errors_and_logs:analyze:")


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize("path", ["/api/v1/classifications/", "/", "/api/RegisterResult"])
def test_photo_for_which_there_is_no_room_is_one_line(
    client: HttpClient, engine: FakeBackend, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(logging.INFO, "alphaproject.requests")
    engine.fails_with = Busy()

    assert post_photo(client, path).status_code == 503

    (line,) = [json.loads(formatted(record)) for record in caplog.records]
    assert (line["event"], line["status"]) == ("request", 503)


@pytest.mark.usefixtures("catalogue", "engine")
@pytest.mark.parametrize("path", ["/api/v1/classifications/", "/", "/api/RegisterResult", "/types/"])
def test_database_that_does_not_answer_is_a_problem_for_a_moment(
    client: HttpClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OperationalError(SECRET)

    with connection.execute_wrapper(fail):
        response = client.get(path) if path == "/types/" else post_photo(client, path)

    assert response.status_code == 503
    assert response["Retry-After"] == "1"
    assert "busy" in response.content.decode()
    log = "\n".join(formatted(record) for record in caplog.records)
    assert SECRET not in response.content.decode() + log
    reasons = [entry for entry in map(json.loads, log.splitlines()) if entry["event"] == "unavailable"]
    assert [reason["error"]["type"] for reason in reasons] == ["OperationalError"]


@pytest.mark.usefixtures("catalogue")
def test_locked_database_is_a_problem_for_a_moment(client: HttpClient) -> None:
    locked = sqlite3.OperationalError("database is locked")
    locked.sqlite_errorcode = sqlite3.SQLITE_BUSY_SNAPSHOT

    def fail(*_: object) -> NoReturn:
        raise OperationalError from locked

    with connection.execute_wrapper(fail):
        assert client.get("/types/").status_code == 503


@pytest.mark.usefixtures("catalogue")
def test_table_that_is_missing_is_a_fault_of_ours(client: HttpClient) -> None:
    client.raise_request_exception = False

    def miss(execute: Callable[..., object], _sql: str, _params: object, _many: bool, context: object) -> object:
        return execute("SELECT * FROM no_such_table", (), False, context)

    with connection.execute_wrapper(miss):
        assert client.get("/types/").status_code == 500


@pytest.mark.usefixtures("catalogue")
def test_why_a_photo_finds_no_memory_is_one_line_more(
    client: HttpClient, engine: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "alphaproject.requests")
    engine.fails_with = Busy()
    engine.fails_with.__cause__ = MemoryError()

    post_photo(client, "/api/v1/classifications/")

    reason, line = [json.loads(formatted(record)) for record in caplog.records]
    assert (reason["event"], reason["error"]["cause"]) == ("unavailable", "MemoryError")
    assert line["event"] == "request"


def post_photo(client: HttpClient, path: str) -> HttpResponse:
    if path == "/api/RegisterResult":
        user = {"user_img": base64.b64encode(jpeg()).decode(), "age": "1996-05-04", "mbti": "ESTJ"}
        return client.post(path, {"first_user": user, "result": {}}, content_type="application/json")
    return client.post(path, {"photo": SimpleUploadedFile("p.jpg", jpeg()), "birth_date": "1996-05-04"})


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize(
    "path", ["/api/v1/types/a-client-wrote-this/", "/media/a-client-wrote-this", "/?q=a-client-wrote-this"]
)
def test_log_line_names_the_route_and_nothing_a_client_wrote(
    client: HttpClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(logging.INFO, "alphaproject.requests")

    client.get(path.format("a-client-wrote-this"))

    (line,) = [json.loads(formatted(record)) for record in caplog.records]
    assert line["event"] == "request"
    assert line["method"] == "GET"
    assert "a-client-wrote-this" not in json.dumps(line)


def test_host_that_is_not_ours_is_refused_and_not_logged(client: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    response = client.get("/api/v1/limits/", headers={"Host": "evil.example"})

    assert response.status_code == 400
    assert response.json()["code"] == "invalid"
    assert "evil.example" not in "".join(formatted(record) for record in caplog.records)
