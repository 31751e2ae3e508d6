"""Where the time of one analysis goes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
import torch

from inference.contracts import InferenceError, InvalidImage, PhotoLimits
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine
from inference.gate import AlignedFace
from inference.preprocessing import crop_matrix, warp

_WARM_UP_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Stage:
    """Times in milliseconds a photo; share of the median of decoding and analysing it."""

    name: str
    median: float
    p95: float
    share: float


def time_stages(
    photo: bytes, *, limits: PhotoLimits, threads: int, megapixels: float | None, batch: int, rounds: int
) -> list[Stage]:
    """Time decoding, each stage of the engine and the whole, in turns, so that a slow spell hits all alike."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    if megapixels is not None:
        photo = _scaled(photo, megapixels)
    engine = Engine(limits)
    decoded = [decode(photo, limits)] * batch
    face = engine.gate.find_faces(decoded[:1])[0]
    if not isinstance(face, AlignedFace):
        raise face
    pixels = [one.pixels for one in decoded]
    crops = [warp(one.pixels, crop_matrix(face.points)) for one in decoded]
    stages: dict[str, Callable[[], object]] = {
        "decode": lambda: [decode(photo, limits) for _ in range(batch)],
        "gate: detect": lambda: engine.gate.detect(pixels),
        "gate: verify": lambda: engine.gate.verify(crops),
        "parts and types": lambda: engine.rate([face] * batch),
        "analyze less decoding": lambda: _analyze(engine, decoded),
    }
    times: dict[str, list[float]] = {name: [] for name in stages}
    for number in range(_WARM_UP_ROUNDS + rounds):
        for name, work in stages.items():
            start = time.perf_counter()
            work()
            if number >= _WARM_UP_ROUNDS:
                times[name].append((time.perf_counter() - start) * 1000 / batch)
    times["whole"] = [
        decoding + analysing
        for decoding, analysing in zip(times["decode"], times["analyze less decoding"], strict=True)
    ]
    whole = float(np.median(times["whole"]))
    return [
        Stage(name, float(np.median(own)), float(np.percentile(own, 95)), float(np.median(own)) / whole)
        for name, own in times.items()
    ]


def _analyze(engine: Engine, decoded: list[DecodedPhoto]) -> None:
    for answer in engine.analyze(decoded):
        if isinstance(answer, InferenceError):
            raise answer


def _scaled(photo: bytes, megapixels: float) -> bytes:
    image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InvalidImage("the photo cannot be decoded")
    scale = sqrt(megapixels * 1e6 / (image.shape[0] * image.shape[1]))
    resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", resized, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
