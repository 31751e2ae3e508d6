"""What the engine makes of an aligned face: parts, types, embedding, and what it still refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.contracts import FaceAnalysis, PhotoRefused, RefusalReason
from inference.dataset import face_files
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine, FaceRating
from inference.gate import AlignedFace
from inference.preprocessing import CROP_SIZE, apply, invert, mirror_points
from inference.weights import PACKAGED_WEIGHTS


@pytest.fixture
def aligned(models: Engine, portraits: list[DecodedPhoto]) -> AlignedFace:
    (face,) = models.gate.find_faces(portraits[:1])
    assert isinstance(face, AlignedFace)
    return face


@pytest.fixture
def rating(models: Engine, aligned: AlignedFace) -> FaceRating:
    return models.rate([aligned])[0]


def mirrored(face: AlignedFace) -> AlignedFace:
    return replace(face, crop=np.ascontiguousarray(face.crop[:, ::-1]))


def test_a_mirrored_photos_face_is_aligned_as_the_photos_is(models, portraits):
    turned = [replace(portrait, pixels=np.ascontiguousarray(portrait.pixels[:, ::-1])) for portrait in portraits]
    apart = [
        abs(mirror_points(other.points, portrait.width) - face.points).mean() / np.ptp(face.box[[0, 2]])
        for portrait, face, other in zip(
            portraits, models.gate.find_faces(portraits), models.gate.find_faces(turned), strict=True
        )
        if isinstance(face, AlignedFace) and isinstance(other, AlignedFace)
    ]

    assert len(apart) >= 8
    # Of the face's width. Aligned once only, it is three times as much.
    assert np.mean(apart) < 0.005


def test_a_face_and_its_mirror_image_are_rated_alike(models, aligned, rating):
    (other,) = models.rate([mirrored(aligned)])

    np.testing.assert_allclose(other.probabilities, rating.probabilities, atol=1e-4)
    np.testing.assert_allclose(other.embedding, rating.embedding, atol=1e-4)
    np.testing.assert_allclose(other.line_spreads[[1, 0, 2, 3, 4]], rating.line_spreads, atol=1e-4)
    xl, xr, *down = other.lines
    np.testing.assert_allclose([1 - xr, 1 - xl, *down], rating.lines, atol=1e-4)


def test_the_embedding_is_of_length_one_and_reaches_the_answer(models, portraits, rating):
    (answer,) = models.analyze(portraits[:1])

    assert isinstance(answer, FaceAnalysis)
    assert len(answer.embedding) == 128
    assert np.linalg.norm(answer.embedding) == pytest.approx(1, abs=1e-5)
    assert answer.embedding == pytest.approx(rating.embedding, abs=1e-4)


def test_boxes_are_trusted_less_the_wider_their_lines_spread(models, aligned, portraits, rating):
    width = rating.lines[1] - rating.lines[0]
    spreads = width * np.array([0.01, 0.005, 0.01, 0.005, 0.01])
    ratings = [replace(rating, line_spreads=spreads * scale) for scale in (1, 2)]

    sure, unsure = models._judge(portraits[:1] * 2, [aligned] * 2, ratings)

    # Laplace: within five spreads 1 - exp(-5), within ten 1 - exp(-10).
    assert sure.box_confidence == pytest.approx((1 - np.exp(-5)) ** 3 * (1 - np.exp(-10)) ** 2)
    assert unsure.box_confidence == pytest.approx((1 - np.exp(-2.5)) ** 3 * (1 - np.exp(-5)) ** 2)


def test_two_photos_of_a_person_are_more_alike_than_photos_of_two(models, data):
    by_identity: dict[str, list[np.ndarray]] = {}
    for file in face_files(data):
        if file.is_held_out and "/london" in file.name:
            (answer,) = models.analyze([decode(file.path.read_bytes())])
            assert isinstance(answer, FaceAnalysis)
            by_identity.setdefault(file.identity, []).append(np.array(answer.embedding))
    neutral, smiling = (np.array([pair[index] for pair in by_identity.values()]) for index in (0, 1))
    likeness = neutral @ smiling.T

    assert len(likeness) >= 8
    assert (likeness.argmax(axis=1) == np.arange(len(likeness))).mean() >= 0.8


def judged(models: Engine, photo: DecodedPhoto, face: AlignedFace, rating: FaceRating) -> RefusalReason | None:
    (answer,) = models._judge([photo], [face], [rating])
    return answer.reason if isinstance(answer, PhotoRefused) else None


@pytest.mark.parametrize(
    "order",
    [
        pytest.param([1, 0, 2, 3, 4], id="left edge right of the right one"),
        pytest.param([0, 1, 3, 2, 4], id="nose above the brows"),
        pytest.param([0, 1, 2, 4, 3], id="chin above the nose"),
    ],
)
def test_lines_in_an_order_no_face_has_are_no_parts(models, portraits, aligned, rating, order):
    assert judged(models, portraits[0], aligned, rating) is None

    assert judged(models, portraits[0], aligned, replace(rating, lines=rating.lines[order])) == "parts_not_found"


def test_parts_just_beyond_the_photo_are_not_found(models, portraits, aligned, rating):
    photo = portraits[0]
    # The crop is the photo's right half, 0.5 of its side the edge itself.
    scale = CROP_SIZE / photo.pixels.shape[0]
    face = replace(aligned, matrix=np.array([[scale, 0, CROP_SIZE / 2 - scale * photo.pixels.shape[1]], [0, scale, 0]]))

    within, beyond = (replace(rating, lines=np.array([xl, xl + 0.01, 0.3, 0.5, 0.8])) for xl in (0.49, 0.505))

    assert judged(models, photo, face, within) is None
    assert judged(models, photo, face, beyond) == RefusalReason.PARTS_NOT_FOUND


def test_a_chin_found_beyond_the_frame_is_cut_off(models, portraits, aligned, rating):
    photo = portraits[0]
    bottom = photo.pixels.shape[0]
    chin = apply(invert(aligned.matrix), np.array([[0.5, rating.lines[4]]]) * CROP_SIZE)[0]
    assert chin[1] < bottom

    beyond = apply(aligned.matrix, np.array([[chin[0], bottom * 1.2]]))[0, 1] / CROP_SIZE

    lower = replace(rating, lines=np.array([*rating.lines[:4], beyond]))
    assert judged(models, photo, aligned, lower) == RefusalReason.FACE_CUT_OFF


def with_line_spread(folder: Path, limit: float) -> Engine:
    shutil.copytree(PACKAGED_WEIGHTS, folder)
    manifest = json.loads((folder / "parts.json").read_text())
    manifest["thresholds"]["line_spread"] = limit
    (folder / "parts.json").write_text(json.dumps(manifest))
    return Engine(weights_dir=folder)


def test_parts_are_found_only_with_lines_as_certain_as_the_manifest_asks(tmp_path, portraits, rating):
    widest = rating.line_spreads.max()
    below, above = (with_line_spread(tmp_path / str(factor), factor * widest) for factor in (0.99, 1.01))

    (refused,), (found,) = below.analyze(portraits[:1]), above.analyze(portraits[:1])

    assert isinstance(refused, PhotoRefused)
    assert refused.reason == RefusalReason.PARTS_NOT_FOUND
    assert isinstance(found, FaceAnalysis)
