"""What is known of the models in use, without torch."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import DjangoAssertNumQueries

from inference.cards import Number, packaged_card
from inference.models import ModelRelease
from inference.registry import find_manifest
from tests.inference.factories import make_release


@pytest.mark.parametrize("name", ["gate", "parts", "types"])
def test_packaged_card_says_what_the_manifest_says(name: str) -> None:
    manifest, card = find_manifest(name), packaged_card(name)

    assert (card.name, card.version, card.licence) == (manifest.name, manifest.version, manifest.licence)
    assert card.sets == manifest.training.sets
    assert {metric: number.value for metric, number in card.numbers.items()} == manifest.metrics


@pytest.mark.django_db
def test_active_release_speaks_for_its_model(tmp_path: Path, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    release = make_release(tmp_path, version="9.0", metrics={"r": 0.7}, cases={"r": 50}, intervals={"r": [0.5, 0.8]})
    assert ModelRelease.objects.cards_in_use()["types"] == packaged_card("types")

    release.activate()

    with django_assert_num_queries(1):
        cards = ModelRelease.objects.cards_in_use()
    assert cards["types"].version == "9.0"
    assert cards["types"].numbers == {"r": Number(0.7, 50, 0.5, 0.8)}
    assert cards["gate"] == packaged_card("gate")


@pytest.mark.django_db
def test_number_of_an_older_release_has_neither_cases_nor_interval(tmp_path: Path) -> None:
    make_release(tmp_path, version="9.0", metrics={"r": 0.7}, cases={}, intervals={}).activate()

    assert ModelRelease.objects.cards_in_use()["types"].numbers == {"r": Number(0.7, None, None, None)}
