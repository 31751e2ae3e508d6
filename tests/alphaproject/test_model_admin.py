"""Models in the back office: to look at, to put to use, to withdraw."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from inference.comparison import CROSS_VALIDATED_R
from inference.models import ModelRelease
from tests.inference.factories import make_release

pytestmark = pytest.mark.django_db

RELEASES = "admin:inference_modelrelease_changelist"


@pytest.fixture
def operator(client: Client) -> Client:
    """Someone who may look at models and put them to use, and nothing else."""
    return log_in(client, "view_modelrelease", "activate_modelrelease")


@pytest.fixture
def first(tmp_path: Path) -> ModelRelease:
    return make_release(tmp_path, version="9.0")


@pytest.fixture
def second(tmp_path: Path) -> ModelRelease:
    return make_release(tmp_path, version="9.1")


def log_in(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def run_action(client: Client, name: str, *releases: ModelRelease) -> list[str]:
    data = {"action": name, "_selected_action": [release.pk for release in releases]}
    response: Any = client.post(reverse(RELEASES), data, follow=True)
    return [str(message) for message in response.context["messages"]]


def active() -> list[str]:
    return [str(release) for release in ModelRelease.objects.active()]


def test_list_shows_versions_and_numbers(operator: Client, first: ModelRelease) -> None:
    first.activate()

    page = operator.get(reverse(RELEASES)).content.decode()

    assert first.version in page
    assert f"{CROSS_VALIDATED_R} 0.9500" in page


def test_page_of_a_release_shows_its_card(operator: Client, first: ModelRelease) -> None:
    response = operator.get(reverse("admin:inference_modelrelease_change", args=[first.pk]))
    page = html.unescape(response.content.decode())

    card = first.manifest
    for fact in (first.sha256, card["licence"], card["training"]["sha256"], *card["training"]["teachers"].values()):
        assert fact in page
    for name, licence in card["training"]["sets"].items():
        assert name in page
        assert licence in page


def test_release_is_activated_and_the_change_recorded(operator: Client, first: ModelRelease) -> None:
    (said,) = run_action(operator, "activate", first)

    assert active() == ["types 9.0"]
    assert "types 9.0" in said
    assert LogEntry.objects.get().object_id == str(first.pk)


def test_release_in_use_is_rolled_back_once(operator: Client, first: ModelRelease, second: ModelRelease) -> None:
    first.activate()
    second.activate()

    run_action(operator, "roll_back", second)
    assert active() == ["types 9.0"]

    # A second click names a release that is no longer in use.
    (said,) = run_action(operator, "roll_back", second)
    assert active() == ["types 9.0"]
    assert "not in use" in said


def test_one_release_is_chosen_at_a_time(operator: Client, first: ModelRelease, second: ModelRelease) -> None:
    run_action(operator, "activate", first, second)

    assert active() == []


def test_nobody_activates_without_the_permission(client: Client, first: ModelRelease) -> None:
    viewer = log_in(client, "view_modelrelease")

    assert viewer.get(reverse(RELEASES)).status_code == 200
    run_action(viewer, "activate", first)
    assert active() == []

    User.objects.get().user_permissions.add(Permission.objects.get(codename="activate_modelrelease"))
    run_action(viewer, "activate", first)
    assert active() == ["types 9.0"]


def test_nobody_looks_without_the_permission(client: Client, first: ModelRelease) -> None:
    assert log_in(client, "activate_modelrelease").get(reverse(RELEASES)).status_code == 403


def test_releases_are_neither_added_nor_changed_nor_deleted_by_hand(admin_client: Client, first: ModelRelease) -> None:
    page = reverse("admin:inference_modelrelease_change", args=[first.pk])

    assert admin_client.get(reverse("admin:inference_modelrelease_add")).status_code == 403
    assert admin_client.get(page).status_code == 200
    assert admin_client.post(page, {"version": "1"}).status_code == 403
    assert admin_client.post(reverse("admin:inference_modelrelease_delete", args=[first.pk])).status_code == 403
    first.refresh_from_db()
    assert first.version == "9.0"
