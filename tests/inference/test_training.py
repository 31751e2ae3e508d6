"""What training rests on: the split, the labels' geometry, the fits, and that a run can be resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from inference.dataset import ImageFile, survey_types
from inference.nets.parts import PartsNet
from inference.preprocessing import (
    DETECTOR_SIZE,
    PADDING_VALUE,
    apply,
    crop_matrix,
    lines_in_crop,
    mirror_points,
    rotation_scale,
)
from inference.training import augmentation
from inference.training.detector import DetectorSamples, place
from inference.training.parts import DoubtfulSamples, PartsSamples, fit_spread
from inference.training.samples import jitter_points
from inference.training.teachers import LabelledImage
from inference.training.verifier import VerifierSamples
from inference.yunet import FaceLabel


def image_file(name: str, identity: str = "") -> ImageFile:
    return ImageFile(Path("/nowhere") / name, name, identity or name)


@pytest.fixture
def portrait() -> LabelledImage:
    """A drawn face with its label."""
    pixels = np.full((200, 160, 3), 180, np.uint8)
    points = np.array([[60.0, 90], [100, 90], [80, 112], [64, 130], [96, 130]])
    for x, y in points.astype(int):
        pixels[y - 3 : y + 3, x - 3 : x + 3] = 20
    return LabelledImage(
        image_file("faces/drawn/1.jpg"), pixels, (FaceLabel(np.array([40.0, 50, 120, 160]), points, 0.9),)
    )


def test_survey_types_cut_the_ranking_by_shares_with_the_largest_remainder():
    ratings = np.array([50.0, 90, 10, 70, 30, 80, 20])

    types = survey_types(ratings, (0.218, 0.214, 0.225, 0.192, 0.152))

    # 7 faces: 1.526, 1.498, 1.575, 1.344 and 1.064 of them; the two left go to the largest remainders.
    assert np.bincount(types).tolist() == [2, 1, 2, 1, 1]
    assert types.tolist() == [2, 0, 4, 1, 2, 0, 3]


def test_a_label_moves_with_its_picture(portrait):
    face = portrait.faces[0]
    matrix = rotation_scale(np.array([80.0, 105]), np.array([96.0, 96]), 90, 0.5)

    placed = place(face, matrix, 90)

    np.testing.assert_allclose(placed.centre, [96, 96], atol=1e-6)
    np.testing.assert_allclose(placed.size, [55, 40], atol=1e-6)
    np.testing.assert_allclose(placed.points, apply(matrix, face.points))


def test_mirroring_twice_changes_nothing(portrait):
    points = portrait.faces[0].points

    mirrored = mirror_points(points, 160)

    assert mirrored[0, 0] < mirrored[1, 0]
    np.testing.assert_allclose(mirror_points(mirrored, 160), points)


def test_lines_of_a_turned_photo_are_those_of_the_upright_one(portrait):
    points = portrait.faces[0].points
    lines = (45.0, 115.0, 80.0, 118.0, 155.0)
    matrix = crop_matrix(points)
    doubled = lines_in_crop(tuple(2 * line for line in lines), 2 * points, crop_matrix(2 * points))

    np.testing.assert_allclose(lines_in_crop(lines, points, matrix), doubled, atol=1e-9)


def test_detector_samples_depend_on_seed_and_index_alone(portrait):
    samples = DetectorSamples([portrait], [portrait], 100, seed=3)

    for index in range(20):
        first, second = samples[index], samples[index]
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert first["image"].shape == (DETECTOR_SIZE, DETECTOR_SIZE, 3)
        centres = (first["heat"] >= 1).nonzero()
        for y, x in centres.tolist():
            # A cut face's centre may lie beyond the edge, its heat does not.
            centre = first["boxes"][:2, y, x].clip(0, DETECTOR_SIZE)
            assert abs(centre[0] - (x + 0.5) * 8) <= 45
            assert abs(centre[1] - (y + 0.5) * 8) <= 45


def test_verifier_samples_know_points_of_faces_only(portrait):
    samples = VerifierSamples([portrait], [portrait], [], 100, seed=0)
    drawn = [samples[index] for index in range(60)]

    assert {float(sample["face"]) for sample in drawn} == {0.0, 1.0}
    assert all(torch.isfinite(sample["points"]).all() == (sample["face"] == 1) for sample in drawn)
    assert all(sample["face"] == 1 for sample in drawn if sample["covered"] == 1)


def test_lines_are_trained_only_where_they_are_known(portrait):
    other = LabelledImage(image_file("faces/drawn/2.jpg"), portrait.pixels, portrait.faces)
    landmarks = {"faces/drawn/1.jpg": (45.0, 115.0, 80.0, 118.0, 155.0)}
    samples = PartsSamples([portrait, other], landmarks, {}, 100, seed=0)
    known = [bool(torch.isfinite(samples[index]["lines"]).all()) for index in range(60)]

    assert any(known)
    assert not all(known)


def test_jittered_points_still_show_a_face(portrait):
    points = portrait.faces[0].points
    distance = np.linalg.norm(points[1] - points[0])
    errors = [
        abs(jitter_points(points, np.random.default_rng(seed), 1.0) - points).max() / distance for seed in range(50)
    ]

    assert 0 < max(errors) < 1


def test_photometric_changes_keep_shape_and_type():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)

    for seed in range(30):
        changed = augmentation.photometric(image, np.random.default_rng(seed))
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8


def test_a_cover_hides_nose_and_mouth_but_not_the_eyes(portrait):
    points = portrait.faces[0].points
    for seed in range(20):
        changed = augmentation.cover_nose_and_mouth(portrait.pixels, points, [], np.random.default_rng(seed))
        touched = (changed != portrait.pixels).any(axis=2)
        mouth = points[3:].mean(axis=0).astype(int)
        assert touched[mouth[1] - 12 : mouth[1] + 4, mouth[0] - 8 : mouth[0] + 8].mean() > 0.5
        for x, y in points[:2].astype(int):
            assert not touched[y - 2 : y + 2, x - 2 : x + 2].any()


def test_fitting_spreads_leaves_the_lines_alone_and_follows_the_errors(portrait):
    """What is hard to see is off by more, and the net is to say so."""
    torch.manual_seed(0)
    net = PartsNet().eval()
    crops = torch.randn(256, 3, 128, 128)
    with torch.no_grad():
        before = net(crops)
        hidden = net.forward_features(crops)
    # Lines that are off by so much as one of the net's features tells.
    off = 0.01 + 0.2 * (hidden[:, hidden.std(dim=0).argmax()] > hidden[:, hidden.std(dim=0).argmax()].median())
    images = (crops * PADDING_VALUE + PADDING_VALUE).permute(0, 2, 3, 1)
    samples = [
        {"image": image, "lines": lines} for image, lines in zip(images, before.position + off[:, None], strict=True)
    ]

    fit_spread(net, samples)

    with torch.no_grad():
        after = net(crops)
    assert torch.equal(after.position, before.position)
    assert after.spread[off > 0.1].mean() > 3 * after.spread[off < 0.1].mean()
    assert after.spread.mean() == pytest.approx(off.mean().item(), rel=0.3)


def test_hard_samples_cover_and_darken_more_often_than_the_usual_ones(portrait):
    landmarks = {"faces/drawn/1.jpg": (45.0, 115.0, 80.0, 118.0, 155.0)}
    usual, hard = (kind([portrait], landmarks, {}, 100, seed=0) for kind in (PartsSamples, DoubtfulSamples))

    means = [[samples[index]["image"].float().mean().item() for index in range(40)] for samples in (usual, hard)]

    assert np.mean(means[1]) < 0.95 * np.mean(means[0])
    assert torch.isfinite(hard[0]["lines"]).all()
