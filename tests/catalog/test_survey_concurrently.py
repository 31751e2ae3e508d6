"""Curators who import one file, or publish one result, at the same time."""

from __future__ import annotations

import pytest
from django.db import connection

from catalog.errors import ResultPublished
from catalog.models import PartLabel, Rater, Rating, SurveyImage
from catalog.services.survey_import import ImportReport, ratings_import
from catalog.services.survey_results import result_create, result_publish
from tests.catalog.factories import make_face_types, make_images
from tests.catalog.test_galleries_concurrently import run_at_once
from tests.catalog.test_survey_import import LONG, table
from tests.catalog.test_survey_results import add_ratings, make_survey

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time"),
]


def test_one_file_imported_at_once_is_imported_once() -> None:
    survey = make_survey()
    rows = [(f"rater {number % 10}", f"face {number // 10}", 3) for number in range(200)]
    content = table(("rater", "image", "value"), *rows)
    reports: list[ImportReport] = []

    run_at_once(
        *[lambda: reports.append(ratings_import(survey=survey, content=content, options=LONG)) for _ in range(4)]
    )

    assert sorted(report.new for report in reports) == [0, 0, 0, 200]
    assert (Rating.objects.count(), Rater.objects.count(), SurveyImage.objects.count()) == (200, 10, 20)
    assert set(SurveyImage.objects.values_list("rating_count", flat=True)) == {10}


def test_one_result_published_at_once_is_published_once() -> None:
    make_face_types()
    survey = make_survey()
    add_ratings(survey, [[value, value] for value in (6, 5, 4, 3, 2)], images=make_images(None, 5, published=False))
    result = result_create(survey=survey)
    refused: list[ResultPublished] = []

    def publish() -> None:
        try:
            result_publish(result=type(result).objects.get(pk=result.pk))
        except ResultPublished as error:
            refused.append(error)

    run_at_once(publish, publish, publish)

    assert len(refused) == 2
    assert PartLabel.objects.filter(type_source="survey").count() == 5
    # What was before, not what the first publication made.
    assert all(row.previous["part"] is None for row in result.rows.all())
