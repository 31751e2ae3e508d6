"""The daily counts: each answer once, no person in them, and never in an answer's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from classification.models import Classification, DailyCount
from inference.contracts import Busy, RefusalReason
from tests.classification.conftest import PostPhoto
from tests.fakes import FakeBackend
from tests.images import jpeg


def counts() -> dict[tuple[str, str], int]:
    return {(row.client, row.outcome): row.count for row in DailyCount.objects.filter(day=timezone.localdate())}


def test_answers_and_refusals_are_counted_by_client_and_outcome(
    post_photo: PostPhoto, post_mobile: PostPhoto, engine: FakeBackend
) -> None:
    post_photo()
    post_photo()
    post_mobile()
    engine.refuses_with = RefusalReason.TOO_DARK
    post_photo()
    engine.refuses_with = None
    post_photo(b"text")
    post_photo(birth_date=timezone.localdate().isoformat())

    assert counts() == {
        ("api", "beta"): 2,
        ("mobile", "beta"): 1,
        ("api", "too_dark"): 1,
        ("api", "unsupported_image"): 1,
        ("api", "under_age"): 1,
    }


def test_a_request_repeated_under_its_key_counts_once(post_photo: PostPhoto) -> None:
    for _ in range(3):
        post_photo(headers={"Idempotency-Key": "the same"})

    assert counts() == {("api", "beta"): 1}


def test_a_busy_server_counts_nothing(post_photo: PostPhoto, engine: FakeBackend) -> None:
    engine.fails_with = Busy(retry_after=3)

    assert post_photo().status_code == 503

    assert counts() == {}


def test_counts_outlive_the_records(post_photo: PostPhoto) -> None:
    created = post_photo().json()

    Classification.objects.get(pk=created["id"]).delete()

    assert counts() == {("api", "beta"): 1}


# Outside a transaction, as requests are answered.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("reason", [None, RefusalReason.NO_FACE])
def test_a_count_that_cannot_be_written_costs_nobody_an_answer(
    post_photo: PostPhoto, engine: FakeBackend, reason: RefusalReason | None
) -> None:
    engine.refuses_with = reason
    expected = post_photo(jpeg()).status_code

    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "classification_dailycount" in sql:
            raise OperationalError
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        assert post_photo(jpeg()).status_code == expected

    assert sum(counts().values()) == 1
