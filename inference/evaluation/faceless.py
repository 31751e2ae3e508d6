"""Pictures without a human face, made from held-out scenes and from what surrounds held-out faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from inference.evaluation.portraits import Portrait, Rng
from inference.preprocessing import Pixels

_SIDE = 480
_WORDS = ("SALE", "Exit 24", "coffee", "No. 7", "open daily", "MENU", "ticket", "km/h", "a = b + c", "2026")
Make = Callable[[Sequence[Pixels], Sequence[Portrait], Rng], Pixels]


def _one(pictures: Sequence[Pixels], rng: Rng) -> Pixels:
    return pictures[int(rng.integers(len(pictures)))]


def _fitted(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _piece(pixels: Pixels, share: float, rng: Rng) -> Pixels:
    """A piece with this share of width and height."""
    height, width = (max(16, int(share * side)) for side in pixels.shape[:2])
    top = int(rng.uniform(0, max(pixels.shape[0] - height, 1)))
    left = int(rng.uniform(0, max(pixels.shape[1] - width, 1)))
    return pixels[top : top + height, left : left + width]


def _crop(scenes: Sequence[Pixels], _portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    return _piece(_one(scenes, rng), float(rng.uniform(0.25, 0.7)), rng)


def _tiling(scenes: Sequence[Pixels], _portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    count = int(rng.integers(2, 9))
    tile = _fitted(_piece(_one(scenes, rng), 0.5, rng), _SIDE // count, _SIDE // count)
    return np.tile(tile, (count, count, 1))


def _kaleidoscope(scenes: Sequence[Pixels], _portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    """Symmetric, as faces are."""
    half = _fitted(_piece(_one(scenes, rng), 0.6, rng), _SIDE // 2, _SIDE)
    return np.hstack([half, half[:, ::-1]])


def _composite(scenes: Sequence[Pixels], _portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    """A scene with two others laid in."""
    picture = _fitted(_one(scenes, rng), _SIDE, _SIDE).copy()
    for _ in range(2):
        side = int(rng.uniform(0.2, 0.5) * _SIDE)
        y, x = rng.integers(0, _SIDE - side, 2)
        picture[y : y + side, x : x + side] = _fitted(_one(scenes, rng), side, side)
    return picture


def _texture(scenes: Sequence[Pixels], _portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    """A small piece blown up."""
    return np.asarray(cv2.resize(_piece(_one(scenes, rng), 0.12, rng), (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC))


def _noise(_scenes: Sequence[Pixels], _portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    picture = np.full((_SIDE, _SIDE, 3), 128, np.float64)
    for octave in range(5):
        cells = 4 * 3**octave
        grain = rng.normal(0, 60 / (octave + 1), (cells, cells, 3))
        picture += cv2.resize(grain, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _text(_scenes: Sequence[Pixels], _portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    ground, ink = rng.integers(0, 256, (2, 3)).tolist()
    picture = np.full((_SIDE, _SIDE, 3), ground, np.uint8)
    for row in range(40, _SIDE, 48):
        line = "  ".join(str(word) for word in rng.choice(_WORDS, 4))
        cv2.putText(picture, line, (10, row), int(rng.integers(0, 5)), rng.uniform(0.6, 1.4), ink, 2, cv2.LINE_AA)
    return picture


def _signs(_scenes: Sequence[Pixels], _portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    """Two dots over a line, as sockets, cars and buttons have them."""
    ground, disc, ink = rng.integers(0, 256, (3, 3)).tolist()
    picture = np.full((_SIDE, _SIDE, 3), ground, np.uint8)
    for y in range(80, _SIDE, 160):
        for x in range(80, _SIDE, 160):
            cv2.circle(picture, (x, y), 66, disc, -1, cv2.LINE_AA)
            spread, size = int(rng.uniform(14, 30)), int(rng.uniform(4, 12))
            for dot in (x - spread, x + spread):
                cv2.circle(picture, (dot, y - 14), size, ink, -1, cv2.LINE_AA)
            cv2.ellipse(picture, ((x, y + 22), (rng.uniform(20, 60), rng.uniform(4, 24)), 0), ink, 3, cv2.LINE_AA)
    return picture


def _below_the_face(_scenes: Sequence[Pixels], portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    """Neck, clothes and background."""
    portrait = portraits[int(rng.integers(len(portraits)))]
    top, bottom = portrait.face.box[[1, 3]]
    below = portrait.pixels[min(round(bottom + 0.06 * (bottom - top)), portrait.pixels.shape[0] - 24) :]
    return np.asarray(cv2.resize(below, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)


def _without_the_face(scenes: Sequence[Pixels], portraits: Sequence[Portrait], rng: Rng) -> Pixels:
    """Hair, shoulders and background around what replaces the face: a scene, or a smooth patch of its surroundings."""
    portrait = portraits[int(rng.integers(len(portraits)))]
    height, width = portrait.pixels.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    (x0, y0), (x1, y1) = portrait.face.box[:2], portrait.face.box[2:]
    middle, extent = ((x0 + x1) / 2, (y0 + y1) / 2), (1.15 * (x1 - x0), 1.12 * (y1 - y0))
    cv2.ellipse(mask, (middle, extent, 0), 255, -1)
    if rng.random() < 0.5:
        return np.asarray(cv2.inpaint(portrait.pixels, mask, 5, cv2.INPAINT_TELEA), np.uint8)
    return np.where(mask[..., None] > 0, _fitted(_one(scenes, rng), width, height), portrait.pixels)


# Each kind, and how many are made of it.
MADE: Mapping[str, tuple[Make, int]] = {
    "pieces of scenes": (_crop, 150),
    "tilings": (_tiling, 40),
    "kaleidoscopes": (_kaleidoscope, 40),
    "composites": (_composite, 60),
    "textures": (_texture, 40),
    "noise in colour": (_noise, 20),
    "text": (_text, 20),
    "dots and lines": (_signs, 20),
    "portraits below the face": (_below_the_face, 60),
    "portraits without the face": (_without_the_face, 80),
}
