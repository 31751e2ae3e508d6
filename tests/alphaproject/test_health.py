"""What load balancers are told."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
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


@pytest.mark.usefixtures("db", "engine")
def test_not_ready_while_the_database_is_away(client: HttpClient) -> None:
    inference_client.warm_up()

    def be_away(*_: object) -> None:
        raise OperationalError

    with connection.execute_wrapper(be_away):
        response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json()["checks"] == {"models": True, "database": False}
