"""Labels on their way to training, and back from a model to the labels it learned from."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.models import CelebrityImage, FaceType, ImageLabel, LabelExport
from catalog.models.labels import LabelSource, LabelState
from catalog.models.survey import Scale
from catalog.services.images import image_add
from catalog.services.label_export import ZipTarget, accepted_labels, labels_export
from catalog.services.labels import part_labels_set_types
from catalog.services.seed import catalog_seed
from inference.models import ModelRelease
from tests.catalog.factories import make_celebrity, make_image, make_label, make_picture, make_result_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def alpha() -> FaceType:
    make_celebrity()
    catalog_seed()
    return FaceType.objects.get(code="alpha")


@pytest.fixture
def curator(client: Client) -> Client:
    user = User.objects.create_user("curator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["catalog", "inference"]))
    client.force_login(user)
    return client


def add_image(**fields: Any) -> CelebrityImage:
    values = {"celebrity": make_celebrity(), "source": "here", "licence": "CC0-1.0"} | fields
    return image_add(content=make_picture(size=(480, 600)), **values)


def export(path: Path) -> list[dict[str, str]]:
    call_command("export_labels", path, stdout=io.StringIO())
    return list(csv.DictReader((path / "labels.csv").read_text(encoding="utf-8").splitlines()))


def test_accepted_labels_and_their_pictures_are_written(alpha: FaceType, tmp_path: Path) -> None:
    image = add_image(source="=cmd()", licence="CC-BY-4.0")
    make_label(image, alpha, state=LabelState.ACCEPTED)
    for state in (LabelState.PROPOSED, LabelState.DISPUTED):
        make_label(add_image(), alpha, state=state)
    make_label(add_image(), alpha, state=LabelState.REJECTED, rejection="unusable")

    (row,) = export(tmp_path / "export")

    assert row == {
        "file": f"images/{image.sha256}.jpg",
        "identity": f"celebrity-{image.celebrity_id}",
        "sha256": image.sha256,
        "whole_face_box": "120.0 120.0 360.0 480.0",
        "upper_face_box": "120.0 200.0 360.0 350.0",
        "lower_face_box": "120.0 350.0 360.0 480.0",
        "whole_face_type": "alpha",
        "upper_face_type": "alpha",
        "lower_face_type": "alpha",
        "rating": "",
        # No spreadsheet takes it for a formula.
        "source": "'=cmd()",
        "licence": "CC-BY-4.0",
    }
    content = (tmp_path / "export" / row["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == image.sha256
    table = (tmp_path / "export" / "labels.csv").read_bytes()
    assert json.loads((tmp_path / "export" / "manifest.json").read_text()) == {
        "labels": 1,
        "labels_sha256": hashlib.sha256(table).hexdigest(),
        "licences": {"CC-BY-4.0": 1},
    }


@pytest.mark.parametrize(
    ("scale", "value", "rating"),
    [
        (Scale.TYPES, 1, "100.00"),
        (Scale.TYPES, 4.5, "12.50"),
        (Scale.ONE_TO_SEVEN, 1, "0.00"),
        (Scale.ONE_TO_SEVEN, 5.5, "75.00"),
        (Scale.PERCENT, 61.234, "61.23"),
    ],
)
def test_a_surveys_value_becomes_a_rating_from_0_to_100(
    alpha: FaceType, tmp_path: Path, scale: Scale, value: float, rating: str
) -> None:
    image = add_image()
    make_label(image, state=LabelState.ACCEPTED)
    row = make_result_row(image, scale=scale, value=value)
    part_labels_set_types(
        changes={(image.pk, "whole_face"): alpha}, source=LabelSource.SURVEY, rows={(image.pk, "whole_face"): row.pk}
    )

    assert export(tmp_path)[0]["rating"] == rating


def test_the_same_labels_give_the_same_bytes_and_other_labels_others(alpha: FaceType, tmp_path: Path) -> None:
    labels = [make_label(add_image(), alpha, state=LabelState.ACCEPTED) for _ in range(3)]

    export(tmp_path / "a")
    call_command("export_labels", tmp_path / "b.zip", stdout=io.StringIO())

    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.read("labels.csv") == (tmp_path / "a" / "labels.csv").read_bytes()
        assert len(archive.namelist()) == 5
    assert LabelExport.objects.get().label_count == 3
    labels[0].parts.filter(part="upper_face").update(face_type=FaceType.objects.get(code="beta"))
    export(tmp_path / "a")
    assert LabelExport.objects.count() == 2
    assert not list((tmp_path / "a").rglob("*.part"))


def test_an_export_that_breaks_off_is_none(alpha: FaceType, tmp_path: Path) -> None:
    label = make_label(add_image(), alpha, state=LabelState.ACCEPTED)
    storages["catalog"].delete(label.image.file)

    for path in (tmp_path / "folder", tmp_path / "archive.zip"):
        with pytest.raises(CommandError, match=f"picture of image {label.image_id} cannot be read"):
            call_command("export_labels", path)

    assert not list(tmp_path.rglob("labels.csv"))
    assert not (tmp_path / "archive.zip").exists()
    assert not LabelExport.objects.exists()


def test_many_labels_take_as_many_queries_as_few(alpha: FaceType) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured, zipfile.ZipFile(io.BytesIO(), "w") as archive:
            labels_export(labels=accepted_labels(), target=ZipTarget(archive), created_by=None)
        return len(captured)

    make_label(add_image(), alpha, state=LabelState.ACCEPTED)
    few = queries()
    for _ in range(12):
        make_label(add_image(), alpha, state=LabelState.ACCEPTED)

    assert queries() == few


# --- The way, on the screens ------------------------------------------------------------------


def release_trained_on(sha256: str) -> ModelRelease:
    return ModelRelease.objects.create(
        name="types",
        version="types-abc",
        sha256="a" * 64,
        weights_key="types/a.safetensors",
        manifest={"training": {"exports": [sha256]}, "metrics": {}},
    )


def cells(response: HttpResponse) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_a_labels_way_is_followed_from_its_votes_to_the_model(alpha: FaceType, curator: Client, tmp_path: Path) -> None:
    image = add_image()
    label = make_label(image, alpha, state=LabelState.ACCEPTED)
    row = make_result_row(image, value=1.75, count=31, rank=4)
    part_labels_set_types(
        changes={(image.pk, "whole_face"): alpha}, source=LabelSource.SURVEY, rows={(image.pk, "whole_face"): row.pk}
    )
    export(tmp_path)
    made = LabelExport.objects.get()
    url = reverse("admin:catalog_imagelabel_change", args=[label.pk])

    before = cells(curator.get(url))
    release_trained_on(made.sha256)
    after = cells(curator.get(url))

    assert reverse("admin:catalog_surveyresult_change", args=[row.result_id]) in before
    assert ">31</td>" in before
    assert ">1.75</td>" in before
    assert reverse("admin:catalog_labelexport_change", args=[made.pk]) in before
    assert "none yet" in before
    assert "types types-abc" not in before
    assert "types types-abc" in after


def test_the_way_is_followed_back_from_an_export_to_its_labels(
    alpha: FaceType, curator: Client, tmp_path: Path
) -> None:
    label = make_label(add_image(), alpha, state=LabelState.ACCEPTED)
    export(tmp_path)
    make_label(add_image(), alpha, state=LabelState.ACCEPTED)
    made = LabelExport.objects.get()
    release = release_trained_on(made.sha256)

    page = cells(curator.get(reverse("admin:catalog_labelexport_change", args=[made.pk])))

    assert reverse("admin:inference_modelrelease_change", args=[release.pk]) in page
    link = f"{reverse('admin:catalog_imagelabel_changelist')}?exports__id__exact={made.pk}"
    assert link in page
    assert list(curator.get(link).context["cl"].queryset) == [label]


def run_action(client: Client, name: str, labels: list[ImageLabel]) -> Any:
    data = {"action": name, "_selected_action": [label.pk for label in labels]}
    return client.post(reverse("admin:catalog_imagelabel_changelist"), data)


def test_selected_labels_are_downloaded(alpha: FaceType, curator: Client) -> None:
    accepted = make_label(add_image(), alpha, state=LabelState.ACCEPTED)
    proposed = make_label(add_image(), alpha)

    response = run_action(curator, "export_selected", [accepted, proposed])

    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        rows = list(csv.DictReader(archive.read("labels.csv").decode().splitlines()))
    assert [row["sha256"] for row in rows] == [accepted.image.sha256]
    assert LabelExport.objects.get().created_by.username == "curator"
    assert run_action(curator, "export_selected", [proposed]).status_code == 302
    assert LabelExport.objects.count() == 1


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_screen_opens_and_its_queries_do_not_grow(alpha: FaceType, curator: Client, language: str) -> None:
    headers = {"accept-language": language}
    urls = [reverse(f"admin:catalog_{name}_changelist") for name in ("imagelabel", "labelexport", "job")]

    def queries() -> list[int]:
        counts = []
        for url in urls:
            with CaptureQueriesContext(connection) as captured:
                assert curator.get(url, headers=headers).status_code == 200
            counts.append(len(captured))
        return counts

    label = make_label(make_image(alpha), alpha, reviewed_by=User.objects.get())
    change = reverse("admin:catalog_imagelabel_change", args=[label.pk])
    assert curator.get(change, headers=headers).status_code == 200
    queries()
    few = queries()
    for _ in range(10):
        make_label(make_image(alpha), alpha, reviewed_by=User.objects.get())

    assert queries() == few
