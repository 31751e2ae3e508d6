"""Results of surveys: made, frozen, compared, published and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.errors import (
    InvalidCut,
    LabelsChanged,
    MethodNeedsCategories,
    NoRatings,
    NothingToCompare,
    NothingToPublish,
    ResultNotPublished,
    ResultPublished,
)
from catalog.models import (
    CelebrityImage,
    FaceType,
    ImageLabel,
    PartLabel,
    Rater,
    Rating,
    Survey,
    SurveyImage,
    SurveyResult,
)
from catalog.models.labels import LabelSource, LabelState
from catalog.models.survey import Method, Scale
from catalog.ratings import ratings_read
from catalog.services.aggregation import ExclusionRule
from catalog.services.labels import part_labels_set_types
from catalog.services.survey_results import (
    Cut,
    CutKind,
    result_compare,
    result_create,
    result_publish,
    result_undo,
)
from tests.catalog.factories import make_face_types, make_image, make_images

pytestmark = pytest.mark.django_db

WHOLE, UPPER, LOWER = "whole_face", "upper_face", "lower_face"


def make_survey(**fields: Any) -> Survey:
    texts = {"title_ko": "설문", "title_en": "Survey", "question_ko": "얼마나?", "question_en": "How?"}
    return Survey.objects.create(**(texts | {"scale": Scale.ONE_TO_SEVEN, "parts": [WHOLE]} | fields))


def add_ratings(
    survey: Survey,
    table: Sequence[Sequence[float | None]],
    *,
    part: str = WHOLE,
    images: Sequence[CelebrityImage] = (),
    **rater_fields: Any,
) -> list[SurveyImage]:
    """A row an image, a column a rater; both are found again where they are there already."""
    survey_images = [
        SurveyImage.objects.get_or_create(
            survey=survey, key=f"image {number:03}", defaults={"image": images[number] if images else None}
        )[0]
        for number in range(len(table))
    ]
    raters = [
        Rater.objects.get_or_create(survey=survey, key=f"rater {number:03}", defaults=rater_fields)[0]
        for number in range(max(map(len, table)))
    ]
    Rating.objects.bulk_create(
        Rating(survey_image=image, rater=rater, part=part, value=value, created_at=timezone.now())
        for image, row in zip(survey_images, table, strict=True)
        for rater, value in zip(raters, row, strict=False)
        if value is not None
    )
    return survey_images


def types_of(result: SurveyResult, part: str = WHOLE) -> dict[str, str]:
    rows = result.rows.filter(part=part).order_by("rank")
    return {row.survey_image.key: row.face_type.code for row in rows.select_related("survey_image", "face_type")}


@pytest.fixture
def face_types(db: None) -> list[FaceType]:
    return make_face_types()


@pytest.fixture
def crowd() -> list[list[float]]:
    """Twenty images, rated by fifteen raters who mostly agree; the first image is the best."""
    generator = np.random.default_rng(1)
    truth = np.linspace(6.5, 1.5, 20)
    return np.clip(np.round(truth[:, None] + generator.normal(0, 0.8, (20, 15))), 1, 7).tolist()


def test_the_sources_rule_cuts_the_ranking_of_means_by_shares(face_types: list[FaceType]) -> None:
    survey = make_survey()
    add_ratings(survey, [[value, value + 1] for value in (6, 5, 4, 3, 2)])

    result = result_create(survey=survey)

    assert list(types_of(result).values()) == ["alpha", "beta", "gamma", "delta", "omega"]
    best = result.rows.get(rank=1)
    assert (best.value, best.count) == (6.5, 2)
    # Two ratings' interval is wide, but never beyond the scale.
    assert (best.low, best.high) == (1, 7)
    result.refresh_from_db()
    assert result.parameters["cut"] == {"kind": "shares", "values": [0.218, 0.214, 0.225, 0.192, 0.152]}


def test_in_a_survey_of_types_one_is_best(face_types: list[FaceType]) -> None:
    survey = make_survey(scale=Scale.TYPES)
    add_ratings(survey, [[1, 1, 2], [2, 2, 3], [3, 3, 3], [4, 4, 5], [5, 5, 5]])

    by_shares = result_create(survey=survey)
    by_points = result_create(survey=survey, cut=Cut(CutKind.POINTS, (1.5, 2.5, 3.5, 4.5)))

    assert list(types_of(by_shares)) == [f"image {number:03}" for number in range(5)]
    assert types_of(by_shares) == types_of(by_points)
    assert types_of(by_points)["image 000"] == "alpha"


def test_the_surveys_own_shares_hold(face_types: list[FaceType], crowd: list[list[float]]) -> None:
    survey = make_survey(shares=[5, 5, 0, 0, 90])
    add_ratings(survey, crowd)

    assert list(types_of(result_create(survey=survey)).values()) == ["alpha", "beta", *["omega"] * 18]


@pytest.mark.parametrize("method", [Method.MAJORITY, Method.DAWID_SKENE])
def test_categories_are_the_types_themselves(face_types: list[FaceType], method: Method) -> None:
    survey = make_survey(scale=Scale.TYPES)
    add_ratings(survey, [[5, 5, 5, 1], [2, 2, 2, 3], [1, 1, 1, 2], [2, 2, 2, 2], [4, 4, 4, 4]])

    result = result_create(survey=survey, method=method, cut=Cut(CutKind.CATEGORY))

    assert types_of(result) == {
        "image 002": "alpha",
        "image 003": "beta",
        "image 001": "beta",
        "image 004": "delta",
        "image 000": "omega",
    }


def test_each_part_has_a_ranking_of_its_own(face_types: list[FaceType]) -> None:
    survey = make_survey(parts=[WHOLE, LOWER])
    table = [[6, 6], [5, 5], [4, 4], [3, 3], [2, 2]]
    add_ratings(survey, table, part=WHOLE)
    add_ratings(survey, table[::-1], part=LOWER)

    result = result_create(survey=survey)

    assert list(types_of(result, WHOLE)) == list(types_of(result, LOWER))[::-1]
    assert set(result.agreement) == {WHOLE, LOWER}
    assert result.rating_count == 20


def test_careless_raters_are_left_out_and_named(face_types: list[FaceType], crowd: list[list[float]]) -> None:
    survey = make_survey()
    add_ratings(survey, [[*row, 7.0] for row in crowd])

    careful = result_create(survey=survey)
    everyone = result_create(survey=survey, exclusion=ExclusionRule(max_same_share=None, min_reliability=None))

    straight_liner = Rater.objects.get(key="rater 015")
    assert careful.excluded == {"same_answer": [straight_liner.pk]}
    assert (careful.rater_count, careful.rating_count) == (15, 300)
    assert (everyone.excluded, everyone.rater_count) == ({}, 16)
    assert careful.data_hash == everyone.data_hash


def test_raters_learn_what_the_latest_result_thinks_of_them(
    face_types: list[FaceType], crowd: list[list[float]]
) -> None:
    survey = make_survey()
    add_ratings(survey, [[*row, 8 - row[0]] for row in crowd])

    result_create(survey=survey)

    contrary = Rater.objects.get(key="rater 015")
    assert contrary.exclusion_reason == "reliability"
    assert contrary.reliability is not None
    assert contrary.reliability < -0.5
    assert Rater.objects.get(key="rater 000").exclusion_reason == ""
    result_create(survey=survey, exclusion=ExclusionRule(min_reliability=None))
    contrary.refresh_from_db()
    assert contrary.exclusion_reason == ""


def test_raters_nobody_told_apart_are_not_judged(face_types: list[FaceType], crowd: list[list[float]]) -> None:
    survey = make_survey()
    add_ratings(survey, [[*row, 7.0] for row in crowd], is_identified=False)

    result = result_create(survey=survey)

    assert result.excluded == {}
    assert not Rater.objects.filter(reliability__isnull=False).exists()


def test_images_with_a_known_answer_test_raters_and_get_no_type(
    face_types: list[FaceType], crowd: list[list[float]]
) -> None:
    survey = make_survey()
    images = add_ratings(survey, crowd)
    SurveyImage.objects.filter(pk=images[0].pk).update(gold_value=7)
    inattentive = Rater.objects.get(key="rater 003")
    Rating.objects.filter(rater=inattentive, survey_image=images[0]).update(value=1)

    result = result_create(survey=survey)

    assert result.excluded == {"gold": [inattentive.pk]}
    assert "image 000" not in types_of(result)
    assert len(types_of(result)) == 19


def test_only_first_answers_count_and_repeats_measure_consistency(
    face_types: list[FaceType], crowd: list[list[float]]
) -> None:
    survey = make_survey()
    images = add_ratings(survey, crowd)
    before = result_create(survey=survey)
    fickle = Rater.objects.get(key="rater 003")
    for rating in Rating.objects.filter(rater=fickle, survey_image__in=images[:4]):
        Rating.objects.create(
            rater=fickle,
            survey_image=rating.survey_image,
            part=WHOLE,
            round=1,
            value=1 if rating.value > 4 else 7,
            created_at=timezone.now(),
        )

    everyone = result_create(survey=survey, exclusion=ExclusionRule(max_repeat_difference=None))

    assert types_of(everyone) == types_of(before)
    assert everyone.data_hash != before.data_hash
    assert result_create(survey=survey).excluded == {"repeats": [fickle.pk]}


def test_the_hash_is_of_the_ratings_alone(face_types: list[FaceType], crowd: list[list[float]]) -> None:
    first, second = make_survey(), make_survey()
    add_ratings(first, crowd)
    # The same ratings, written in another order, beside an image and a rater without any.
    SurveyImage.objects.create(survey=second, key="an image nobody rated")
    Rater.objects.create(survey=second, key="a rater who left")
    add_ratings(second, [*[[] for _ in crowd[:-1]], crowd[-1]])
    add_ratings(second, crowd[:-1])

    assert ratings_read(first).hash() == ratings_read(second).hash()
    Rating.objects.filter(pk=Rating.objects.filter(survey_image__survey=second)[0].pk).update(value=3.5)
    assert ratings_read(first).hash() != ratings_read(second).hash()


def test_a_result_stays_as_it_was_made(face_types: list[FaceType], crowd: list[list[float]]) -> None:
    survey = make_survey()
    add_ratings(survey, crowd)
    result = result_create(survey=survey)
    before = types_of(result)

    Rating.objects.all().update(value=4)
    result_create(survey=survey, exclusion=ExclusionRule(max_same_share=None))

    result.refresh_from_db()
    assert types_of(result) == before


def test_agreement_is_told_by_part(face_types: list[FaceType], crowd: list[list[float]]) -> None:
    survey = make_survey()
    add_ratings(survey, crowd)

    found = result_create(survey=survey).agreement[WHOLE]

    assert (found["images"], found["raters"], found["ratings"]) == (20, 15, 300)
    assert 0.6 < found["alpha_interval"] < found["split_half"] <= 1
    assert found["icc_1"] < found["icc_1_k"] < 1
    assert found["k"] == pytest.approx(15)


@pytest.mark.parametrize(
    ("fields", "arguments", "error"),
    [
        ({"scale": Scale.PERCENT}, {"method": Method.MAJORITY}, MethodNeedsCategories),
        ({}, {"cut": Cut(CutKind.CATEGORY), "method": Method.MAJORITY}, InvalidCut),
        ({"scale": Scale.TYPES}, {"cut": Cut(CutKind.CATEGORY)}, InvalidCut),
        ({}, {"cut": Cut(CutKind.SHARES, (1, 1, 1, 1))}, InvalidCut),
        ({}, {"cut": Cut(CutKind.SHARES, (0, 0, 0, 0, 0))}, InvalidCut),
        ({}, {"cut": Cut(CutKind.SHARES, (-1, 1, 1, 1, 1))}, InvalidCut),
        ({}, {"cut": Cut(CutKind.POINTS, (6, 5, 4))}, InvalidCut),
        ({}, {"cut": Cut(CutKind.POINTS, (2, 3, 4, 5))}, InvalidCut),
        ({"scale": Scale.TYPES}, {"cut": Cut(CutKind.POINTS, (5, 4, 3, 2))}, InvalidCut),
        ({"parts": [UPPER]}, {}, NoRatings),
    ],
)
def test_what_cannot_be_made_is_refused(
    face_types: list[FaceType], fields: dict[str, Any], arguments: dict[str, Any], error: type[Exception]
) -> None:
    survey = make_survey(**fields)
    add_ratings(survey, [[1, 2], [3, 4]])

    with pytest.raises(error):
        result_create(survey=survey, **arguments)
    assert not SurveyResult.objects.exists()


def test_making_a_result_costs_the_same_number_of_queries(
    face_types: list[FaceType], crowd: list[list[float]], django_assert_max_num_queries: Any
) -> None:
    for table in (crowd, crowd * 5):
        survey = make_survey()
        add_ratings(survey, table)

        with django_assert_max_num_queries(11):
            result_create(survey=survey)


# --- Comparing ---


def test_results_are_compared_by_rank_type_and_what_moved(face_types: list[FaceType]) -> None:
    survey = make_survey()
    images = add_ratings(survey, [[7, 7], [6, 6], [5, 5], [4, 4], [3, 3]])
    first = result_create(survey=survey)
    # The best one falls to the last place; the others move up by one.
    Rating.objects.filter(survey_image=images[0]).update(value=1)
    second = result_create(survey=survey)

    (compared,) = result_compare(first=first, second=second)

    assert (compared.part, compared.images) == (WHOLE, 5)
    assert compared.rank_correlation == pytest.approx(0)
    assert compared.equal_share == 0
    most = compared.moved[0]
    assert (most.key, most.first_rank, most.second_rank, most.steps) == ("image 000", 1, 5, 4)
    (itself,) = result_compare(first=first, second=first)
    assert (itself.rank_correlation, itself.equal_share, itself.moved) == (pytest.approx(1), 1, ())


def test_results_of_two_surveys_are_compared_by_the_catalogues_pictures(face_types: list[FaceType]) -> None:
    pictures = make_images(None, 5, published=False)
    by_numbers, by_types = make_survey(), make_survey(scale=Scale.TYPES)
    add_ratings(by_numbers, [[7, 7], [6, 6], [5, 5], [4, 4], [3, 3]], images=pictures)
    add_ratings(by_types, [[5, 5], [4, 4], [3, 3], [2, 2], [1, 1]], images=pictures[::-1])
    unknown = make_survey()
    add_ratings(unknown, [[1, 2], [3, 4]])
    result = result_create(survey=by_numbers)

    (compared,) = result_compare(first=result, second=result_create(survey=by_types))

    assert compared.rank_correlation == pytest.approx(1)
    assert compared.equal_share == 1
    with pytest.raises(NothingToCompare):
        result_compare(first=result, second=result_create(survey=unknown))


# --- Publishing ---


def snapshot() -> dict[str, Any]:
    """All that publishing touches, but for the counter that tells others of a change."""
    return {
        "images": list(CelebrityImage.objects.order_by("pk").values("pk", "face_type", "gallery_slot")),
        "labels": list(ImageLabel.objects.order_by("pk").values("image", "state", "doubt")),
        "parts": [part.as_dict() | {"label": part.label_id} for part in PartLabel.objects.order_by("label", "part")],
    }


@pytest.fixture
def pictures(face_types: list[FaceType]) -> list[CelebrityImage]:
    """Five unpublished pictures: of no type, labelled by the auto-labeller, labelled by a curator, rejected, typed."""
    images = make_images(None, 5, published=False)
    alpha = face_types[0]
    part_labels_set_types(changes={(images[1].pk, WHOLE): alpha}, source=LabelSource.MODEL)
    part_labels_set_types(changes={(images[2].pk, part): alpha for part in (WHOLE, UPPER)}, source=LabelSource.CURATOR)
    ImageLabel.objects.create(image=images[3], state=LabelState.REJECTED, rejection="not_a_face")
    CelebrityImage.objects.filter(pk=images[4].pk).update(face_type=alpha)
    return images


@pytest.fixture
def result(pictures: list[CelebrityImage]) -> SurveyResult:
    """Of the five pictures and a sixth image that is not the catalogue's."""
    survey = make_survey(parts=[WHOLE, LOWER])
    SurveyImage.objects.bulk_create(
        SurveyImage(survey=survey, key=f"image {number:03}", image=picture) for number, picture in enumerate(pictures)
    )
    table = [[6, 7], [5, 6], [4, 5], [3, 4], [2, 3], [1, 2]]
    add_ratings(survey, table, part=WHOLE)
    add_ratings(survey, table, part=LOWER)
    return result_create(survey=survey)


