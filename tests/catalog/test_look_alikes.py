"""Embeddings of the catalogue's pictures: who gets one, and who is shown as most like a face."""

from __future__ import annotations

import random
from io import StringIO

import numpy as np
import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from catalog import selectors
from catalog.models import Celebrity, CelebrityImage, FaceType, ImageEmbedding
from catalog.selectors import Gallery
from catalog.services.autolabel import AutolabelWorker, autolabel_create, unlabelled_images
from catalog.services.embeddings import Embedding, embeddings_set
from catalog.services.images import image_add, image_unpublish
from inference import client
from inference.contracts import RefusalReason
from tests.caches import catalogue_reread
from tests.catalog.factories import make_celebrity, make_face_types, make_image, make_images, make_picture
from tests.fakes import VERSIONS, FakeBackend

pytestmark = pytest.mark.django_db

FACE = np.eye(128)[0]


@pytest.fixture
def alpha() -> FaceType:
    return make_face_types()[0]


def embed(image: CelebrityImage, likeness: float, version: str = VERSIONS.types) -> CelebrityImage:
    """Give an image an embedding of this cosine with FACE."""
    vector = likeness * FACE + (1 - likeness**2) ** 0.5 * np.eye(128)[1]
    embeddings_set({image.pk: Embedding(vector.tolist(), version)})
    return image


def alike(face_type: FaceType, count: int = 4) -> list[CelebrityImage]:
    """Those that the gallery starts with because they are like FACE."""
    gallery = gallery_like(face_type, count)
    return gallery.images[: gallery.look_alikes]


def gallery_like(face_type: FaceType, count: int = 4) -> Gallery:
    return selectors.gallery_like(face_type, count, embedding=FACE.tolist(), version=VERSIONS.types)


def test_the_most_alike_come_first(alpha: FaceType) -> None:
    images = make_images(alpha, 6)
    for image, likeness in zip(images, (0.1, 0.9, -0.5, 0.3, 0.7, 0.2), strict=True):
        embed(image, likeness)

    assert alike(alpha) == [images[1], images[4], images[3], images[5]]


@pytest.mark.parametrize("fault", ["another version", "no face", "none", "unpublished", "another type"])
def test_an_image_is_left_out_only_for_its_fault(alpha: FaceType, fault: str) -> None:
    good = embed(make_image(alpha, published=True), 0.1)
    other = embed(make_image(alpha, published=fault != "unpublished"), 0.9)
    if fault == "another version":
        embed(other, 0.9, version="types-earlier")
    elif fault == "no face":
        embeddings_set({other.pk: Embedding((), VERSIONS.types)})
    elif fault == "none":
        ImageEmbedding.objects.filter(image=other).delete()
    elif fault == "another type":
        other.delete()
        embed(make_image(FaceType.objects.get(code="beta"), published=True), 0.9)

    assert alike(alpha) == [good]
    if fault in ("another version", "no face", "none"):
        embed(other, 0.9)
        catalogue_reread()
        assert alike(alpha) == [other, good]


def test_each_celebrity_comes_once_until_there_are_no_others(alpha: FaceType) -> None:
    someone, other = make_celebrity(), make_celebrity()
    best, second, third = (make_image(alpha, published=True, celebrity=someone) for _ in range(3))
    last = make_image(alpha, published=True, celebrity=other)
    for image, likeness in ((best, 0.9), (second, 0.8), (third, 0.7), (last, 0.1)):
        embed(image, likeness)

    assert alike(alpha) == [best, last, second, third]
    assert alike(alpha, 2) == [best, last]


def make_gallery(alpha: FaceType, count: int) -> list[CelebrityImage]:
    """Published images from the least alike to the most alike, each of another celebrity."""
    people = Celebrity.objects.bulk_create(Celebrity(name_ko=f"{n}", name_en=f"{n}") for n in range(count))
    images = CelebrityImage.objects.bulk_create(
        CelebrityImage(
            celebrity=person,
            face_type=alpha,
            gallery_slot=slot,
            sha256=f"{slot:064}",
            width=480,
            height=600,
            source="here",
            licence="CC0-1.0",
        )
        for slot, person in enumerate(people)
    )
    likeness = np.linspace(-1, 1, count)
    vectors = likeness[:, None] * FACE + np.sqrt(1 - likeness**2)[:, None] * np.eye(128)[1]
    embeddings_set(
        {image.pk: Embedding(vector, VERSIONS.types) for image, vector in zip(images, vectors.tolist(), strict=True)}
    )
    return images


