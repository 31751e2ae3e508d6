"""The views that torch makes are those that OpenCV makes, up to a grey level where both round."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inference.atlas import LONGEST_SIDE, Atlas, PhotoBatch, Template, Views, apply, smoothing_matrix
from inference.atlas import standardized as standardized_by_torch
from inference.decoding import DecodedPhoto
from inference.gate import View
from inference.preprocessing import (
    CROP_SIZE,
    CROP_TEMPLATE,
    PADDING_VALUE,
    crop_matrix,
    invert,
    letterbox,
    shrinkage,
    standardized,
    warp,
)
from tests.images import draw_photo

CPU = torch.device("cpu")


def photo_of(width: int, height: int) -> DecodedPhoto:
    """A drawing with grain, which shows any pixel that was skipped."""
    grain = np.random.default_rng(0).integers(0, 24, (height, width, 3))
    pixels = np.clip(np.asarray(draw_photo(width, height)) + grain - 12, 0, 255).astype(np.uint8)
    return DecodedPhoto(pixels, width, height)


def atlas_of(*photos: DecodedPhoto) -> Atlas:
    batch = PhotoBatch.of(photos, CPU, len(photos))
    return Atlas(batch.pixels, batch.fits)


def as_pixels(views: torch.Tensor) -> np.ndarray:
    """Grey levels from mid-grey (N, 3, H, W), as pictures (N, H, W, 3) of ints."""
    return (views + PADDING_VALUE).permute(0, 2, 3, 1).numpy().astype(int)


# Smaller than the detector's square, as large, between its powers of two, the largest, and narrow ones.
SIZES = [(90, 120), (192, 192), (300, 400), (384, 300), (641, 479), (768, 1024), (LONGEST_SIDE, 700), (900, 40)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_photos_of_many_sizes_are_letterboxed_as_by_opencv(dtype: torch.dtype) -> None:
    photos = [photo_of(*size) for size in SIZES]

    squares = as_pixels(atlas_of(*photos).squares(dtype).float() * PADDING_VALUE)

    for photo, square in zip(photos, squares, strict=True):
        difference = abs(square - letterbox(photo.pixels)[0].astype(int))
        # Where a mean lies between two grey levels, either rounding is right.
        assert difference.max() <= 1
        assert difference.mean() < 0.1


def cut_out(photo: DecodedPhoto, side: float, centre: tuple[float, float], degrees: float) -> tuple[np.ndarray, ...]:
    """The crop of a face of the template's shape, `side` pixels from crop edge to crop edge: by OpenCV and by torch."""
    turn = np.deg2rad(degrees)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (CROP_TEMPLATE - 0.5) * side @ turned.T + centre
    matrix = crop_matrix(points)
    half = 0.4 * side
    box = np.array([centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half])
    view = View(photo.pixels, 0, 0, 1.0).around(box, matrix)
    factor = max(shrinkage(matrix), 1)

    there, back = Template(CPU).matrices(torch.from_numpy(points).float()[None])
    np.testing.assert_allclose(there[0].numpy(), matrix, atol=1e-3)
    views = Views(torch.tensor([[view.left, view.top]]).float(), torch.tensor([float(factor)]))
    # Second of three, so that a photo's place in the batch matters.
    crops = atlas_of(photo_of(50, 60), photo, photo_of(70, 50)).crops(torch.tensor([1]), back, views)
    return view.cut_out(matrix).astype(int), as_pixels(crops)[0]


# By side over 128 these are enlarged, looked up, and averaged by 2, 3 and 4.
@pytest.mark.parametrize("side", [90, 150, 250, 300, 420, 540])
@pytest.mark.parametrize(("centre", "degrees"), [((330, 410), 0), ((330, 410), 17), ((60, 40), -8), ((640, 800), 25)])
def test_crops_are_those_of_opencv_at_the_photos_edge_too(
    side: float, centre: tuple[float, float], degrees: float
) -> None:
    expected, crop = cut_out(photo_of(700, 860), side, centre, degrees)

    difference = abs(crop - expected)
    # OpenCV averages four pixels a side in two steps, and rounds after each.
    assert difference.max() <= 1
    assert difference.mean() < (0.4 if side > 512 else 0.1)


@pytest.mark.parametrize("side", [700, 800, 1000, 1290])
def test_crops_of_the_largest_faces_are_nearly_those_of_opencv(side: float) -> None:
    """Averages of more than four pixels a side are made of averages of two or four, which may lie across them."""
    expected, crop = cut_out(photo_of(1200, 1290), side, (600, 640), 5)

    difference = abs(crop - expected)
    assert difference.mean() < 1
    assert np.percentile(difference, 99) <= 4


def test_a_crop_beyond_the_photo_is_padding() -> None:
    atlas = atlas_of(photo_of(200, 200))
    back = torch.from_numpy(invert(np.array([[0.5, 0, 5000.0], [0, 0.5, 5000.0]]))).float()[None]

    crop = atlas.crops(torch.tensor([0]), back, Views(torch.zeros(1, 2), torch.ones(1)))

    assert (crop == 0).all()


def test_crops_are_standardized_as_by_opencv_to_the_last_grey_level() -> None:
    photo = photo_of(300, 400)
    crops = [warp((photo.pixels * light).astype(np.uint8), np.array([[0.5, 0, 0], [0, 0.5, 0]])) for light in (1, 0.3)]
    crops.append(np.full((CROP_SIZE, CROP_SIZE, 3), 3, np.uint8))
    levels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() - PADDING_VALUE

    own = as_pixels(standardized_by_torch(levels, smoothing_matrix()))

    np.testing.assert_array_equal(own, np.stack([standardized(crop) for crop in crops]))


def test_similarities_lead_there_and_back() -> None:
    points = np.random.default_rng(0).uniform(0, 1000, (7, 5, 2))

    there, back = Template(CPU).matrices(torch.from_numpy(points).float())

    np.testing.assert_allclose(there.numpy(), crop_matrix(points), atol=1e-3)
    places = torch.rand(7, 3, 2) * CROP_SIZE
    torch.testing.assert_close(apply(there, apply(back, places)), places, atol=0.01, rtol=0)


def test_points_that_coincide_give_numbers() -> None:
    there, back = Template(CPU).matrices(torch.ones(1, 5, 2))

    assert there.isfinite().all()
    assert back.isfinite().all()
