"""How these tests post photos."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from classification.models import Classification
from tests.fakes import FakeBackend
from tests.images import jpeg

PostPhoto = Callable[..., Any]
MakeResult = Callable[..., Classification]

A_PHOTO = jpeg()
NO_RESULT = {"human": "False", "male_type": "null", "dsc": "null"} | {f"img{n}": "null" for n in (1, 2, 3, 4)}


def text(response: HttpResponse) -> str:
    """What a page says, without its markup."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


@pytest.fixture
def post_photo(client: Client, catalogue: None, engine: FakeBackend) -> PostPhoto:
    """POST a photo to the new API as any client would; keyword arguments replace fields, None leaves one out."""

    def post(
        photo: bytes | None = A_PHOTO, *, headers: dict[str, str] | None = None, **fields: str | None
    ) -> HttpResponse:
        upload = None if photo is None else SimpleUploadedFile("photo.jpg", photo)
        data: dict[str, Any] = {"photo": upload, "birth_date": "1996-05-04"} | fields
        data = {name: value for name, value in data.items() if value is not None}
        return client.post("/api/v1/classifications/", data, headers=headers)

    return post


@pytest.fixture
def make_result(client: Client, catalogue: None, engine: FakeBackend) -> MakeResult:
    """Send the start page's form, after which the browser owns the result; keyword arguments are further fields."""

    def make(*, browser: Client = client, **fields: str) -> Classification:
        before = set(Classification.objects.values_list("pk", flat=True))
        form = {"photo": SimpleUploadedFile("photo.jpg", A_PHOTO), "birth_date": "1996-05-04"} | fields
        assert browser.post("/", form).status_code == 200
        return Classification.objects.exclude(pk__in=before).get()

    return make


@pytest.fixture
def post_mobile(client: Client, catalogue: None, engine: FakeBackend) -> PostPhoto:
    """POST a photo as the mobile app does."""

    def post(photo: bytes = A_PHOTO, *, path: str = "/api/RegisterResult", **fields: Any) -> HttpResponse:
        user = {
            "user_img": base64.b64encode(photo).decode(),
            "age": "1996-05-04",
            "mbti": "ESTJ",
        } | fields
        body = {
            "first_user": {name: value for name, value in user.items() if value is not None},
            "result": NO_RESULT,
        }
        # The app's own spelling of charset.
        return client.post(path, json.dumps(body), content_type="application/json; sharset=UTF-8")

    return post
