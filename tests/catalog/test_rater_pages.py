"""The raters' pages, as a browser without scripts uses them, and the answers the script sends."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.test import Client as HttpClient
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.throttling import ScopedRateThrottle

from catalog.models import ImageLabel, PartLabel, Rater, Rating, Survey, SurveyImage
from catalog.services.rating import SET_SIZE
from catalog.survey.pages import WelcomeView
from tests.catalog.factories import make_face_types
from tests.catalog.raters import QUESTION, add_images, join, make_open_survey, rate_images

pytestmark = pytest.mark.django_db


@pytest.fixture
def survey() -> Survey:
    survey = make_open_survey()
    add_images(survey, 3, stored=True)
    return survey


def address(survey: Survey, rest: str = "rate/") -> str:
    return f"/survey/{survey.link_token}/{rest}"


def text(response: Any) -> str:
    """What the page says, without its markup and its script's data."""
    html = re.sub(r"<script.*?</script>", " ", response.content.decode(), flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def fields(response: Any) -> dict[str, str]:
    """The question's hidden fields."""
    found = re.findall(
        r'<input type="hidden" name="(image|round|part|replaces)" value="([^"]*)"', response.content.decode()
    )
    assert len(found) == 4
    return dict(found)


def state(response: Any) -> dict[str, Any]:
    match = re.search(r'<script id="survey-state"[^>]*>(.*?)</script>', response.content.decode())
    assert match
    decoded: dict[str, Any] = json.loads(match[1])
    return decoded


def answer(browser: HttpClient, survey: Survey, value: object, **changes: object) -> Any:
    """Fill in the question that the page shows now, and send it."""
    shown = fields(browser.get(address(survey)))
    return browser.post(address(survey), shown | {"value": value} | changes, follow=True)


def send(browser: HttpClient, survey: Survey, **body: object) -> Any:
    """As the script does."""
    image = SurveyImage.objects.filter(survey=survey).order_by("pk")[0]
    question = {"image": image.pk, "round": 0, "part": "whole_face", "value": 4}
    return browser.post(address(survey, "answers/"), question | body, content_type="application/json")


def close(survey: Survey) -> None:
    survey.closes_at = timezone.now()
    survey.save()


# --- Joining ---


def test_welcome_asks_the_question_and_says_what_is_kept(client: HttpClient, survey: Survey) -> None:
    page = client.get(address(survey, ""))

    assert page.status_code == 200
    for words in (QUESTION, "What is kept", "No name", "Your age optional", "Your sex optional"):
        assert words in text(page)
    assert Rater.objects.count() == 0


def test_rater_joins_with_what_they_care_to_say(survey: Survey) -> None:
    join(survey)
    join(survey, HttpClient(headers={"accept-language": "ko"}), age_band="25_34", sex="female")

    kept = Rater.objects.order_by("pk").values_list("age_band", "sex", "language")
    assert list(kept) == [("", "", "en"), ("25_34", "female", "ko")]
    assert all(rater.consented_at for rater in Rater.objects.all())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "You can take part only if you agree."),
        ({"consent": "yes", "age_band": "ancient"}, "Select a valid choice."),
        ({"consent": "yes", "sex": "\x00"}, "Select a valid choice."),
    ],
)
def test_nobody_joins_with_a_wrong_form(
    client: HttpClient, survey: Survey, data: dict[str, str], sentence: str
) -> None:
    page = client.post(address(survey, ""), data)

    assert page.status_code == 400
    assert sentence in text(page)
    assert Rater.objects.count() == 0


def test_form_sent_twice_makes_one_rater(survey: Survey) -> None:
    browser = join(survey)
    join(survey, browser)

    assert Rater.objects.count() == 1
    assert "Welcome back." in text(browser.get(address(survey, "")))


def test_joining_is_limited_by_address(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WelcomeView, "throttle_classes", [ScopedRateThrottle])
    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"survey_join": "1/min"})
    browser = join(survey)

    page = HttpClient().post(address(survey, ""), {"consent": "yes"})

    assert page.status_code == 429
    assert 0 < int(page["Retry-After"]) <= 60
    assert "Many people have just joined" in text(page)
    # Whoever has joined goes on.
    assert browser.get(address(survey)).status_code == 200


