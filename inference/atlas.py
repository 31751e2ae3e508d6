"""The views that the nets see, made with torch where the nets run, for a batch.

They are what preprocessing and gate.View make with OpenCV one by one, which is also what the nets were trained on, to
within a grey level here and there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.decoding import DecodedPhoto
from inference.preprocessing import (
    BRIGHTNESS,
    CROP_SIZE,
    CROP_TEMPLATE,
    DETECTOR_SIZE,
    FACE_COLUMNS,
    FACE_ROWS,
    GAINS,
    PADDING_VALUE,
    SMOOTHING,
    fitted,
)

# Canvases come in few sizes, since each takes a CUDA graph of its own; a level's side is whole.
_CANVAS_STEP = 432
# A photo leaves these at the right and the bottom grey, as what lies beyond it is.
_MARGIN = 2
# The longest photos that each canvas has room for; decode() makes only very large photos larger than any.
LONGEST_SIDES = tuple(steps * _CANVAS_STEP - _MARGIN for steps in (1, 2, 3))
LONGEST_SIDE = LONGEST_SIDES[-1]
# A photo is kept at its size, halved and quartered, which is as far as the largest is halved for the detector.
_LEVELS = 3
# The level that is letterboxed is at least as large as the detector's square, and less than twice.
_WINDOW = 2 * DETECTOR_SIZE


@dataclass(frozen=True, slots=True)
class PhotoBatch:
    """Photos on a device.

    Shapes: pixels (B, S, S, 3) uint8, each photo at the upper left of a grey canvas; fits (B, 8) float32: width and
    height, the level that is letterboxed, width and height in the square, left, top, scale.
    """

    pixels: Tensor
    fits: Tensor

    @classmethod
    def of(cls, photos: Sequence[DecodedPhoto], device: torch.device, size: int) -> PhotoBatch:
        """size: how many photos the tensors have room for. No photo may be longer than LONGEST_SIDE."""
        longest = max(max(photo.pixels.shape) for photo in photos)
        side = -(-(longest + _MARGIN) // _CANVAS_STEP) * _CANVAS_STEP
        # Only from pinned memory does a copy leave the processor free, and only the photos themselves have to travel.
        is_pinned = device.type == "cuda"
        packed = torch.empty(sum(photo.pixels.size for photo in photos), dtype=torch.uint8, pin_memory=is_pinned)
        fits = torch.ones((size, 8), pin_memory=is_pinned)
        np.concatenate([photo.pixels.reshape(-1) for photo in photos], out=packed.numpy())
        numbers = fits.numpy()
        for index, photo in enumerate(photos):
            height, width = photo.pixels.shape[:2]
            fit = fitted(height, width, DETECTOR_SIZE)
            level = fit.factor.bit_length() - 1
            numbers[index] = (width, height, level, fit.width, fit.height, fit.left, fit.top, fit.scale)
        pixels = torch.full((size, side, side, 3), PADDING_VALUE, dtype=torch.uint8, device=device)
        arrived, start = packed.to(device, non_blocking=True), 0
        for index, photo in enumerate(photos):
            (height, width), end = photo.pixels.shape[:2], start + photo.pixels.size
            pixels[index, :height, :width] = arrived[start:end].view(height, width, 3)
            start = end
        return cls(pixels, fits.to(device, non_blocking=True))


class Views(NamedTuple):
    """What crops of a face are cut from: squares of `factor` pixels a side, averaged, from an origin on.

    Shapes: origin (N, 2) and factor (N,), whole pixels of the decoded photo.
    """

    origin: Tensor
    factor: Tensor


class Atlas:
    """Photos of a batch at all levels, in one picture."""

    def __init__(self, pixels: Tensor, fits: Tensor) -> None:
        """Shapes: as PhotoBatch's."""
        self._count, self._side = pixels.shape[:2]
        self._fits = fits
        # Mid-grey is zero, which is also what grid_sample finds beyond the picture.
        levels = [pixels.permute(0, 3, 1, 2).float() - PADDING_VALUE]
        for _ in range(_LEVELS - 1):
            levels.append(torch.floor(functional.avg_pool2d(levels[-1], 2) + 0.5))
        # The smaller ones stand one below the other, right of the largest.
        half = self._side // 2
        beside = torch.cat([functional.pad(level, (0, half - level.shape[-1])) for level in levels[1:]], dim=2)
        beside = functional.pad(beside, (0, 0, 0, self._side - beside.shape[2]))
        self._picture = torch.cat([levels[0], beside], dim=3).permute(0, 2, 3, 1).contiguous()
        # Where each level lies: level 1 is half as high as the canvas, level 2 a fourth.
        level = torch.arange(_LEVELS, device=pixels.device)
        self._corners = torch.stack([(level > 0) * self._side, (level > 1) * half], dim=1).float()

    def squares(self, dtype: torch.dtype) -> Tensor:
        """All photos letterboxed: (B, 3, 192, 192), -1 to 1. Averages are summed up in `dtype`."""
        level = self._fits[:, 2]
        sides = torch.floor(self._fits[:, :2] / _shrunk(level).unsqueeze(1)).clamp_min(1)
        steps = torch.arange(_WINDOW, device=level.device)
        lefts, tops = self._corners[level.long()].long().unsqueeze(2).unbind(1)
        # What lies beyond a level has no weight, but has to be a number.
        columns = (lefts + steps).clamp_max(self._picture.shape[2] - 1)
        rows = (tops + steps).clamp_max(self._picture.shape[1] - 1)
        photos = torch.arange(self._count, device=level.device)
        window = self._picture[photos[:, None, None], rows[:, :, None], columns[:, None, :]].to(dtype)
        across, down = _resize_weights(sides, self._fits[:, 3:5], self._fits[:, 5:7]).to(dtype).unbind(1)
        lower = torch.bmm(down, window.flatten(2)).view(-1, DETECTOR_SIZE, _WINDOW, 3)
        squares = torch.bmm(across, lower.transpose(1, 2).flatten(2)).view(-1, DETECTOR_SIZE, DETECTOR_SIZE, 3)
        return as_input(squares.permute(0, 3, 2, 1).round(), dtype)

    def crops(self, photos: Tensor, places: Tensor, views: Views) -> Tensor:
        """Cut squares out of photos, as gate.View does: bilinearly out of a view's averages.

        Shapes: photos (N,), places (N, 2, 3) crop pixels to the photo's -> (N, 3, 128, 128), whole grey levels from
        mid-grey.
        """
        factor, origin = views.factor.view(-1, 1, 1, 1), views.origin[:, None, None]
        # A square of pixels is the mean of four places that are read bilinearly: exactly so of up to four pixels a
        # side, which is all that is left of larger ones at a smaller level.
        level = (factor > 4).long() + (factor > 8).long()
        shrunk = _shrunk(level)
        side = (factor / shrunk).clamp_max(4)
        apart = ((side - 2) * (7 - side) / 6).clamp_min(0)
        steps = torch.arange(CROP_SIZE, device=factor.device) + 0.5
        middles = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).view(1, -1, 2)
        # Between which neighbours each pixel lies in its view, along x and along y: (N, 2, P, 2).
        seen = (apply(places, middles).unsqueeze(1) - origin) / factor - 0.5
        first = torch.floor(seen)
        neighbours = torch.cat([first, first + 1], dim=1)
        ends = origin + (neighbours + 1) * factor
        # Beyond the photo lies grey, and what fills no square is left out.
        is_whole = (neighbours >= 0) & (ends <= self._fits[photos, None, None, :2])
        across, down = ((1 - (seen - neighbours).abs()) * is_whole).unbind(-1)
        centres = (ends - factor / 2) / shrunk + self._corners[level.view(-1, 1, 1)]
        # Each is read twice along x, and twice along y. All photos are one tall picture, so that a photo's crops may
        # be any number.
        x, y = torch.stack([centres - apart, centres + apart], dim=2).unbind(-1)
        tall = self._picture.flatten(0, 1).permute(2, 0, 1).unsqueeze(0)
        x = x * (2 / tall.shape[3]) - 1
        y = (y + (photos * self._side).view(-1, 1, 1, 1)) * (2 / tall.shape[2]) - 1
        # By crop, neighbour and reading along y, the same along x, pixel.
        shape = (len(photos), 2, 2, 2, 2, CROP_SIZE**2)
        grid = torch.stack([x[:, None, None].expand(shape), y[:, :, :, None, None].expand(shape)], dim=-1)
        found = functional.grid_sample(tall, grid.view(1, -1, CROP_SIZE, 2), align_corners=False)
        # Halves become the larger grey level, also where the place of a pixel in a tall picture was rounded, by up to
        # 0.002 pixels. Of up to four pixels a side the means next below a half are 4/9 and 7/16, as far from where this
        # rounds as the half is.
        averages = torch.floor(found.view(3, *shape).mean(dim=(3, 5)) + 0.53)
        crops = (averages * down.unsqueeze(2) * across.unsqueeze(1)).sum(dim=(2, 3)).round()
        return crops.view(3, -1, CROP_SIZE, CROP_SIZE).transpose(0, 1)