def test_publishing_gives_the_parts_their_types(pictures: list[CelebrityImage], result: SurveyResult) -> None:
    outcome = result_publish(result=result)

    assert (outcome.published, outcome.without_picture) == (10, 2)
    codes = types_of(result)
    for number, picture in enumerate(pictures):
        for part in (WHOLE, LOWER):
            label = PartLabel.objects.get(label__image=picture, part=part)
            assert label.type_source == LabelSource.SURVEY
            assert label.face_type is not None
            assert label.face_type.code == codes[f"image {number:03}"]
            assert label.result_row == result.rows.get(part=part, survey_image__image=picture)
    result.refresh_from_db()
    assert result.published_at is not None
    # A rejected image stays out of the app; all others follow their whole face.
    types = dict(CelebrityImage.objects.values_list("pk", "face_type__code"))
    expected = [None if number == 3 else codes[f"image {number:03}"] for number in range(5)]
    assert [types[picture.pk] for picture in pictures] == expected


def test_undo_restores_exactly_what_was_before(pictures: list[CelebrityImage], result: SurveyResult) -> None:
    before = snapshot()
    result_publish(result=result)
    assert snapshot() != before

    assert result_undo(result=result) == 10

    assert snapshot() == before
    result.refresh_from_db()
    assert result.published_at is None
    result_publish(result=result)


