"""GET and DELETE /api/v1/classifications/{id}/, and what becomes of records in time."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import storages
from django.core.management import call_command
from django.test import Client as HttpClient
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from catalog.models import CelebrityImage
from catalog.services.images import image_unpublish
from classification import photos
from classification.models import Classification
from tests.classification.conftest import PostPhoto


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def url_of(answer: dict[str, Any]) -> str:
    return f"/api/v1/classifications/{answer['id']}/"


def test_owner_reads_the_same_answer_again(client: HttpClient, post_photo: PostPhoto) -> None:
    created = post_photo(mbti="ENFP").json()

    response = client.get(url_of(created), headers=bearer(created["owner_token"]))

    assert response.status_code == 200
    token = created.pop("owner_token")
    assert response.json() == created
    assert token not in response.content.decode()


def test_reading_takes_a_fixed_number_of_queries(
    client: HttpClient, post_photo: PostPhoto, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    created = post_photo().json()

    with django_assert_num_queries(2):
        client.get(url_of(created), headers=bearer(created["owner_token"]))


@pytest.mark.parametrize("method", ["get", "delete"])
def test_only_the_owners_token_opens_a_result(client: HttpClient, post_photo: PostPhoto, method: str) -> None:
    mine, theirs = post_photo().json(), post_photo().json()
    send = getattr(client, method)

    without = send(url_of(mine))
    with_wrong = send(url_of(mine), headers=bearer("wrong"))
    with_theirs = send(url_of(mine), headers=bearer(theirs["owner_token"]))
    unknown = send(f"/api/v1/classifications/{uuid4()}/", headers=bearer(mine["owner_token"]))

    assert without.status_code == 401
    assert without.json()["code"] == "not_authenticated"
    assert without["WWW-Authenticate"] == "Bearer"
    for refusal in (with_wrong, with_theirs, unknown):
        assert refusal.status_code == 404
        assert refusal.json()["code"] == "not_found"
    assert Classification.objects.count() == 2


def test_owner_deletes_the_record_and_its_photo(client: HttpClient, post_photo: PostPhoto) -> None:
    created = post_photo(store_photo="true").json()
    key = Classification.objects.get().photo_key
    assert storages["photos"].exists(key)

    response = client.delete(url_of(created), headers=bearer(created["owner_token"]))

    assert response.status_code == 204
    assert not storages["photos"].exists(key)
    assert not Classification.objects.exists()
    assert client.get(url_of(created), headers=bearer(created["owner_token"])).status_code == 404


def test_record_stays_while_its_photo_cannot_be_erased(
    client: HttpClient, post_photo: PostPhoto, settings: Settings, tmp_path: Path
) -> None:
    created = post_photo(store_photo="true").json()
    a_file = tmp_path / "not a folder"
    a_file.touch()
    working = settings.STORAGES
    settings.STORAGES = working | {"photos": working["photos"] | {"OPTIONS": {"location": a_file}}}

    refusal = client.delete(url_of(created), headers=bearer(created["owner_token"]))
    assert refusal.status_code == 503
    assert refusal.json()["code"] == "storage_unavailable"
    assert Classification.objects.exists()

    settings.STORAGES = working
    assert client.delete(url_of(created), headers=bearer(created["owner_token"])).status_code == 204


def test_photo_that_is_already_gone_does_not_keep_its_record(client: HttpClient, post_photo: PostPhoto) -> None:
    created = post_photo(store_photo="true").json()
    photos.photo_delete(Classification.objects.get().photo_key)

    assert client.delete(url_of(created), headers=bearer(created["owner_token"])).status_code == 204


def test_unpublished_celebrity_is_left_out(client: HttpClient, post_photo: PostPhoto) -> None:
    created = post_photo().json()
    shown = Classification.objects.get().celebrity_images
    image_unpublish(images=list(CelebrityImage.objects.filter(pk=shown[1])))

    again = client.get(url_of(created), headers=bearer(created["owner_token"])).json()

    assert again["celebrities"] == [created["celebrities"][index] for index in (0, 2, 3)]


def test_expired_result_is_gone_for_its_owner(client: HttpClient, post_photo: PostPhoto) -> None:
    created = post_photo().json()
    now = timezone.now()
    Classification.objects.update(created_at=now - timedelta(days=2), expires_at=now)

    assert client.get(url_of(created), headers=bearer(created["owner_token"])).status_code == 404


def test_purge_erases_expired_records_with_their_photos_and_no_others(post_photo: PostPhoto) -> None:
    kept, expired = (post_photo(store_photo="true").json() for _ in range(2))
    now = timezone.now()
    Classification.objects.filter(pk=expired["id"]).update(created_at=now - timedelta(days=2), expires_at=now)
    expired_key = Classification.objects.get(pk=expired["id"]).photo_key
    out = StringIO()

    call_command("purge_expired", stdout=out)

    remaining = Classification.objects.get()
    assert str(remaining.pk) == kept["id"]
    assert storages["photos"].exists(remaining.photo_key)
    assert not storages["photos"].exists(expired_key)
    assert out.getvalue().startswith("1 ")