def _shrunk(level: Tensor) -> Tensor:
    """By how much a level's sides are smaller: 1, 2 or 4. CUDA has torch compile exp2() while it runs."""
    return 1 + level + (level > 1)


def _resize_weights(before: Tensor, after: Tensor, start: Tensor) -> Tensor:
    """What each pixel of a side adds to each pixel of the resized side, by area, or bilinearly where it is enlarged.

    Shapes: before, after (B, 2) pixels along x and y, start (B, 2) in the square -> (B, 2, 192, 384).
    """
    before, after, start = (values[:, :, None, None] for values in (before, after, start))
    ratio = before / after
    target = torch.arange(DETECTOR_SIZE, device=before.device).view(-1, 1) - start
    source = torch.arange(_WINDOW, device=before.device)
    shared = torch.minimum(source + 1, (target + 1) * ratio) - torch.maximum(source, target * ratio)
    place = ((target + 0.5) * ratio - 0.5).clamp_min(0).minimum(before - 1)
    weights = torch.where(ratio > 1, shared.clamp_min(0) / ratio, (1 - (source - place).abs()).clamp_min(0))
    return weights * ((target >= 0) & (target < after))


def as_input(levels: Tensor, dtype: torch.dtype) -> Tensor:
    """Grey levels from mid-grey, (N, 3, H, W), as the nets take them."""
    return (levels / PADDING_VALUE).to(dtype).contiguous(memory_format=torch.channels_last)


