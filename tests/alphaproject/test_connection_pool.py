"""The connections to PostgreSQL that requests share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any, cast

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client as HttpClient

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server to connect to"),
]


def backend_pid() -> int:
    """Of the server's process that this thread's connection leads to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def end_backend(pid: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    finally:
        connection.close()


def answered_by() -> set[int]:
    """Processes that answered as many requests, one after the other, as lead to every connection of the pool."""
    pids = set()
    for _ in range(2 * settings.DATABASE_POOL):
        pids.add(backend_pid())
        connection.close()
    return pids


def test_requests_share_connections() -> None:
    assert len(answered_by()) <= settings.DATABASE_POOL


def test_a_connection_that_the_server_ended_is_replaced() -> None:
    doomed = backend_pid()
    with ThreadPoolExecutor(1) as thread:
        # Another connection: this one is taken.
        assert thread.submit(backend_pid).result() != doomed
        connection.close()
        thread.submit(end_backend, doomed).result()

    assert doomed not in answered_by()


def test_who_finds_no_connection_in_time_is_told_to_come_back(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.close()
    with ThreadPoolExecutor(settings.DATABASE_POOL) as threads:
        taken = Barrier(settings.DATABASE_POOL + 1, timeout=60)
        answered = Event()

        def hold() -> None:
            backend_pid()
            taken.wait()
            answered.wait()
            connection.close()

        holding = [threads.submit(hold) for _ in range(settings.DATABASE_POOL)]
        taken.wait()
        monkeypatch.setattr(cast("Any", connection).pool, "timeout", 0.1)
        try:
            response = client.get("/api/v1/types/")
        finally:
            answered.set()
        for each in holding:
            each.result()

    assert response.status_code == 503
    assert response.json()["code"] == "busy"
    assert client.get("/api/v1/types/").status_code == 200
