"""Publishing, unpublishing, moving and deleting images keeps each type's slots dense."""

from __future__ import annotations

import random

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import IncompleteImage
from catalog.models import Celebrity, CelebrityImage, FaceType
from catalog.services.images import image_delete, image_publish, image_set_type, image_unpublish, image_update
from tests.catalog.factories import make_face_types, make_image, make_images

pytestmark = pytest.mark.django_db


@pytest.fixture
def types() -> list[FaceType]:
    return make_face_types()


def slots(face_type: FaceType) -> list[int | None]:
    """Sorted."""
    images = CelebrityImage.objects.published().of_type(face_type).order_by("gallery_slot")
    return list(images.values_list("gallery_slot", flat=True))


def test_published_images_get_the_next_slots(types: list[FaceType]) -> None:
    alpha, beta = types[:2]
    make_images(alpha, 3)
    make_images(beta, 2)
    make_images(alpha, 1)

    assert slots(alpha) == [0, 1, 2, 3]
    assert slots(beta) == [0, 1]


def test_publishing_again_changes_nothing(types: list[FaceType]) -> None:
    images = make_images(types[0], 3)

    outcome = image_publish(images=images)

    assert outcome.published == ()
    assert [image.gallery_slot for image in make_again(images)] == [0, 1, 2]


def make_again(images: list[CelebrityImage]) -> list[CelebrityImage]:
    return list(CelebrityImage.objects.filter(pk__in=[image.pk for image in images]).order_by("pk"))


@pytest.mark.parametrize("missing", ["face_type", "source", "licence"])
def test_an_image_is_refused_only_for_what_it_lacks(types: list[FaceType], missing: str) -> None:
    complete = make_image(types[0])
    incomplete = make_image(**({"face_type": types[0]} | {missing: None if missing == "face_type" else ""}))

    outcome = image_publish(images=[complete, incomplete])

    assert outcome.published == (complete,)
    assert outcome.incomplete == (incomplete,)
    incomplete.refresh_from_db()
    assert not incomplete.is_published


def test_the_last_image_moves_into_the_hole(types: list[FaceType]) -> None:
    first, second, third, fourth = make_images(types[0], 4)

    assert image_unpublish(images=[second]) == 1

    assert slots(types[0]) == [0, 1, 2]
    assert [image.gallery_slot for image in make_again([first, second, third, fourth])] == [0, None, 2, 1]


def test_unpublishing_the_unpublished_changes_nothing(types: list[FaceType]) -> None:
    make_images(types[0], 2)

    assert image_unpublish(images=[make_image(types[0])]) == 0

    assert slots(types[0]) == [0, 1]


def test_a_published_image_moves_to_its_new_types_gallery(types: list[FaceType]) -> None:
    alpha, omega = types[0], types[4]
    first = make_images(alpha, 3)[0]
    make_images(omega, 1)

    image_set_type(images=[first], face_type=omega)

    first.refresh_from_db()
    assert first.face_type == omega
    assert slots(alpha) == [0, 1]
    assert slots(omega) == [0, 1]


def test_a_published_image_keeps_a_type(types: list[FaceType]) -> None:
    published, unpublished = make_image(types[0], published=True), make_image(types[0])

    image_set_type(images=[unpublished], face_type=None)
    with pytest.raises(IncompleteImage):
        image_set_type(images=[published], face_type=None)

    published.refresh_from_db()
    unpublished.refresh_from_db()
    assert published.face_type == types[0]
    assert unpublished.face_type is None


def test_an_edit_keeps_a_slot_that_moved_meanwhile(types: list[FaceType]) -> None:
    first, last = make_images(types[0], 2)
    image_unpublish(images=[first])

    # `last` still holds the slot it had before.
    image_update(image=last, celebrity=last.celebrity, source="elsewhere", licence="CC-BY-4.0", attribution="Someone")

    last.refresh_from_db()
    assert (last.gallery_slot, last.source, last.attribution) == (0, "elsewhere", "Someone")


def test_a_published_image_keeps_its_licence(types: list[FaceType]) -> None:
    image = make_image(types[0], published=True)

    with pytest.raises(IncompleteImage):
        image_update(image=image, celebrity=image.celebrity, source="here", licence="", attribution="")

    image_unpublish(images=[image])
    image_update(image=image, celebrity=image.celebrity, source="here", licence="", attribution="")


def test_deleting_closes_the_gap(types: list[FaceType]) -> None:
    first, second, _third = make_images(types[0], 3)

    assert image_delete(images=[first, second]) == 2

    assert slots(types[0]) == [0]
    assert CelebrityImage.objects.count() == 1


operations = st.lists(
    st.tuples(
        st.sampled_from(["publish", "unpublish", "move", "delete", "add"]),
        st.sets(st.integers(min_value=0, max_value=15), min_size=1, max_size=6),
        st.integers(min_value=0, max_value=4),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=operations)
def test_slots_stay_dense_whatever_is_done(db: None, operations: list[tuple[str, set[int], int]]) -> None:
    with transaction.atomic():
        types = make_face_types()
        someone = Celebrity.objects.create(name_ko="누군가", name_en="Someone")
        images = [make_image(types[index % 5], celebrity=someone) for index in range(16)]
        for operation, chosen, type_index in operations:
            selection = [images[index] for index in sorted(chosen) if index < len(images)]
            match operation:
                case "publish":
                    image_publish(images=selection)
                case "unpublish":
                    image_unpublish(images=selection)
                case "move":
                    image_set_type(images=selection, face_type=types[type_index])
                case "delete":
                    image_delete(images=selection)
                case "add":
                    images.append(make_image(types[type_index], celebrity=someone, published=True))
            for face_type in types:
                assert slots(face_type) == list(range(len(slots(face_type))))
        transaction.set_rollback(True)


def test_a_change_takes_as_many_queries_for_many_images_as_for_few(types: list[FaceType]) -> None:
    def queries(count: int) -> int:
        images = make_images(types[0], 2 * count)
        leaving = random.Random(count).sample(images, count)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            image_unpublish(images=leaving)
            image_publish(images=leaving)
        return len(captured)

    assert queries(3) == queries(30)