def test_a_later_result_is_taken_back_to_the_earlier_one(result: SurveyResult) -> None:
    result_publish(result=result)
    between = snapshot()
    Rating.objects.filter(survey_image__key="image 000").update(value=1)
    later = result_create(survey=result.survey)
    result_publish(result=later)

    with pytest.raises(LabelsChanged):
        result_undo(result=result)
    result_undo(result=later)
    assert snapshot() == between
    result_undo(result=result)


def test_undo_is_refused_where_somebody_changed_a_label(
    pictures: list[CelebrityImage], result: SurveyResult, face_types: list[FaceType]
) -> None:
    result_publish(result=result)
    part_labels_set_types(changes={(pictures[0].pk, WHOLE): face_types[4]}, source=LabelSource.CURATOR)
    changed = snapshot()

    with pytest.raises(LabelsChanged, match="image 000"):
        result_undo(result=result)

    assert snapshot() == changed
    result.refresh_from_db()
    assert result.published_at is not None


def test_publishing_twice_and_undoing_nothing_are_refused(result: SurveyResult) -> None:
    with pytest.raises(ResultNotPublished):
        result_undo(result=result)
    result_publish(result=result)
    with pytest.raises(ResultPublished):
        result_publish(result=result)


def test_a_result_of_unknown_images_cannot_be_published(face_types: list[FaceType]) -> None:
    survey = make_survey()
    add_ratings(survey, [[1, 2], [3, 4]])
    result = result_create(survey=survey)

    with pytest.raises(NothingToPublish):
        result_publish(result=result)
    result.refresh_from_db()
    assert result.published_at is None


def test_publishing_costs_the_same_number_of_queries(face_types: list[FaceType]) -> None:
    costs = []
    for count in (10, 40):
        survey = make_survey()
        images = [make_image() for _ in range(count)]
        add_ratings(survey, [[number % 7 + 1] * 3 for number in range(count)], images=images)
        result = result_create(survey=survey)
        with CaptureQueriesContext(connection) as publishing:
            result_publish(result=result)
        with CaptureQueriesContext(connection) as undoing:
            result_undo(result=result)
        costs.append((len(publishing), len(undoing)))

    assert costs[0] == costs[1]
