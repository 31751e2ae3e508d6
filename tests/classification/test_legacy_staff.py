"""The source system's other endpoints, which need staff here."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from alphaproject.roles import roles_update
from catalog.models import CelebrityImage, FaceType
from classification.models import Classification
from classification.staff_tokens import create_token
from inference.contracts import RefusalReason
from tests.catalog.factories import make_face_types, make_picture
from tests.classification.conftest import PostPhoto
from tests.fakes import FakeBackend
from tests.images import encode, jpeg

# Every test process must see the same.
SOMEBODY = UUID(int=1)
# Method, path, and the roles that may.
ENDPOINTS = [
    ("get", "/api/read/user", {"viewer", "curator", "ml_engineer", "administrator"}),
    ("post", "/api/create/user", {"administrator"}),
    ("post", "/api/create/male", {"curator", "administrator"}),
    ("post", "/api/create/male_img", {"curator", "administrator"}),
    ("post", "/api/create/type_male_img?type=alpha", {"curator", "administrator"}),
    ("delete", f"/api/delete/first_post/{SOMEBODY}", {"administrator"}),
    ("patch", f"/api/patch/second/user_tbl/{SOMEBODY}", {"administrator"}),
]
ROLES = ["viewer", "curator", "ml_engineer", "administrator"]

Call = Callable[..., Any]


def make_staff(role: str) -> User:
    roles_update()
    user = User.objects.create_user(role, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    return user


def bearer(user: User, **lifetime: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_token(user, lifetime=timedelta(**lifetime or {'days': 1}))}"}


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture
def administrator(catalogue: None) -> User:
    return make_staff("administrator")


@pytest.fixture
def call(client: Client, administrator: User) -> Call:
    """Call an endpoint as an administrator's program does."""

    def call(method: str, path: str, body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body)
        return getattr(client, method)(
            path, **({} if method == "get" else {"data": data, "content_type": "application/json"}),
            headers=bearer(administrator),
        )  # fmt: skip

    return call


@pytest.mark.parametrize(("method", "path", "_roles"), ENDPOINTS)
def test_strangers_are_not_let_in(client: Client, db: None, method: str, path: str, _roles: set[str]) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Bearer"}):
        refusal = getattr(client, method)(path, headers=headers)

        assert refusal.status_code == 401
        assert refusal["Content-Type"] == "application/problem+json"
        assert refusal.json()["code"] == "not_authenticated"
        assert refusal["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path", "roles"), ENDPOINTS)
def test_only_the_roles_that_may_are_let_in(
    client: Client, db: None, method: str, path: str, roles: set[str], role: str
) -> None:
    make_face_types()
    response = getattr(client, method)(path, headers=bearer(make_staff(role)))

    # An empty body or an unknown id is the next thing to be wrong.
    if role in roles:
        assert response.status_code in (200, 400, 404)
    else:
        assert response.status_code == 403
        assert response.json()["code"] == "permission_denied"


@pytest.mark.parametrize("field", ["is_staff", "is_active"])
def test_a_token_ends_with_the_account(client: Client, administrator: User, field: str) -> None:
    headers = bearer(administrator)
    assert client.get("/api/read/user", headers=headers).status_code == 200

    setattr(administrator, field, False)
    administrator.save()

    assert client.get("/api/read/user", headers=headers).status_code == 401


def test_a_token_ends_with_the_password_and_with_its_time(client: Client, administrator: User) -> None:
    headers = bearer(administrator)
    assert client.get("/api/read/user", headers=bearer(administrator, seconds=-1)).status_code == 401

    administrator.set_password("another long and unusual phrase")
    administrator.save()

    assert client.get("/api/read/user", headers=headers).status_code == 401


def test_an_owners_token_is_no_staff_token(client: Client, post_photo: PostPhoto) -> None:
    owner = {"Authorization": f"Bearer {post_photo().json()['owner_token']}"}

    assert client.get("/api/read/user", headers=owner).status_code == 401


