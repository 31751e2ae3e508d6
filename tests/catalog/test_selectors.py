"""What the rest of the product reads."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import NoReturn

import pytest
from django.core.files.storage import storages
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries

from catalog import selectors
from catalog.errors import UnknownType
from catalog.models import CelebrityImage, FaceType, Guidance, ScoringPolicy
from catalog.services.images import image_add, image_unpublish
from inference import scoring
from tests.caches import catalogue_reread
from tests.catalog.factories import make_celebrity, make_face_types, make_image, make_images, make_picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def types() -> list[FaceType]:
    return make_face_types()


def test_types_come_best_first(types: list[FaceType]) -> None:
    assert [face_type.code for face_type in selectors.face_types()] == ["alpha", "beta", "gamma", "delta", "omega"]
    assert selectors.face_type_by_code("delta") == types[3]


def test_an_unknown_type_is_not_found(types: list[FaceType]) -> None:
    with pytest.raises(UnknownType) as refusal:
        selectors.face_type_by_code("sigma")

    assert (refusal.value.status, refusal.value.code) == (404, "not_found")


def test_random_images_are_different_published_and_of_the_type(types: list[FaceType]) -> None:
    published = make_images(types[0], 6)
    make_images(types[0], 3, published=False)
    make_images(types[1], 3)

    for _ in range(20):
        images = selectors.random_images(types[0], 4)
        assert len(set(images)) == 4
        assert set(images) <= set(published)


def test_random_images_answer_with_what_there_is(types: list[FaceType]) -> None:
    images = make_images(types[0], 2)

    assert set(selectors.random_images(types[0], 4)) == set(images)
    assert selectors.random_images(types[1], 4) == []


def test_every_image_and_every_place_is_equally_likely(types: list[FaceType]) -> None:
    make_images(types[0], 6)
    image_unpublish(images=list(CelebrityImage.objects.all()[2:3]))
    random.seed(7)
    draws = 500

    answers = [selectors.random_images(types[0], 2) for _ in range(draws)]

    # Five images, two drawn; five standard deviations of the binomial either side.
    for place in (0, 1):
        counts = Counter(answer[place].pk for answer in answers)
        assert len(counts) == 5
        margin = 5 * (draws * 0.2 * 0.8) ** 0.5
        assert all(abs(count - draws / 5) < margin for count in counts.values())
    pairs = Counter(frozenset(image.pk for image in answer) for answer in answers)
    assert len(pairs) == 10


def test_a_short_gallery_is_filled_from_the_nearest_types(types: list[FaceType]) -> None:
    alpha, beta, gamma, delta, omega = types
    own = make_images(gamma, 1)
    better, worse = make_images(beta, 1), make_images(delta, 1)
    far = make_images(alpha, 1) + make_images(omega, 1)

    assert selectors.random_images(gamma, 2, fill_from_neighbours=True) == own + better
    assert selectors.random_images(gamma, 4, fill_from_neighbours=True) == own + better + worse + far[:1]
    # There are no more, and none comes twice.
    assert selectors.random_images(gamma, 9, fill_from_neighbours=True) == own + better + worse + far
    assert selectors.random_images(gamma, 4) == own


def test_random_images_take_two_queries_whatever_there_is(
    types: list[FaceType], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (1, 30):
        make_images(types[0], count)
        make_images(types[1], count)
        for fill in (False, True):
            with django_assert_num_queries(2):
                images = selectors.random_images(types[0], 4, fill_from_neighbours=fill)
                [image.celebrity.name("ko") for image in images]


def test_published_images_come_in_gallery_order(
    types: list[FaceType], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    images = make_images(types[0], 3)
    make_image(types[0])
    make_image(types[1], published=True)

    with django_assert_num_queries(1):
        found = list(selectors.published_images(types[0]))
        [image.celebrity.name("en") for image in found]

    assert found == images


def test_images_come_in_the_order_of_their_ids(
    types: list[FaceType], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first, second, third = make_images(types[0], 3)
    unpublished = make_image(types[0])

    with django_assert_num_queries(1):
        found = selectors.images_by_ids([third.pk, unpublished.pk, first.pk, 999_999])
        [image.celebrity.name("en") for image in found]

    assert found == [third, first]
    assert second not in found


def test_the_active_policy_scores(types: list[FaceType]) -> None:
    assert selectors.active_policy() == selectors.rules().policy == scoring.DEFAULT_POLICY

    ScoringPolicy.objects.create(
        name="Softer",
        is_active=True,
        weight_whole_face=40,
        weight_upper_face=40,
        weight_lower_face=20,
        factor_alpha=1,
        factor_beta=0.9,
        factor_gamma=0.7,
        factor_delta=0.5,
        factor_omega=0.3,
        threshold_alpha=90,
        threshold_beta=75,
        threshold_gamma=50,
        threshold_delta=25,
    )

    assert selectors.active_policy().thresholds == (90, 75, 50, 25)
    catalogue_reread()
    assert selectors.rules().policy == selectors.active_policy()


def test_rules_are_read_once_in_a_while(
    types: list[FaceType], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for queries in (2, 0):
        with django_assert_num_queries(queries):
            assert list(selectors.rules().types.values()) == types

    FaceType.objects.filter(code="alpha").update(name_en="First")
    catalogue_reread()

    assert selectors.rules().types["alpha"].name("en") == "First"


def test_while_the_database_is_away_nobody_waits_for_another_ones_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    are_all_reading = Barrier(4, timeout=30)

    def fail() -> NoReturn:
        are_all_reading.wait()
        raise OperationalError

    monkeypatch.setattr(selectors, "active_policy", fail)

    with ThreadPoolExecutor(4) as threads:
        reading = [threads.submit(selectors.rules) for _ in range(4)]

    assert {type(each.exception()) for each in reading} == {OperationalError}


def test_guidance_is_found_by_its_code() -> None:
    entry = Guidance.objects.create(
        code="too_dark", message_ko="어두워요.", message_en="Dark.", advice_ko="밝게 찍어요.", advice_en="Find light."
    )

    assert selectors.guidance("too_dark") == entry
    assert selectors.guidance("no_face") is None
    assert entry.message("ko-KR") == "어두워요."
    assert entry.advice("fr") == "Find light."


def test_edits_show_on_pages_at_once(types: list[FaceType]) -> None:
    assert selectors.face_type_by_code("alpha").name("en") == "Alpha"

    FaceType.objects.filter(code="alpha").update(name_en="First")

    assert selectors.face_type_by_code("alpha").name("en") == "First"


def test_picture_bytes_are_read_once() -> None:
    image = image_add(celebrity=make_celebrity(), content=make_picture())
    content = selectors.image_bytes(image)
    assert content.startswith(b"\xff\xd8\xff")

    storages["catalog"].delete(image.file)

    assert selectors.image_bytes(image) == content
