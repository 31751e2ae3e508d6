"""What load balancers are told."""

from __future__ import annotations

import pytest
from django.test import Client as HttpClient

from inference import client as inference_client
from tests.fakes import FakeBackend


def test_live_needs_neither_models_nor_database(client: HttpClient) -> None:
    # Without the db fixture any query would fail this test.
    assert client.get("/health/live").status_code == 200


@pytest.mark.usefixtures("db")
def test_ready_once_the_models_are_warm(client: HttpClient, engine: FakeBackend) -> None:
    cold = client.get("/health/ready")
    assert cold.status_code == 503
    assert cold.json()["checks"] == {"models": False, "database": True}

    inference_client.warm_up()

    assert client.get("/health/ready").status_code == 200