def test_form_needs_the_csrf_token(survey: Survey) -> None:
    browser = HttpClient(enforce_csrf_checks=True)

    page = browser.post(address(survey, ""), {"consent": "yes"})

    assert page.status_code == 403
    assert "Please allow cookies" in text(page)
    assert Rater.objects.count() == 0


# --- Languages ---


def test_pages_speak_the_surveys_languages_only() -> None:
    korean = make_open_survey(languages=["ko"])
    both = make_open_survey(languages=["ko", "en"])
    english = HttpClient(headers={"accept-language": "en"})

    page = english.get(address(korean, ""))
    assert page["Content-Language"] == "ko"
    assert "이 얼굴은 얼마나 매력적인가요?" in text(page)
    assert 'class="languages"' not in page.content.decode()

    page = english.get(address(both, ""))
    assert page["Content-Language"] == "en"
    assert QUESTION in text(page)
    english.post("/i18n/setlang/", {"language": "ko"})
    assert "이 얼굴은 얼마나 매력적인가요?" in text(english.get(address(both, "")))


# --- Rating without scripts ---


def test_survey_is_answered_to_its_end_by_plain_forms(survey: Survey) -> None:
    browser = join(survey)

    assert "Picture 1 of 3" in text(browser.get(address(survey)))
    for number in (2, 3):
        assert f"Picture {number} of 3" in text(answer(browser, survey, 5))
    page = answer(browser, survey, 5)

    assert "You have rated 3 pictures." in text(page)
    assert "There is nothing left for you to rate." in text(page)
    assert Rating.objects.count() == 3
    assert {image.rating_count for image in survey.survey_images.all()} == {1}
    # Whoever comes back is thanked again.
    assert "Thank you" in text(browser.get(address(survey), follow=True))


def test_parts_of_an_image_are_asked_one_after_another() -> None:
    survey = make_open_survey(parts=["whole_face", "upper_face", "lower_face"])
    add_images(survey, 1)
    browser = join(survey)

    assert "The whole face" in text(browser.get(address(survey)))
    assert "Only the upper face" in text(answer(browser, survey, 1))
    assert "Only the lower face" in text(answer(browser, survey, 2))
    assert "Thank you" in text(answer(browser, survey, 3))
    assert list(Rating.objects.order_by("value").values_list("part", flat=True)) == survey.parts


def test_part_is_outlined_where_its_box_is_known() -> None:
    survey = make_open_survey(parts=["upper_face"])
    image = add_images(survey, 1)[0]
    label = ImageLabel.objects.create(image=image.image)
    # As high as the picture reaches: boxes may lie beyond it.
    PartLabel.objects.create(label=label, part="upper_face", x0=100, y0=-20, x1=380.5, y1=300)
    PartLabel.objects.create(label=label, part="lower_face", x0=1, y0=2, x1=3, y1=4)

    page = join(survey).get(address(survey))

    assert 'd="M100.0 0.0H380.5V300.0H100.0Z"' in page.content.decode()
    assert state(page)["visits"][0]["parts"] == [
        {"part": "upper_face", "box": [100.0, 0.0, 380.5, 300.0], "answer": None}
    ]


def test_buttons_follow_the_scale() -> None:
    make_face_types()
    names = {"types": ["Alpha", "Beta", "Gamma", "Delta", "Omega"], "one_to_seven": list("1234567")}
    for scale, expected in names.items():
        survey = make_open_survey(scale=scale)
        add_images(survey, 1)
        html = join(survey).get(address(survey)).content.decode()
        assert re.findall(r'<button name="value" value="(\d)"', html) == [str(n + 1) for n in range(len(expected))]
        for name in expected:
            assert f">{name}</span>" in html

    survey = make_open_survey(scale="percent")
    add_images(survey, 1)
    assert 'type="range" name="value" min="0" max="100"' in join(survey).get(address(survey)).content.decode()


def test_undo_shows_the_last_answer_and_lets_it_be_changed(survey: Survey) -> None:
    browser = join(survey)
    first = fields(browser.get(address(survey)))
    page = answer(browser, survey, 5)
    assert 'href="?undo=1"' in page.content.decode()

    earlier = browser.get(address(survey, "rate/?undo=1"))

    assert fields(earlier) == first | {"replaces": "5.0"}
    assert re.search(r'value="5" aria-pressed="true"', earlier.content.decode())
    page = browser.post(address(survey), fields(earlier) | {"value": 2}, follow=True)
    assert "Picture 2 of 3" in text(page)
    assert Rating.objects.get().value == 2
    assert sum(survey.survey_images.values_list("rating_count", flat=True)) == 1


def test_undo_goes_back_several_answers_and_no_further(survey: Survey) -> None:
    browser = join(survey)
    images = []
    for _ in range(2):
        images.append(fields(browser.get(address(survey)))["image"])
        answer(browser, survey, 3)

    assert fields(browser.get(address(survey, "rate/?undo=2")))["image"] == images[0]
    assert (
        'class="undo" href="?undo=0" accesskey="u" hidden'
        in browser.get(address(survey, "rate/?undo=2")).content.decode()
    )
    for nonsense in ("3", "99999999999999999999", "-1", "x", "²"):
        assert fields(browser.get(address(survey, f"rate/?undo={nonsense}")))["replaces"] == ""


def test_missing_picture_can_be_passed_over(survey: Survey) -> None:
    browser = join(survey)
    page = browser.get(address(survey))
    (query,) = re.findall(r'<noscript>.*?href="\?([^"]+)"', page.content.decode())

    other = browser.get(address(survey, f"rate/?{unescape(query)}"))

    assert fields(other)["image"] != fields(page)["image"]
    # It comes again later.
    assert fields(browser.get(address(survey)))["image"] == fields(page)["image"]
    assert browser.get(address(survey, "rate/?skip=nonsense")).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"value": ""}, 400),
        ({"value": "many"}, 400),
        ({"value": "8"}, 400),
        ({"value": "nan"}, 400),
        ({"round": "2"}, 400),
        ({"round": "1"}, 404),
        ({"part": "nose"}, 404),
        ({"part": "\x00"}, 400),
        ({"image": "9" * 18}, 404),
        ({"image": "9" * 40}, 400),
    ],
)
def test_bad_answer_is_said_to_be_one_and_asked_again(survey: Survey, changes: dict[str, str], status: int) -> None:
    browser = join(survey)
    shown = fields(browser.get(address(survey)))

    page = browser.post(address(survey), shown | {"value": "4"} | changes)

    assert page.status_code == status
    assert 'class="field-errors" role="alert"' in page.content.decode()
    assert fields(page) == shown
    assert Rating.objects.count() == 0


def test_answer_of_a_second_window_does_not_undo_the_first(survey: Survey) -> None:
    browser = join(survey)
    shown = fields(browser.get(address(survey)))
    browser.post(address(survey), shown | {"value": 6})

    same = browser.post(address(survey), shown | {"value": 6})
    other = browser.post(address(survey), shown | {"value": 2})

    assert same.status_code == 302
    assert other.status_code == 409
    assert "that one is kept" in text(other)
    assert Rating.objects.get().value == 6


def test_set_ends_with_thanks_and_an_offer_to_go_on() -> None:
    survey = make_open_survey()
    images = add_images(survey, SET_SIZE + 1)
    browser = join(survey)
    rate_images(Rater.objects.get(), images[: SET_SIZE - 1])

    page = answer(browser, survey, 4)

    assert f"You have rated {SET_SIZE} pictures." in text(page)
    assert "Rate more pictures" in text(page)
    assert "Picture 1 of 1" in text(browser.get(address(survey)))


def test_rater_is_told_how_steady_the_answers_were() -> None:
    survey = make_open_survey(repeat_share=0.5)
    images = add_images(survey, 4)
    browser = join(survey)
    rater = Rater.objects.get()
    rate_images(rater, images)
    for image, value in zip(images[:3], (4, 4, 7), strict=True):
        browser.post(
            address(survey, "answers/"),
            {"image": image.pk, "round": 1, "part": "whole_face", "value": value},
            "application/json",
        )

    assert "you gave 2 of 3 questions the same answer again" in text(browser.get(address(survey, "thanks/")))


# --- Coming back ---


def test_personal_link_goes_on_in_another_browser(survey: Survey) -> None:
    browser = join(survey)
    answer(browser, survey, 5)
    (link,) = set(
        re.findall(
            r'href="http://testserver(/survey/[^"]+/resume/[^"]+)"', browser.get(address(survey)).content.decode()
        )
    )

    elsewhere = HttpClient(headers={"accept-language": "en"})
    page = elsewhere.get(link, follow=True)

    assert "Picture 2 of 3" in text(page)
    answer(elsewhere, survey, 6)
    assert Rater.objects.count() == 1
    assert Rating.objects.filter(rater=Rater.objects.get()).count() == 2


