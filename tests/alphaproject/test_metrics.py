"""What is measured, and who may read it."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as HttpClient
from pytest_django import Settings

from inference import client as inference_client
from tests.fakes import FakeBackend
from tests.images import jpeg

TOKEN = "only-for-tests-only-for-tests"


@pytest.fixture
def token(settings: Settings) -> dict[str, str]:
    settings.METRICS_TOKEN = TOKEN
    return {"Authorization": f"Bearer {TOKEN}"}


def test_there_is_nothing_without_a_token_set(client: HttpClient) -> None:
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer é"])
def test_others_are_refused(client: HttpClient, token: dict[str, str], header: str) -> None:
    refusal = client.get("/metrics", headers={"Authorization": header})

    assert refusal.status_code == 401
    assert b"inference" not in refusal.content
    assert client.get("/metrics", headers=token).status_code == 200


@pytest.mark.usefixtures("engine")
def test_models_in_use_are_told(client: HttpClient, token: dict[str, str]) -> None:
    inference_client.warm_up()

    assert 'inference_models_info{gate="gate-0",parts="parts-0",types="types-0"} 1.0' in text(client, token)


def test_paths_and_methods_of_clients_are_no_labels(client: HttpClient, token: dict[str, str]) -> None:
    client.get("/secret-path-of-a-client")
    client.generic("BREW", "/health/live")

    measured = text(client, token)

    assert "secret-path" not in measured
    assert "BREW" not in measured
    assert 'method="other",route="health/live",status="405"' in measured


@pytest.mark.usefixtures("catalogue")
def test_photos_are_counted_by_outcome(client: HttpClient, token: dict[str, str], engine: FakeBackend) -> None:
    def count(outcome: str) -> float:
        name = f'inference_photos_total{{outcome="{outcome}"}} '
        return float(next((line.split()[-1] for line in text(client, token).splitlines() if line.startswith(name)), 0))

    before = {outcome: count(outcome) for outcome in ("analysed", "invalid_image")}
    for content in (jpeg(), jpeg(), jpeg()[:100]):
        photo = SimpleUploadedFile("p.jpg", content)
        client.post("/api/v1/classifications/", {"photo": photo, "birth_date": "1996-05-04"})

    assert count("analysed") == before["analysed"] + 2
    assert count("invalid_image") == before["invalid_image"] + 1


def text(client: HttpClient, token: dict[str, str]) -> str:
    return client.get("/metrics", headers=token).content.decode()
