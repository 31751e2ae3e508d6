"""The same picture in another guise."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image, ImageEnhance

from catalog.models import CelebrityImage
from catalog.services.images import image_add, images_complete
from catalog.services.pictures import THUMBNAIL_SIDE, picture_from_upload
from catalog.similarity import SAME_PICTURE_DISTANCE, perceptual_hash
from tests.catalog.factories import make_celebrity, make_picture
from tests.images import encode

pytestmark = pytest.mark.django_db

STUDIO = Path(__file__).resolve().parents[3] / "shared" / "data" / "faces"


def clouds(seed: int) -> Image.Image:
    """A soft picture, as photos are."""
    patches = Image.frombytes("RGB", (12, 15), random.Random(seed).randbytes(12 * 15 * 3))
    return patches.resize((480, 600), Image.Resampling.BICUBIC)


GUISES = {
    "smaller": lambda image: image.resize((240, 300)),
    "coarser": lambda image: Image.open(io.BytesIO(encode(image, quality=35))),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "grey": lambda image: image.convert("L"),
}


@pytest.mark.parametrize("guise", GUISES)
def test_the_same_picture_is_found_in_another_guise(guise: str) -> None:
    images = [image_add(celebrity=make_celebrity(), content=encode(clouds(seed))) for seed in range(12)]

    for seed, image in enumerate(images):
        other = perceptual_hash(GUISES[guise](clouds(seed)))
        assert CelebrityImage.objects.similar_to(other) == [image.pk]


def test_other_pictures_are_not_taken_for_the_same() -> None:
    hashes = [perceptual_hash(clouds(seed)) for seed in range(40)]

    distances = [a.distance(b.fine) for a in hashes for b in hashes if a is not b]

    assert min(distances) > 2 * SAME_PICTURE_DISTANCE


@pytest.mark.skipif(not STUDIO.exists(), reason="the photos of ../shared/data are not here")
def test_portraits_from_one_studio_are_told_apart() -> None:
    """People before one grey wall, each with and without a smile: nowhere do different pictures look more alike."""
    hashes = []
    for path in [*STUDIO.glob("london/*.jpg"), *STUDIO.glob("london_smiling/*.jpg")]:
        with Image.open(path) as image:
            hashes.append(perceptual_hash(image))
            smaller = perceptual_hash(image.resize((image.width // 2, image.height // 2)))
        assert hashes[-1].distance(smaller.fine) <= SAME_PICTURE_DISTANCE

    distances = [a.distance(b.fine) for a in hashes for b in hashes if a is not b]

    assert len(hashes) > 100
    assert min(distances) > SAME_PICTURE_DISTANCE


def test_similar_pictures_are_looked_up_by_index() -> None:
    image_add(celebrity=make_celebrity(), content=encode(clouds(1)))

    with CaptureQueriesContext(connection) as captured:
        CelebrityImage.objects.similar_to(perceptual_hash(clouds(2)))

    assert len(captured) == 1
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {captured[0]['sql']}")
        plan = str(cursor.fetchall())
    assert all(f"celebrityimage_hash_{band}" in plan for band in "abcd")


def test_a_thumbnail_lies_beside_each_picture() -> None:
    image = image_add(celebrity=make_celebrity(), content=make_picture(size=(600, 800)))

    with storages["catalog"].open(image.thumbnail) as file, Image.open(file) as small:
        assert (small.format, small.size) == ("WEBP", (THUMBNAIL_SIDE * 3 // 4, THUMBNAIL_SIDE))
    assert image.thumbnail_url.endswith(image.thumbnail)


def test_images_from_before_get_their_thumbnails_and_hashes() -> None:
    image = image_add(celebrity=make_celebrity(), content=encode(clouds(1)))
    gone = image_add(celebrity=make_celebrity(), content=encode(clouds(2)))
    storages["catalog"].delete(image.thumbnail)
    storages["catalog"].delete(gone.file)
    CelebrityImage.objects.update(thumbnail="", hash_a=None, hash_b=None, hash_c=None, hash_d=None, hash_fine="")

    assert images_complete() == 1
    assert images_complete() == 0

    image.refresh_from_db()
    gone.refresh_from_db()
    assert storages["catalog"].exists(image.thumbnail)
    assert CelebrityImage.objects.similar_to(picture_from_upload(encode(clouds(1))).hash) == [image.pk]
    assert gone.thumbnail_url == gone.url
