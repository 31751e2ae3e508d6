"""Fixtures for every test."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import translation
from PIL import Image
from pytest_django import Settings

from catalog.models import Celebrity, CelebrityImage, FaceType
from catalog.services.images import image_of, image_publish
from catalog.services.pictures import Picture, picture_from_upload, picture_store
from catalog.services.seed import catalog_seed
from inference import client
from inference.apps import build_backend
from tests.caches import catalogue_reread
from tests.fakes import FakeBackend
from tests.images import encode


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database-only",
        action="store_true",
        help="Run only the tests that use the database, and none that take a browser or a cluster to do so.",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--database-only"):
        return
    uses, others = [], []
    for item in items:
        fixtures = {"db", "transactional_db"}.intersection(getattr(item, "fixturenames", ()))
        is_large = item.get_closest_marker("browser") or item.get_closest_marker("cluster")
        uses_database = bool(fixtures) or item.get_closest_marker("django_db")
        (uses if uses_database and not is_large else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = uses


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep SQLite in a file, as the product does: in memory, threads find each other's tables locked at once."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def _folders_of_its_own(settings: Settings, tmp_path: Path) -> None:
    """Every test writes files into folders of its own."""
    storages = {alias: dict(storage) for alias, storage in settings.STORAGES.items()}
    for alias in ("default", "catalog", "photos", "models", "imports"):
        options = dict(storages[alias]["OPTIONS"])
        options["location"] = tmp_path / ("catalog" if alias == "default" else alias)
        storages[alias]["OPTIONS"] = options
    settings.STATIC_ROOT = tmp_path / "static"
    storages["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = storages
    settings.MODEL_CACHE_FOLDER = tmp_path / "model-cache"


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    """A hash that is slow to guess is slow to make, at every sign-in; what a test signs in with is worth no guess."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _empty_caches() -> None:
    cache.clear()
    catalogue_reread()


@pytest.fixture(autouse=True)
def _default_language() -> None:
    """The language of an earlier test's last request would stay this thread's."""
    translation.deactivate()


@pytest.fixture
def catalogue(db: None) -> None:
    """The seeded texts and policy, and five small published images for each type."""
    someone = Celebrity.objects.create(name_ko="누군가", name_en="Someone")
    # A catalogue that has a celebrity gets no drawn samples, which would take a while each time.
    catalog_seed()
    images = []
    for face_type in FaceType.objects.all():
        for number, picture in enumerate(_pictures(face_type.pk)):
            picture_store(picture)
            images.append(
                image_of(
                    picture,
                    celebrity=someone,
                    face_type=face_type,
                    source="the tests",
                    licence="CC0-1.0",
                    attribution=f"{face_type.code} {number}",
                )
            )
    image_publish(images=CelebrityImage.objects.bulk_create(images))


@functools.cache
def _pictures(number: int) -> list[Picture]:
    """Five, made once a process."""
    colours = [(40 * number, 40 * other, 90) for other in range(5)]
    return [picture_from_upload(encode(Image.new("RGB", (120, 150), colour), "JPEG")) for colour in colours]


@pytest.fixture
def engine() -> Iterator[FakeBackend]:
    """The inference backend of this test: it sees what the test tells it to see."""
    backend = FakeBackend()
    client.configure(lambda: backend)
    yield backend
    client.configure(build_backend)
