"""What each role may do in the back office, and above all what it may not."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from alphaproject.roles import ROLES, roles_update
from tests.catalog.factories import make_face_types
from tests.rows import ADD_ROWS

pytestmark = pytest.mark.django_db

# Screen -> what viewer, curator, ml_engineer and administrator may do there: view, add, change, delete.
# Screens that nobody edits have no more than "v" for anybody.
MATRIX: dict[str, tuple[str, str, str, str]] = {
    "auditlog.LogEntry": ("", "", "", "v"),
    "auth.Group": ("", "", "", "vacd"),
    "auth.User": ("", "", "", "vacd"),
    "catalog.Celebrity": ("v", "vacd", "v", "vacd"),
    "catalog.CelebrityImage": ("v", "vacd", "v", "vacd"),
    "catalog.FaceType": ("v", "vc", "v", "vc"),
    "catalog.Guidance": ("v", "vc", "v", "vc"),
    "catalog.ImageLabel": ("v", "v", "v", "v"),
    "catalog.Job": ("v", "v", "v", "v"),
    "catalog.LabelExport": ("v", "v", "v", "v"),
    "catalog.Rater": ("v", "v", "v", "v"),
    "catalog.Rating": ("v", "v", "v", "v"),
    "catalog.ScoringPolicy": ("v", "vacd", "v", "vacd"),
    "catalog.Survey": ("v", "vacd", "v", "vacd"),
    "catalog.SurveyImage": ("v", "vcd", "v", "vcd"),
    "catalog.SurveyImport": ("v", "vc", "v", "vc"),
    "catalog.SurveyResult": ("v", "v", "v", "v"),
    "catalog.SurveyResultRow": ("v", "v", "v", "v"),
    "classification.Classification": ("v", "v", "v", "vd"),
    "django_tasks_database.DBTaskResult": ("", "v", "v", "v"),
    "inference.ModelRelease": ("v", "v", "v", "v"),
}
SCREENS = sorted(admin.site._registry, key=lambda model: model._meta.label)
# Pages that every member of staff has: their own, and what pages need to work.
FOR_ALL_STAFF = {
    "admin:index",
    "admin:search",
    "admin:login",
    "admin:logout",
    "admin:password_change",
    "admin:password_change_done",
    "admin:autocomplete",
    "admin:jsi18n",
    "admin:view_on_site",
    "admin:app_list",
}


def staff(role: str | None) -> User:
    roles_update()
    user = User.objects.create_user(role or "nobody", is_staff=True)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("model", SCREENS, ids=lambda model: model._meta.label)
def test_a_screen_does_for_a_role_what_the_matrix_says(client: Client, model: type[Model], role: str) -> None:
    allowed = MATRIX[model._meta.label][list(ROLES).index(role)]
    make_face_types()
    if add_rows := ADD_ROWS[model._meta.label]:
        add_rows(1)
    row = model._default_manager.order_by("pk").first()
    client.force_login(staff(role))
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"

    def may(method: str, view: str, *args: object) -> bool:
        response = getattr(client, method)(reverse(f"{name}_{view}", args=args))
        # 422: allowed, but an empty form says nothing.
        assert response.status_code in (200, 302, 403, 422), response.status_code
        return bool(response.status_code != 403)

    # Where there is no row, the permission is asked for first, too.
    pk = row.pk if row else 0
    done = "v" if may("get", "changelist") else ""
    done += "a" if may("get", "add") else ""
    done += "c" if may("post", "change", pk) else ""
    done += "d" if may("get", "delete", pk) else ""
    assert done == allowed
    assert may("get", "change", pk) == may("get", "history", pk) == ("v" in allowed)


def test_every_page_of_the_back_office_is_closed_to_staff_without_a_role(client: Client) -> None:
    """Also to pages that are yet to be written: every address under /admin/ is tried."""
    client.force_login(staff(None))
    tried = 0
    for name, url in admin_urls():
        if name in FOR_ALL_STAFF:
            continue
        for method in ("get", "post"):
            response = getattr(client, method)(url)
            tried += 1
            # 405: not even those who may would be answered. 302: the way from an old address to its page, or from
            # the history of what is not there.
            if name.endswith("_history") and response.status_code == 302 and response["Location"] == "/admin/":
                continue
            assert response.status_code in (403, 404, 405) or is_redirect_to_closed_page(client, response), (name, url)
    assert tried >= 2 * 5 * len(SCREENS)


def test_every_page_of_the_back_office_asks_visitors_to_log_in(client: Client) -> None:
    for name, url in admin_urls():
        if name in ("admin:login", "admin:jsi18n", "admin:logout"):
            continue
        response = client.get(url)
        is_sent_to_login = response.status_code == 302 and response["Location"].startswith("/admin/login/")
        assert response.status_code in (404, 405) or is_sent_to_login, (name, url)


def is_redirect_to_closed_page(client: Client, response: Any) -> bool:
    return bool(
        response.status_code == 302
        and response["Location"].startswith("/admin/")
        and client.get(response["Location"]).status_code in (403, 404)
    )


def admin_urls() -> list[tuple[str, str]]:
    """Name and an address of every route of the admin; its parameters get values that are nowhere found."""
    values = {"int": "999999", "uuid": "00000000-0000-0000-0000-000000000000", "slug": "none", "path": "0", "str": "0"}
    found: list[tuple[str, str]] = []

    def walk(patterns: list[Any], prefix: str) -> None:
        for pattern in patterns:
            route = str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, prefix + route)
            elif isinstance(pattern, URLPattern) and pattern.name:
                path = prefix + route
                for kind, value in values.items():
                    while f"<{kind}:" in path:
                        start = path.index(f"<{kind}:")
                        path = path[:start] + value + path[path.index(">", start) + 1 :]
                if "(?P" not in path:
                    found.append((f"admin:{pattern.name}", f"/{path}"))

    (resolver,) = [each for each in get_resolver().url_patterns if getattr(each, "app_name", None) == "admin"]
    walk(resolver.url_patterns, str(resolver.pattern))
    return found


def test_roles_are_brought_back_to_what_they_are_and_other_groups_left_alone() -> None:
    roles_update()
    viewer, curator = Group.objects.get(name="viewer"), Group.objects.get(name="curator")
    own = Group.objects.create(name="interns")
    user = User.objects.create_user("someone")
    user.groups.set([viewer, own])
    forbidden = Permission.objects.get(codename="delete_classification")
    for group in (viewer, own):
        group.permissions.add(forbidden)
    curator.permissions.clear()

    roles_update()

    assert forbidden not in viewer.permissions.all()
    assert curator.permissions.exists()
    assert list(own.permissions.all()) == [forbidden]
    assert set(user.groups.all()) == {viewer, own}


def test_every_permission_of_the_product_is_somebodys() -> None:
    """So that a new one is not forgotten: an administrator has all of them."""
    roles_update()
    apps = ["catalog", "classification", "inference"]
    ours = Permission.objects.filter(content_type__app_label__in=apps)

    assert set(ours) <= set(Group.objects.get(name="administrator").permissions.all())


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        ("classification.view_photo", {"administrator"}),
        ("classification.delete_classification", {"administrator"}),
        ("inference.activate_modelrelease", {"ml_engineer", "administrator"}),
        ("catalog.add_labelexport", {"curator", "ml_engineer", "administrator"}),
        ("catalog.publish_surveyresult", {"curator", "administrator"}),
        ("catalog.change_imagelabel", {"curator", "administrator"}),
        ("auditlog.view_logentry", {"administrator"}),
        ("auditlog.delete_logentry", set()),
        ("auditlog.change_logentry", set()),
    ],
)
def test_what_matters_most_is_in_few_hands(permission: str, roles: set[str]) -> None:
    assert {role for role in ROLES if staff(role).has_perm(permission)} == roles


def test_an_administrator_makes_nobody_a_superuser_and_touches_none(client: Client) -> None:
    administrator = staff("administrator")
    root = User.objects.create_superuser("root", password="a long and unusual phrase")
    client.force_login(administrator)
    own_page = reverse("admin:auth_user_change", args=[administrator.pk])
    form = {
        "username": "administrator",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "12:00:00",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "groups": [group.pk for group in administrator.groups.all()],
        "user_permissions": [Permission.objects.get(codename="delete_classification").pk],
    }

    assert client.post(own_page, form).status_code == 302
    administrator.refresh_from_db()
    assert not administrator.is_superuser
    assert not administrator.user_permissions.exists()

    page = reverse("admin:auth_user_change", args=[root.pk])
    assert client.post(page, form | {"username": "taken"}).status_code == 403
    assert client.get(reverse("admin:auth_user_delete", args=[root.pk])).status_code == 403
    password = {"password1": "another unusual phrase", "password2": "another unusual phrase", "usable_password": "true"}
    assert client.post(reverse("admin:auth_user_password_change", args=[root.pk]), password).status_code == 403
    root.refresh_from_db()
    assert (root.username, root.check_password("a long and unusual phrase")) == ("root", True)


def test_the_roles_themselves_are_not_edited_here(admin_client: Client) -> None:
    roles_update()
    group = Group.objects.get(name="viewer")

    assert admin_client.post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "x"}).status_code == 403
    assert admin_client.get(reverse("admin:auth_group_delete", args=[group.pk])).status_code == 403
    selection = {"action": "delete_selected", "_selected_action": group.pk, "post": "yes"}
    admin_client.post(reverse("admin:auth_group_changelist"), selection)
    assert Group.objects.filter(name="viewer").exists()
