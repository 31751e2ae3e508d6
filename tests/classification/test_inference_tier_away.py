"""What a client sees while the inference tier is down: photos are refused politely, everything else works."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client

from classification.models import Classification
from inference import client as inference_client
from inference.apps import build_backend
from inference.client import BackendOptions
from inference.serving.remote import RemoteBackend
from tests.classification.conftest import PostPhoto


@pytest.fixture
def _tier_is_down(post_photo: PostPhoto) -> Iterator[None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    inference_client.configure(lambda: RemoteBackend(BackendOptions(urls=(url,), secret="s" * 32)))
    yield
    inference_client.configure(build_backend)


@pytest.mark.usefixtures("_tier_is_down")
class TestWhileTheTierIsDown:
    @pytest.mark.parametrize(("language", "sentence"), [("en", "The server is busy."), ("ko", "지금 이용자가 많아요.")])
    def test_a_photo_is_refused_as_busy(self, post_photo: PostPhoto, language: str, sentence: str):
        began = time.monotonic()
        answer = post_photo(headers={"Accept-Language": language})

        assert time.monotonic() - began < settings.INFERENCE_TIMEOUT / 2
        assert answer.status_code == 503
        assert answer.json()["code"] == "busy"
        assert sentence in answer.json()["detail"]
        assert answer["Retry-After"] == "5"
        assert not Classification.objects.exists()

    def test_the_mobile_app_is_answered_too(self, post_mobile: PostPhoto):
        answer = post_mobile()

        assert answer.status_code == 503
        assert json.loads(answer.content)["human"] != "True"

    def test_everything_else_works(self, client: Client):
        inference_client.warm_up()

        for path in ("/", "/api/v1/types/", "/api/v1/limits/", "/health/live", "/health/ready"):
            assert client.get(path).status_code == 200, path
