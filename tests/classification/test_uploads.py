"""What the API reads of a form that was uploaded."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from classification.api.serializers import photo_upload
from classification.api.uploads import uploaded_form
from tests.images import jpeg

_TYPE = "multipart/form-data; boundary=edge"


def request_with(body: bytes, content_type: str = _TYPE) -> HttpRequest:
    return RequestFactory().post("/", body, content_type=content_type)


def part(disposition: str, content: bytes = b"", *more: str) -> bytes:
    head = "\r\n".join([f"Content-Disposition: form-data; {disposition}", *more])
    return b"--edge\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


END = b"--edge--\r\n"


def test_fields_and_files_arrive_as_they_were_sent() -> None:
    photo = jpeg()
    sent = {"birth_date": "1996-05-04", "mbti": "entp", "photo": SimpleUploadedFile("사진.jpg", photo)}

    form = uploaded_form(RequestFactory().post("/", sent))

    assert (form["birth_date"], form["mbti"], form["photo"].name) == ("1996-05-04", "entp", "사진.jpg")
    assert photo_upload(form)["photo"] == photo


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\r\n--edg", b"--edge", bytes(range(256)) * 4096])
def test_whatever_a_file_holds_stays_whole(content: bytes) -> None:
    form = uploaded_form(
        request_with(part('name="photo"; filename="p.jpg"', content, "Content-Type: image/jpeg") + END)
    )

    assert form["photo"].read() == content
    assert form["photo"].content_type == "image/jpeg"


def test_of_a_field_that_comes_twice_the_last_counts() -> None:
    form = uploaded_form(request_with(part('name="mbti"', b"ENTP") + part('name="mbti"', b"ISFJ") + END))

    assert form["mbti"] == "ISFJ"


def test_a_file_that_was_left_out_is_not_there() -> None:
    form = uploaded_form(request_with(part('name="photo"; filename=""') + part('name="mbti"') + END))

    assert list(form) == ["mbti"]


def test_text_that_is_no_text_is_read_all_the_same() -> None:
    assert uploaded_form(request_with(part('name="mbti"', b"EN\xffP") + END))["mbti"] == "EN\ufffdP"


def test_no_body_is_an_empty_form() -> None:
    assert not uploaded_form(request_with(b"", ""))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"rubbish", _TYPE),
        (part('name="mbti"', b"ENTP") + END, "multipart/form-data"),
        (part('name="mbti"', b"ENTP") + END, "multipart/form-data; boundary=other"),
        (part('name="mbti"', b"ENTP"), _TYPE),
        (part('name="mbti"', b"ENTP")[:-4], _TYPE),
        (b"--edge\r\nContent-Type: text/plain\r\n\r\nENTP\r\n" + END, _TYPE),
        (b"--edge\r\nno header\r\n\r\nENTP\r\n" + END, _TYPE),
        (b"--edge\nContent-Disposition: form-data; name=mbti\n\nENTP\n--edge--\n", _TYPE),
        (part('name="mbti"; ' + "x" * 10_000, b"ENTP") + END, _TYPE),
    ],
    ids=[
        "rubbish",
        "no boundary named",
        "another boundary",
        "no end",
        "cut off",
        "no disposition",
        "no colon",
        "line feeds alone",
        "endless header",
    ],
)
def test_a_broken_form_is_told(body: bytes, content_type: str) -> None:
    with pytest.raises(ParseError):
        uploaded_form(request_with(body, content_type))


def test_a_form_of_too_many_parts_is_broken(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
    field = part('name="mbti"', b"ENTP")

    assert uploaded_form(request_with(2 * field + END))
    with pytest.raises(ParseError):
        uploaded_form(request_with(3 * field + END))


def test_another_media_type_is_not_read() -> None:
    with pytest.raises(UnsupportedMediaType):
        uploaded_form(request_with(b"{}", "application/json"))
