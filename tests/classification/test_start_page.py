"""The start page and its answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as HttpClient
from django.test import RequestFactory
from django.utils import timezone
from django.views import defaults
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.throttling import ScopedRateThrottle

from catalog.models import CelebrityImage, FaceType, Guidance
from classification.models import Classification
from classification.pages.start import StartView
from classification.result_page import ResultPage
from classification.selectors import Answer
from inference.contracts import Box, Busy, RefusalReason
from inference.contracts import FaceType as TypeCode
from tests.fakes import FakeBackend
from tests.images import jpeg

SendForm = Callable[..., Any]

A_PHOTO = jpeg()


@pytest.fixture
def send_form(client: HttpClient, catalogue: None, engine: FakeBackend) -> SendForm:
    """Send the start page's form as a browser does; keyword arguments replace fields, None leaves one out."""

    def send(photo: bytes | None = A_PHOTO, *, browser: HttpClient = client, **fields: str | None) -> Any:
        upload = None if photo is None else SimpleUploadedFile("photo.jpg", photo)
        data: dict[str, Any] = {"photo": upload, "birth_date": "1996-05-04", "mbti": ""} | fields
        return browser.post("/", {name: value for name, value in data.items() if value is not None})

    return send


@pytest.fixture
def result(send_form: SendForm) -> Classification:
    """A result on record, with its photo."""
    assert send_form(store_photo="on").status_code == 200
    return Classification.objects.get()


