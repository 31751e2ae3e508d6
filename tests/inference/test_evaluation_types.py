"""`evaluate types` on a few real portraits: what it counts, and of whom."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.management import call_command

from inference.comparison import CROSS_VALIDATED_MEN, CROSS_VALIDATED_R
from inference.contracts import FaceAnalysis, FaceType, PhotoLimits
from inference.dataset import face_files, rated_faces, read_pixels, survey_types
from inference.decoding import decode
from inference.engine import Engine
from inference.evaluation.photos import photo_of, resized
from inference.evaluation.report import QUOTED, Measurement, Report
from inference.evaluation.types import CHANGES, evaluate_types
from inference.metrics import pearson_r
from inference.scoring import DEFAULT_POLICY, judge
from inference.weights import PACKAGED_WEIGHTS
from tests.images import draw_photo, encode

MEN, OTHER_MEN, PAIRS = 9, 6, 3
_ORDER = list(FaceType)


@dataclass(frozen=True)
class Evaluated:
    """A small data folder, and what the evaluation found in it."""

    data: Path
    report: Report

    @property
    def rows(self) -> dict[str, Measurement]:
        return {row.metric: row for row in self.report.measurements}


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Men held out, men that are not, people in two portraits, and a rated drawing that nobody can type.

    One of the men held out is so small that half of him is too small.
    """
    own = tmp_path_factory.mktemp("data")
    rated = rated_faces(data)
    men = {name for name, is_man in zip(rated.names, rated.is_man, strict=True) if is_man}
    files = face_files(data)
    held_out = [file for file in files if file.name in men and file.is_held_out][: MEN + 1]
    others = [file for file in files if file.name in men and not file.is_held_out][:OTHER_MEN]
    # Held out first, so that there are some.
    people = sorted({file.identity: file for file in files if "/london/" in file.name}.values(), key=lambda f: f.fold)
    identities = {file.identity for file in people[:PAIRS]}
    pairs = [file for file in files if file.identity in identities]
    for file in (*held_out, *others, *pairs):
        (own / file.name).parent.mkdir(parents=True, exist_ok=True)
        (own / file.name).write_bytes(file.path.read_bytes())
    drawing, small = held_out[0], held_out[1]
    (own / drawing.name).write_bytes(encode(draw_photo()))
    pixels = cv2.resize(read_pixels(small.path), None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(own / small.name), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 100])
    names = {file.name for file in (*held_out, *others)}
    copy_rows(data / "survey" / "omi_means.csv", own, lambda row: f"faces/omi/{row['stimulus']}.jpg" in names)
    copy_rows(data / "parts.csv", own, lambda row: row["identity"] in identities)
    return own


def copy_rows(source, target, is_wanted):
    with source.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if is_wanted(row)]
    path = target / source.relative_to(source.parents[1] if source.parent.name == "survey" else source.parent)
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def strict_models() -> Engine:
    """Asks for larger faces than the product does, so that the small man's half is too small for certain."""
    return Engine(PhotoLimits(min_face_pixels=200))


@pytest.fixture(scope="module")
def evaluated(strict_models: Engine, folder: Path) -> Evaluated:
    return Evaluated(folder, evaluate_types(strict_models, folder))


def test_men_without_a_type_are_counted_and_named(evaluated):
    row = evaluated.rows["held-out men that get a type"]

    assert (row.value, row.cases) == (pytest.approx(MEN / (MEN + 1)), MEN + 1)
    assert [what for _, what in evaluated.report.failures] == ["no type"]
    assert len(evaluated.report.cases) == MEN


def test_the_score_is_compared_with_the_ratings_of_men_held_out(models, evaluated):
    rated = rated_faces(evaluated.data)
    rating_of = dict(zip(rated.names, rated.rating, strict=True))
    scores, ratings = [], []
    for file in face_files(evaluated.data):
        if file.is_held_out and file.name in rating_of:
            (answer,) = models.analyze([decode(file.path.read_bytes())])
            if isinstance(answer, FaceAnalysis):
                scores.append(judge(answer.parts, answer.calibration, DEFAULT_POLICY).score)
                ratings.append(rating_of[file.name])

    row = evaluated.rows["score, Pearson r with the mean rating"]
    # Whom a photo is analysed with changes its last digits, and there are few men.
    assert row.value == pytest.approx(pearson_r(np.array(scores), np.array(ratings)), abs=5e-3)
    assert row.cases == MEN


