"""The mobile app's protocol: whatever happens, the app finds what it reads."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.test import Client as HttpClient
from django.utils import timezone
from PIL import Image
from pytest_django import Settings
from rest_framework.throttling import ScopedRateThrottle

from catalog import selectors
from catalog.models import CelebrityImage, FaceType
from catalog.services.images import image_delete, image_unpublish
from classification.api.legacy import RegisterResultView
from classification.models import Classification
from inference.contracts import Busy, RefusalReason
from inference.contracts import FaceType as TypeCode
from tests.classification.conftest import NO_RESULT, PostPhoto
from tests.fakes import FakeBackend
from tests.images import encode, jpeg


def assert_app_shows_guidance(body: dict[str, Any]) -> None:
    """The app reads these keys as strings, and shows how to take the photo unless `human` is "True"."""
    for key in NO_RESULT:
        assert isinstance(body[key], str)
    assert body["human"] != "True"


def pictures_of(body: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(body[f"img{number}"], validate=True) for number in (1, 2, 3, 4)]


def test_app_gets_type_bullets_and_four_different_pictures(post_mobile: PostPhoto, engine: FakeBackend) -> None:
    engine.sees = TypeCode.OMEGA

    response = post_mobile()

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == set(NO_RESULT)
    assert body["human"] == "True"
    assert body["male_type"] == "Omega"
    pictures = pictures_of(body)
    assert all(picture.startswith(b"\xff\xd8\xff") for picture in pictures)
    assert len(set(pictures)) == 4


def test_app_that_names_no_language_reads_korean(post_mobile: PostPhoto) -> None:
    beta = FaceType.objects.get(code="beta")

    start, *bullets = post_mobile().json()["dsc"].split("·")

    assert start == ""
    assert [bullet.strip() for bullet in bullets] == beta.sentences("ko")[:3]


def test_app_may_ask_for_english(client: HttpClient, post_mobile: PostPhoto) -> None:
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"

    assert FaceType.objects.get(code="beta").sentences("en")[0] in post_mobile().json()["dsc"]


def test_korean_of_one_request_does_not_leak_into_the_next(client: HttpClient, post_mobile: PostPhoto) -> None:
    post_mobile()

    assert client.get("/api/v1/types/beta/").json()["name"] == FaceType.objects.get(code="beta").name_en


def test_record_keeps_photo_and_sender(post_mobile: PostPhoto) -> None:
    post_mobile(mbti="infj")

    record = Classification.objects.get()
    assert (record.client, record.mbti, str(record.birth_date)) == ("mobile", "INFJ", "1996-05-04")
    assert storages["photos"].exists(record.photo_key)


def test_type_with_few_pictures_fills_up_from_its_neighbours(post_mobile: PostPhoto, engine: FakeBackend) -> None:
    engine.sees = TypeCode.ALPHA
    alpha = CelebrityImage.objects.of_type(FaceType.objects.get(code="alpha"))
    image_unpublish(images=list(alpha[:3]))

    body = post_mobile().json()

    assert body["male_type"] == "Alpha"
    assert len(set(pictures_of(body))) == 4


def test_pictures_that_were_deleted_a_moment_ago_are_not_sent(post_mobile: PostPhoto, engine: FakeBackend) -> None:
    post_mobile()
    # An answer has four of the type's five, so it had one of these two.
    doomed = list(CelebrityImage.objects.of_type(FaceType.objects.get(code=engine.sees))[:2])
    gone = {selectors.image_bytes(image) for image in doomed}
    image_delete(images=doomed)

    pictures = set(pictures_of(post_mobile().json()))

    assert len(pictures) == 4
    assert not pictures & gone


def test_catalogue_too_empty_for_the_app_leaves_no_record(post_mobile: PostPhoto) -> None:
    image_unpublish(images=list(CelebrityImage.objects.all()[:22]))

    response = post_mobile()

    assert response.status_code == 503
    assert_app_shows_guidance(response.json())
    assert not Classification.objects.exists()


@pytest.mark.parametrize("reason", RefusalReason)
def test_refused_photo_gets_the_apps_own_result_back(
    post_mobile: PostPhoto, engine: FakeBackend, reason: RefusalReason
) -> None:
    engine.refuses_with = reason

    response = post_mobile()

    assert response.status_code == 200
    assert response.json() == NO_RESULT
    assert not Classification.objects.exists()


def test_child_gets_the_apps_own_result_back(post_mobile: PostPhoto) -> None:
    response = post_mobile(age=timezone.localdate().isoformat())

    assert response.status_code == 200
    assert response.json() == NO_RESULT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"first_user": null}',
        b'{"first_user": []}',
        b'{"first_user": {}}',
        b'{"first_user": {"user_img": 5, "age": 5, "mbti": 5}}',
        b'{"first_user": {"user_img": {}, "age": {}, "mbti": {}}, "result": "text"}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:20].decode(errors="replace") or "empty",
)
def test_body_of_another_shape_is_survived(
    client: HttpClient, catalogue: None, engine: FakeBackend, body: bytes
) -> None:
    response = client.post("/api/RegisterResult", body, content_type="application/json")

    assert response.status_code == 400
    assert_app_shows_guidance(response.json())
    assert response.json()["code"] == "invalid"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_img", None),
        ("user_img", "no base64!"),
        ("user_img", "한글"),
        ("user_img", "abc"),
        ("age", None),
        ("age", "19960504"),
        ("age", "1996-13-01"),
        ("age", "2999-01-01"),
        ("mbti", None),
        ("mbti", "ABCD"),
        ("mbti", ""),
    ],
)
def test_bad_field_is_survived(post_mobile: PostPhoto, field: str, value: str | None) -> None:
    response = post_mobile(**{field: value})

    assert response.status_code == 400
    assert_app_shows_guidance(response.json())
    assert response.json()["code"] == "invalid"
    assert not Classification.objects.exists()


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"", 400, "invalid_image"),
        (b"text", 415, "unsupported_image"),
        (b"GIF89a" + bytes(100), 415, "unsupported_image"),
        (jpeg()[:-200], 400, "invalid_image"),
        (encode(Image.new("1", (50_000, 50_000)), "PNG"), 413, "photo_too_large"),
    ],
    ids=["empty", "text", "gif", "truncated", "bomb"],
)
def test_file_that_is_no_photo_is_survived(post_mobile: PostPhoto, photo: bytes, status: int, code: str) -> None:
    response = post_mobile(photo)

    assert response.status_code == status
    assert_app_shows_guidance(response.json())
    assert response.json()["code"] == code
    assert not Classification.objects.exists()
    assert not list(Path(storages["photos"].location).glob("**/*"))  # type: ignore[attr-defined]


def test_upload_beyond_every_limit_is_survived(post_mobile: PostPhoto, settings: Settings) -> None:
    response = post_mobile(bytes(settings.DATA_UPLOAD_MAX_MEMORY_SIZE * 3 // 4 + 100))

    assert response.status_code == 413
    assert_app_shows_guidance(response.json())


def test_busy_engine_is_survived(post_mobile: PostPhoto, engine: FakeBackend) -> None:
    engine.fails_with = Busy(retry_after=3)

    response = post_mobile()

    assert response.status_code == 503
    assert response["Retry-After"] == "3"
    assert_app_shows_guidance(response.json())


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_other_methods_are_survived(client: HttpClient, catalogue: None, method: str) -> None:
    response = getattr(client, method)("/api/RegisterResult")

    assert response.status_code == 405
    assert_app_shows_guidance(response.json())


@pytest.mark.parametrize("content_type", ["application/json; sharset=UTF-8", "text/plain", "", "nonsense"])
def test_body_is_json_whatever_its_content_type(
    client: HttpClient, catalogue: None, engine: FakeBackend, content_type: str
) -> None:
    body = {"first_user": {"user_img": base64.b64encode(jpeg()).decode(), "age": "1996-05-04", "mbti": "ESTJ"}}

    response = client.post("/api/RegisterResult", json.dumps(body), content_type=content_type)

    assert response.json()["human"] == "True"


@pytest.mark.parametrize(("code", "male_type"), [(1, "Alpha"), (2, "Beta"), (3, "Gamma"), (4, "Delta"), (5, "Omega")])
def test_sample_answers_the_code_without_looking(
    post_mobile: PostPhoto, engine: FakeBackend, code: int, male_type: str
) -> None:
    response = post_mobile(path=f"/api/RegisterUserImg_sample?Model_rst={code}")

    assert response.json()["male_type"] == male_type
    assert len(set(pictures_of(response.json()))) == 4
    assert engine.photos_analysed == 0
    assert not Classification.objects.exists()


@pytest.mark.parametrize("code", [0, 6])
def test_sample_answers_that_there_is_no_result(post_mobile: PostPhoto, code: int) -> None:
    response = post_mobile(path=f"/api/RegisterUserImg_sample?Model_rst={code}")

    assert response.status_code == 200
    assert response.json() == NO_RESULT


@pytest.mark.parametrize("query", ["", "?Model_rst=7", "?Model_rst=-1", "?Model_rst=alpha"])
def test_sample_of_no_code_is_survived(post_mobile: PostPhoto, query: str) -> None:
    response = post_mobile(path=f"/api/RegisterUserImg_sample{query}")

    assert response.status_code == 400
    assert_app_shows_guidance(response.json())


def test_unreadable_catalogue_is_survived_and_leaves_nothing(post_mobile: PostPhoto) -> None:
    selectors.image_bytes.cache_clear()  # type: ignore[attr-defined]
    shutil.rmtree(storages["catalog"].location)  # type: ignore[attr-defined]

    response = post_mobile()

    assert response.status_code == 503
    assert_app_shows_guidance(response.json())
    assert response.json()["code"] == "storage_unavailable"
    assert not Classification.objects.exists()
    assert not list(Path(storages["photos"].location).glob("**/*"))  # type: ignore[attr-defined]


def test_text_that_no_encoding_can_send_back_is_survived(
    client: HttpClient, engine: FakeBackend, catalogue: None
) -> None:
    engine.refuses_with = RefusalReason.NO_FACE
    user = {"user_img": base64.b64encode(jpeg()).decode(), "age": "1996-05-04", "mbti": "ESTJ"}
    body = json.dumps({"first_user": user, "result": {"dsc": "\ud800"}})

    response = client.post("/api/RegisterResult", body, content_type="application/json")

    assert response.status_code == 400
    assert_app_shows_guidance(response.json())


def test_unexpected_error_is_survived(client: HttpClient, post_mobile: PostPhoto, engine: FakeBackend) -> None:
    client.raise_request_exception = False
    engine.fails_with = ZeroDivisionError()  # type: ignore[assignment]

    response = post_mobile()

    assert response.status_code == 500
    assert_app_shows_guidance(response.json())


def test_address_with_a_slash_too_many_is_survived(post_mobile: PostPhoto) -> None:
    response = post_mobile(path="/api/RegisterResult/")

    assert response.status_code == 404
    assert_app_shows_guidance(response.json())


def test_app_shares_the_limit_on_requests(post_mobile: PostPhoto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RegisterResultView, "throttle_classes", [ScopedRateThrottle])
    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"classify": "1/min"})

    assert post_mobile().status_code == 200
    response = post_mobile()

    assert response.status_code == 429
    assert_app_shows_guidance(response.json())
