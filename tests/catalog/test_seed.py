"""`manage.py seed_catalog`"""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import call_command

from catalog import selectors
from catalog.models import Celebrity, CelebrityImage, FaceType, Guidance, ScoringPolicy
from catalog.services.images import image_delete
from inference import scoring
from tests.catalog.factories import make_celebrity

pytestmark = pytest.mark.django_db


def seed() -> str:
    output = io.StringIO()
    call_command("seed_catalog", stdout=output)
    return output.getvalue()


def contents() -> dict[str, list[dict[str, Any]]]:
    models = (FaceType, Guidance, ScoringPolicy, Celebrity, CelebrityImage)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def test_a_fresh_catalogue_works_and_seeding_again_changes_nothing() -> None:
    assert "added 5 types, 10 guidance texts, 1 scoring policies and 50 sample images" in seed()

    for face_type in selectors.face_types():
        images = list(selectors.published_images(face_type))
        assert len(images) == 10
        assert all(image.source and image.licence and image.attribution for image in images)
        assert all(image.celebrity.is_sample for image in images)
        assert all(storages["catalog"].size(image.file) > 10_000 for image in images)
    assert selectors.active_policy() == scoring.DEFAULT_POLICY
    assert Guidance.objects.count() == 10

    before = contents()
    assert "added 0 types, 0 guidance texts, 0 scoring policies and 0 sample images" in seed()
    assert contents() == before

    # What a curator deletes stays deleted.
    image_delete(images=list(CelebrityImage.objects.all()[:3]))
    seed()
    assert CelebrityImage.objects.count() == 47


def test_a_curators_edits_stay() -> None:
    # No samples are drawn for a catalogue that has somebody.
    make_celebrity()
    seed()
    FaceType.objects.filter(code="beta").update(name_en="Second", description_en="A.\nB.\nC.")
    Guidance.objects.filter(code="no_face").update(message_ko="얼굴이 없어요.")
    ScoringPolicy.objects.update(threshold_alpha=90)
    Guidance.objects.filter(code="too_dark").delete()
    before = contents()

    assert "added 0 types, 1 guidance texts, 0 scoring policies and 0 sample images" in seed()

    after = contents()
    assert after["FaceType"] == before["FaceType"]
    assert after["ScoringPolicy"] == before["ScoringPolicy"]
    assert after["Guidance"][:-1] == before["Guidance"]
    assert after["CelebrityImage"] == []
