"""Raters who answer at the same moment, and one rater in several windows."""

from __future__ import annotations

import pytest
from django.db import connection

from catalog.errors import AnsweredOtherwise
from catalog.models import Rater, Rating
from catalog.services.rating import VisitKey, rating_give
from tests.catalog.raters import add_images, make_open_survey, make_rater
from tests.catalog.test_galleries_concurrently import run_at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time"),
]


def test_answers_of_many_raters_are_all_counted() -> None:
    survey = make_open_survey()
    image = add_images(survey, 1)[0]
    raters = [make_rater(survey) for _ in range(12)]

    def give(rater: Rater) -> None:
        rating_give(rater=rater, key=VisitKey(image.pk, 0), part="whole_face", value=3)

    run_at_once(*(lambda rater=rater: give(rater) for rater in raters))

    image.refresh_from_db()
    assert (Rating.objects.count(), image.rating_count) == (12, 12)


def test_same_answer_at_the_same_moment_is_one_answer() -> None:
    survey = make_open_survey()
    image = add_images(survey, 1)[0]
    rater = make_rater(survey)

    run_at_once(
        *(lambda: rating_give(rater=rater, key=VisitKey(image.pk, 0), part="whole_face", value=3) for _ in range(12))
    )

    image.refresh_from_db()
    assert (Rating.objects.count(), image.rating_count) == (1, 1)


def test_of_two_windows_changing_one_answer_one_is_told() -> None:
    survey = make_open_survey()
    image = add_images(survey, 1)[0]
    rater = make_rater(survey)
    key = VisitKey(image.pk, 0)
    rating_give(rater=rater, key=key, part="whole_face", value=3)
    told: list[float] = []

    def change(value: float) -> None:
        try:
            rating_give(rater=rater, key=key, part="whole_face", value=value, replaces=[3])
        except AnsweredOtherwise:
            told.append(value)

    run_at_once(lambda: change(5), lambda: change(7))

    (left,) = told
    assert Rating.objects.get().value == 12 - left
