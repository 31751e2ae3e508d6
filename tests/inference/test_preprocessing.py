"""Geometry and sampling of the two views that the nets see."""

from __future__ import annotations

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
    to_tensor,
    warp,
)


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


def test_a_crop_beyond_the_photo_is_padding():
    crop = warp(np.zeros((50, 50, 3), np.uint8), np.array([[0.1, 0, 500.0], [0, 0.1, 500.0]]))

    assert (crop == PADDING_VALUE).all()


def test_tensors_put_mid_grey_at_zero_and_keep_channels_last():
    tensor = to_tensor([np.full((4, 6, 3), value, np.uint8) for value in (0, 128, 255)])

    assert tensor.shape == (3, 3, 4, 6)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert tensor[:, 0, 0, 0].tolist() == pytest.approx([-1, 0, 127 / 128])
