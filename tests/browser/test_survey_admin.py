"""A curator's way with a survey from elsewhere: import, aggregate, publish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import CelebrityImage, PartLabel, Rating, SurveyResult
from catalog.models.survey import Scale
from catalog.services.surveys import survey_create
from tests.browser.conftest import PHONE, TIMEOUT_MILLISECONDS, take_screenshot

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer, catalogue: None, settings: Any) -> Iterator[Page]:
    """A curator's browser, of a phone; the test fails for whatever it complains of."""
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend"}}
    user = User.objects.create_user("curator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="catalog"))
    client = Client()
    client.force_login(user)
    context = chromium.new_context(viewport=PHONE, locale="en-US", reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    complaints: list[str] = []
    opened = context.new_page()

    def complain(message: ConsoleMessage) -> None:
        # No page of the back office names an icon, and browsers look for one.
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            complaints.append(f"{message.text} {message.location['url']}")

    opened.on("console", complain)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def ratings_csv() -> bytes:
    """Twelve raters of the catalogue's 25 pictures, by their hashes."""
    generator = np.random.default_rng(0)
    lines = ["rater_id,stimulus,rating,rater_gender,rater_age"]
    for place, sha256 in enumerate(CelebrityImage.objects.order_by("pk").values_list("sha256", flat=True)):
        for rater in range(12):
            value = int(np.clip(round(6.5 - place / 5 + generator.normal(0, 0.7)), 1, 7))
            lines.append(f"R{rater},{sha256},{value},{'female' if rater % 2 else 'male'},{20 + 4 * rater}")
    return "\n".join(lines).encode()


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_ratings_become_labels(page: Page, live_server: LiveServer) -> None:
    survey = survey_create(title="Portraits", scale=Scale.ONE_TO_SEVEN, parts=["whole_face"])
    page.goto(f"{live_server.url}{reverse('admin:catalog_survey_change', args=[survey.pk])}")
    assert fits(page)
    take_screenshot(page, "survey-admin")

    page.get_by_role("link", name="Import ratings").click()
    page.locator("input[type=file]").set_input_files(
        {"name": "ratings.csv", "mimeType": "text/csv", "buffer": ratings_csv()}
    )
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("select[name=image]")).to_have_value("stimulus")
    page.locator("label", has_text="Also take images").locator("..").locator("input[type=checkbox]").check(force=True)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("new ratings: 300")).to_be_visible()
    assert fits(page)
    take_screenshot(page, "survey-import")
    page.get_by_role("button", name="Import 300 ratings").click()
    expect(page.get_by_text("ratings imported: 300")).to_be_visible()
    assert Rating.objects.count() == 300

    page.get_by_role("link", name="Portraits").first.click()
    page.get_by_role("link", name="Make a result").click()
    page.get_by_role("button", name="Make a result").click()
    expect(page.get_by_text("Not published")).to_be_visible()
    take_screenshot(page, "survey-result")
    assert fits(page)
    page.get_by_role("button", name="Publish as labels").click()
    expect(page.get_by_text("25 labels published.")).to_be_visible()
    assert PartLabel.objects.filter(type_source="survey").count() == 25

    page.get_by_role("link", name="whole face").click()
    expect(page.get_by_text("Α Alpha").first).to_be_visible()
    assert fits(page)
    take_screenshot(page, "survey-ranking")
    page.go_back()
    page.get_by_role("button", name="Take the publication back").click()
    expect(page.get_by_text("25 labels are what they were before.")).to_be_visible()
    assert not PartLabel.objects.filter(type_source="survey").exists()
    assert SurveyResult.objects.get().published_at is None
