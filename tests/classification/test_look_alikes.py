"""Who an answer shows: the celebrities most like the face, and that it says so."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import Client

from catalog.models import CelebrityImage
from catalog.services.embeddings import Embedding, embeddings_set
from classification.models import Classification
from tests.classification.conftest import PostPhoto
from tests.fakes import VERSIONS, FakeBackend

pytestmark = pytest.mark.django_db


def embed(images: list[CelebrityImage]) -> None:
    """The later, the more alike to the face that the fake backend sees."""
    likeness = np.linspace(0.1, 0.9, len(images))
    vectors = likeness[:, None] * np.eye(128)[0] + np.sqrt(1 - likeness**2)[:, None] * np.eye(128)[1]
    embeddings_set({image.pk: Embedding(v, VERSIONS.types) for image, v in zip(images, vectors.tolist(), strict=True)})


def betas() -> list[CelebrityImage]:
    return list(CelebrityImage.objects.filter(face_type__code="beta").order_by("pk"))


def test_the_most_alike_are_shown_first_and_the_answer_says_so(post_photo: PostPhoto, client: Client) -> None:
    images = betas()
    embed(images)

    created = post_photo().json()

    assert [celebrity["look_alike"] for celebrity in created["celebrities"]] == [True] * 4
    assert [celebrity["attribution"] for celebrity in created["celebrities"]] == [
        image.attribution for image in images[:0:-1]
    ]
    again = client.get(
        f"/api/v1/classifications/{created['id']}/", headers={"Authorization": f"Bearer {created['owner_token']}"}
    )
    assert again.json()["celebrities"] == created["celebrities"]


def test_others_fill_up_where_too_few_are_known(post_photo: PostPhoto) -> None:
    images = betas()
    embed(images[:2])

    celebrities = post_photo().json()["celebrities"]

    assert [celebrity["look_alike"] for celebrity in celebrities] == [True, True, False, False]
    assert celebrities[0]["attribution"] == images[1].attribution
    assert len({celebrity["image_url"] for celebrity in celebrities}) == 4


def test_without_embeddings_four_come_at_random(post_photo: PostPhoto) -> None:
    celebrities = post_photo().json()["celebrities"]

    assert [celebrity["look_alike"] for celebrity in celebrities] == [False] * 4


def test_an_unpublished_look_alike_leaves_the_others_as_they_are(post_photo: PostPhoto, client: Client) -> None:
    images = betas()
    embed(images[:2])
    created = post_photo().json()

    CelebrityImage.objects.filter(pk=images[1].pk).update(gallery_slot=None)
    again = client.get(
        f"/api/v1/classifications/{created['id']}/", headers={"Authorization": f"Bearer {created['owner_token']}"}
    ).json()

    assert [celebrity["look_alike"] for celebrity in again["celebrities"]] == [True, False, False]


def test_the_mobile_app_gets_its_own_shape(post_mobile: PostPhoto, engine: FakeBackend) -> None:
    embed(betas())

    result = post_mobile().json()

    assert result.keys() == {"human", "male_type", "dsc", "img1", "img2", "img3", "img4"}
    assert len({result[f"img{number}"] for number in range(1, 5)}) == 4


def test_no_persons_embedding_is_kept(post_photo: PostPhoto) -> None:
    post_photo(store_photo="true")

    record = Classification.objects.values().get()
    assert not any("embedding" in name for name in record)
    assert "1.0, 0.0" not in str(record)


def test_the_result_page_marks_the_most_alike(client: Client, catalogue: None, engine: FakeBackend) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from tests.images import jpeg

    embed(betas())
    page = client.post("/", {"photo": SimpleUploadedFile("p.jpg", jpeg()), "birth_date": "1996-05-04"}, follow=True)

    assert page.content.decode().count("Most alike") == 1
