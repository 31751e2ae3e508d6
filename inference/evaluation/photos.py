"""Photos for an evaluation: changed as people's photos are, and given to the engine in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import cv2
import numpy as np
from tqdm import tqdm

from inference.contracts import FaceAnalysis, InferenceError
from inference.decoding import DecodedPhoto
from inference.engine import Engine
from inference.preprocessing import Pixels

_BATCH = 16
Change = Callable[[Pixels], Pixels]


def analyze(
    engine: Engine, photos: Iterable[DecodedPhoto], title: str, *, total: int
) -> Iterator[FaceAnalysis | InferenceError]:
    """The engine's answer to each photo, in order. No more than a batch of photos is held at a time.

    title, total: of the progress bar.
    """
    upcoming = iter(tqdm(photos, title, total, mininterval=2))
    while batch := list(islice(upcoming, _BATCH)):
        yield from engine.analyze(batch)


def photo_of(pixels: Pixels) -> DecodedPhoto:
    return DecodedPhoto(np.ascontiguousarray(pixels), pixels.shape[1], pixels.shape[0])


def mirrored(pixels: Pixels) -> Pixels:
    return pixels[:, ::-1]


def brightened(factor: float) -> Change:
    """Darkened below 1."""
    return lambda pixels: np.clip(pixels * factor, 0, 255).astype(np.uint8)


def compressed(quality: int) -> Change:
    """Saved as a JPEG of this quality, 0 to 100, and read again."""

    def change(pixels: Pixels) -> Pixels:
        # The codec takes blue first, and treats the channels differently.
        encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), np.uint8)

    return change


def cropped(share: float) -> Change:
    """Without this share of width and height, half of it from either side."""

    def change(pixels: Pixels) -> Pixels:
        rows, columns = (round(side * share / 2) for side in pixels.shape[:2])
        return pixels[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns]

    return change


def resized(scale: float) -> Change:
    return lambda pixels: np.asarray(
        cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )
