"""The raters' pages, as people use them: by thumb, by keyboard, with a bad connection, without scripts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import ImageLabel, PartLabel, Rater, Rating, Survey
from tests.browser.conftest import PHONE, TIMEOUT_MILLISECONDS, serious_violations, take_screenshot
from tests.catalog.factories import make_face_types
from tests.catalog.raters import QUESTION, add_images, add_portraits, make_open_survey

pytestmark = pytest.mark.browser

# A thumb's, in CSS pixels (WCAG 2.2, target size enhanced).
THUMB = 44
# Without the picture, which the survey's curators choose.
WEIGHT_LIMIT = 60 * 1024
# Longer than the page ignores a second tap.
AFTER_DOUBLE_TAP_MILLISECONDS = 350
PARTS = ["whole_face", "upper_face", "lower_face"]
# Milliseconds.
AT_ONCE = 200
# Answers, and resolves to the milliseconds from the tap to the frame that shows the next picture.
ANSWER = """async () => {
    const image = document.querySelector(".face image");
    const before = image.getAttribute("href");
    const started = performance.now();
    document.querySelector(".answers button[value='4']").click();
    if (image.getAttribute("href") === before) return Infinity;
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return document.querySelector(".face.loading") ? Infinity : performance.now() - started;
}"""

OpenSurvey = Callable[..., Page]


@pytest.fixture
def survey(transactional_db: None) -> Survey:
    survey = make_open_survey()
    add_images(survey, 4, stored=True)
    return survey


@pytest.fixture
def open_survey(chromium: Browser, live_server: LiveServer, request: pytest.FixtureRequest) -> Iterator[OpenSurvey]:
    """Open a survey's first page in a browser of its own; keyword arguments are its context's options.

    The test fails for whatever the browser complains of, but for refusals and lost connections that it asked for
    with @pytest.mark.expects_failures.
    """
    complaints: list[str] = []
    contexts = []
    fails_as_asked = request.node.get_closest_marker("expects_failures") is not None

    def complain(message: ConsoleMessage) -> None:
        is_expected = fails_as_asked and message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_expected:
            complaints.append(message.text)

    def open_(survey: Survey, path: str = "", **options: Any) -> Page:
        defaults: dict[str, Any] = {"viewport": PHONE, "locale": "en-US", "reduced_motion": "reduce"}
        context = chromium.new_context(**(defaults | options))
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{live_server.url}/survey/{survey.link_token}/{path}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def begin(page: Page) -> None:
    page.locator("[name=consent][value=yes]").click()
    expect(page.locator(".question")).to_be_visible()
    settle(page)


def settle(page: Page) -> None:
    """Until the picture is there and a tap is not taken for the second of a double tap."""
    # The script has run by then; the server's page shows its picture without it.
    page.wait_for_load_state()
    expect(page.locator(".face:not(.loading)")).to_be_visible()
    page.wait_for_timeout(AFTER_DOUBLE_TAP_MILLISECONDS)


def tap(page: Page, value: int) -> None:
    page.locator(f".answers button[value='{value}']").click()


def picture(page: Page) -> str:
    return page.locator(".face image").get_attribute("href") or ""


def wait_for(page: Page, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_MILLISECONDS / 1000
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        # Not time.sleep: Playwright calls the handlers of routes only while it waits itself.
        page.wait_for_timeout(50)


def values() -> list[float]:
    return list(Rating.objects.order_by("pk").values_list("value", flat=True))


# --- Taking part ---


def test_korean_phone_takes_part_by_touch(open_survey: OpenSurvey, transactional_db: None) -> None:
    make_face_types()
    survey = make_open_survey(scale="types", parts=PARTS)
    for asked in add_portraits(survey, 2):
        label = ImageLabel.objects.create(image=asked.image)
        PartLabel.objects.create(label=label, part="upper_face", x0=130, y0=200, x1=350, y1=335)
    page = open_survey(survey, locale="ko-KR", has_touch=True, is_mobile=True)
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.get_by_role("heading", level=1)).to_have_text("이 얼굴은 얼마나 매력적인가요?")
    take_screenshot(page, "survey-welcome-phone")

    page.locator("[name=age_band][value='25_34']").tap()
    page.locator("[name=consent][value=yes]").tap()
    for number in range(6):
        settle(page)
        if number == 1:
            # The upper face, whose box is known.
            assert page.locator(".outline").get_attribute("d") == "M130 200H350V335H130Z"
            take_screenshot(page, "survey-phone")
        page.locator(".answers button").nth(number % 5).tap()

    expect(page.locator(".message h1")).to_be_visible()
    assert values() == [1, 2, 3, 4, 5, 1]
    assert list(Rating.objects.order_by("pk").values_list("part", flat=True)) == PARTS * 2
    rater = Rater.objects.get()
    assert (rater.language, rater.age_band, rater.sex) == ("ko", "25_34", "")


def test_every_answer_is_within_a_thumbs_reach(open_survey: OpenSurvey, transactional_db: None) -> None:
    make_face_types()
    for scale in ("types", "one_to_seven", "percent"):
        survey = make_open_survey(scale=scale, parts=PARTS)
        add_images(survey, 1, stored=True)
        page = open_survey(survey, has_touch=True, is_mobile=True)
        begin(page)
        for target in page.locator(".answers button, .answers [type=range], .undo:visible").all():
            box = target.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= THUMB
            assert box["y"] > PHONE["height"] / 2
            # All of it on the first screen, without scrolling.
            assert box["y"] + box["height"] <= PHONE["height"]
        face = page.locator(".face").bounding_box()
        assert face
        assert face["height"] > PHONE["height"] / 3


def test_survey_is_answered_by_keyboard(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey, viewport={"width": 1280, "height": 800})
    page.keyboard.press("Tab")
    for _ in range(20):
        if page.evaluate("document.activeElement.matches('[name=consent]')"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=QUESTION)).to_be_visible()

    settle(page)
    page.keyboard.press("7")
    settle(page)
    # The first button, the second, and that one.
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    settle(page)
    page.keyboard.press("3")
    settle(page)
    page.keyboard.press("u")
    expect(page.locator("[aria-pressed=true]")).to_have_text("3")
    page.keyboard.press("Backspace")
    expect(page.locator("[aria-pressed=true]")).to_have_text("2")
    settle(page)
    page.keyboard.press("1")
    settle(page)
    # Nobody is asked again what they did not take back.
    page.keyboard.press("4")

    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert values() == [7, 1, 3, 4]


def test_slider_counts_only_once_it_was_moved(open_survey: OpenSurvey, transactional_db: None) -> None:
    survey = make_open_survey(scale="percent")
    add_images(survey, 2, stored=True)
    page = open_survey(survey)
    begin(page)
    expect(page.locator("output")).to_have_text("–")
    expect(page.locator(".next")).to_have_attribute("aria-disabled", "true")
    page.locator(".next").click(force=True)
    assert values() == []

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("output")).to_have_text("51")
    page.keyboard.press("Enter")
    expect(page.locator("output")).to_have_text("–")
    settle(page)
    page.locator("[type=range]").fill("80")
    page.locator(".next").click()

    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert values() == [51, 80]


def test_undo_changes_the_last_answer(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey, has_touch=True)
    begin(page)
    expect(page.locator(".undo")).to_be_hidden()
    first = picture(page)
    tap(page, 6)
    settle(page)
    assert picture(page) != first

    page.locator(".undo").tap()
    assert picture(page) == first
    expect(page.locator("[aria-pressed=true]")).to_have_text("6")
    settle(page)
    tap(page, 2)

    wait_for(page, lambda: values() == [2])
    expect(page.locator(".place")).to_have_text("Picture 2 of 4")
    assert sum(survey.survey_images.values_list("rating_count", flat=True)) == 1


def test_undo_reaches_answers_given_before_the_page_was_opened(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    tap(page, 6)
    wait_for(page, lambda: values() == [6])
    page.reload()
    settle(page)

    page.locator(".undo").click()
    settle(page)
    tap(page, 1)

    wait_for(page, lambda: values() == [1])


def test_personal_link_goes_on_in_another_browser(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    tap(page, 5)
    wait_for(page, lambda: values() == [5])
    page.locator("summary").click()
    link = page.locator(".elsewhere a").inner_text()

    elsewhere = open_survey(survey)
    elsewhere.goto(link)

    expect(elsewhere.locator(".place")).to_have_text("Picture 2 of 4")
    settle(elsewhere)
    tap(elsewhere, 3)
    wait_for(page, lambda: values() == [5, 3])
    assert Rater.objects.count() == 1


def test_language_can_be_switched_in_the_middle(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    tap(page, 5)
    settle(page)

    page.get_by_role("button", name="한국어").click()

    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.get_by_role("heading", level=1)).to_have_text("이 얼굴은 얼마나 매력적인가요?")
    assert page.evaluate("JSON.parse(document.getElementById('survey-state').textContent).inSet") == 1


@pytest.mark.parametrize("has_javascript", [True, False])
def test_survey_works_with_and_without_scripts(open_survey: OpenSurvey, survey: Survey, has_javascript: bool) -> None:
    page = open_survey(survey, java_script_enabled=has_javascript)
    page.locator("[name=consent][value=yes]").click()
    for value in (1, 2, 3, 4):
        expect(page.locator(".place")).to_have_text(f"Picture {value} of 4")
        if has_javascript:
            settle(page)
        tap(page, value)

    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert values() == [1, 2, 3, 4]


# --- At once, and nothing lost ---


def test_answer_shows_at_once_however_slow_the_server(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    held: list[Route] = []
    page.route("**/answers/", lambda route: held.append(route))  # noqa: PLW0108

    # What else the machine does must not count: one answer of a few shows as fast.
    milliseconds: list[float] = []
    while len(milliseconds) < 3 and min(milliseconds, default=AT_ONCE) >= AT_ONCE:
        settle(page)
        milliseconds.append(page.evaluate(ANSWER))

    assert min(milliseconds) < AT_ONCE
    assert values() == []
    wait_for(page, lambda: held)
    held[0].continue_()
    wait_for(page, lambda: values()[:1] == [4])


def test_second_tap_of_a_double_tap_rates_nothing(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)

    page.locator(".answers button[value='4']").dblclick()

    expect(page.locator(".place")).to_have_text("Picture 2 of 4")
    wait_for(page, lambda: values() == [4])
    settle(page)
    assert values() == [4]


@pytest.mark.expects_failures
def test_answers_wait_for_a_lost_connection(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    page.context.set_offline(True)
    for value in (1, 2):
        tap(page, value)
        settle(page)
    expect(page.locator(".waiting-answers")).to_contain_text("2")
    take_screenshot(page, "survey-offline-phone")
    assert values() == []

    page.context.set_offline(False)

    wait_for(page, lambda: values() == [1, 2])
    expect(page.locator(".waiting-answers")).to_be_hidden()
    for value in (3, 4):
        tap(page, value)
        if value == 3:
            settle(page)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert values() == [1, 2, 3, 4]
    assert {image.rating_count for image in survey.survey_images.all()} == {1}


@pytest.mark.expects_failures
def test_last_answers_of_the_survey_wait_too(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    page.context.set_offline(True)
    for value in (1, 2, 3, 4):
        settle(page)
        tap(page, value)
    expect(page.locator(".finishing")).to_be_visible()

    page.context.set_offline(False)

    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert values() == [1, 2, 3, 4]


@pytest.mark.expects_failures
def test_answers_survive_a_closed_tab(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    address = page.url
    page.context.set_offline(True)
    tap(page, 6)
    settle(page)
    answered = picture(page)
    page.close()
    page.context.set_offline(False)
    assert values() == []

    again = page.context.new_page()
    again.goto(address)

    wait_for(again, lambda: values() == [6])
    expect(again.locator(".place")).to_have_text("Picture 2 of 4")
    assert Rating.objects.get().survey_image_id != int(answered.rpartition("/")[2].removesuffix(".jpg"))


@pytest.mark.expects_failures
def test_answer_whose_receipt_was_lost_is_neither_doubled_nor_stuck(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    lost: list[int] = []

    def lose(route: Route) -> None:
        """The server takes the answer, and the browser never hears of it."""
        if not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/answers/", lose)
    tap(page, 6)
    wait_for(page, lambda: values() == [6])
    settle(page)
    page.locator(".undo").click()
    settle(page)
    tap(page, 2)

    wait_for(page, lambda: values() == [2])
    assert lost == [200]
    assert sum(survey.survey_images.values_list("rating_count", flat=True)) == 1


@pytest.mark.expects_failures
def test_of_two_tabs_the_first_answer_stands(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    other = page.context.new_page()
    other.goto(page.url)
    settle(other)
    assert picture(page) == picture(other)
    tap(page, 6)
    wait_for(page, lambda: values() == [6])

    tap(other, 2)
    settle(other)
    tap(other, 3)

    wait_for(page, lambda: values() == [6, 3])
    settle(other)
    assert values() == [6, 3]


@pytest.mark.expects_failures
def test_survey_that_closes_in_the_middle_says_so_and_loses_nothing(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    tap(page, 6)
    wait_for(page, lambda: values() == [6])
    settle(page)
    Survey.objects.update(closes_at=timezone.now())
    tap(page, 2)

    expect(page.get_by_role("heading", level=1)).to_have_text("This survey has closed. Thank you for your interest.")
    expect(page.locator(".message")).to_contain_text("The picture you rated is kept.")
    assert serious_violations(page) == []
    assert values() == [6]

    # Should it open once more, the answer that came too late is still there.
    Survey.objects.update(closes_at=None)
    page.reload()
    wait_for(page, lambda: values() == [6, 2])


@pytest.mark.expects_failures
def test_picture_that_is_missing_can_be_passed_over(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    page.locator("[name=consent][value=yes]").click()
    settle(page)
    shown = int(picture(page).rpartition("/")[2].removesuffix(".jpg"))
    page.route(f"**/images/{shown}.jpg", lambda route: route.fulfill(status=503))
    page.reload()

    expect(page.locator(".lost")).to_be_visible()
    page.keyboard.press("4")
    page.get_by_role("button", name="Show another one").click()
    settle(page)
    assert picture(page) != f"/survey/{survey.link_token}/images/{shown}.jpg"
    tap(page, 5)

    wait_for(page, lambda: values() == [5])


# --- Looks ---


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_scrolls_sideways(open_survey: OpenSurvey, transactional_db: None, width: int, locale: str) -> None:
    make_face_types()
    survey = make_open_survey(scale="types", parts=PARTS)
    add_images(survey, 1, stored=True)
    page = open_survey(survey, viewport={"width": width, "height": 844}, locale=locale)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    begin(page)
    page.locator("summary").click()
    assert page.evaluate(overflow) == 0
    for value in (1, 2, 3):
        settle(page)
        tap(page, value)
    expect(page.locator(".message")).to_be_visible()
    assert page.evaluate(overflow) == 0


def test_axe_finds_nothing_serious(open_survey: OpenSurvey, transactional_db: None) -> None:
    make_face_types()
    for scale in ("types", "one_to_seven", "percent"):
        survey = make_open_survey(scale=scale, parts=PARTS)
        add_images(survey, 1, stored=True)
        page = open_survey(survey)
        assert serious_violations(page) == []
        begin(page)
        page.locator("summary").click()
        assert serious_violations(page) == []
        if scale == "types":
            for value in (1, 2, 3):
                settle(page)
                tap(page, value)
            expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
            assert serious_violations(page) == []


def test_rating_page_is_light(open_survey: OpenSurvey, survey: Survey) -> None:
    page = open_survey(survey)
    begin(page)
    requests: list[Request] = []
    # Playwright would hand a built-in method its inner object.
    page.on("requestfinished", lambda request: requests.append(request))  # noqa: PLW0108

    page.reload(wait_until="networkidle")

    sizes = [request.sizes() for request in requests if "/images/" not in request.url]
    assert len(sizes) >= 4
    assert sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes) < WEIGHT_LIMIT
