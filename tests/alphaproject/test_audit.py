"""The audit log: every change has its entry, and no entry tells more than it must."""

from __future__ import annotations

import json
from typing import Any

import pytest
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alphaproject.audit import TRACKED, UNTRACKED
from catalog.models import CelebrityImage, FaceType, Survey
from catalog.services.audit import Action, acting, audit_bulk
from tests.catalog.factories import make_celebrity, make_face_types, make_images
from tests.rows import make_survey

pytestmark = pytest.mark.django_db

OURS = ("catalog", "classification", "inference")
LIST = "admin:auditlog_logentry_changelist"


def entries_of(row: Any) -> list[LogEntry]:
    return list(LogEntry.objects.get_for_object(row).order_by("id"))


def test_every_model_of_ours_is_tracked_or_has_a_reason_not_to_be() -> None:
    models = {model._meta.label for app in OURS for model in apps.get_app_config(app).get_models()}

    assert {label for label in {*TRACKED, *UNTRACKED} if label.split(".")[0] in OURS} == models
    assert not set(TRACKED) & set(UNTRACKED)
    assert {model._meta.label for model in auditlog.get_models()} == set(TRACKED)


def test_every_screen_where_something_is_edited_is_tracked() -> None:
    users_request: Any = type("Request", (), {"user": User(is_superuser=True, is_active=True), "method": "GET"})()
    edited = {
        model._meta.label
        for model, screen in admin.site._registry.items()
        if screen.has_change_permission(users_request) or screen.has_add_permission(users_request)
    }

    assert edited - {"catalog.SurveyImage"} <= set(TRACKED)


def test_a_change_in_the_back_office_names_who_and_what(admin_client: Client, admin_user: User) -> None:
    celebrity = make_celebrity(name_en="Before")
    url = reverse("admin:catalog_celebrity_change", args=[celebrity.pk])

    response = admin_client.post(url, {"name_en": "After", "name_ko": celebrity.name_ko})

    entry = entries_of(celebrity)[-1]
    assert (entry.actor, entry.action, entry.changes) == (
        admin_user,
        LogEntry.Action.UPDATE,
        {"name_en": ["Before", "After"]},
    )
    assert entry.cid == response["X-Request-ID"]
    assert entry.remote_addr is None


def test_what_a_client_claims_to_be_is_not_believed(admin_client: Client) -> None:
    celebrity = make_celebrity()
    url = reverse("admin:catalog_celebrity_change", args=[celebrity.pk])
    headers = {"X-Forwarded-For": "nonsense", "X-Correlation-Id": "x" * 1000, "X-Forwarded-Port": "9" * 30}

    response = admin_client.post(url, {"name_en": "After", "name_ko": "후"}, headers=headers)

    assert response.status_code == 302
    assert len(entries_of(celebrity)[-1].cid) == 32


def test_nobody_is_named_for_what_the_command_line_does() -> None:
    assert entries_of(make_celebrity())[0].actor is None


def test_one_request_does_not_act_for_the_next(admin_client: Client, client: Client) -> None:
    admin_client.get(reverse("admin:index"))
    client.get("/health/live")

    assert entries_of(make_celebrity())[0].actor is None


def test_passwords_names_and_addresses_are_not_told(admin_client: Client) -> None:
    user = User.objects.create_user("someone", "secret@example.com", "a long and unusual phrase", first_name="Gildong")
    user.set_password("another unusual phrase")
    user.email = "other@example.com"
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.create(name="interns"))

    told = json.dumps([entry.changes for entry in entries_of(user)])

    assert "is_staff" in told
    assert "interns" in told
    for secret in ("pbkdf2", user.password, "example.com", "Gildong"):
        assert secret not in told


def test_logging_in_changes_nothing_worth_telling(admin_user: User, client: Client) -> None:
    before = LogEntry.objects.count()

    client.force_login(admin_user)

    assert LogEntry.objects.count() == before


def test_the_link_of_a_survey_is_not_told() -> None:
    survey = make_survey()
    link = survey.link_token
    survey.delete()

    assert link not in json.dumps(list(LogEntry.objects.values("changes", "object_repr")))


@pytest.mark.usefixtures("catalogue")
def test_no_session_is_read_where_nothing_is_told(client: Client) -> None:
    # A page that varies by cookie is cached for nobody.
    assert "Cookie" not in client.get("/api/v1/types/").get("Vary", "")


def test_many_changes_at_once_take_as_many_queries_as_few(admin_user: User) -> None:
    make_face_types()
    images = make_images(FaceType.objects.get(code="alpha"), 60, published=False)

    def queries(rows: list[CelebrityImage]) -> int:
        rows = list(CelebrityImage.objects.select_related("celebrity").filter(pk__in=[row.pk for row in rows]))
        with CaptureQueriesContext(connection) as captured, acting(admin_user):
            audit_bulk(objects=rows, changes={"published": (False, True)})
        return len(captured)

    queries(images[:1])
    assert queries(images[:2]) == queries(images[10:])
    entry = entries_of(images[59])[-1]
    assert (entry.actor, entry.action, entry.changes) == (admin_user, Action.UPDATE, {"published": ["False", "True"]})


def test_publishing_is_told(admin_client: Client) -> None:
    make_face_types()
    (image,) = make_images(FaceType.objects.get(code="alpha"), 1, published=False)
    data = {"_selected_action": image.pk}
    url = reverse("admin:catalog_celebrityimage_changelist")

    admin_client.post(url, data | {"action": "publish_selected"})
    admin_client.post(url, data | {"action": "unpublish_selected"})

    assert [entry.changes.get("published") for entry in entries_of(image)[-2:]] == [
        ["False", "True"],
        ["True", "False"],
    ]


def test_the_log_is_read_and_filtered_and_nothing_else(admin_client: Client, admin_user: User) -> None:
    with acting(admin_user):
        survey = make_survey()
    celebrity = make_celebrity()

    def found(**query: object) -> set[tuple[str, str]]:
        response: Any = admin_client.get(reverse(LIST), query)
        return {(entry.content_type.model, entry.object_pk) for entry in response.context["cl"].result_list}

    assert ("survey", str(survey.pk)) in found(actor=admin_user.pk)
    assert ("celebrity", str(celebrity.pk)) in found(actor="none")
    assert ("celebrity", str(celebrity.pk)) not in found(actor=admin_user.pk)
    assert {model for model, _pk in found(model="catalog.survey")} == {"survey"}
    assert found(model="nonsense") == found(actor="nonsense") == set()
    assert found(action__exact=LogEntry.Action.DELETE) == set()
    assert {pk for _model, pk in found(q=str(survey.pk))} == {str(survey.pk)}

    entry = LogEntry.objects.latest("id")
    name = "admin:auditlog_logentry"
    assert admin_client.get(reverse(f"{name}_change", args=[entry.pk])).status_code == 200
    assert admin_client.post(reverse(f"{name}_change", args=[entry.pk]), {"action": 2}).status_code == 403
    assert admin_client.get(reverse(f"{name}_delete", args=[entry.pk])).status_code == 403
    assert admin_client.get(reverse(f"{name}_add")).status_code == 403
    assert Survey.objects.exists()
