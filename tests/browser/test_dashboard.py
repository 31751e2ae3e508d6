"""The back office's first page in a real browser, on a phone and on a desk."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import FaceType, ImageLabel, Survey, SurveyImage
from classification.models import DailyCount
from tests.browser.conftest import PHONE, TIMEOUT_MILLISECONDS, take_screenshot
from tests.catalog.factories import make_image

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1280, "height": 900}
# More or less what a month of an app in use looks like; photos a day.
OUTCOMES = {
    "alpha": 90, "beta": 110, "gamma": 120, "delta": 80, "omega": 60,
    "no_face": 22, "too_dark": 14, "face_cut_off": 11, "multiple_faces": 7, "under_age": 3,
}  # fmt: skip

OpenDashboard = Callable[..., Page]


def fill() -> None:
    today, noise = timezone.localdate(), random.Random(0)
    DailyCount.objects.bulk_create(
        DailyCount(
            day=today - timedelta(days=days_ago),
            client="mobile",
            outcome=outcome,
            count=int(usual * noise.uniform(0.5, 1.5)),
        )
        for days_ago in range(30)
        for outcome, usual in OUTCOMES.items()
    )
    for number in range(3):
        ImageLabel.objects.create(image=make_image(FaceType.objects.get(pk=number + 1)), doubt=0.5)
    survey = Survey.objects.create(
        title_en="Autumn survey", title_ko="가을 설문", question_en="?", question_ko="?", opens_at=timezone.now()
    )
    for number in range(8):
        SurveyImage.objects.create(survey=survey, image=make_image(), key=str(number), rating_count=2 * number)


@pytest.fixture
def open_dashboard(chromium: Browser, live_server: LiveServer, catalogue: None) -> Iterator[OpenDashboard]:
    """Open the first page as an administrator; the test fails for whatever the browser complains of."""
    complaints: list[str] = []
    contexts = []

    def open_(**options: Any) -> Page:
        user, _is_new = User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)
        client = Client()
        client.force_login(user)
        defaults: dict[str, Any] = {"viewport": DESKTOP, "locale": "en-US", "reduced_motion": "reduce"}
        context = chromium.new_context(**(defaults | options))
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(live_server.url + reverse("admin:index"))
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize(
    ("viewport", "locale", "name"),
    [(PHONE, "ko-KR", "dashboard-phone"), (DESKTOP, "en-US", "dashboard")],
)
def test_the_page_fits_and_axe_finds_nothing_serious(
    open_dashboard: OpenDashboard, viewport: dict[str, int], locale: str, name: str
) -> None:
    fill()
    page = open_dashboard(viewport=viewport, locale=locale)

    expect(page.locator(".dashboard-day")).to_have_count(30)
    expect(page.get_by_text("Autumn survey" if locale == "en-US" else "가을 설문").first).to_be_visible()
    take_screenshot(page, name)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    violations = Axe().run(page, context=".dashboard").response["violations"]
    assert [violation["id"] for violation in violations if violation["impact"] in ("serious", "critical")] == []


def test_the_chart_opens_as_a_table_by_keyboard(open_dashboard: OpenDashboard) -> None:
    fill()
    page = open_dashboard()
    table = page.locator(".dashboard details table")
    expect(table).to_be_hidden()

    page.locator(".dashboard summary").focus()
    page.keyboard.press("Enter")

    expect(table).to_be_visible()
    expect(table.locator("tbody tr")).to_have_count(30)


def test_an_empty_installation_says_so(open_dashboard: OpenDashboard) -> None:
    page = open_dashboard()

    expect(page.get_by_text("Nothing yet.").first).to_be_visible()
