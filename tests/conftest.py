"""Fixtures for every test."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings


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
