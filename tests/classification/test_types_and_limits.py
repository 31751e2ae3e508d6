"""The public reads of the new API."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.test import Client as HttpClient
from pytest_django import DjangoAssertNumQueries, Settings

from catalog.models import CelebrityImage, FaceType
from catalog.services.images import image_unpublish


def test_types_come_best_first_in_the_callers_language(client: HttpClient, catalogue: None) -> None:
    types = client.get("/api/v1/types/", headers={"Accept-Language": "ko"}).json()

    assert [(face_type["code"], face_type["letter"]) for face_type in types] == [
        ("alpha", "Α"),
        ("beta", "Β"),
        ("gamma", "Γ"),
        ("delta", "Δ"),
        ("omega", "Ω"),
    ]
    assert types[4]["name"] == FaceType.objects.get(code="omega").name_ko


def test_one_type(client: HttpClient, catalogue: None) -> None:
    assert client.get("/api/v1/types/gamma/").json()["rank"] == 3


def test_unknown_type_is_not_found(client: HttpClient, catalogue: None) -> None:
    for path in ("/api/v1/types/sigma/", "/api/v1/types/sigma/celebrities/"):
        response = client.get(path)

        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "not_found"


def test_unknown_address_under_api_is_a_problem_too(client: HttpClient, db: None) -> None:
    response = client.get("/api/v1/nothing/")

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "not_found"


def test_celebrities_come_page_by_page_and_only_published(
    client: HttpClient, catalogue: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    gamma = CelebrityImage.objects.of_type(FaceType.objects.get(code="gamma"))
    image_unpublish(images=[gamma[0]])

    with django_assert_num_queries(2):
        first = client.get("/api/v1/types/gamma/celebrities/?page_size=3").json()
    second = client.get(first["next"]).json()

    assert len(first["results"]) == 3
    assert len(second["results"]) == 1
    assert second["next"] is None
    images = first["results"] + second["results"]
    assert len({image["image_url"] for image in images}) == 4
    assert all(image["attribution"].startswith("gamma") for image in images)


def test_celebrity_picture_can_be_fetched_and_cached(client: HttpClient, catalogue: None) -> None:
    image = client.get("/api/v1/types/alpha/celebrities/").json()["results"][0]

    response = client.get(image["image_url"])

    assert response.status_code == 200
    assert response["Content-Type"] == "image/jpeg"
    assert "immutable" in response["Cache-Control"]
    assert b"".join(response.streaming_content).startswith(b"\xff\xd8\xff")


def test_media_serves_nothing_outside_the_catalogue(client: HttpClient, catalogue: None) -> None:
    photos = Path(storages["photos"].location)  # type: ignore[attr-defined]
    photos.mkdir()
    (photos / "private").write_bytes(b"a photo")

    for path in ("../photos/private", "..%2fphotos%2fprivate", f"/{photos}/private", "images", "", "%00"):
        response = client.get(f"/media/{path}")
        assert response.status_code in {400, 404}
        assert b"a photo" not in response.content


def test_limits_are_those_of_the_settings(client: HttpClient, settings: Settings, db: None) -> None:
    settings.MIN_AGE = 16

    limits = client.get("/api/v1/limits/").json()

    assert limits == {
        "formats": ["image/jpeg", "image/png", "image/webp"],
        "max_photo_bytes": 15 * 1024 * 1024,
        "max_photo_pixels": 50_000_000,
        "min_face_pixels": 80,
        "min_face_share": 0.02,
        "min_age": 16,
        "retention_days": 30,
    }


@pytest.mark.parametrize("position", ["p=abc", "p=%00", "p=NaN", "p=1e99", "r=1&p=x", "p=-1", f"p={10**30}"])
def test_crafted_cursor_is_not_found(client: HttpClient, catalogue: None, position: str) -> None:
    cursor = base64.b64encode(position.encode()).decode()

    response = client.get(f"/api/v1/types/alpha/celebrities/?cursor={cursor}")

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/api/v1/types/%00/", "/api/v1/types/%00/celebrities/", "/api/v1/types/alpha%00/"])
def test_nul_byte_in_an_address_is_not_found(client: HttpClient, catalogue: None, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("accept", ["text/html", "application/problem+json", "image/png", "nonsense"])
def test_answers_are_json_whatever_is_accepted(client: HttpClient, catalogue: None, accept: str) -> None:
    good = client.get("/api/v1/types/", headers={"Accept": accept})
    bad = client.get("/api/v1/types/sigma/", headers={"Accept": accept})

    assert (good.status_code, good["Content-Type"]) == (200, "application/json")
    assert (bad.status_code, bad["Content-Type"]) == (404, "application/problem+json")
    assert bad["Content-Language"] == "en"