def test_a_large_gallery_costs_what_a_small_one_costs(
    alpha: FaceType, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    most_alike = selectors.most_alike
    monkeypatch.setattr(
        selectors, "most_alike", lambda found, *rest: (compared.append(len(found)), most_alike(found, *rest))[1]
    )
    images = make_gallery(alpha, 3 * selectors.LOOK_ALIKE_SAMPLE)
    random.seed(5)

    for queries in (3, 0):
        with django_assert_num_queries(queries):
            chosen = alike(alpha)
            [image.celebrity.name("en") for image in chosen]

    assert compared == [selectors.LOOK_ALIKE_SAMPLE] * 2
    # The best of a random third: the odds that one is below the upper tenth are less than one in a million.
    assert set(chosen) <= set(images[-len(images) // 10 :])
    places = [images.index(image) for image in chosen]
    assert places == sorted(places, reverse=True)


def test_a_small_gallery_is_compared_whole(alpha: FaceType, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    images = make_gallery(alpha, selectors.LOOK_ALIKE_SAMPLE)

    for queries in (3, 0):
        with django_assert_num_queries(queries):
            assert alike(alpha) == images[-1:-5:-1]


def test_another_sample_is_drawn_after_a_while(alpha: FaceType) -> None:
    make_gallery(alpha, 3 * selectors.LOOK_ALIKE_SAMPLE)
    first = selectors.compared_images(alpha.pk).images
    assert selectors.compared_images(alpha.pk).images is first

    catalogue_reread()

    assert selectors.compared_images(alpha.pk).images.keys() != first.keys()


@pytest.mark.parametrize("count", [selectors.LOOK_ALIKE_SAMPLE, selectors.LOOK_ALIKE_SAMPLE + 50])
def test_what_left_a_gallery_is_told_and_soon_shown_no_more(alpha: FaceType, count: int) -> None:
    make_gallery(alpha, count)
    gallery = gallery_like(alpha)
    image_unpublish(images=[gallery.images[0]])

    left = selectors.gallery_left(gallery_like(alpha))

    assert left.images == gallery.images[1:]
    assert left.look_alikes == 3
    catalogue_reread()
    assert gallery.images[0] not in gallery_like(alpha).images


def test_random_images_follow_where_too_few_are_embedded(alpha: FaceType) -> None:
    images = make_images(alpha, 5)
    embed(images[3], -0.9)
    random.seed(5)

    answers = [gallery_like(alpha) for _ in range(30)]

    assert all(answer.images[0] == images[3] and answer.look_alikes == 1 for answer in answers)
    assert all(len(set(answer.images)) == 4 for answer in answers)
    # Each is left out of a quarter of the answers.
    assert all(any(image not in answer.images for answer in answers) for image in images if image != images[3])


def test_an_empty_gallery_has_nobody(alpha: FaceType) -> None:
    assert alike(alpha) == []


def add_images(count: int) -> list[CelebrityImage]:
    return [image_add(celebrity=make_celebrity(), content=make_picture()) for _ in range(count)]


def embed_images() -> str:
    told = StringIO()
    call_command("embed_images", stdout=told, stderr=told)
    return told.getvalue()


def test_the_command_embeds_what_no_or_another_model_has_seen(engine: FakeBackend) -> None:
    seen, stale, *_new = add_images(20)
    embed(seen, 0.5)
    embed(stale, 0.5, version="types-earlier")

    assert "19 images embedded, 0 without a usable face, 0 failed" in embed_images()

    assert engine.photos_analysed == 19
    assert set(ImageEmbedding.objects.values_list("version", flat=True)) == {VERSIONS.types}
    assert len(bytes(ImageEmbedding.objects.get(image=stale).vector)) == 256
    assert "0 images embedded" in embed_images()
    assert engine.photos_analysed == 19


def test_a_picture_without_a_face_is_looked_at_once(engine: FakeBackend) -> None:
    add_images(1)
    engine.refuses_with = RefusalReason.NO_FACE

    assert "1 without a usable face" in embed_images()
    embed_images()

    assert engine.photos_analysed == 1
    assert bytes(ImageEmbedding.objects.get().vector) == b""


def test_a_picture_that_cannot_be_read_stops_no_other_and_is_tried_again(engine: FakeBackend) -> None:
    first, second = add_images(2)
    content = selectors.image_bytes(first)
    storages["catalog"].delete(first.file)

    with pytest.raises(CommandError, match="Run it again"):
        embed_images()

    assert ImageEmbedding.objects.get().image == second
    with storages["catalog"].open(first.file, "wb") as file:
        file.write(content)
    assert "1 images embedded" in embed_images()


def test_the_auto_labeller_embeds_as_it_goes(alpha: FaceType, engine: FakeBackend) -> None:
    add_images(3)
    worker = AutolabelWorker(autolabel_create(images=unlabelled_images(), created_by=None))
    while worker.step():
        pass

    assert ImageEmbedding.objects.filter(version=VERSIONS.types).count() == 3


def test_drawn_faces_are_most_like_themselves() -> None:
    """With the real models: the same portrait in another size and quality."""
    import io

    from PIL import Image

    from catalog.portraits import draw_portrait
    from tests.images import encode

    embeddings = []
    for number in range(4):
        portrait = draw_portrait(number)
        small = encode(Image.open(io.BytesIO(portrait)).convert("RGB").resize((300, 375)), quality=70)
        embeddings.append([np.array(client.analyze(content).embedding) for content in (portrait, small)])

    for own, (portrait, _small) in enumerate(embeddings):
        likeness = [portrait @ small for _portrait, small in embeddings]
        assert int(np.argmax(likeness)) == own
