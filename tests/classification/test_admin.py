"""Results in the back office: what staff see, and what the audit log says of it."""

from __future__ import annotations

import shutil
import uuid
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse

from alphaproject.roles import roles_update
from classification.models import Classification, IdempotentRequest
from tests.classification.conftest import PostPhoto

LIST = "admin:classification_classification_changelist"


def log_in(role: str) -> Client:
    roles_update()
    user = User.objects.create_user(role, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def kept(post_photo: PostPhoto) -> Classification:
    """A result whose photo was kept."""
    post_photo(store_photo="true", mbti="INFJ", headers={"Idempotency-Key": "a key"})
    return Classification.objects.get()


def photo_url(classification: Classification) -> str:
    return reverse("admin:classification_classification_photo", args=[classification.pk])


def detail_url(classification: Classification) -> str:
    return reverse("admin:classification_classification_change", args=[classification.pk])


def test_every_view_of_a_photo_is_in_the_audit_log(kept: Classification) -> None:
    client = log_in("administrator")

    for views in (1, 2, 3):
        response = client.get(photo_url(kept))

        assert response.status_code == 200
        assert response.content.startswith(b"\xff\xd8")
        assert "no-store" in response["Cache-Control"]
        entries = LogEntry.objects.filter(object_pk=kept.pk, action=LogEntry.Action.ACCESS)
        assert entries.count() == views
        entry = entries.latest("id")
        assert (entry.actor.username, entry.content_type.model) == ("administrator", "classification")
        assert entry.cid == response["X-Request-ID"]


def test_looking_at_the_record_alone_shows_no_photo(kept: Classification) -> None:
    page = log_in("administrator").get(detail_url(kept)).content.decode()

    assert photo_url(kept) in page
    assert kept.photo_key not in page
    assert kept.owner_token not in page
    assert not LogEntry.objects.filter(object_pk=kept.pk).exists()


@pytest.mark.parametrize("role", ["viewer", "curator", "ml_engineer"])
def test_other_roles_see_neither_photo_nor_person(kept: Classification, role: str) -> None:
    client = log_in(role)
    page = client.get(detail_url(kept))

    assert page.status_code == 200
    for text in (photo_url(kept), "INFJ", "1996", kept.photo_key):
        assert text not in page.content.decode()
    assert client.get(photo_url(kept)).status_code == 403
    assert client.post(photo_url(kept)).status_code == 403
    assert not LogEntry.objects.filter(action=LogEntry.Action.ACCESS).exists()


def test_a_photo_that_was_not_kept_or_cannot_be_read_is_nobodys_view(
    kept: Classification, post_photo: PostPhoto
) -> None:
    client = log_in("administrator")
    without = Classification.objects.get(pk=post_photo().json()["id"])
    assert client.get(photo_url(without)).status_code == 404
    assert client.get(photo_url(Classification(pk=uuid.uuid4()))).status_code == 404

    shutil.rmtree(storages["photos"].location)  # type: ignore[attr-defined]
    response: Any = client.get(photo_url(kept), follow=True)

    assert [str(message) for message in response.context["messages"]] == [
        "Photos cannot be stored or erased at the moment. Please try again later."
    ]
    assert not LogEntry.objects.filter(action=LogEntry.Action.ACCESS).exists()


def test_people_who_send_and_erase_photos_leave_no_entry(client: Client, post_photo: PostPhoto) -> None:
    created = post_photo(store_photo="true").json()
    owner = {"Authorization": f"Bearer {created['owner_token']}"}
    before = LogEntry.objects.count()

    client.delete(f"/api/v1/classifications/{created['id']}/", headers=owner)

    assert LogEntry.objects.count() == before
    assert not LogEntry.objects.filter(object_pk=created["id"]).exists()


@pytest.mark.parametrize("way", ["page", "selection"])
def test_deleting_erases_record_key_and_photo_and_is_in_the_audit_log(kept: Classification, way: str) -> None:
    client = log_in("administrator")

    if way == "page":
        client.post(reverse("admin:classification_classification_delete", args=[kept.pk]), {"post": "yes"})
    else:
        client.post(reverse(LIST), {"action": "delete_selected", "_selected_action": str(kept.pk), "post": "yes"})

    assert not Classification.objects.exists()
    assert not IdempotentRequest.objects.exists()
    assert not storages["photos"].exists(kept.photo_key)
    entry = LogEntry.objects.get(object_pk=kept.pk)
    assert (entry.action, entry.actor.username) == (LogEntry.Action.DELETE, "administrator")


def test_a_photo_that_cannot_be_erased_keeps_its_record(kept: Classification, monkeypatch: pytest.MonkeyPatch) -> None:
    client = log_in("administrator")

    def fail(_name: str) -> None:
        raise OSError

    monkeypatch.setattr(storages["photos"], "delete", fail)
    url = reverse("admin:classification_classification_delete", args=[kept.pk])
    response: Any = client.post(url, {"post": "yes"}, follow=True)

    assert response.status_code == 200
    assert Classification.objects.filter(pk=kept.pk).exists()
    assert not LogEntry.objects.filter(object_pk=kept.pk).exists()


def test_a_result_is_found_by_its_whole_id_and_by_nothing_else(kept: Classification, post_photo: PostPhoto) -> None:
    post_photo()
    client = log_in("viewer")

    def found(term: str) -> list[Classification]:
        response: Any = client.get(reverse(LIST), {"q": term})
        return list(response.context["cl"].result_list)

    assert found(str(kept.pk)) == [kept]
    assert found(f" {kept.pk} ".upper()) == [kept]
    assert found(str(kept.pk)[:8]) == []
    assert found("beta") == []


@pytest.mark.parametrize(
    ("query", "count"),
    [("photo=kept", 1), ("photo=none", 1), ("client__exact=api", 2), ("client__exact=web", 0), ("photo=x", 2)],
)
def test_results_are_filtered(kept: Classification, post_photo: PostPhoto, query: str, count: int) -> None:
    post_photo()

    response: Any = log_in("viewer").get(f"{reverse(LIST)}?{query}")

    assert len(response.context["cl"].result_list) == count


def test_the_list_counts_no_rows(kept: Classification, django_assert_max_num_queries: Any) -> None:
    client = log_in("viewer")
    with django_assert_max_num_queries(20) as captured:
        client.get(reverse(LIST))

    counted = [
        query["sql"] for query in captured if "COUNT(" in query["sql"] and "classification_class" in query["sql"]
    ]
    assert counted == []
