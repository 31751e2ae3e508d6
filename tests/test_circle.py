"""The product's circle, once around: images, labels, survey, training, release, and the answer that comes of it.

Real photos and models; only the size of the training is a test's: it learns next to nothing.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from catalog.models import CelebrityImage, ImageLabel, LabelExport, Survey
from catalog.models.labels import LabelState, Rejection
from catalog.models.survey import Scale
from catalog.services.rating import rater_join, rating_give, visits_next
from catalog.services.review import PartDecision, label_accept, label_reject, labels_hold
from catalog.services.survey_results import result_create, result_publish
from catalog.services.surveys import survey_add_images, survey_open
from inference import client as inference_client
from inference.apps import build_backend
from inference.contracts import FacePart, FaceType
from inference.models import ModelRelease
from inference.serving.following import FollowingBackend
from inference.training import types as types_recipe

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
# Enough for a few of each type in each of the five folds.
IMAGES = 60
RATERS = 5

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="the photos of ../shared/data are not here"),
]


def rated_men() -> list[tuple[Path, float]]:
    """Photos of men, with the mean rating, 0 to 100, that a real survey gave them."""
    with (DATA / "survey" / "omi_means.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    men = [row for row in rows if float(row["gender"]) > 55 and float(row["age"]) >= 18]
    found = [(DATA / "faces" / "omi" / f"{row['stimulus']}.jpg", float(row["attractive"])) for row in men]
    return [(path, rating) for path, rating in found if path.exists()][:IMAGES]


@pytest.fixture
def backend() -> Iterator[FollowingBackend]:
    """What a server runs, which follows the releases."""
    backend = build_backend()
    assert isinstance(backend, FollowingBackend)
    inference_client.configure(lambda: backend)
    yield backend
    inference_client.configure(build_backend)


@pytest.fixture
def a_small_training(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """As many samples as show that it runs; the recipe itself is the one that releases are made with."""
    monkeypatch.setattr(types_recipe, "EPOCH_SAMPLES", 64)
    monkeypatch.setattr(types_recipe, "_MORPHS", 20)
    monkeypatch.setattr(types_recipe, "_VIEWS", 2)
    settings.INFERENCE_THREADS = 1


def answer_to(client: Client, photo: Path) -> Any:
    data = {"photo": SimpleUploadedFile("p.jpg", photo.read_bytes()), "birth_date": "1996-05-04"}
    return client.post("/api/v1/classifications/", data)


@pytest.mark.usefixtures("catalogue", "a_small_training")
def test_the_circle(client: Client, backend: FollowingBackend, tmp_path: Path) -> None:
    men = rated_men()
    curator = User.objects.create_user("curator", is_staff=True)
    before = answer_to(client, men[0][0])
    assert before.status_code == 201

    images = import_images(men, tmp_path / "pictures")
    # The gate may refuse a photo; most it takes.
    assert len(images) >= 0.8 * len(men)

    call("autolabel", "--ids", *(image.pk for image in images))
    labels = ImageLabel.objects.filter(image__in=images)
    assert set(labels.values_list("state", flat=True)) == {LabelState.PROPOSED}

    survey = rate(images, [rating for _path, rating in men])
    result = result_create(survey=survey, created_by=curator)
    assert result.rating_count == RATERS * len(images)

    # Published, the types are the images' own, in the order of the real survey.
    result_publish(result=result, published_by=curator)
    types = [row.survey_image.image.face_type.code for row in result.rows.order_by("rank")]
    assert (types[0], types[-1], types) == ("alpha", "omega", sorted(types, key=list(FaceType).index))

    accept_labels(curator)
    accepted = labels.filter(state=LabelState.ACCEPTED).count()
    assert accepted >= 0.8 * len(images)

    export, trained = tmp_path / "export", tmp_path / "trained"
    call("export_labels", export)
    assert LabelExport.objects.get().label_count == accepted
    # Training finds the faces with it, where no table has their points.
    shutil.copytree(DATA / "teachers", export / "teachers")
    call("train", "types", "--data", export, "--out", trained, "--epochs", 1)
    call("release", "types", trained, "--force", "--activate")
    # A label's page leads to the model, and the model's card to the labels.
    assert ModelRelease.objects.get().manifest["training"]["exports"] == [LabelExport.objects.get().sha256]

    # A running server follows by itself within seconds; here it looks at once.
    backend.refresh()
    after = answer_to(client, men[0][0])
    assert after.status_code == 201
    assert after.json()["model"] != before.json()["model"]
    assert ModelRelease.objects.get().version in after.json()["model"]["types"]


def call(command: str, *arguments: object) -> None:
    call_command(command, *arguments, stdout=StringIO(), stderr=StringIO())


def import_images(men: list[tuple[Path, float]], folder: Path) -> list[CelebrityImage]:
    """The images of a folder of pictures with the table that names them, in the order of `men`."""
    folder.mkdir()
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "name_ko", "name_en", "source", "licence"])
        for number, (path, _rating) in enumerate(men):
            shutil.copy(path, folder)
            writer.writerow([path.name, f"사람 {number}", f"Person {number:03}", "the tests", "CC-BY-NC-SA-4.0"])
    call("import_celebrities", folder, "--keep-good", "--allow-similar")
    return list(CelebrityImage.objects.filter(celebrity__name_en__startswith="Person").order_by("celebrity__name_en"))


def rate(images: list[CelebrityImage], ratings: list[float]) -> Survey:
    """A survey whose raters agree with the real one, but for being more or less strict."""
    survey = Survey.objects.create(
        title_ko="설문",
        title_en="Survey",
        question_ko="?",
        question_en="?",
        scale=Scale.PERCENT,
        parts=[FacePart.WHOLE_FACE.value],
        ratings_wanted=RATERS,
        repeat_share=0,
    )
    survey_add_images(survey=survey, images=CelebrityImage.objects.filter(pk__in=[image.pk for image in images]))
    survey_open(survey=survey)
    survey.refresh_from_db()
    asked = survey.survey_images.select_related("image__celebrity")
    value_of = {each.pk: round(ratings[int(each.image.celebrity.name_en.split()[-1])]) for each in asked}
    for strictness in range(RATERS):
        rater = rater_join(survey=survey, language="en").rater
        while visits := visits_next(rater=rater, count=20):
            for visit in visits:
                value = min(100, max(0, value_of[visit.key.survey_image_id] - strictness))
                rating_give(rater=rater, key=visit.key, part=FacePart.WHOLE_FACE, value=value)
    return survey


def accept_labels(curator: User) -> None:
    """Review all labels: accept those with a box for each part, as they are; nobody can do much with the others."""
    while held := labels_hold(reviewer=curator, state=LabelState.PROPOSED, count=50):
        for label in held:
            decisions = [
                PartDecision(FacePart(part.part), part.box, part.face_type.code if part.face_type else None)
                for part in label.parts.all()
                if part.box
            ]
            if len(decisions) == len(FacePart):
                label_accept(label_id=label.pk, version=label.version, reviewer=curator, parts=decisions)
            else:
                label_reject(label_id=label.pk, version=label.version, reviewer=curator, rejection=Rejection.UNUSABLE)
