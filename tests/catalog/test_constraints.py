"""What the database itself refuses."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from catalog.models import CelebrityImage, FaceType, Guidance
from tests.catalog.factories import make_face_types, make_image

pytestmark = pytest.mark.django_db


def change(image: CelebrityImage, **fields: Any) -> None:
    with transaction.atomic():
        CelebrityImage.objects.filter(pk=image.pk).update(**fields)


@pytest.mark.parametrize(
    "fields", [{"face_type": None}, {"source": ""}, {"licence": ""}], ids=["type", "source", "licence"]
)
def test_a_published_image_is_complete(fields: dict[str, Any]) -> None:
    image = make_image(make_face_types()[0], published=True)

    with pytest.raises(IntegrityError):
        change(image, **fields)

    change(image, gallery_slot=None)
    change(image, **fields)


def test_a_slot_is_taken_once_in_each_type() -> None:
    alpha, beta, *_ = make_face_types()
    make_image(alpha, published=True)
    other = make_image(alpha)

    with pytest.raises(IntegrityError):
        change(other, gallery_slot=0)

    change(other, gallery_slot=0, face_type=beta)


@pytest.mark.parametrize("fields", [{"gallery_slot": -1}, {"sha256": "abc"}], ids=["negative slot", "short hash"])
def test_an_image_is_refused_only_for_a_bad_value(fields: dict[str, Any]) -> None:
    image = make_image(make_face_types()[0])
    change(image, gallery_slot=1, sha256="0" * 64)

    with pytest.raises(IntegrityError):
        change(image, **fields)


def test_bytes_are_stored_once() -> None:
    image = make_image()

    with pytest.raises(IntegrityError), transaction.atomic():
        make_image(sha256=image.sha256)


@pytest.mark.parametrize("fields", [{"rank": 6}, {"rank": 2}, {"code": "beta"}])
def test_there_are_five_types_with_a_rank_each(fields: dict[str, Any]) -> None:
    make_face_types()

    with pytest.raises(IntegrityError), transaction.atomic():
        FaceType.objects.filter(code="alpha").update(**fields)


def test_guidance_is_for_known_refusals() -> None:
    Guidance.objects.create(code="no_face")

    with pytest.raises(IntegrityError), transaction.atomic():
        Guidance.objects.create(code="too_loud")


def test_types_and_celebrities_with_images_stay() -> None:
    image = make_image(make_face_types()[0])

    with pytest.raises(ProtectedError):
        image.celebrity.delete()
    with pytest.raises(ProtectedError):
        FaceType.objects.all().delete()