def text(response: Any) -> str:
    """What the page says, without its markup."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def stored_photos() -> list[Path]:
    return [path for path in Path(storages["photos"].location).rglob("*") if path.is_file()]  # type: ignore[attr-defined]


# --- Sent again ---


def test_reloading_the_answer_keeps_no_second_record(send_form: SendForm, client: HttpClient) -> None:
    nonce = client.get("/").context["form"]["nonce"].value()

    first = send_form(store_photo="on", nonce=nonce)
    again = send_form(store_photo="on", nonce=nonce)

    assert first.status_code == again.status_code == 200
    assert "data:image/jpeg;base64," in again.content.decode()
    assert Classification.objects.count() == 1
    assert len(stored_photos()) == 1


@pytest.mark.parametrize("change", [{"photo": jpeg(200, 260)}, {"birth_date": "1990-01-01"}], ids=["photo", "date"])
def test_changed_form_sent_again_is_another_request(send_form: SendForm, change: dict[str, Any]) -> None:
    send_form(nonce="a nonce")
    send_form(nonce="a nonce", **change)

    assert Classification.objects.count() == 2


def test_every_blank_form_has_a_nonce_of_its_own(client: HttpClient, catalogue: None) -> None:
    assert client.get("/").context["form"]["nonce"].value() != client.get("/").context["form"]["nonce"].value()


# --- The form ---


def test_start_page_asks_for_all_that_is_needed(client: HttpClient, db: None, settings: Settings) -> None:
    settings.RETENTION_DAYS = 12

    page = client.get("/")

    assert page.status_code == 200
    html = page.content.decode()
    for name in ("photo", "birth_date", "mbti", "store_photo"):
        assert f'name="{name}"' in html
    assert 'enctype="multipart/form-data"' in html
    assert "checked" not in html.partition('name="store_photo"')[2].partition(">")[0]
    assert "encrypted for 12 days" in text(page)
    assert "never what a person is" in text(page)


def test_start_page_needs_no_exception_from_the_content_policy(client: HttpClient, db: None) -> None:
    page = client.get("/")

    html = page.content.decode()
    assert "'unsafe" not in page["Content-Security-Policy"]
    assert " style=" not in html
    assert "<style" not in html
    assert not re.search(r"<script(?![^>]* src=)", html)
    assert not re.search(r"\son[a-z]+=", html)


@pytest.mark.parametrize(("accepted", "language"), [("ko-KR,ko;q=0.9", "ko"), ("en-GB", "en"), ("fr", "en")])
def test_language_is_the_browsers(client: HttpClient, db: None, accepted: str, language: str) -> None:
    page = client.get("/", headers={"Accept-Language": accepted})

    assert f'<html lang="{language}">' in page.content.decode()


def test_language_switch_wins_over_the_browser(client: HttpClient, db: None) -> None:
    client.post("/i18n/setlang/", {"language": "ko", "next": "/"})

    page = client.get("/", headers={"Accept-Language": "en"})

    assert '<html lang="ko">' in page.content.decode()
    assert "사진 고르기" in text(page)


# --- The answer ---


def test_answer_shows_type_parts_and_celebrities(send_form: SendForm, engine: FakeBackend) -> None:
    engine.sees = TypeCode.DELTA

    page = send_form()

    assert page.status_code == 200
    html = page.content.decode()
    delta = FaceType.objects.get(code="delta")
    assert "<h1>Delta</h1>" in html
    assert "Δ" in html
    assert all(sentence in text(page) for sentence in delta.sentences("en"))
    score = round(Classification.objects.get().score)
    assert f'role="meter" aria-label="Score" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{score}"' in html
    assert html.count('<rect class="box ') == 3
    for part in ("Whole face", "Upper face", "Lower face"):
        assert f"{part} Δ Delta Alpha 5% Beta 5% Gamma 5% Delta 80% Omega 5%" in text(page)
    pictures = [image for image in CelebrityImage.objects.published().of_type(delta) if image.url in html]
    assert len(pictures) == 4
    assert all(image.attribution in html for image in pictures)


def test_answer_shows_the_photo_from_memory_only(send_form: SendForm) -> None:
    page = send_form()

    (encoded,) = re.findall(r"data:image/jpeg;base64,([^\"]+)", page.content.decode())
    assert base64.b64decode(encoded).startswith(b"\xff\xd8\xff")
    assert "no-store" in page["Cache-Control"]
    assert stored_photos() == []


def test_answer_is_kept_as_the_web_pages(send_form: SendForm) -> None:
    send_form(mbti="INFJ")

    record = Classification.objects.get()
    assert (record.client, record.language, record.mbti, record.birth_date) == ("web", "en", "INFJ", date(1996, 5, 4))


def test_photo_is_kept_only_because_its_owner_agrees(send_form: SendForm) -> None:
    send_form()
    assert stored_photos() == []

    page = send_form(store_photo="on")

    assert len(stored_photos()) == 1
    assert "erases the result, the stored photo" in text(page)


def test_answer_is_in_korean_for_a_korean_browser(send_form: SendForm) -> None:
    page = send_form(browser=HttpClient(headers={"accept-language": "ko"}))

    assert "<h1>베타</h1>" in page.content.decode()
    assert "얼굴 전체 Β 베타" in text(page)
    assert Classification.objects.get().language == "ko"


def test_borderline_answer_names_the_higher_type_first(result: Classification) -> None:
    result.type = FaceType.objects.get(code="gamma")
    result.borderline_with = FaceType.objects.get(code="beta")

    assert ResultPage.of(Answer(result, [])).between == "Between Beta and Gamma"

    result.borderline_with = None
    assert ResultPage.of(Answer(result, [])).between == ""


@pytest.mark.parametrize(
    ("confidence", "words"), [(1.0, "quite sure"), (0.7, "quite sure"), (0.69, "fairly sure"), (0.49, "close call")]
)
def test_confidence_is_put_into_words(result: Classification, confidence: float, words: str) -> None:
    result.confidence = confidence

    assert words in ResultPage.of(Answer(result, [])).confidence


def test_box_beyond_the_photo_is_drawn_to_its_edge(result: Classification) -> None:
    result.parts[0]["box"] = [-50.0, -80.0, 350.0, 480.0]

    page = ResultPage.of(Answer(result, []))

    mark = page.parts[0].mark
    assert mark.outline == page.portrait.view == Box(0, 0, 300, 400)
    # The tag, too, stays inside.
    assert mark.tag.y == page.portrait.tag_size / 2


def test_face_far_away_is_shown_close(result: Classification) -> None:
    result.photo_width, result.photo_height = 4000, 3000
    boxes = [[3800.0, 100.0, 3900.0, 240.0], [3800.0, 130.0, 3900.0, 190.0], [3800.0, 190.0, 3900.0, 240.0]]
    for part, box in zip(result.parts, boxes, strict=True):
        part["box"] = box

    view = ResultPage.of(Answer(result, [])).portrait.view

    # Beside the photo's edge the view moves inwards rather than beyond it.
    assert view.x1 <= 4000
    assert 0 <= view.y0 <= 100
    assert 200 < view.width < 300
    assert view.width / view.height == pytest.approx(4 / 5, rel=0.01)


def test_tags_of_the_three_parts_lie_apart(result: Classification) -> None:
    page = ResultPage.of(Answer(result, []))

    places = [(part.mark.tag.x, part.mark.tag.y) for part in page.parts]
    for index, (x, y) in enumerate(places):
        for other_x, other_y in places[:index]:
            assert max(abs(x - other_x), abs(y - other_y)) > page.portrait.tag_size


def test_answer_takes_few_queries(send_form: SendForm, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_max_num_queries(13):
        send_form()


# --- Refusals ---


@pytest.mark.parametrize("reason", RefusalReason)
def test_refused_photo_is_explained_and_the_fields_are_kept(
    send_form: SendForm, engine: FakeBackend, reason: RefusalReason
) -> None:
    engine.refuses_with = reason

    page = send_form(mbti="INFJ", store_photo="on")

    assert page.status_code == 422
    guidance = Guidance.objects.get(code=reason.value)
    assert f"{guidance.message_en} {guidance.advice_en}" in text(page)
    html = page.content.decode()
    assert 'role="alert"' in html
    assert 'value="1996-05-04"' in html
    assert re.search(r'value="INFJ"[^>]* checked', html)
    assert re.search(r'name="store_photo"[^>]* checked', html)
    assert f"drawings/{reason.value}.svg" in html
    assert finders.find(f"drawings/{reason.value}.svg")
    assert not Classification.objects.exists()
    assert stored_photos() == []


def test_person_under_age_is_refused_without_a_word_about_the_photo(send_form: SendForm) -> None:
    birthday = timezone.localdate() - timedelta(days=13 * 365)

    page = send_form(birth_date=birthday.isoformat())

    assert page.status_code == 422
    assert Guidance.objects.get(code="under_age").message_en in text(page)
    # The page carries an empty refusal along, for its script.
    assert 'class="comparison"' not in page.content.decode().partition("<template")[0]


def test_busy_models_are_reported_with_a_time_to_retry(send_form: SendForm, engine: FakeBackend) -> None:
    engine.fails_with = Busy(retry_after=7)

    page = send_form()

    assert page.status_code == 503
    assert page["Retry-After"] == "7"
    assert "The server is busy." in text(page)


@pytest.mark.parametrize(
    ("photo", "status", "sentence"),
    [
        (A_PHOTO[:400], 400, "This photo cannot be read."),
        (b"Dear Sir or Madam", 415, "This is not a JPEG, PNG or WebP photo."),
    ],
)
def test_file_that_is_no_photo_is_named_so(send_form: SendForm, photo: bytes, status: int, sentence: str) -> None:
    page = send_form(photo)

    assert page.status_code == status
    assert sentence in text(page)


def test_photo_above_the_limit_is_named_so(send_form: SendForm, settings: Settings) -> None:
    page = send_form(A_PHOTO + bytes(settings.MAX_PHOTO_BYTES))

    assert page.status_code == 413
    assert "This photo is too large." in text(page)


def test_oversized_body_is_refused_before_it_is_parsed(send_form: SendForm, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(A_PHOTO)

    # Parsing comes first in a CSRF check, which would fail here.
    page = send_form(browser=HttpClient(enforce_csrf_checks=True))

    assert page.status_code == 413
    assert "This photo is too large." in text(page)


def test_form_is_accepted_only_because_it_has_the_csrf_token(send_form: SendForm) -> None:
    browser = HttpClient(enforce_csrf_checks=True)
    (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/").content.decode()))

    refused = send_form(browser=browser)
    assert refused.status_code == 403
    assert "Please allow cookies" in text(refused)

    assert send_form(browser=browser, csrfmiddlewaretoken=token).status_code == 200


def test_page_shares_the_apis_rate_limit(send_form: SendForm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StartView, "throttle_classes", [ScopedRateThrottle])
    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"classify": "1/min"})

    assert send_form().status_code == 200
    page = send_form()

    assert page.status_code == 429
    assert "Too many requests." in text(page)
    assert 'value="1996-05-04"' in page.content.decode()
    assert 0 < int(page["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"photo": None}, "Please choose a photo."),
        ({"photo": b""}, "This file is empty."),
        ({"birth_date": None}, "Please enter the birth date."),
        ({"birth_date": "21.3.1995"}, "Please enter a date as year-month-day"),
        ({"birth_date": "1995-02-30"}, "Please enter a date as year-month-day"),
        ({"birth_date": "2999-01-01"}, "A birth date cannot lie in the future."),
        ({"birth_date": "1899-12-31"}, "A birth date cannot lie before 1900."),
        ({"mbti": "ABCD"}, "Select a valid choice."),
    ],
)
def test_bad_field_is_answered_beside_it(
    send_form: SendForm, engine: FakeBackend, fields: dict[str, Any], message: str
) -> None:
    page = send_form(**fields)

    assert page.status_code == 400
    (name,) = fields
    beside = re.search(rf'<ul class="field-errors" id="id_{name}_error">(.*?)</ul>', page.content.decode())
    assert beside
    assert message in beside[1]
    assert engine.photos_analysed == 0


def test_wrong_form_moves_the_reader_to_its_problems(send_form: SendForm) -> None:
    html = send_form(birth_date="").content.decode()

    assert re.search(r'role="alert" tabindex="-1" autofocus', html)
    assert '<a href="#id_birth_date">Birth date</a>' in html
    assert re.search(r'name="birth_date"[^>]* aria-invalid="true"[^>]* aria-describedby="id_birth_date_error"', html)


# --- Errors ---


def test_unknown_address_has_a_page(client: HttpClient, db: None) -> None:
    page = client.get("/nowhere/")

    assert page.status_code == 404
    assert "There is nothing here" in text(page)
    assert 'href="/"' in page.content.decode()


@pytest.mark.parametrize(
    ("view", "status"), [(defaults.bad_request, 400), (defaults.permission_denied, 403), (defaults.server_error, 500)]
)
def test_error_pages_need_nothing_but_themselves(rf: RequestFactory, view: Callable[..., Any], status: int) -> None:
    request = rf.get("/")

    page = view(request) if status == 500 else view(request, Exception())

    assert page.status_code == status
    assert "Go to the start page" in text(page)
