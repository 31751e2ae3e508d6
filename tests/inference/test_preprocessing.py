"""Geometry and sampling of the two views that the nets see."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from inference.preprocessing import (
    CROP_SIZE,
    CROP_TEMPLATE,
    DETECTOR_SIZE,
    PADDING_VALUE,
    apply,
    crop_matrix,
    invert,
    letterbox,
    similarity,
    standardized,
    to_tensor,
    warp,
)


def smooth(shape: tuple[int, int, int]) -> np.ndarray:
    """A picture as soft as photos are."""
    noise = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 6)
    return ((blurred - blurred.min()) / np.ptp(blurred) * 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(480, 640, 3), (640, 480, 3), (50, 50, 3), (1, 900, 3)])
def test_letterbox_centres_the_whole_photo(shape):
    photo = np.zeros(shape, np.uint8)

    square, box = letterbox(photo)

    rows, columns = np.nonzero((square == 0).all(axis=2))
    assert square.shape == (DETECTOR_SIZE, DETECTOR_SIZE, 3)
    assert (columns.min(), rows.min()) == (box.left, box.top)
    assert columns.max() + 1 - box.left == pytest.approx(shape[1] * box.scale, abs=1)
    assert rows.max() + 1 - box.top == pytest.approx(max(shape[0] * box.scale, 1), abs=1)


def test_similarity_recovers_a_known_turn_scale_and_shift():
    points = np.random.default_rng(0).uniform(0, 100, (5, 2))
    angle, scale = 0.4, 1.7
    known = np.array(
        [
            [scale * np.cos(angle), -scale * np.sin(angle), 12.0],
            [scale * np.sin(angle), scale * np.cos(angle), -5.0],
        ]
    )

    found = similarity(points, apply(known, points))

    np.testing.assert_allclose(found, known, atol=1e-9)
    np.testing.assert_allclose(apply(invert(found), apply(found, points)), points, atol=1e-6)


def test_similarity_of_points_that_coincide_stays_finite():
    assert np.isfinite(similarity(np.ones((5, 2)), CROP_TEMPLATE)).all()


def test_crop_matrix_takes_a_face_of_template_shape_onto_the_template():
    face = CROP_TEMPLATE * 400 + [30, 70]

    np.testing.assert_allclose(apply(crop_matrix(face), face), CROP_TEMPLATE * CROP_SIZE, atol=1e-6)


@pytest.mark.parametrize("scale", [2.0, 1.0, 0.5, 0.26])
def test_a_square_lands_where_its_corners_are_mapped(scale):
    photo = np.zeros((600, 800, 3), np.uint8)
    photo[200:320, 300:460] = 255
    matrix = np.array([[scale, 0, CROP_SIZE / 2 - 380 * scale], [0, scale, CROP_SIZE / 2 - 260 * scale]])

    crop = warp(photo, matrix).astype(float) / 255

    corners = np.clip(apply(matrix, np.array([[300.0, 200.0], [460.0, 320.0]])), 0, CROP_SIZE)
    expected_area = np.prod(corners[1] - corners[0])
    inside = crop[..., 0] * (crop[..., 0] != PADDING_VALUE / 255)
    assert inside.sum() == pytest.approx(expected_area, rel=0.03)
    rows, columns = np.mgrid[:CROP_SIZE, :CROP_SIZE] + 0.5
    assert (columns * inside).sum() / inside.sum() == pytest.approx(corners[:, 0].mean(), abs=0.3)
    assert (rows * inside).sum() / inside.sum() == pytest.approx(corners[:, 1].mean(), abs=0.3)


def test_shrinking_averages_fine_stripes_instead_of_skipping_them():
    photo = np.zeros((1024, 1024, 3), np.uint8)
    photo[:, ::2] = 255

    crop = warp(photo, np.array([[0.125, 0, 0], [0, 0.125, 0]]))

    assert abs(crop[8:-8, 8:-8].astype(float) - 127.5).max() < 8


# Sides that can be halved as often as they are.
@pytest.mark.parametrize("shape", [(512, 512, 3), (748, 1000, 3), (1276, 852, 3), (640, 480, 3)])
def test_letterboxing_by_halves_averages_as_it_would_at_once(shape):
    photo = smooth(shape)

    square, box = letterbox(photo)

    height, width = round(shape[0] * box.scale), round(shape[1] * box.scale)
    at_once = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA).astype(float)
    inside = square[box.top : box.top + height, box.left : box.left + width]
    assert abs(inside - at_once).mean() < 2


@pytest.mark.parametrize("shrink", [2.1, 3.4, 4.0, 5.2])
def test_crops_of_large_faces_are_averaged_as_from_a_photo_shrunk_at_once(shrink):
    photo, turn = smooth((1100, 1300, 3)), np.deg2rad(12)
    scale = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / shrink
    matrix = np.column_stack([scale, CROP_SIZE / 2 - scale @ [640, 560]])
    small = cv2.resize(photo, None, fx=1 / int(shrink), fy=1 / int(shrink), interpolation=cv2.INTER_AREA)
    steps = np.array([photo.shape[1] / small.shape[1], photo.shape[0] / small.shape[0]])

    at_once = warp(small, np.column_stack([matrix[:, :2] * steps, matrix[:, 2]]))

    assert abs(warp(photo, matrix).astype(float) - at_once)[4:-4, 4:-4].mean() < 2


def test_a_crop_beyond_the_photo_is_padding():
    crop = warp(np.zeros((50, 50, 3), np.uint8), np.array([[0.1, 0, 500.0], [0, 0.1, 500.0]]))

    assert (crop == PADDING_VALUE).all()


def test_tensors_put_mid_grey_at_zero_and_keep_channels_last():
    tensor = to_tensor([np.full((4, 6, 3), value, np.uint8) for value in (0, 128, 255)])

    assert tensor.shape == (3, 3, 4, 6)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert tensor[:, 0, 0, 0].tolist() == pytest.approx([-1, 0, 127 / 128])


def test_a_standardized_crop_is_the_same_in_any_light_and_hardly_shows_a_cameras_noise():
    coarse = np.random.default_rng(0).integers(60, 160, (16, 16, 3), np.uint8)
    crop = cv2.resize(coarse, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_CUBIC)
    darker, brighter = (np.clip(crop * factor, 0, 255).astype(np.uint8) for factor in (0.85, 1.15))
    noisy = np.clip(crop + np.random.default_rng(1).normal(0, 6, crop.shape), 0, 255).astype(np.uint8)

    even = standardized(crop).astype(int)

    assert even[24:112, 24:104].mean() == pytest.approx(115, abs=1)
    for other in (darker, brighter):
        assert abs(standardized(other).astype(int) - even).max() <= 3
    assert abs(standardized(noisy).astype(int) - even).mean() < 0.6 * abs(noisy.astype(int) - crop).mean()


def test_a_black_crop_is_not_blown_up():
    assert standardized(np.full((CROP_SIZE, CROP_SIZE, 3), 3, np.uint8)).max() <= 6
