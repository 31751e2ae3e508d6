"""What the gate's recipe rests on beyond single samples: turned heads, faceless pictures, cut faces, thresholds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.dataset import DataError, ImageFile
from inference.heads import turned
from inference.preprocessing import CROP_SIZE, DETECTOR_SIZE, PADDING_VALUE
from inference.training import augmentation
from inference.training.backgrounds import background
from inference.training.detector import DetectorSamples
from inference.training.gate import train_gate
from inference.training.loop import RunOptions
from inference.training.operating_point import between
from inference.training.teachers import LabelledImage
from inference.training.verifier import VerifierSamples
from inference.yunet import FaceLabel

POINTS = np.array([[80.0, 90], [120, 90], [100, 114], [86, 132], [114, 132]])


@pytest.fixture
def portrait() -> LabelledImage:
    """A drawn face, its points marked in red."""
    pixels = np.full((220, 200, 3), 170, np.uint8)
    for x, y in POINTS.astype(int):
        pixels[y - 2 : y + 3, x - 2 : x + 3] = (250, 10, 10)
    name = "faces/drawn/1.jpg"
    label = FaceLabel(np.array([60.0, 50, 140, 160]), POINTS, 0.9)
    return LabelledImage(ImageFile(Path("/nowhere") / name, name, name), pixels, (label,))


@pytest.fixture
def scene() -> LabelledImage:
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    return LabelledImage(ImageFile(Path("/nowhere/scene.jpg"), "scenes/drawn/1.jpg", "scene"), pixels, ())


def nose_offset(label: FaceLabel) -> float:
    """Of the nose tip from the middle of the eyes, in eye distances; positive towards larger x."""
    eyes = label.points[:2, 0]
    return float((label.points[2, 0] - eyes.mean()) / (eyes[1] - eyes[0]))


@pytest.mark.parametrize("degrees", [-60, -30, 30, 60])
def test_a_turned_head_takes_its_points_with_it(portrait: LabelledImage, degrees: float) -> None:
    pixels, label = turned(portrait.pixels, portrait.faces[0], degrees, np.random.default_rng(0))

    red = (pixels[..., 0].astype(int) - pixels[..., 1]) > 120
    # Of the far eye and mouth corner little is left in sight; the nose and the near ones are where the label says.
    near = [0, 2, 3] if degrees > 0 else [1, 2, 4]
    for x, y in label.points[near].round().astype(int):
        assert red[y - 4 : y + 5, x - 5 : x + 6].any()
    assert label.box[0] < label.points[:, 0].min() + 12
    assert label.box[2] > label.points[:, 0].max() - 12


def test_the_further_a_head_is_turned_the_further_its_nose_leaves_the_middle(portrait: LabelledImage) -> None:
    offsets = [
        nose_offset(turned(portrait.pixels, portrait.faces[0], degrees, np.random.default_rng(0))[1])
        for degrees in (-75, -60, -30, 0, 30, 60, 75)
    ]

    assert offsets == sorted(offsets)
    assert offsets[3] == pytest.approx(0, abs=0.02)
    # The engine refuses from 0.75 on.
    assert offsets[2] > -0.5
    assert offsets[4] < 0.5
    assert offsets[0] < -0.75
    assert offsets[6] > 0.75


def test_made_pictures_are_squares_that_differ(scene: LabelledImage) -> None:
    pictures = [background([scene.pixels], 64, np.random.default_rng(seed)) for seed in range(30)]

    assert {picture.shape for picture in pictures} == {(64, 64, 3)}
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}
    assert len({picture.tobytes() for picture in pictures}) == 30


def test_blur_takes_away_detail_and_keeps_the_light() -> None:
    image = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)

    for seed in range(10):
        changed = augmentation.blurred(image, 3.0, np.random.default_rng(seed))
        assert changed[20:-20, 20:-20].std() < 0.5 * image.std()
        assert changed.mean() == pytest.approx(image.mean(), abs=3)


def test_a_face_whose_middle_is_cut_off_is_found_at_the_edge(portrait: LabelledImage, scene: LabelledImage) -> None:
    samples = DetectorSamples([portrait], [scene], 4000, seed=0)
    beyond = 0
    for index in range(300):
        sample = samples[index]
        for y, x in (sample["heat"] >= 1).nonzero().tolist():
            centre = sample["boxes"][:2, y, x].numpy()
            inside = (centre >= 0).all() and (centre < DETECTOR_SIZE).all()
            beyond += not inside
            cell = np.array([x, y]) * 8 + 4
            assert inside or np.abs(np.clip(centre, 0, DETECTOR_SIZE - 1) - cell).max() <= 4

    assert beyond > 3


def test_verifier_samples_are_blurred_and_cut_whether_faces_or_not(
    portrait: LabelledImage, scene: LabelledImage
) -> None:
    samples = [VerifierSamples([portrait], [scene], [], 1000, seed=1)[index] for index in range(400)]

    for is_face in (0.0, 1.0):
        own = [sample for sample in samples if float(sample["face"]) == is_face]
        assert 0.05 < np.mean([float(sample["blurred"]) for sample in own]) < 0.25
        edges = [sample["image"].numpy()[[0, -1]].reshape(-1, 3) for sample in own]
        assert any((edge == PADDING_VALUE).all(axis=1).mean() > 0.4 for edge in edges)
    covered = [sample for sample in samples if sample["covered"] == 1]
    assert covered
    assert all(sample["face"] == 1 for sample in covered)
    assert samples[0]["image"].shape == (CROP_SIZE, CROP_SIZE, 3)


def test_a_threshold_lies_midway_where_it_separates_all() -> None:
    low, high = np.array([0.01, 0.1]), np.array([0.9, 0.99])

    assert between(low, high, 0.01, 0.01) == pytest.approx(0.5)


def test_a_threshold_uses_both_limits_up_alike() -> None:
    rng = np.random.default_rng(0)
    negative = 1 / (1 + np.exp(-rng.normal(-1, 1, 4000)))
    positive = 1 / (1 + np.exp(-rng.normal(1, 1, 4000)))

    even = between(negative, positive, 0.01, 0.01)
    strict = between(negative, positive, 0.001, 0.01)

    assert (negative >= even).mean() == pytest.approx((positive < even).mean(), abs=0.01)
    assert strict > even
    assert 10 * (negative >= strict).mean() == pytest.approx((positive < strict).mean(), abs=0.03)


def test_a_gate_is_not_trained_without_scenes(data: Path, tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "omi").symlink_to(data / "faces" / "london")
    for name in ("parts.csv", "survey", "teachers"):
        (tmp_path / name).symlink_to(data / name)

    with pytest.raises(DataError, match="scenes"):
        train_gate(RunOptions(tmp_path, tmp_path / "out", 0, 1, "cpu"))
