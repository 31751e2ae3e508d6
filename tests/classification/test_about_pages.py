"""The pages about the product: types, survey, models, privacy; and what robots may read of it all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client as HttpClient
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from catalog.models import CelebrityImage, FaceType
from catalog.survey.findings import FEWEST_RATERS
from classification.pages.about.card_texts import KNOWN_TEXTS
from classification.pages.about.models import GROUPS, PHOTO_FACTS, TYPE_FACTS, WEAKNESSES
from classification.pages.about.types import CELEBRITIES_A_PAGE
from inference.cards import packaged_card
from inference.models import ModelName
from tests.catalog.factories import make_images
from tests.catalog.raters import published_result
from tests.inference.factories import make_release

PAGES = ["/types/", "/types/gamma/", "/survey/about/", "/models/", "/privacy/"]


def text_of(client: HttpClient, path: str, language: str = "en") -> str:
    """The page's text, with runs of spaces made one."""
    response = client.get(path, headers={"Accept-Language": language})
    assert response.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


@pytest.mark.parametrize("path", PAGES)
def test_page_is_kept_by_its_visitors_browser_alone_and_by_language(
    client: HttpClient, catalogue: None, path: str
) -> None:
    response = client.get(path)

    assert response["Cache-Control"] == "private, max-age=300"
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in response["Vary"].split(",")}
    assert f'<link rel="canonical" href="http://testserver{path}">' in response.content.decode()
    assert client.post(path).status_code == 405


@pytest.mark.parametrize("path", PAGES)
def test_number_of_queries_does_not_grow_with_the_catalogue(client: HttpClient, catalogue: None, path: str) -> None:
    with CaptureQueriesContext(connection) as few:
        client.get(path)
    make_images(FaceType.objects.get(code="gamma"), 40)

    with CaptureQueriesContext(connection) as many:
        client.get(path)

    assert len(many) == len(few) <= 3


# --- Types ---


def test_types_come_best_first_with_some_of_their_celebrities(client: HttpClient, catalogue: None) -> None:
    page = client.get("/types/").content.decode()

    assert re.findall(r'href="/types/(\w+)/"', page)[:5] == ["alpha", "beta", "gamma", "delta", "omega"]
    for face_type in FaceType.objects.all():
        assert face_type.sentences("en")[0] in page
        assert f"{face_type.code} 0" in page


def test_type_shows_its_published_celebrities_with_their_credit(client: HttpClient, catalogue: None) -> None:
    gamma = CelebrityImage.objects.of_type(FaceType.objects.get(code="gamma"))
    gamma.filter(gallery_slot=4).update(gallery_slot=None)

    page = client.get("/types/gamma/").content.decode()

    assert page.count("<figcaption>") == 4
    assert page.count("<small>gamma") == 4
    assert 'rel="next"' not in page


