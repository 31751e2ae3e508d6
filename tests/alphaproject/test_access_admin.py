"""The screens for who may do what."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client as HttpClient

PATHS = ["auth/user/", "auth/user/add/", "auth/group/", "auth/group/add/"]


@pytest.mark.parametrize("path", PATHS)
def test_screen_opens_for_an_administrator(admin_client: HttpClient, path: str) -> None:
    assert admin_client.get(f"/admin/{path}").status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_screen_is_closed_to_staff_without_the_permission(client: HttpClient, db: None, path: str) -> None:
    client.force_login(get_user_model().objects.create_user("curator", is_staff=True))

    assert client.get(f"/admin/{path}").status_code == 403


def test_administrator_adds_a_user_who_can_log_in(admin_client: HttpClient, client: HttpClient) -> None:
    password = "a long and unusual phrase"
    form = {"username": "curator", "usable_password": "true", "password1": password, "password2": password}

    assert admin_client.post("/admin/auth/user/add/", form).status_code == 302
    assert client.login(username="curator", password=password)
