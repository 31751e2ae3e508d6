"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from pytest_django import Settings

from inference import client
from inference.apps import build_backend
from tests.fakes import FakeBackend


@pytest.fixture(autouse=True)
def _folders_of_its_own(settings: Settings, tmp_path: Path) -> None:
    """Every test writes files into folders of its own."""
    storages = {alias: dict(storage) for alias, storage in settings.STORAGES.items()}
    for alias in ("default", "catalog", "photos"):
        options = dict(storages[alias]["OPTIONS"])
        options["location"] = tmp_path / ("photos" if alias == "photos" else "catalog")
        storages[alias]["OPTIONS"] = options
    storages["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = storages


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture
def engine() -> Iterator[FakeBackend]:
    """The inference backend of this test: it sees what the test tells it to see."""
    backend = FakeBackend()
    client.configure(lambda: backend)
    yield backend
    client.configure(build_backend)