def test_gallery_is_paged_through_and_back(client: HttpClient, catalogue: None) -> None:
    make_images(FaceType.objects.get(code="alpha"), 2 * CELEBRITIES_A_PAGE)
    seen: list[str] = []
    path = "/types/alpha/"
    while path:
        page = client.get(path).content.decode()
        assert f'<link rel="canonical" href="http://testserver{path}">' in page
        seen += re.findall(r'<img src="([^"]+)" width="[^"]+" height="[^"]+" loading', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        back = re.search(r'rel="prev" href="([^"]+)"', page)
        path = following[1] if following else ""

    assert len(seen) == len(set(seen)) == 2 * CELEBRITIES_A_PAGE + 5
    assert back
    assert back[1] == f"/types/alpha/?from={CELEBRITIES_A_PAGE}"


@pytest.mark.parametrize(
    "path",
    ["/types/sigma/", *(f"/types/alpha/?from={start}" for start in ("5", "x", "-1", "1e3", "²", "9" * 30, "%00"))],
)
def test_type_or_place_that_is_not_there_is_not_found(client: HttpClient, catalogue: None, path: str) -> None:
    assert client.get(path).status_code == 404


# --- Survey ---


def test_survey_page_tells_of_the_sample_until_a_result_is_published(client: HttpClient, catalogue: None) -> None:
    text = text_of(client, "/survey/about/")

    assert "One Million Impressions" in text
    assert "278" in text
    assert "8673" in text
    assert "21.8 %" in text


def test_survey_page_tells_of_the_published_result(client: HttpClient, catalogue: None) -> None:
    published_result({"18_24": FEWEST_RATERS})

    english, korean = text_of(client, "/survey/about/"), text_of(client, "/survey/about/", "ko")

    assert "How attractive is this face?" in english
    assert "이 얼굴은 얼마나 매력적인가요?" in korean
    assert "One Million Impressions" not in english
    assert "18 to 24 (10)" in english


def test_survey_page_shows_no_group_so_small_that_it_tells_of_single_raters(
    client: HttpClient, catalogue: None
) -> None:
    published_result({"18_24": FEWEST_RATERS, "25_34": FEWEST_RATERS - 1})

    text = text_of(client, "/survey/about/")

    assert "18 to 24" in text
    assert "25 to 34" not in text


def test_survey_page_names_nobody(client: HttpClient, catalogue: None) -> None:
    result = published_result({"18_24": 3})

    text = text_of(client, "/survey/about/")

    for row in result.rows.select_related("survey_image__image__celebrity"):
        assert row.survey_image.image.celebrity.name_en not in text
        assert row.survey_image.key not in text


def test_page_of_a_published_result_costs_the_same_however_many_ratings_it_has(
    client: HttpClient, catalogue: None
) -> None:
    published_result({"18_24": 3})
    with CaptureQueriesContext(connection) as first:
        client.get("/survey/about/")
    published_result({"18_24": 12})

    with CaptureQueriesContext(connection) as second:
        client.get("/survey/about/")
    with CaptureQueriesContext(connection) as again:
        client.get("/survey/about/")

    assert len(first) == len(second) <= 6
    # What a frozen result's rows come to is summed up once in a while.
    assert len(again) < len(second)


# --- Models ---


def test_every_number_of_the_page_stands_on_the_packaged_cards() -> None:
    missing = [
        f"{model}: {metric}"
        for model, metric, _text in (*TYPE_FACTS, *PHOTO_FACTS, *WEAKNESSES)
        if metric not in packaged_card(model).numbers
    ]
    metrics = packaged_card("gate").numbers
    missing += [prefix for prefix in GROUPS if not any(metric.startswith(f"{prefix}, ") for metric in metrics)]

    assert missing == []


def test_translators_know_every_sentence_of_the_packaged_cards() -> None:
    is_citation = re.compile(r"(CC BY|MIT$)")
    cards = [packaged_card(name) for name in ModelName.values]
    sentences = {
        text for card in cards for text in (card.licence, card.limits, *card.sets.values(), *card.teachers.values())
    }

    assert [text for text in sentences - set(KNOWN_TEXTS) if not is_citation.match(text)] == []


def test_models_page_tells_the_numbers_of_the_models_in_use(
    client: HttpClient, catalogue: None, tmp_path: Path
) -> None:
    metric = "5-fold same type"
    before = text_of(client, "/models/")
    release = make_release(
        tmp_path, version="9.0", metrics={metric: 0.4321}, cases={metric: 1234}, intervals={metric: [0.4, 0.46]}
    )
    assert text_of(client, "/models/") == before

    release.activate()

    text = text_of(client, "/models/")
    assert "43.2 %" in text
    assert "40.0 % – 46.0 %" in text
    assert "1234 cases" in text
    assert "43.2 %" not in before


def test_models_page_says_that_models_of_the_sample_data_are_samples(
    client: HttpClient, catalogue: None, tmp_path: Path
) -> None:
    notice = "The models that run here are samples"
    assert notice in text_of(client, "/models/")
    training: dict[str, Any] = {"sets": {"ours": "our own"}, "files": 1, "sha256": "0" * 64, "teachers": {}}

    for name in ModelName.values:
        make_release(tmp_path, name=name, version="9.0", training=training).activate()

    assert notice not in text_of(client, "/models/")


# --- Privacy ---


def test_privacy_page_tells_what_the_settings_say(client: HttpClient, settings: Settings, db: None) -> None:
    settings.RETENTION_DAYS, settings.MIN_AGE = 7, 16

    text = text_of(client, "/privacy/")

    assert "7 days" in text
    assert "30 days" not in text
    assert re.search(r"\b16\b", text)


# --- Robots ---


def rules_for(robots: str, agent: str) -> list[str]:
    groups = [group.splitlines() for group in robots.split("\n\n")]
    (own,) = [group for group in groups if f"User-agent: {agent}" in group]
    return [line for line in own if not line.startswith("User-agent")]


def test_robots_are_kept_from_peoples_results_but_may_preview_a_link(client: HttpClient, db: None) -> None:
    response = client.get("/robots.txt")

    assert response["Content-Type"].startswith("text/plain")
    everybody = rules_for(response.content.decode(), "*")
    for prefix in ("/results/", "/s/", "/compare/", "/boards/", "/admin/", "/api/", "/survey/"):
        assert f"Disallow: {prefix}" in everybody
    assert "Allow: /survey/about/" in everybody
    previews = rules_for(response.content.decode(), "kakaotalk-scrap")
    assert "Disallow: /s/" not in previews
    assert "Disallow: /results/" in previews


def test_sitemap_lists_pages_that_answer(client: HttpClient, catalogue: None) -> None:
    response = client.get("/sitemap.xml")

    addresses = re.findall(r"<loc>http://testserver([^<]+)</loc>", response.content.decode())
    assert {"/", "/types/", "/types/omega/", "/survey/about/", "/models/", "/privacy/"} <= set(addresses)
    assert [path for path in addresses if client.get(path).status_code != 200] == []
