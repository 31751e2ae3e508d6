"""The one way from decoded pixels to the tensors the nets see; training and serving share it.

Two views of a photo exist: the whole of it, letterboxed to a square, for the detector; and the face,
turned upright and cut out around its five points, for everything after. Only these small views are
resized; the full-size photo never is.

Coordinates are pixels with the origin in the corner of the first pixel, so that scaling an image by
s scales them by s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

DETECTOR_SIZE = 192
CROP_SIZE = 128
# Mid-grey becomes zero in the tensors, as a convolution's own padding is.
PADDING_VALUE = 128
# A crop's region, in pixels, that a face fills; its mean value in the type model's eyes; how far that may change it.
FACE_ROWS, FACE_COLUMNS = slice(24, 112), slice(24, 104)
BRIGHTNESS, GAINS = 115.0, (0.5, 2.0)
# Of a Gaussian, in pixels of the crop.
SMOOTHING = 0.8
# The mean shape of the five points over the training portraits, as shares of the crop's side. An eye
# distance of 0.28 leaves room for the forehead above and the chin below.
CROP_TEMPLATE: Floats = np.array([[0.36, 0.40], [0.64, 0.40], [0.50, 0.563], [0.379, 0.681], [0.621, 0.681]])


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a photo lies in its square: x_square = x_photo * scale + left, likewise y with top.

    It is averaged by `factor` first, and then resized to height and width.
    """

    scale: float
    left: int
    top: int
    height: int
    width: int
    factor: int


def fitted(height: int, width: int, size: int) -> Letterbox:
    """How a photo is fitted into a padded square."""
    # The largest power of two that leaves at least the square's side.
    factor = 1 << max(0, (max(height, width) // size).bit_length() - 1)
    height, width = max(1, height // factor), max(1, width // factor)
    scale = size / max(height, width)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    left, top = (size - new_width) // 2, (size - new_height) // 2
    return Letterbox(scale / factor, left, top, new_height, new_width, factor)


def letterbox(pixels: Pixels, size: int = DETECTOR_SIZE) -> tuple[Pixels, Letterbox]:
    """Fit a photo into a padded square.

    Shapes: pixels (H, W, 3) -> (size, size, 3).
    """
    box = fitted(pixels.shape[0], pixels.shape[1], size)
    pixels = averaged(pixels, box.factor)
    interpolation = cv2.INTER_AREA if box.scale * box.factor < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (box.width, box.height), interpolation=interpolation)
    square = np.full((size, size, 3), PADDING_VALUE, np.uint8)
    square[box.top : box.top + box.height, box.left : box.left + box.width] = resized
    return square, box


def averaged(pixels: Pixels, factor: int) -> Pixels:
    """The mean of each square of factor x factor pixels; what fills no square at the right and the bottom is left out.

    OpenCV averages whole squares many times as fast as fractions of pixels, and pairs the fastest.
    Shapes: pixels (H, W, 3) -> (H // factor, W // factor, 3), at least one pixel.
    """
    while factor > 1:
        step = 2 if factor % 2 == 0 else factor
        height, width = (max(1, side // step) for side in pixels.shape[:2])
        whole = pixels[: height * step, : width * step]
        pixels = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        factor //= step
    return pixels


def mirrored(pixels: Pixels) -> Pixels:
    """A picture's mirror image, left and right."""
    return np.asarray(cv2.flip(pixels, 1), np.uint8)


def mirror_points(points: Floats, width: float) -> Floats:
    """Five points (..., 5, 2) after their image of this width was mirrored: left and right swap names too."""
    swapped = points[..., [1, 0, 2, 4, 3], :]
    swapped[..., 0] = width - swapped[..., 0]
    return swapped


def similarity(source: Floats, target: Floats) -> Floats:
    """Least-squares rotation, uniform scale and shift that takes one set of points to another.

    Shapes: source, target (..., N, 2) -> (..., 2, 3).
    Source: Umeyama 1991, doi:10.1109/34.88573; in the plane it is one complex division.
    """
    z = source[..., 0] + 1j * source[..., 1]
    w = target[..., 0] + 1j * target[..., 1]
    middle, goal = z.mean(axis=-1), w.mean(axis=-1)
    centred = z - middle[..., None]
    size = np.maximum((centred.real**2 + centred.imag**2).sum(axis=-1), 1e-9)
    a = (centred.conj() * (w - goal[..., None])).sum(axis=-1) / size
    b = goal - a * middle
    rows = np.stack([np.stack([a.real, -a.imag, b.real], axis=-1), np.stack([a.imag, a.real, b.imag], axis=-1)], -2)
    return np.asarray(rows, np.float64)


def rotation_scale(centre: Floats, target: Floats, degrees: float, scale: float) -> Floats:
    """The similarity (2, 3) that turns and scales about `centre` and takes it to `target`."""
    radians = np.deg2rad(degrees)
    a, b = scale * np.cos(radians), scale * np.sin(radians)
    matrix = np.array([[a, -b, 0.0], [b, a, 0.0]])
    matrix[:, 2] = target - apply(matrix, centre)
    return matrix


def crop_matrix(points: Floats) -> Floats:
    """The similarity (..., 2, 3) that takes a face's five points (..., 5, 2) to the crop's template, in crop pixels."""
    return similarity(points, CROP_TEMPLATE * CROP_SIZE)


def apply(matrix: Floats, points: Floats) -> Floats:
    """Map points (..., 2) by an affine matrix (2, 3), or points (N, P, 2) by a matrix each (N, 2, 3)."""
    shift = matrix[:, 2] if matrix.ndim == 2 else matrix[:, None, :, 2]
    return points @ matrix[..., :2].swapaxes(-1, -2) + shift


def invert(matrix: Floats) -> Floats:
    """Affine matrices (..., 2, 3) the other way round. One without an extent becomes zeros."""
    if matrix.ndim == 2:
        return np.asarray(cv2.invertAffineTransform(matrix), np.float64)
    a, b, c, d = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 0], matrix[..., 1, 1]
    determinant = a * d - b * c
    inverse = np.divide(1, determinant, out=np.zeros_like(determinant), where=determinant != 0)
    linear = np.stack([np.stack([d, -b], axis=-1), np.stack([-c, a], axis=-1)], axis=-2) * inverse[..., None, None]
    return np.concatenate([linear, -(linear @ matrix[..., 2:])], axis=-1)


def shrinkage(matrix: Floats) -> int:
    """By how many whole pixels to one a similarity (2, 3) shrinks what it maps; 0 where it enlarges."""
    return int(1 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-6))


def warp(pixels: Pixels, matrix: Floats, size: int = CROP_SIZE) -> Pixels:
    """Cut a square out of a photo by an affine matrix; beyond the photo it is mid-grey.

    Bilinear sampling skips pixels when it shrinks by more than two, so the region is first averaged
    down to at most twice the size needed.
    Shapes: pixels (H, W, 3), matrix (2, 3) photo to crop -> (size, size, 3).
    """
    # Pixel centres lie at half-integers here and at integers in OpenCV.
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    shrink = shrinkage(matrix)
    if shrink >= 2:
        corners = apply(invert(matrix), np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64))
        height, width = pixels.shape[:2]
        x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - shrink, 0, [width - 1, height - 1])
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + shrink, 1, [width, height])
        region = pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        step = np.minimum(shrink, [region.shape[1], region.shape[0]])
        pixels = averaged(region, shrink)
        origin = np.array([x0, y0])
        centred = np.column_stack([matrix[:, :2] * step, apply(matrix, origin)])
        centred[:, 2] += centred[:, :2].sum(axis=1) / 2 - 0.5
    return np.asarray(
        cv2.warpAffine(
            pixels,
            centred,
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(PADDING_VALUE,) * 3,
        ),
        np.uint8,
    )