def test_a_back_office_session_is_enough_to_read_and_needs_a_csrf_token_to_write(administrator: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(administrator)

    assert browser.get("/api/read/user").status_code == 200
    assert browser.delete(f"/api/delete/first_post/{SOMEBODY}").status_code == 403


def test_the_command_prints_a_token_that_works(client: Client, administrator: User) -> None:
    out = StringIO()
    call_command("create_staff_token", administrator.username, "--days", "2", stdout=out)

    assert (
        client.get("/api/read/user", headers={"Authorization": f"Bearer {out.getvalue().strip()}"}).status_code == 200
    )

    with pytest.raises(CommandError, match="no active member of staff"):
        call_command("create_staff_token", "nobody")


def test_results_are_read_newest_first_page_by_page(call: Call, post_photo: PostPhoto) -> None:
    for _ in range(3):
        post_photo(mbti="ESTJ")

    first = call("get", "/api/read/user?page_size=2").json()
    second = call("get", first["next"]).json()

    ids = [row["id"] for row in first["results"] + second["results"]]
    assert ids == [str(pk) for pk in Classification.objects.order_by("-created_at").values_list("pk", flat=True)]
    assert {name: first["results"][0][name] for name in ("cft_result", "age", "mbti", "created_by")} == {
        "cft_result": "beta",
        "age": "1996-05-04",
        "mbti": "ESTJ",
        "created_by": "api",
    }
    assert second["next"] is None


def test_reading_takes_as_many_queries_for_many_as_for_few(call: Call, post_photo: PostPhoto) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            call("get", "/api/read/user")
        return len(captured)

    post_photo()
    few = queries()
    for _ in range(4):
        post_photo()

    assert queries() == few


@pytest.mark.parametrize("cursor", ["cD1ub25zZW5zZQ==", "nonsense", "cD0yMDIwLTEzLTQ1"])
def test_a_made_up_cursor_finds_nothing(call: Call, cursor: str) -> None:
    assert call("get", f"/api/read/user?cursor={cursor}").status_code == 404


def test_whose_result_it_is_stays_hidden_from_those_who_may_not_know(client: Client, post_photo: PostPhoto) -> None:
    post_photo(mbti="ESTJ")

    (row,) = client.get("/api/read/user", headers=bearer(make_staff("viewer"))).json()["results"]

    assert (row["cft_result"], row["age"], row["mbti"]) == ("beta", None, None)


def test_a_photo_is_classified_for_somebody_who_can_then_erase_it(
    client: Client, call: Call, engine: FakeBackend
) -> None:
    body = {"user_img": b64(jpeg()), "age": "1996-05-04", "mbti": "estj"}

    created = call("post", "/api/create/user", body)

    assert created.status_code == 201
    record = Classification.objects.get(pk=created.json()["id"])
    assert (record.mbti, record.photo_key) == ("ESTJ", "")
    owner = {"Authorization": f"Bearer {created.json()['owner_token']}"}
    assert client.delete(f"/api/v1/classifications/{record.pk}/", headers=owner).status_code == 204

    call("post", "/api/create/user", body | {"store_photo": True})
    assert storages["photos"].exists(Classification.objects.get().photo_key)


def test_a_refused_photo_says_why(call: Call, engine: FakeBackend) -> None:
    engine.refuses_with = RefusalReason.NO_FACE

    refusal = call("post", "/api/create/user", {"user_img": b64(jpeg()), "age": "1996-05-04"})

    assert (refusal.status_code, refusal.json()["code"]) == (422, "no_face")


def test_a_correction_is_told_to_the_log_without_the_persons_data(call: Call, post_photo: PostPhoto) -> None:
    record = post_photo(mbti="ESTJ").json()["id"]

    corrected = call(
        "patch", f"/api/patch/second/user_tbl/{record}", {"cft_result": "alpha", "age": "1990-01-01", "mbti": "INFP"}
    )

    assert corrected.status_code == 200
    classification = Classification.objects.get()
    assert (classification.type.code, str(classification.birth_date), classification.mbti) == (
        "alpha",
        "1990-01-01",
        "INFP",
    )
    entry = LogEntry.objects.get(object_pk=record)
    assert entry.actor.username == "administrator"
    assert entry.changes["type"] == ["beta", "alpha"]
    assert not {"1990-01-01", "1996-05-04", "INFP", "ESTJ"} & set(json.dumps(entry.changes).split('"'))


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"cft_result": "sigma"},
        {"user_img_s3_url": "s3://elsewhere"},
        {"created_at": "2020-01-01", "cft_result": "alpha"},
        {"age": "2999-01-01"},
    ],
)
def test_a_correction_of_something_else_is_refused(call: Call, post_photo: PostPhoto, body: Any) -> None:
    record = post_photo().json()["id"]

    refusal = call("patch", f"/api/patch/second/user_tbl/{record}", body)

    assert (refusal.status_code, refusal.json()["code"]) == (400, "invalid")
    assert Classification.objects.get().type.code == "beta"