def test_the_surveys_types_are_of_all_its_men_not_only_of_those_held_out(evaluated):
    rated = rated_faces(evaluated.data)
    ranked = dict(zip(rated.names, survey_types(rated.rating), strict=True))

    assert len(ranked) == MEN + 1 + OTHER_MEN
    assert {case.file.name: _ORDER.index(case.survey) for case in evaluated.report.cases} == {
        case.file.name: ranked[case.file.name] for case in evaluated.report.cases
    }


def test_agreement_shares_and_parts_follow_from_the_cases(evaluated):
    rows, cases = evaluated.rows, evaluated.report.cases
    apart = [abs(_ORDER.index(case.given) - _ORDER.index(case.survey)) for case in cases]

    assert rows["same type"].value == pytest.approx(apart.count(0) / MEN)
    assert rows["at most one type apart"].value == pytest.approx(sum(steps <= 1 for steps in apart) / MEN)
    for face_type in FaceType:
        share = [case.given for case in cases].count(face_type) / MEN
        assert rows[f"share of {face_type}"].value == pytest.approx(share)
    for part in ("whole_face", "upper_face", "lower_face"):
        for metric in ("Pearson r with the mean rating", "quadratic-weighted kappa", "same type"):
            assert rows[f"{part}, {metric}"].cases == MEN


def test_a_photo_that_is_refused_after_a_change_has_not_kept_its_type(strict_models, evaluated):
    small = min((case.file for case in evaluated.report.cases), key=lambda file: read_pixels(file.path).size)
    (whole,), (half,) = (
        strict_models.analyze([photo_of(change(read_pixels(small.path)))]) for change in (resized(1), resized(0.5))
    )
    assert isinstance(whole, FaceAnalysis)
    assert not isinstance(half, FaceAnalysis)

    rows = evaluated.rows
    typed = rows["same type after: half size"].cases
    assert rows["same type after: half size"].value <= 1 - 1 / typed
    assert rows["same type after any change"].cases == len(CHANGES) * typed
    assert rows["refused after any change"].value >= 1 / (len(CHANGES) * typed)
    assert rows["same type after any change, faces of 160 pixels"].cases < rows["same type after any change"].cases
    # All but the drawing: rated men, and people in two portraits that are held out.
    assert typed == sum(file.is_held_out for file in face_files(evaluated.data)) - 1


def test_look_alikes_are_looked_for_among_the_other_portraits(evaluated):
    assert evaluated.rows[f"look-alike: same person first, of {PAIRS}"].cases == PAIRS
    held_out = {file.identity for file in face_files(evaluated.data) if file.is_held_out and "/london/" in file.name}
    assert held_out
    assert evaluated.rows[f"look-alike: same person first, of {PAIRS}, people held out"].cases == len(held_out)


def test_what_training_left_out_is_quoted_as_such_and_not_measured_again(tmp_path, folder):
    weights = tmp_path / "weights"
    shutil.copytree(PACKAGED_WEIGHTS, weights)
    manifest = json.loads((weights / "types.json").read_text())
    manifest["metrics"] = {CROSS_VALIDATED_MEN: 278.0, CROSS_VALIDATED_R: 0.66, "5-fold share of alpha": 0.2}
    (weights / "types.json").write_text(json.dumps(manifest))

    report = evaluate_types(Engine(weights_dir=weights), folder)

    quoted = {row.metric: row for row in report.quoted}
    assert list(quoted) == [CROSS_VALIDATED_R, "5-fold share of alpha"]
    assert (quoted[CROSS_VALIDATED_R].value, quoted[CROSS_VALIDATED_R].cases) == (0.66, 278)
    assert quoted[CROSS_VALIDATED_R].interval == pytest.approx((0.59, 0.72), abs=0.01)
    measured, below = report.as_table().split(QUOTED)
    assert CROSS_VALIDATED_R in below
    assert CROSS_VALIDATED_R not in measured


def test_the_command_draws_the_page(folder, tmp_path):
    call_command("evaluate", "types", data=folder, html=tmp_path / "page.html", json=tmp_path / "numbers.json")

    page = (tmp_path / "page.html").read_text()
    assert "Confusion of the model" in page
    assert "ten bins of equal width" in page
    (numbers,) = json.loads((tmp_path / "numbers.json").read_text())
    assert {"measurements", "quoted", "failures"} <= numbers.keys()
