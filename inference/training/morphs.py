"""New people out of known ones: two aligned portraits warped to a common shape and blended."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference.preprocessing import CROP_SIZE, Floats, Pixels, apply, crop_matrix, warp
from inference.training.augmentation import Mask, Rng
from inference.training.teachers import LabelledImage

# A canvas is the canonical crop with a margin around it, of so many shares of the crop's side.
CANVAS_SIZE = 224
_MARGIN = 1 / 12
_CANVAS_SCALE = CANVAS_SIZE / (1 + 2 * _MARGIN)
# From a canvas's pixels to those of the canonical crop.
CANVAS_TO_CROP: Floats = np.array([[1.0, 0, 0], [0, 1.0, 0]]) * CROP_SIZE / _CANVAS_SCALE
CANVAS_TO_CROP[:, 2] = -_MARGIN * CROP_SIZE
# The height at which the outline's edges lie, in shares of the crop: that of the nose tip.
_LEVEL = 0.56
# The displacement is computed for cells of so many pixels and interpolated between.
_CELL = 8
_SWAP_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class AlignedPortrait:
    """A portrait on a canvas (224, 224, 3); points (5, 2) and lines (5,) in shares of the canonical crop."""

    pixels: Pixels
    points: Floats
    lines: Floats


def align(image: LabelledImage, lines: Floats) -> AlignedPortrait:
    """Put a labelled portrait's best face on a canvas. lines: in shares of the canonical crop."""
    matrix = crop_matrix(image.faces[0].points)
    shares = apply(matrix, image.faces[0].points) / CROP_SIZE
    return AlignedPortrait(warp(image.pixels, _crop_to_canvas(matrix), CANVAS_SIZE), shares, lines)


def touching_points(lines: Floats) -> Floats:
    """Points (5, 2) that lines (5,) touch the face in, in shares of the crop; `lines_through` is the inverse."""
    xl, xr, yb, yn, yc = lines
    middle = (xl + xr) / 2
    return np.array([[xl, _LEVEL], [xr, _LEVEL], [middle, yb], [middle, yn], [middle, yc]])


def lines_through(points: Floats) -> Floats:
    """Lines (5,) through five points (5, 2)."""
    return np.concatenate([points[:2, 0], points[2:, 1]])


def morph(first: AlignedPortrait, second: AlignedPortrait, rng: Rng) -> AlignedPortrait:
    """A face with features of both: a shape between theirs, and their textures blended.

    Sometimes the upper part's texture is one's and the lower part's the other's.
    """
    share = rng.uniform(0.2, 0.8)
    points = (1 - share) * first.points + share * second.points
    lines = (1 - share) * first.lines + share * second.lines
    shape = _shape(points, lines)
    pixels = [_bent(face.pixels, shape, _shape(face.points, face.lines)) for face in (first, second)]
    if rng.random() < _SWAP_SHARE:
        edge, softness = rng.uniform(0.4, 0.7), rng.uniform(0.03, 0.1)
        heights = (np.arange(CANVAS_SIZE) + 0.5) / _CANVAS_SCALE - _MARGIN
        column = 1 / (1 + np.exp(-(heights - edge) / softness))
        mask: Mask = np.repeat(column[:, None], CANVAS_SIZE, axis=1).astype(np.float32)
    else:
        mask = np.full((CANVAS_SIZE, CANVAS_SIZE), rng.uniform(0.25, 0.75), np.float32)
    return AlignedPortrait(np.asarray(cv2.blendLinear(pixels[1], pixels[0], mask, 1 - mask), np.uint8), points, lines)


def _crop_to_canvas(matrix: Floats) -> Floats:
    """Turn a matrix into crop pixels into one into canvas pixels."""
    scaled = matrix * _CANVAS_SCALE / CROP_SIZE
    scaled[:, 2] += _MARGIN * _CANVAS_SCALE
    return scaled


def _shape(points: Floats, lines: Floats) -> Floats:
    """What describes a face's shape, in canvas pixels: its points, where the lines touch, and the fixed frame."""
    frame = np.array([[x, y] for x in (0, 0.5, 1) for y in (0, 0.5, 1) if (x, y) != (0.5, 0.5)])
    inner = (np.concatenate([points, touching_points(lines)]) + _MARGIN) * _CANVAS_SCALE
    return np.concatenate([inner, frame * CANVAS_SIZE])


def _bent(pixels: Pixels, target: Floats, source: Floats) -> Pixels:
    """Warp a canvas so that its points `source` (N, 2) come to lie on `target` (N, 2), by a thin-plate spline.

    Source: Bookstein 1989, doi:10.1109/34.24792.
    """
    count = len(target)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bending(target, target) + 1e-3 * np.eye(count)
    system[:count, count:] = np.column_stack([np.ones(count), target / CANVAS_SIZE])
    system[count:, :count] = system[:count, count:].T
    wanted = np.zeros((count + 3, 2))
    wanted[:count] = source - target
    weights = np.linalg.solve(system, wanted)
    steps = (np.arange(CANVAS_SIZE // _CELL) + 0.5) * _CELL
    cells = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    basis = np.column_stack([_bending(cells, target), np.ones(len(cells)), cells / CANVAS_SIZE])
    shift = (basis @ weights).reshape(len(steps), len(steps), 2).astype(np.float32)
    shift = cv2.resize(shift, (CANVAS_SIZE, CANVAS_SIZE), interpolation=cv2.INTER_LINEAR)
    # OpenCV's pixel centres lie at integers.
    places = np.arange(CANVAS_SIZE, dtype=np.float32)
    found = cv2.remap(
        pixels,
        shift[..., 0] + places,
        shift[..., 1] + places[:, None],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(found, np.uint8)


def _bending(points: Floats, centres: Floats) -> Floats:
    """r^2 log r of the distances between points (N, 2) and centres (M, 2), in canvases: (N, M)."""
    squared = np.square((points[:, None] - centres) / CANVAS_SIZE).sum(axis=-1)
    return np.asarray(0.5 * squared * np.log(squared + 1e-12))
