"""Curators who change one gallery at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from catalog.models import CelebrityImage, FaceType
from catalog.services.images import image_publish, image_set_type, image_unpublish
from tests.catalog.factories import make_face_types, make_images

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time"),
]


def run_at_once(*changes: Callable[[], object]) -> None:
    """Each in a thread and a connection of its own; the first failure is raised here."""
    start = threading.Barrier(len(changes))
    failures: list[Exception] = []

    def run(change: Callable[[], object]) -> None:
        try:
            start.wait(timeout=10)
            change()
        except Exception as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    if failures:
        raise failures[0]


def slots(face_type: FaceType) -> list[int | None]:
    images = CelebrityImage.objects.published().of_type(face_type).order_by("gallery_slot")
    return list(images.values_list("gallery_slot", flat=True))


def test_publishing_at_once_gives_each_image_a_slot_of_its_own() -> None:
    alpha = make_face_types()[0]
    images = make_images(alpha, 24, published=False)

    run_at_once(*(lambda image=image: image_publish(images=[image]) for image in images[:8]))
    run_at_once(
        lambda: image_publish(images=images[8:]),
        lambda: image_unpublish(images=images[:4]),
        lambda: image_publish(images=images),
    )

    count = len(slots(alpha))
    assert 20 <= count <= 24
    assert slots(alpha) == list(range(count))


def test_moves_in_opposite_directions_do_not_wait_for_each_other_for_ever() -> None:
    alpha, *_, omega = make_face_types()
    from_alpha, from_omega = make_images(alpha, 6), make_images(omega, 6)

    run_at_once(
        *(lambda image=image: image_set_type(images=[image], face_type=omega) for image in from_alpha),
        *(lambda image=image: image_set_type(images=[image], face_type=alpha) for image in from_omega),
    )

    assert slots(alpha) == slots(omega) == list(range(6))
