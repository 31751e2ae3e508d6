"""The analysis page of a survey in a real browser."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from playwright.sync_api import Page, expect

from catalog.models import Rater, Rating, Survey
from catalog.services.survey_results import result_create
from tests.browser.conftest import PHONE, OpenPage, serious_violations, take_screenshot
from tests.catalog.factories import make_face_types
from tests.catalog.raters import add_portraits, make_open_survey

pytestmark = pytest.mark.browser

IMAGES = 16
RATERS = 24


@pytest.fixture
def survey(transactional_db: None) -> Survey:
    """Drawn faces, rated by people of several ages with a taste and a bias each."""
    make_face_types()
    survey = make_open_survey()
    images = add_portraits(survey, IMAGES)
    chance = random.Random(1)
    appeal = [chance.gauss(4, 1.1) for _ in images]
    for number in range(RATERS):
        age_band, sex = chance.choice(["18_24", "25_34", "45_54", ""]), chance.choice(["female", "male"])
        rater = Rater.objects.create(survey=survey, key=f"rater {number}", age_band=age_band, sex=sex)
        bias = chance.gauss(0.3 if sex == "female" else 0, 0.5)
        Rating.objects.bulk_create(
            Rating(
                survey_image=image,
                rater=rater,
                part="whole_face",
                value=min(7, max(1, round(one + bias + chance.gauss(0, 1)))),
                created_at=timezone.now(),
            )
            for image, one in zip(images, appeal, strict=True)
        )
    survey.survey_images.update(rating_count=RATERS)
    result_create(survey=survey)
    return survey


@pytest.fixture
def open_analysis(open_as_staff: OpenPage, survey: Survey) -> OpenPage:
    """Open the survey's page as someone who may look at everything."""
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="catalog", codename__startswith="view_")
    )
    return partial(open_as_staff, user, f"/admin/catalog/survey/{survey.pk}/change/")


def show_plots(page: Page) -> None:
    for plot in page.locator(".plot img").all():
        plot.scroll_into_view_if_needed()
        expect(plot).to_have_js_property("complete", True)
        expect(plot).not_to_have_js_property("naturalWidth", 0)
    page.evaluate("scrollTo(0, 0)")


def test_curator_finds_the_analysis_and_saves_its_pictures(open_analysis: Any, tmp_path: Path) -> None:
    page = open_analysis()
    page.locator("a.job-button[href$='/analysis/']").click()
    expect(page.get_by_role("heading", name="Distribution of the types")).to_be_visible()
    show_plots(page)
    take_screenshot(page, "survey-analysis")
    assert serious_violations(page) == []

    with page.expect_download() as saved:
        page.locator("a[href*='ranking.png']").click()
    saved.value.save_as(tmp_path / "ranking.png")
    assert (tmp_path / "ranking.png").read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as saved:
        page.locator("a[href*='images.csv']").click()
    assert saved.value.suggested_filename.endswith("-whole_face-images.csv")


def test_analysis_fits_a_phone_in_korean(open_analysis: Any) -> None:
    page = open_analysis(viewport=PHONE, locale="ko-KR", has_touch=True, is_mobile=True)
    page.locator("a.job-button[href$='/analysis/']").tap()
    expect(page.locator("#ranking-title")).to_be_visible()
    show_plots(page)

    take_screenshot(page, "survey-analysis-phone")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert serious_violations(page) == []
