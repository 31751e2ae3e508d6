"""Which image a rater sees next, and what is kept of the answers."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.errors import AnsweredOtherwise, NotInSurvey, RaterUnknown, RatingOffScale, SurveyClosed, SurveyNotOpen
from catalog.models import Rater, Rating, Survey, SurveyImage
from catalog.services.rating import (
    GOLD_EVERY,
    REPEAT_DISTANCE,
    SET_SIZE,
    Consistency,
    VisitKey,
    consistency_of,
    progress_of,
    rater_by_secret,
    rater_join,
    rating_give,
    visits_last,
    visits_next,
)
from tests.catalog.raters import add_image, add_images, make_open_survey, make_rater, rate, rate_images

pytestmark = pytest.mark.django_db


@pytest.fixture
def survey() -> Survey:
    return make_open_survey()


def rate_all(rater: Rater, *, at_once: int = 1, limit: int = 1000) -> list[VisitKey]:
    """Answer whatever comes, asking for `at_once` visits each time; the order in which it came."""
    order: list[VisitKey] = []
    while (visits := visits_next(rater=rater, count=at_once)) and len(order) < limit:
        for visit in visits:
            rate(rater, visit)
            order.append(visit.key)
    return order


# --- Order ---


def test_images_with_the_fewest_ratings_come_first(survey: Survey) -> None:
    images = add_images(survey, 9)
    rate_images(make_rater(survey), images[:6])
    rate_images(make_rater(survey), images[:3])

    order = [key.survey_image_id for key in rate_all(make_rater(survey))]

    places = [{image.pk for image in images[first : first + 3]} for first in (6, 3, 0)]
    assert [set(order[first : first + 3]) for first in (0, 3, 6)] == places


def test_every_rater_has_an_order_of_their_own(survey: Survey) -> None:
    images = {image.pk for image in add_images(survey, 12)}
    one, other = make_rater(survey), make_rater(survey)
    # Neither changes what the other is shown.
    survey.ratings_wanted = 100

    def order_of(rater: Rater) -> list[int]:
        keys: list[VisitKey] = []
        while visits := visits_next(rater=rater, count=1, holding=keys):
            keys.append(visits[0].key)
        return [key.survey_image_id for key in keys]

    assert order_of(one) == order_of(one) != order_of(other)
    assert set(order_of(one)) == set(order_of(other)) == images


def test_first_image_is_any_image_alike(survey: Survey) -> None:
    add_images(survey, 4)

    first = Counter(visits_next(rater=make_rater(survey), count=1)[0].key for _ in range(80))

    assert len(first) == 4
    assert min(first.values()) >= 8


def test_image_with_enough_ratings_is_not_asked_again(survey: Survey) -> None:
    wanted, enough = add_images(survey, 2)
    survey.ratings_wanted = 2
    survey.save()
    for _ in range(2):
        rate_images(make_rater(survey), [enough])

    rater = make_rater(survey)

    assert [visit.key for visit in visits_next(rater=rater, count=5)] == [VisitKey(wanted.pk, 0)]


def test_image_without_a_picture_is_never_shown(survey: Survey) -> None:
    add_image(survey, None)

    assert visits_next(rater=make_rater(survey), count=5) == []


def test_ratings_spread_evenly(survey: Survey) -> None:
    add_images(survey, 10)
    for _ in range(6):
        rate_all(make_rater(survey), limit=5)

    assert {image.rating_count for image in SurveyImage.objects.all()} == {3}


def test_visits_ahead_are_those_that_would_come_one_by_one() -> None:
    survey = make_open_survey(repeat_share=0.25)
    add_images(survey, 30)
    add_images(survey, 3, gold_value=1)
    rater = make_rater(survey)
    keys: list[VisitKey] = []
    while visits := visits_next(rater=rater, count=1, holding=keys):
        keys.append(visits[0].key)

    assert [visit.key for visit in visits_next(rater=rater, count=100)] == keys
    assert len(set(keys)) == len(keys)


def test_begun_image_is_finished_first() -> None:
    survey = make_open_survey(parts=["whole_face", "upper_face", "lower_face"])
    add_images(survey, 5)
    rater = make_rater(survey)
    visit = visits_next(rater=rater, count=1)[0]

    rating_give(rater=rater, key=visit.key, part="upper_face", value=2)

    begun = visits_next(rater=rater, count=2)
    assert begun[0].key == visit.key
    assert [asked.answer for asked in begun[0].parts] == [None, 2, None]
    assert begun[1].key != visit.key


# --- Repeats and images with a known answer ---


def test_share_of_images_comes_a_second_time() -> None:
    survey = make_open_survey(repeat_share=0.2)
    add_images(survey, 50)

    order = rate_all(make_rater(survey))

    repeats = [key for key in order if key.round == 1]
    assert len(repeats) == 10
    assert len({key.survey_image_id for key in repeats}) == 10
    for repeat in repeats:
        between = order.index(repeat) - order.index(VisitKey(repeat.survey_image_id, 0))
        assert between >= REPEAT_DISTANCE
    # They do not all come at the end.
    assert order.index(repeats[0]) < 20


def test_small_survey_repeats_too() -> None:
    survey = make_open_survey(repeat_share=0.5)
    add_images(survey, 4)

    order = rate_all(make_rater(survey))

    assert [key.round for key in order] == [0, 0, 0, 0, 1, 1]
    # Never the image that was just there.
    assert order[4].survey_image_id != order[3].survey_image_id


def test_survey_without_repeats_has_none(survey: Survey) -> None:
    add_images(survey, 30)

    assert {key.round for key in rate_all(make_rater(survey))} == {0}


def test_images_with_a_known_answer_are_mixed_in(survey: Survey) -> None:
    add_images(survey, 60)
    gold = {image.pk for image in add_images(survey, 4, gold_value=7)}

    order = [key.survey_image_id for key in rate_all(make_rater(survey))]

    assert len(order) == 64
    places = [place for place, pk in enumerate(order) if pk in gold]
    assert [place // GOLD_EVERY for place in places] == [0, 1, 2, 3]


def test_places_of_known_answers_differ_between_raters(survey: Survey) -> None:
    add_images(survey, 12)
    gold = add_images(survey, 1, gold_value=7)[0]

    orders = [[key.survey_image_id for key in rate_all(make_rater(survey))] for _ in range(6)]

    assert len({order.index(gold.pk) for order in orders}) > 1


def test_survey_of_few_images_still_tests_attention(survey: Survey) -> None:
    add_images(survey, 2)
    gold = add_images(survey, 1, gold_value=7)[0]

    for _ in range(5):
        assert gold.pk in [key.survey_image_id for key in rate_all(make_rater(survey))]


def test_consistency_counts_answers_that_stayed() -> None:
    survey = make_open_survey(repeat_share=0.5)
    images = add_images(survey, 4)
    rater = make_rater(survey)
    rate_images(rater, images, value=3)
    for image, value in zip(images, (3, 4, 5, 1), strict=True):
        rating_give(rater=rater, key=VisitKey(image.pk, 1), part="whole_face", value=value)

    # On seven steps a neighbour counts as the same.
    assert consistency_of(rater=rater) == Consistency(repeated=4, agreeing=2)


# --- Progress ---


def test_progress_counts_images_whose_every_part_is_answered() -> None:
    survey = make_open_survey(parts=["whole_face", "lower_face"])
    add_images(survey, 3)
    rater = make_rater(survey)
    visit = visits_next(rater=rater, count=1)[0]

    rating_give(rater=rater, key=visit.key, part="whole_face", value=2)
    assert (progress_of(rater=rater).done, progress_of(rater=rater).goal) == (0, 3)

    rating_give(rater=rater, key=visit.key, part="lower_face", value=2)
    assert (progress_of(rater=rater).done, progress_of(rater=rater).goal) == (1, 3)


def test_goal_is_what_there_is_to_do() -> None:
    survey = make_open_survey(repeat_share=0.2)
    add_images(survey, 20)
    rater = make_rater(survey)
    assert progress_of(rater=rater).goal == 24

    assert len(rate_all(rater)) == 24
    assert progress_of(rater=rater).done == 24


def test_large_survey_is_answered_in_sets(survey: Survey) -> None:
    add_images(survey, SET_SIZE + 5)
    rater = make_rater(survey)
    assert progress_of(rater=rater).goal == SET_SIZE

    rate_all(rater, limit=SET_SIZE)

    progress = progress_of(rater=rater)
    assert (progress.done, progress.in_set, progress.goal) == (SET_SIZE, 0, 5)


def test_last_visits_are_in_the_order_they_were_begun(survey: Survey) -> None:
    add_images(survey, 6)
    rater = make_rater(survey)
    order = rate_all(rater)

    assert [visit.key for visit in visits_last(rater=rater, count=3)] == order[-3:]


# --- Answers ---


def test_same_answer_twice_is_one_answer(survey: Survey) -> None:
    image = add_images(survey, 1)[0]
    rater = make_rater(survey)

    first = rating_give(rater=rater, key=VisitKey(image.pk, 0), part="whole_face", value=5)
    again = rating_give(rater=rater, key=VisitKey(image.pk, 0), part="whole_face", value=5)

    image.refresh_from_db()
    assert first.pk == again.pk
    assert (Rating.objects.count(), image.rating_count) == (1, 1)


def test_changed_answer_replaces_the_one_it_takes_back(survey: Survey) -> None:
    image = add_images(survey, 1)[0]
    rater = make_rater(survey)
    key = VisitKey(image.pk, 0)
    rating_give(rater=rater, key=key, part="whole_face", value=5)

    with pytest.raises(AnsweredOtherwise):
        rating_give(rater=rater, key=key, part="whole_face", value=2)
    with pytest.raises(AnsweredOtherwise):
        rating_give(rater=rater, key=key, part="whole_face", value=2, replaces=[4])
    assert Rating.objects.get().value == 5

    rating_give(rater=rater, key=key, part="whole_face", value=2, replaces=[4, 5])

    image.refresh_from_db()
    assert (Rating.objects.get().value, image.rating_count) == (2, 1)


def test_only_first_ratings_of_the_first_part_are_counted() -> None:
    survey = make_open_survey(parts=["whole_face", "lower_face"], repeat_share=0.5)
    image = add_images(survey, 1)[0]
    rater = make_rater(survey)

    for part in ("whole_face", "lower_face"):
        for round_ in (0, 1):
            rating_give(rater=rater, key=VisitKey(image.pk, round_), part=part, value=3)

    image.refresh_from_db()
    assert (Rating.objects.count(), image.rating_count) == (4, 1)


@pytest.mark.parametrize(
    ("scale", "good", "bad"),
    [
        ("types", [1, 5], [0, 6, 2.5]),
        ("one_to_seven", [1, 7], [0, 8, -1]),
        ("percent", [0, 100, 50], [-1, 101, float("nan"), float("inf")]),
    ],
)
def test_value_off_the_scale_is_refused(scale: str, good: list[float], bad: list[float]) -> None:
    survey = make_open_survey(scale=scale)
    images = add_images(survey, len(good) + len(bad))
    rater = make_rater(survey)

    for image, value in zip(images, good, strict=False):
        rating_give(rater=rater, key=VisitKey(image.pk, 0), part="whole_face", value=value)
    for image, value in zip(images[len(good) :], bad, strict=True):
        with pytest.raises(RatingOffScale):
            rating_give(rater=rater, key=VisitKey(image.pk, 0), part="whole_face", value=value)

    assert Rating.objects.count() == len(good)


def test_what_the_survey_does_not_ask_is_refused(survey: Survey) -> None:
    image = add_images(survey, 1)[0]
    foreign = add_images(make_open_survey(), 1)[0]
    without_picture = add_image(survey, None)
    rater = make_rater(survey)

    for key, part in [
        (VisitKey(foreign.pk, 0), "whole_face"),
        (VisitKey(without_picture.pk, 0), "whole_face"),
        (VisitKey(image.pk, 0), "upper_face"),
        (VisitKey(image.pk, 0), "nose"),
        # Not rated a first time.
        (VisitKey(image.pk, 1), "whole_face"),
    ]:
        with pytest.raises(NotInSurvey):
            rating_give(rater=rater, key=key, part=part, value=3)

    assert Rating.objects.count() == 0


def test_survey_takes_answers_only_while_it_is_open(survey: Survey) -> None:
    one, other = add_images(survey, 2)
    rater = make_rater(survey)
    rating_give(rater=rater, key=VisitKey(one.pk, 0), part="whole_face", value=3)
    now = timezone.now()

    for opens_at, closes_at, refusal in [
        (None, None, SurveyNotOpen),
        (now + timedelta(hours=1), None, SurveyNotOpen),
        (now - timedelta(hours=2), now - timedelta(hours=1), SurveyClosed),
        (None, now - timedelta(hours=1), SurveyClosed),
    ]:
        rater.survey.opens_at, rater.survey.closes_at = opens_at, closes_at
        with pytest.raises(refusal):
            rating_give(rater=rater, key=VisitKey(other.pk, 0), part="whole_face", value=3)
        with pytest.raises(refusal):
            rater_join(survey=rater.survey, language="en")

    assert Rating.objects.count() == 1


def test_secret_is_known_to_the_rater_alone(survey: Survey) -> None:
    joined = rater_join(survey=survey, language="ko", age_band="25_34", sex="female")

    assert joined.secret not in Rater.objects.get().key
    assert rater_by_secret(survey=survey, secret=joined.secret) == joined.rater
    assert joined.rater.consented_at is not None
    with pytest.raises(RaterUnknown):
        rater_by_secret(survey=survey, secret=joined.rater.key)
    with pytest.raises(RaterUnknown):
        rater_by_secret(survey=make_open_survey(), secret=joined.secret)


# --- Cost ---


def test_next_image_and_answer_cost_the_same_however_large_the_survey() -> None:
    costs = []
    for size in (20, 60):
        survey = make_open_survey(repeat_share=0.1)
        add_images(survey, size)
        rater = make_rater(survey)
        rate_all(rater, limit=12)
        with CaptureQueriesContext(connection) as choosing:
            (visit,) = visits_next(rater=rater, count=1)
        with CaptureQueriesContext(connection) as answering:
            rate(rater, visit)
        costs.append((len(choosing), len(answering)))

    assert costs[0] == costs[1]
    assert costs[0][0] <= 8
    # Four of these are savepoints.
    assert costs[0][1] <= 8