@pytest.mark.parametrize("secret", ["wrong", "x" * 500, "%00", "한글"])
def test_wrong_personal_link_is_explained(client: HttpClient, survey: Survey, secret: str) -> None:
    page = client.get(address(survey, f"resume/{secret}/"))

    assert page.status_code == 403
    assert "does not take part in this survey yet" in text(page)


def test_cookie_is_closed_to_scripts_and_to_other_surveys(survey: Survey) -> None:
    browser = join(survey)
    cookie = browser.cookies["rater"]

    assert cookie["path"] == address(survey, "")
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert Rater.objects.get().key not in cookie.value


def test_cookie_of_another_survey_or_a_forged_one_is_nobodys(survey: Survey) -> None:
    other = make_open_survey()
    add_images(other, 1)
    browser = join(other)
    value = browser.cookies["rater"].value
    browser.cookies["rater"]["path"] = "/"

    for cookie in (value, value[:-1], "forged", ""):
        browser.cookies["rater"] = cookie
        page = browser.get(address(survey))
        assert page.status_code == 403
        assert "please allow cookies for this site" in text(page)
        assert send(browser, survey).json()["code"] == "rater_unknown"
    assert Rating.objects.count() == 0


# --- Open and closed ---


@pytest.mark.parametrize("rest", ["", "rate/", "thanks/", "resume/x/", "images/1.jpg", "answers/", "visits/"])
def test_unknown_survey_has_no_pages(client: HttpClient, db: None, rest: str) -> None:
    page = (
        client.post("/survey/nothing/answers/", {}, "application/json")
        if rest == "answers/"
        else client.get(f"/survey/nothing/{rest}")
    )

    assert page.status_code == 404
    assert "There is no survey at this address." in page.content.decode()


def test_survey_that_has_not_opened_says_so(client: HttpClient) -> None:
    for opens_at in (None, timezone.now() + timedelta(days=1)):
        survey = make_open_survey(opens_at=opens_at)
        add_images(survey, 1)
        for page in (client.get(address(survey, "")), client.post(address(survey, ""), {"consent": "yes"})):
            assert page.status_code == 403
            assert "has not opened yet" in text(page)
    assert Rater.objects.count() == 0


def test_survey_that_closes_in_the_middle_keeps_what_was_answered(survey: Survey) -> None:
    browser = join(survey)
    shown = fields(answer(browser, survey, 5))
    close(survey)

    for page in (
        browser.get(address(survey)),
        browser.post(address(survey), shown | {"value": "4"}),
        browser.get(address(survey, "")),
    ):
        assert page.status_code == 403
        assert "This survey has closed." in text(page)
        assert "The picture you rated is kept." in text(page)
    refusal = send(browser, survey)
    assert (refusal.status_code, refusal.json()["code"]) == (403, "survey_closed")
    assert refusal["Content-Type"] == "application/problem+json"
    assert Rating.objects.get().value == 5
    # They can still see their thanks.
    assert "You have rated 1 picture." in text(browser.get(address(survey, "thanks/")))


def test_stranger_at_a_closed_survey_reads_no_numbers(client: HttpClient, survey: Survey) -> None:
    close(survey)

    page = client.get(address(survey, ""))

    assert "This survey has closed." in text(page)
    assert "kept" not in text(page)


# --- Pictures ---


def test_raters_see_pictures_that_are_not_published(survey: Survey) -> None:
    image = survey.survey_images.first()
    assert image
    assert image.image
    assert not image.image.is_published

    picture = join(survey).get(address(survey, f"images/{image.pk}.jpg"))

    assert picture.status_code == 200
    assert picture["Content-Type"] == "image/jpeg"
    assert picture.content.startswith(b"\xff\xd8")
    assert picture["Cache-Control"] == "private, max-age=86400, immutable"
    # The page does not tell under which name the storage keeps it.
    assert image.image.sha256 not in join(survey).get(address(survey)).content.decode()