def standardized(crop: Pixels) -> Pixels:
    """A crop as the type model sees it: of one brightness, and without the detail that not every photo has.

    Exposure, compression and size say nothing of a person, and a type should not hang on them.
    Shapes: (128, 128, 3) -> (128, 128, 3).
    """
    # OpenCV averages bytes many times as fast as NumPy.
    level = sum(cv2.mean(crop[FACE_ROWS, FACE_COLUMNS])[:3]) / 3
    gain = float(np.clip(BRIGHTNESS / max(level, 1), *GAINS))
    even = np.asarray(cv2.convertScaleAbs(crop, alpha=gain), np.uint8)
    return np.asarray(cv2.GaussianBlur(even, (0, 0), SMOOTHING), np.uint8)


def lines_in_crop(lines: Sequence[float] | Floats, points: Floats, matrix: Floats) -> Floats:
    """Carry a photo's lines into its crop.

    A line is carried at the height or the width where it touches the face: the outline's edges level with
    the nose, the brows, nose base and chin in the face's middle.
    Shapes: lines (5,) in the photo's pixels, points (5, 2), matrix (2, 3) -> (5,) in shares of the crop's side.
    """
    xl, xr, yb, yn, yc = lines
    middle, level = float(points[:, 0].mean()), float(points[:, 1].mean())
    touching = np.array([[xl, level], [xr, level], [middle, yb], [middle, yn], [middle, yc]])
    carried = apply(matrix, touching) / CROP_SIZE
    return np.concatenate([carried[:2, 0], carried[2:, 1]])


def to_tensor(
    images: Sequence[Pixels], device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Tensor:
    """Stack images for a net. Bytes go to the device, which normalises them; half precision holds the values exactly.

    Shapes: N x (H, W, 3) uint8 -> (N, 3, H, W) of `dtype` in channels-last memory order.
    Range:  -1 to 1, mid-grey 0.
    """
    batch = torch.from_numpy(np.stack(images))
    if torch.device(device).type == "cuda":
        # Only from pinned memory does a copy leave the processor free.
        batch = batch.pin_memory()
    batch = batch.to(device, non_blocking=True)
    # A float makes floats of the bytes as it is subtracted.
    return (batch.permute(0, 3, 1, 2) - float(PADDING_VALUE)).div_(PADDING_VALUE).to(dtype)
