"""Pictures without a face, beyond the scenes there are: what a detector could mistake for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from inference.preprocessing import Pixels
from inference.training import augmentation
from inference.training.augmentation import Rng

_LETTERS = "ABEFGHKMNRSTWXaegmnorsuxyz0123456789"


def background(scenes: Sequence[Pixels], size: int, rng: Rng) -> Pixels:
    """A square (size, size, 3) made from pieces of scenes, from shapes or from noise."""
    maker = _MAKERS[int(rng.integers(len(_MAKERS)))]
    return maker(scenes, size, rng)


def _tiles(scenes: Sequence[Pixels], size: int, rng: Rng) -> Pixels:
    """One piece again and again, every second one mirrored: patterns are symmetric, as faces are."""
    count = int(rng.integers(2, 7))
    side = -(-size // count)
    tile = augmentation.random_patch(scenes, (side, side), rng)
    pair = np.hstack([tile, tile[:, ::-1]])
    return np.ascontiguousarray(np.tile(pair, (count, -(-count // 2), 1))[:size, :size])


def _collage(scenes: Sequence[Pixels], size: int, rng: Rng) -> Pixels:
    half = size // 2
    pieces = [augmentation.random_patch(scenes, (half, half), rng) for _ in range(4)]
    picture = np.vstack([np.hstack(pieces[:2]), np.hstack(pieces[2:])])
    return np.asarray(cv2.resize(picture, (size, size)), np.uint8)


def _turned(scenes: Sequence[Pixels], size: int, rng: Rng) -> Pixels:
    patch = augmentation.random_patch(scenes, (size, size), rng)
    return np.ascontiguousarray(np.rot90(patch, int(rng.integers(1, 4))))


def _noise(_scenes: Sequence[Pixels], size: int, rng: Rng) -> Pixels:
    """Noise in colour, from fine grain to clouds."""
    cells = int(rng.integers(3, size))
    grain = rng.normal(rng.uniform(60, 190), rng.uniform(10, 70), (cells, cells, 3))
    smooth = cv2.resize(np.clip(grain, 0, 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.uint8)


def _shapes(_scenes: Sequence[Pixels], size: int, rng: Rng) -> Pixels:
    """Discs, bars and letters on a plain ground: signs, buttons, sockets, print."""
    picture = np.ascontiguousarray(augmentation.random_patch([], (size, size), rng))
    for _ in range(int(rng.integers(3, 14))):
        x, y = (int(value) for value in rng.uniform(0, size, 2))
        reach = int(rng.uniform(0.03, 0.3) * size)
        colour = tuple(float(value) for value in rng.uniform(0, 255, 3))
        kind = rng.integers(4)
        if kind == 0:
            cv2.circle(picture, (x, y), reach, colour, int(rng.choice([-1, 2, 4])), cv2.LINE_AA)
        elif kind == 1:
            cv2.ellipse(picture, ((x, y), (reach, 1.5 * reach), float(rng.normal(0, 30))), colour, -1, cv2.LINE_AA)
        elif kind == 2:
            cv2.rectangle(picture, (x, y), (x + reach, y + reach // 2), colour, -1)
        else:
            text = "".join(_LETTERS[int(index)] for index in rng.integers(len(_LETTERS), size=6))
            cv2.putText(picture, text, (x - reach, y), int(rng.integers(4)), reach / 30, colour, 2, cv2.LINE_AA)
    return picture


_MAKERS: tuple[Callable[[Sequence[Pixels], int, Rng], Pixels], ...] = (_tiles, _collage, _turned, _noise, _shapes)
