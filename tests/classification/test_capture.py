"""The start page's form as its own script sends it, and where a result leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.throttling import ScopedRateThrottle

from classification.models import Classification
from classification.pages.start import StartView
from inference.contracts import Busy, RefusalReason
from tests.fakes import FakeBackend
from tests.images import jpeg

SendForm = Callable[..., Any]

JSON = {"Accept": "application/json"}
INVITATION = "/compare/a-token/"


@pytest.fixture
def send_form(client: Client, catalogue: None, engine: FakeBackend) -> SendForm:
    """Send the form; keyword arguments replace fields."""

    def send(*, headers: dict[str, str] | None = None, browser: Client = client, **fields: Any) -> Any:
        photo = SimpleUploadedFile("photo.jpg", jpeg())
        return browser.post("/", {"photo": photo, "birth_date": "1996-05-04"} | fields, headers=headers)

    return send


def test_script_is_told_where_the_result_is(send_form: SendForm, client: Client) -> None:
    answer = send_form(headers=JSON)

    assert answer.status_code == 201
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]
    record = Classification.objects.get()
    assert answer.json() == {
        "id": str(record.pk),
        "url": f"/results/{record.pk}/",
        "delete_url": f"/results/{record.pk}/delete/",
    }
    assert client.get(answer.json()["url"]).status_code == 200


def test_script_can_take_back_what_nobody_waited_for(send_form: SendForm, client: Client) -> None:
    answer = send_form(headers=JSON)

    client.post(answer.json()["delete_url"])

    assert not Classification.objects.exists()


def test_result_belongs_to_the_browser_that_sent_the_photo(send_form: SendForm) -> None:
    address = send_form(headers=JSON).json()["url"]

    assert Client().get(address).status_code == 404


@pytest.mark.parametrize("reason", RefusalReason)
def test_script_is_told_the_reason_with_its_drawing(
    send_form: SendForm, engine: FakeBackend, reason: RefusalReason
) -> None:
    engine.refuses_with = reason

    answer = send_form(headers=JSON | {"Accept-Language": "ko"})

    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == reason.value
    assert problem["detail"] != send_form(headers=JSON).json()["detail"]
    assert problem["advice"]
    assert finders.find(problem["drawing"].removeprefix("/static/"))


def test_script_is_told_which_field_is_wrong(send_form: SendForm, engine: FakeBackend) -> None:
    answer = send_form(headers=JSON, birth_date="2999-01-01", mbti="ABCD")

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert answer.json()["errors"]["birth_date"] == ["A birth date cannot lie in the future."]
    assert set(answer.json()["errors"]) == {"birth_date", "mbti"}
    assert engine.photos_analysed == 0


def test_script_is_told_when_to_try_again(
    send_form: SendForm, engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.fails_with = Busy(retry_after=7)
    busy = send_form(headers=JSON)
    assert (busy.status_code, busy["Retry-After"], busy.json()["code"]) == (503, "7", "busy")
    assert "drawing" not in busy.json()

    monkeypatch.setattr(StartView, "throttle_classes", [ScopedRateThrottle])
    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"classify": "1/min"})
    engine.fails_with = None
    assert send_form(headers=JSON).status_code == 201
    throttled = send_form(headers=JSON)
    assert (throttled.status_code, throttled.json()["code"]) == (429, "throttled")
    assert int(throttled["Retry-After"]) > 0


def test_same_form_sent_again_leads_to_the_same_result(send_form: SendForm) -> None:
    first = send_form(headers=JSON, nonce="a nonce").json()
    again = send_form(headers=JSON, nonce="a nonce").json()

    assert first == again
    assert Classification.objects.count() == 1


# --- Where to go next ---


def test_form_remembers_where_its_reader_came_from(client: Client, db: None) -> None:
    page = client.get("/", {"next": INVITATION}).content.decode()

    assert f'<input type="hidden" name="next" value="{INVITATION}"' in page


@pytest.mark.parametrize(
    "elsewhere",
    ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example", "javascript:alert(1)", "\x00"],
)
def test_no_link_leads_elsewhere(client: Client, send_form: SendForm, elsewhere: str) -> None:
    assert client.get("/", {"next": elsewhere}).context["form"]["next"].value() == ""

    assert not send_form(headers=JSON, next=elsewhere).json().get("url", "/results/").startswith(elsewhere)
    assert send_form(next=elsewhere).status_code in (200, 400)


def test_result_leads_back_to_the_invitation(send_form: SendForm) -> None:
    assert send_form(headers=JSON, next=INVITATION).json()["url"] == INVITATION

    page = send_form(next=INVITATION)
    assert (page.status_code, page["Location"]) == (302, INVITATION)


def test_invitation_survives_a_refusal(send_form: SendForm, engine: FakeBackend) -> None:
    engine.refuses_with = RefusalReason.NO_FACE

    assert f'name="next" value="{INVITATION}"' in send_form(next=INVITATION).content.decode()
