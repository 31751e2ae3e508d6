"""What holds for every screen of the back office, also for those that are yet to be written."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from alphaproject import navigation
from tests.catalog.factories import make_celebrity, make_face_types
from tests.rows import ADD_ROWS

pytestmark = pytest.mark.django_db

# A result's page leads to its ranking.
NOT_IN_THE_SIDEBAR = {"catalog.surveyresultrow"}

SCREENS = sorted(admin.site._registry, key=lambda model: model._meta.label)
by_label = pytest.mark.parametrize("model", SCREENS, ids=lambda model: model._meta.label)


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@by_label
def test_a_list_takes_as_many_queries_for_fifty_rows_as_for_five(admin_client: Client, model: type[Model]) -> None:
    make_face_types()
    add_rows = ADD_ROWS[model._meta.label]

    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            response: Any = admin_client.get(list_url(model))
        assert response.status_code == 200
        return [query["sql"] for query in captured]

    if add_rows:
        add_rows(5)
    queries()
    few = queries()
    if add_rows:
        add_rows(45)

    many = queries()
    assert len(many) == len(few), "\n".join(many)


@by_label
def test_a_list_and_its_first_row_open_in_both_languages(admin_client: Client, model: type[Model]) -> None:
    make_face_types()
    if add_rows := ADD_ROWS[model._meta.label]:
        add_rows(2)
    for language in ("en", "ko"):
        headers = {"accept-language": language}
        response: Any = admin_client.get(list_url(model), headers=headers)
        assert response.status_code == 200
        for row in response.context["cl"].result_list[:1]:
            url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
            assert admin_client.get(url, headers=headers).status_code == 200
            assert admin_client.get(url.replace("/change/", "/history/"), headers=headers).status_code == 200


@by_label
def test_a_forged_selection_is_survived(admin_client: Client, model: type[Model]) -> None:
    make_face_types()
    if add_rows := ADD_ROWS[model._meta.label]:
        add_rows(1)
    request: Any = admin_client.get(list_url(model)).wsgi_request
    actions = {*admin.site._registry[model].get_actions(request), "nonsense", "delete_selected"}
    rows = model._default_manager.count()

    for action in actions:
        for selected in ("abc", "-1", "9" * 40, "", "1; DROP TABLE", "\x00", "한글"):
            response = admin_client.post(list_url(model), {"action": action, "_selected_action": selected})
            assert response.status_code < 500

    assert model._default_manager.count() == rows


@by_label
def test_a_forged_address_is_survived(admin_client: Client, model: type[Model]) -> None:
    make_face_types()
    url = list_url(model)
    for query in ("p=9999", "p=x", "o=99", "o=-x", "q=%00", "q=%ED%95%9C", "nonsense=1", "e=1", "all="):
        assert admin_client.get(f"{url}?{query}", follow=True).status_code < 500
    for listed in admin.site._registry[model].list_filter or ():
        name = listed[0] if isinstance(listed, tuple) else getattr(listed, "parameter_name", listed)
        for value in ("abc", "9" * 40, "%00"):
            for lookup in ("", "__exact", "__gte", "__id__exact"):
                assert admin_client.get(f"{url}?{name}{lookup}={value}", follow=True).status_code < 500
    for pk in ("0", "abc", "9" * 40, "_5F"):
        for view in ("change", "delete", "history"):
            assert admin_client.get(f"{url}{pk}/{view}/", follow=True).status_code < 500


def test_every_screen_stands_in_the_sidebar() -> None:
    linked = {label for screens in navigation.SCREENS.values() for _title, _icon, label in screens}

    assert {model._meta.label_lower for model in SCREENS} == linked | NOT_IN_THE_SIDEBAR


def test_everybody_finds_their_screens_and_no_others_in_the_sidebar(admin_client: Client, client: Client) -> None:
    page = admin_client.get(reverse("admin:index")).content.decode()
    shown = [model for model in SCREENS if model._meta.label_lower not in NOT_IN_THE_SIDEBAR]
    assert all(f'href="{list_url(model)}"' in page for model in shown)

    client.force_login(User.objects.create_user("nobody", is_staff=True))
    page = client.get(reverse("admin:index")).content.decode()
    assert not any(f'href="{list_url(model)}"' in page for model in SCREENS)


@pytest.mark.parametrize("megabytes", [2, 4])
def test_an_upload_over_the_limit_is_told_so(admin_client: Client, settings: Settings, megabytes: int) -> None:
    settings.MAX_PHOTO_BYTES = 1024 * 1024
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 3 * 1024 * 1024
    celebrity = make_celebrity()
    data = {"celebrity": celebrity.pk, "upload": SimpleUploadedFile("p.jpg", bytes(megabytes * 1024 * 1024))}

    response: Any = admin_client.post(reverse("admin:catalog_celebrityimage_add"), data)

    (sentence,) = response.context["adminform"].form.errors["upload"]
    assert "too large" in sentence or "at most" in sentence


def test_an_upload_over_every_limit_is_told_so(admin_client: Client, settings: Settings) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1024
    settings.MAX_IMPORT_BYTES = 4096
    data = {"upload": SimpleUploadedFile("p.jpg", bytes(8192))}

    response = admin_client.post(reverse("admin:catalog_celebrityimage_add"), data)

    assert response.status_code == 413
    assert "too large" in response.content.decode()


def test_nobody_but_staff_fills_the_disk(client: Client, settings: Settings) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1024

    for user in (None, User.objects.create_user("visitor")):
        if user:
            client.force_login(user)
        data = {"upload": SimpleUploadedFile("p.jpg", bytes(8192))}
        response: Any = client.post(reverse("admin:catalog_celebrityimage_add"), data)
        assert response.status_code == 302
        assert not response.wsgi_request.FILES