def test_erasing_erases_record_and_photo_and_is_told_to_the_log(call: Call, post_photo: PostPhoto) -> None:
    record = post_photo(store_photo="true").json()["id"]
    key = Classification.objects.get().photo_key

    assert call("delete", f"/api/delete/first_post/{record}").status_code == 204

    assert not Classification.objects.exists()
    assert not storages["photos"].exists(key)
    entry = LogEntry.objects.get(object_pk=record)
    assert (entry.actor.username, entry.action) == ("administrator", LogEntry.Action.DELETE)
    assert call("delete", f"/api/delete/first_post/{record}").status_code == 404
    assert call("delete", "/api/delete/first_post/12").status_code == 404


def test_a_type_is_described_in_the_sources_way(call: Call) -> None:
    body = {"male_id": 2, "male_type": "beta", "dsc_text": "·하나 ·둘 ·셋", "created_by": "JSR"}

    assert call("post", "/api/create/male", body).status_code == 200

    assert FaceType.objects.get(code="beta").sentences("ko") == ["하나", "둘", "셋"]


@pytest.mark.parametrize(
    "body",
    [
        {"male_id": 2, "dsc_text": "·하나 ·둘"},
        {"male_id": 6, "dsc_text": "·하나 ·둘 ·셋"},
        {"male_id": 2, "male_type": "alpha", "dsc_text": "·하나 ·둘 ·셋"},
        {"male_id": 2},
    ],
)
def test_a_description_that_the_app_could_not_show_is_refused(call: Call, body: dict[str, Any]) -> None:
    before = FaceType.objects.get(code="beta").description_ko

    refusal = call("post", "/api/create/male", body)

    assert (refusal.status_code, refusal.json()["code"]) == (400, "invalid")
    assert FaceType.objects.get(code="beta").description_ko == before


def test_an_image_is_added_unpublished_to_its_type(call: Call) -> None:
    picture = make_picture()

    added = call("post", "/api/create/male_img", {"male_id": 3, "url": b64(picture), "licence": "CC0-1.0"})

    assert added.status_code == 201
    image = CelebrityImage.objects.get(pk=added.json()["id"])
    assert (image.face_type.code, image.is_published, image.licence) == ("gamma", False, "CC0-1.0")
    again = call("post", "/api/create/male_img", {"male_id": 3, "url": b64(picture)})
    assert (again.status_code, again.json()["code"]) == (409, "duplicate_image")


@pytest.mark.parametrize(
    ("url", "code"),
    [("no base64!", "invalid"), (b64(b"text"), "invalid_image"), ("", "invalid"), (None, "invalid"), (5, "invalid")],
)
def test_what_is_no_picture_is_refused(call: Call, url: Any, code: str) -> None:
    refusal = call("post", "/api/create/male_img", {"male_id": 3, "url": url})

    assert (refusal.status_code, refusal.json()["code"]) == (400, code)


def test_many_images_are_each_added_or_refused(call: Call) -> None:
    picture = make_picture()
    images = [b64(picture), "no base64!", f"data:image/jpeg;base64,{b64(picture)}", b64(make_picture("PNG"))]

    outcomes = call("post", "/api/create/type_male_img?type=omega", {"images": images}).json()

    assert [bool(outcome["added"]) for outcome in outcomes] == [True, False, False, True]
    assert [outcome["code"] for outcome in outcomes] == ["", "invalid_image", "duplicate_image", ""]
    unknown = CelebrityImage.objects.filter(celebrity__name_en="Unknown (source system)")
    assert {image.face_type.code for image in unknown} == {"omega"}
    assert call("post", "/api/create/type_male_img?type=sigma", {"images": images}).status_code == 404
    assert call("post", "/api/create/type_male_img?type=omega", {"images": []}).status_code == 400


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"null", b"[" * 100_000, b'{"images": {}}', b"\xff"])
@pytest.mark.parametrize(("method", "path", "_roles"), ENDPOINTS[1:5])
def test_a_body_of_another_shape_is_refused(
    client: Client, administrator: User, method: str, path: str, _roles: set[str], body: bytes
) -> None:
    refusal = client.generic(method.upper(), path, body, content_type="application/json", headers=bearer(administrator))

    assert (refusal.status_code, refusal.json()["code"]) == (400, "invalid")


def test_a_picture_beyond_the_limit_is_told_so(call: Call) -> None:
    bomb = encode(Image.new("1", (50_000, 50_000)), "PNG")

    refusal = call("post", "/api/create/male_img", {"male_id": 3, "url": b64(bomb)})

    assert (refusal.status_code, refusal.json()["code"]) == (413, "photo_too_large")
