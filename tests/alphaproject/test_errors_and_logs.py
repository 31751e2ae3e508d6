"""An error nobody expected: the client learns a code, the log learns where, nobody learns a value."""

from __future__ import annotations

import json
import logging

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as HttpClient

from inference import client as inference_client
from inference.contracts import FaceAnalysis
from tests.images import jpeg

SECRET = "a secret value"


class BrokenBackend:
    def analyze(self, photo: bytes, *, keep_photo: bool = False) -> FaceAnalysis:
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
    formatter = logging.getLogger("django.server").handlers[0].formatter
    log = "\n".join(formatter.format(record) for record in caplog.records)
    assert SECRET not in response.content.decode() + log
    (line,) = [entry for entry in map(json.loads, log.splitlines()) if "error" in entry]
    assert line["error"]["type"] == "RuntimeError"
    assert line["error"]["at"][-1].startswith("tests.alphaproject.test_errors_and_logs:analyze:")