def smoothing_matrix() -> Tensor:
    """What each pixel of a row adds to each of the smoothed row, (128, 128). Beyond its ends a row is mirrored."""
    reach = round(SMOOTHING * 6 + 1) // 2
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * SMOOTHING**2))
    # OpenCV counts in whole 256ths, and passes on what it rounded off.
    kernel *= 256 / kernel.sum()
    kernel[:reach] = np.diff(np.floor(np.cumsum(kernel[:reach]) + 0.5), prepend=0)
    kernel[reach + 1 :] = kernel[:reach][::-1]
    kernel[reach] = 256 - 2 * kernel[:reach].sum()
    weights = np.zeros((CROP_SIZE, CROP_SIZE))
    for offset, weight in zip(offsets, kernel / 256, strict=True):
        source = np.abs(np.arange(CROP_SIZE) + offset)
        source = np.where(source >= CROP_SIZE, 2 * (CROP_SIZE - 1) - source, source)
        weights[np.arange(CROP_SIZE), source] += weight
    return torch.from_numpy(weights).float()


def standardized(crops: Tensor, smoothing: Tensor) -> Tensor:
    """Crops as preprocessing.standardized() makes them. Shapes: (N, 3, 128, 128) -> the same, in grey levels from
    mid-grey."""
    levels = crops + PADDING_VALUE
    face = levels[:, :, FACE_ROWS, FACE_COLUMNS].mean(dim=(1, 2, 3), keepdim=True)
    gain = (BRIGHTNESS / face.clamp_min(1)).clamp(*GAINS)
    even = (levels * gain).round().clamp(0, 255)
    return torch.floor(smoothing @ even @ smoothing.T + 0.5) - PADDING_VALUE


class Template:
    """Aligns faces' five points with their places in a crop, as preprocessing.crop_matrix() does."""

    def __init__(self, device: torch.device) -> None:
        places = torch.from_numpy(CROP_TEMPLATE * CROP_SIZE).float()
        self._middle = places.mean(dim=0).to(device)
        x, y = (places - places.mean(dim=0)).unbind(1)
        # A similarity's a and b by the products of points and places.
        self._products = torch.stack([torch.stack([x, y], 1).flatten(), torch.stack([y, -x], 1).flatten()], 1).to(
            device
        )
        # The rows of a matrix, and of its transpose, from a and b.
        self._rows = torch.tensor([[1.0, 0, 0, 1], [0, -1, 1, 0]]).to(device)
        self._columns = torch.tensor([[1.0, 0, 0, 1], [0, 1, -1, 0]]).to(device)

    def matrices(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points (N, 5, 2) -> the similarities (N, 2, 3) to crop pixels, and back. Of points that coincide nothing is
        asked but numbers."""
        middle = points.mean(dim=1)
        centred = (points - middle.unsqueeze(1)).flatten(1)
        factors = centred @ self._products / centred.square().sum(dim=1, keepdim=True).clamp_min(1e-9)
        size = factors.square().sum(dim=1, keepdim=True).clamp_min(1e-12)
        there = (factors @ self._rows).view(-1, 2, 2)
        back = (factors / size @ self._columns).view(-1, 2, 2)
        shift = self._middle.view(1, 2, 1) - there @ middle.unsqueeze(2)
        return torch.cat([there, shift], dim=2), torch.cat([back, -(back @ shift)], dim=2)


def apply(matrices: Tensor, points: Tensor) -> Tensor:
    """Map points by affine matrices. Shapes: matrices (N, 2, 3), points (N or 1, P, 2) -> (N, P, 2)."""
    return points @ matrices[:, :, :2].transpose(1, 2) + matrices[:, None, :, 2]


def shrinkage(matrices: Tensor) -> Tensor:
    """By how many whole pixels to one similarities (N, 2, 3) shrink; 0 where they enlarge."""
    return torch.floor(1 / torch.hypot(matrices[:, 0, 0], matrices[:, 1, 0]).clamp_min(1e-6))