def test_pictures_are_for_the_raters_of_their_survey(client: HttpClient, survey: Survey) -> None:
    image = survey.survey_images.first()
    other = make_open_survey()
    foreign = add_images(other, 1, stored=True)[0]
    assert image
    browser = join(survey)

    assert client.get(address(survey, f"images/{image.pk}.jpg")).status_code == 403
    for pk in (foreign.pk, 10**17, 10**30):
        assert browser.get(address(survey, f"images/{pk}.jpg")).status_code == 404
    close(survey)
    assert browser.get(address(survey, f"images/{image.pk}.jpg")).status_code == 403


def test_picture_that_the_storage_lost_is_no_crash(survey: Survey) -> None:
    image = survey.survey_images.first()
    assert image
    assert image.image
    Path(storages["catalog"].path(image.image.file)).unlink()

    page = join(survey).get(address(survey, f"images/{image.pk}.jpg"))

    assert page.status_code == 503
    assert "no-store" in page["Cache-Control"]


# --- What the script sends ---


def test_script_sends_answers(survey: Survey) -> None:
    browser = join(survey)

    assert send(browser, survey).json() == {"value": 4.0}
    assert send(browser, survey).status_code == 200
    assert send(browser, survey, value=6).json()["code"] == "answered_otherwise"
    assert send(browser, survey, value=6, replaces=[4]).status_code == 200

    assert Rating.objects.get().value == 6
    assert survey.survey_images.order_by("pk")[0].rating_count == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"value": 8}, 400, "rating_off_scale"),
        ({"value": "many"}, 400, "invalid"),
        ({"value": None}, 400, "invalid"),
        ({"value": [1]}, 400, "invalid"),
        ({"value": "nan"}, 400, "invalid"),
        ({"value": "1e999"}, 400, "invalid"),
        ({"round": 5}, 400, "invalid"),
        ({"image": 2**63}, 400, "invalid"),
        ({"image": "x"}, 400, "invalid"),
        ({"image": 2**62}, 404, "not_in_survey"),
        ({"part": "nose"}, 404, "not_in_survey"),
        ({"part": "\x00"}, 400, "invalid"),
        ({"replaces": "x"}, 400, "invalid"),
        ({"replaces": [1] * 1000}, 400, "invalid"),
        ({"replaces": ["nan"]}, 400, "invalid"),
    ],
)
def test_bad_answer_is_a_problem_with_a_code(survey: Survey, body: dict[str, object], status: int, code: str) -> None:
    response = send(join(survey), survey, **body)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert Rating.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"value": NaN}', "application/json", 400),
        (b"image=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_body_that_is_no_answer_is_a_problem(survey: Survey, body: bytes, content_type: str, status: int) -> None:
    response = join(survey).post(address(survey, "answers/"), body, content_type)

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"


def test_script_fetches_what_comes_next(survey: Survey) -> None:
    add_images(survey, 10)
    browser = join(survey)
    shown = [visit["key"] for visit in state(browser.get(address(survey)))["visits"]]

    visits = browser.get(address(survey, f"visits/?holding={','.join(shown)}")).json()["visits"]

    assert len(visits) == 4
    assert not {visit["key"] for visit in visits} & set(shown)
    assert visits[0]["url"] == address(survey, f"images/{visits[0]['image']}.jpg")
    for holding in ("x", "1.7", "1.0,,x", "9" * 30 + ".0", ",".join(["1.0"] * 500)):
        assert browser.get(address(survey, f"visits/?holding={holding}")).json()["code"] == "invalid"


def test_page_knows_the_last_answers_for_undo(survey: Survey) -> None:
    browser = join(survey)
    answer(browser, survey, 3)

    visits = state(browser.get(address(survey)))["visits"]

    assert [visit["parts"][0]["answer"] for visit in visits] == [3, None, None]


# --- Cost ---


def test_pages_cost_the_same_however_large_the_survey(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    for size in (10, 60):
        survey = make_open_survey(parts=["whole_face", "upper_face"])
        images = add_images(survey, size)
        browser = join(survey)
        rate_images(Rater.objects.get(survey=survey), images[:8])
        with django_assert_max_num_queries(30):
            page = browser.get(address(survey))
        with django_assert_max_num_queries(11):
            send(browser, survey, part="upper_face", image=images[1].pk)
        assert page.status_code == 200
