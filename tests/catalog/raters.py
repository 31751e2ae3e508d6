"""Surveys that take ratings, and raters who take part by link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.test import Client as HttpClient
from django.utils import timezone

from catalog.models import CelebrityImage, Rater, Rating, Survey, SurveyImage, SurveyResult
from catalog.portraits import draw_portrait
from catalog.services.images import image_add
from catalog.services.rating import Visit, VisitKey, rater_join, rating_give
from catalog.services.survey_results import result_create
from tests.catalog.factories import make_celebrity, make_image, make_picture

QUESTION = "How attractive is this face?"


def make_open_survey(**fields: Any) -> Survey:
    """Open, about the whole face, from 1 to 7, without repeats."""
    values = {
        "title_ko": "얼굴 설문",
        "title_en": "Faces",
        "question_ko": "이 얼굴은 얼마나 매력적인가요?",
        "question_en": QUESTION,
        "scale": "one_to_seven",
        "parts": ["whole_face"],
        "repeat_share": 0.0,
        "opens_at": timezone.now() - timedelta(hours=1),
    }
    return Survey.objects.create(**(values | fields))


def add_images(survey: Survey, count: int, *, stored: bool = False, **fields: Any) -> list[SurveyImage]:
    """stored: with a picture that can be shown."""
    return [add_image(survey, _stored_image() if stored else make_image(), **fields) for _ in range(count)]


def add_portraits(survey: Survey, count: int) -> list[SurveyImage]:
    """Drawn faces."""
    return [add_image(survey, _stored_image(draw_portrait(number))) for number in range(count)]


def add_image(survey: Survey, image: CelebrityImage | None, **fields: Any) -> SurveyImage:
    key = f"image-{survey.survey_images.count()}"
    return SurveyImage.objects.create(**({"survey": survey, "image": image, "key": key} | fields))


def _stored_image(content: bytes | None = None) -> CelebrityImage:
    return image_add(
        celebrity=make_celebrity(),
        content=content or make_picture(size=(240, 300)),
        face_type=None,
        source="the tests",
        licence="CC0-1.0",
        attribution="",
    )


def make_rater(survey: Survey, **fields: Any) -> Rater:
    rater = rater_join(survey=survey, language="en", **fields).rater
    # The order of images is random for each rater; a test's raters are the same ones every time.
    rater.seed = survey.raters.count()
    rater.save()
    return rater


def rate(rater: Rater, visit: Visit, value: float = 4) -> list[Rating]:
    """Answer all parts of one visit."""
    return [rating_give(rater=rater, key=visit.key, part=asked.part, value=value) for asked in visit.parts]


def rate_images(rater: Rater, images: Sequence[SurveyImage], value: float = 4, *, part: str = "whole_face") -> None:
    for image in images:
        rating_give(rater=rater, key=VisitKey(image.pk, 0), part=part, value=value)


def published_result(raters: Mapping[str, int]) -> SurveyResult:
    """Of a survey of six pictures that is still open; raters: how many said which age."""
    survey = make_open_survey()
    images = add_images(survey, 6)
    for age_band, count in raters.items():
        for number in range(count):
            rater = make_rater(survey, age_band=age_band, sex="")
            for place, image in enumerate(images):
                rate_images(rater, [image], value=1 + (place + number % 2) % 7)
    result = result_create(survey=survey)
    result.published_at = timezone.now()
    result.save()
    return result


def join(survey: Survey, client: HttpClient | None = None, **answers: str) -> HttpClient:
    """A browser that has joined the survey."""
    browser = client or HttpClient(headers={"accept-language": "en"})
    response = browser.post(f"/survey/{survey.link_token}/", {"consent": "yes"} | answers)
    assert response.status_code == 302, response.content.decode()
    return browser
