"""Where the time of an analysis goes, and how near the engine comes to what decoding and its nets take alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice

import cv2
import numpy as np
import torch

from inference.contracts import PhotoLimits
from inference.decoding import DecodedPhoto, decode
from inference.engine import LARGEST_BATCH, Engine
from inference.gate import AlignedFace
from inference.preprocessing import crop_matrix, letterbox, warp

# A face's crop is cut out by the detector's points, by the verifier's, and by the verifier's second thought.
_CROPS = 3
# Batches one after the other, where the next one may be under way.
_IN_A_ROW = 8


@dataclass(frozen=True, slots=True)
class Stage:
    """Milliseconds a photo; share of the time from its bytes to its answer."""

    name: str
    batch: int
    median: float
    p95: float
    share: float


@dataclass(frozen=True, slots=True)
class Report:
    """stages: in the order a photo passes through them, then the whole, then the limit.

    photos_per_second: of the engine, which decodes the next batch meanwhile.
    of_limit: decoding and the nets alone, as a share of the whole.
    loaded_of_nets: on a GPU, photos a second that are decoded and there already, as a share of what the nets alone do;
    None for batches that the engine splits.
    """

    stages: list[Stage]
    photos_per_second: float
    of_limit: float
    loaded_of_nets: float | None


def measure(engine: Engine, photos: Sequence[bytes], *, limits: PhotoLimits, batch: int, rounds: int) -> Report:
    """Time each stage on batches of different photos. Every photo must show one face.

    The stages take turns, so that a slow spell of the machine hits all alike. A first round of each batch warms up.
    """
    batches = [
        Batch.of(engine, list(islice(cycle(photos), start, start + batch)), limits) for start in _starts(photos, batch)
    ]
    times = _in_turns(
        {
            "decode": lambda own: [decode(photo, limits) for photo in own.photos],
            "resize": lambda own: own.resize(),
            "gate, with its resizing": lambda own: engine.gate.find_faces(own.decoded),
            "parts and types": lambda own: engine.rate(own.faces),
            "all after decoding": lambda own: engine.analyze(own.decoded),
            "decoder alone": lambda own: own.decode_barely(),
            "nets alone": lambda own: engine.forward(own.squares, own.crops),
        },
        batches,
        rounds,
    )
    times["whole"] = [sum(both) for both in zip(times["decode"], times["all after decoding"], strict=True)]
    times["limit"] = [sum(both) for both in zip(times["decoder alone"], times["nets alone"], strict=True)]
    whole = float(np.median(times["whole"]))
    stages = [
        Stage(name, batch, float(np.median(own)), float(np.percentile(own, 95)), float(np.median(own)) / whole)
        for name, own in times.items()
    ]
    return Report(
        stages,
        throughput(engine, photos, limits=limits, batch=batch, count=batch * rounds),
        _share(times),
        # A processor makes the views with OpenCV, which torch would take many times as long for.
        loaded_of_nets(engine, batches, rounds) if batches[0].squares.is_cuda and batch <= LARGEST_BATCH else None,
    )


def throughput(engine: Engine, photos: Sequence[bytes], *, limits: PhotoLimits, batch: int, count: int) -> float:
    """Photos a second over `count` photos, from their bytes: the next batch is decoded while one is analysed."""
    upcoming = islice(cycle(photos), count + batch)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:

        def begin() -> list[Callable[[], DecodedPhoto]]:
            return [pool.submit(decode, photo, limits).result for photo in islice(upcoming, batch)]

        # The first batch warms up.
        engine.analyze([photo() for photo in begin()])
        loading, started = begin(), time.perf_counter()
        while loading:
            decoded = [photo() for photo in loading]
            loading = begin()
            engine.analyze(decoded)
        return count / (time.perf_counter() - started)


def loaded_of_nets(engine: Engine, batches: Sequence[Batch], rounds: int) -> float:
    """Photos a second from decoded photos on the device to their answers, by the nets' own photos a second.

    Both work through the same batches, a few at a time, since a GPU's next batch is under way while one is judged, and
    take turns. The first turn warms up.
    """
    loaded = [engine.load(batch.decoded) for batch in batches]
    ratios = []
    for _ in range(max(rounds // _IN_A_ROW, 1) + 1):
        started = time.perf_counter()
        for _answers in engine.stream(islice(cycle(loaded), _IN_A_ROW)):
            pass
        between = time.perf_counter()
        for batch in islice(cycle(batches), _IN_A_ROW):
            engine.forward(batch.squares, batch.crops)
        _wait(batches[0].squares.device)
        ratios.append((time.perf_counter() - between) / (between - started))
    return float(np.median(ratios[1:]))


@dataclass(frozen=True, slots=True)
class Batch:
    """What each stage takes in."""

    photos: list[bytes]
    decoded: list[DecodedPhoto]
    faces: list[AlignedFace]
    squares: torch.Tensor
    crops: torch.Tensor

    @classmethod
    def of(cls, engine: Engine, photos: list[bytes], limits: PhotoLimits) -> Batch:
        decoded = [decode(photo, limits) for photo in photos]
        faces = []
        for face in engine.gate.find_faces(decoded):
            if not isinstance(face, AlignedFace):
                raise face
            faces.append(face)
        squares = engine.tensor([letterbox(one.pixels)[0] for one in decoded])
        return cls(photos, decoded, faces, squares, engine.tensor([face.crop for face in faces]))

    def resize(self) -> None:
        for photo, face in zip(self.decoded, self.faces, strict=True):
            letterbox(photo.pixels)
            for _ in range(_CROPS):
                warp(photo.pixels, crop_matrix(face.points))

    def decode_barely(self) -> None:
        for photo, decoded in zip(self.photos, self.decoded, strict=True):
            reduction = round(decoded.scale)
            flag = cv2.IMREAD_COLOR if reduction == 1 else getattr(cv2, f"IMREAD_REDUCED_COLOR_{reduction}")
            cv2.imdecode(np.frombuffer(photo, np.uint8), flag)


def _starts(photos: Sequence[bytes], batch: int) -> range:
    """Where batches begin, so that all photos are in one."""
    return range(0, max(len(photos), 1), batch)


def _in_turns(
    stages: Mapping[str, Callable[[Batch], object]], batches: Sequence[Batch], rounds: int
) -> dict[str, list[float]]:
    """Milliseconds a photo of each stage, by round, without a first one of each batch."""
    times: dict[str, list[float]] = {name: [] for name in stages}
    for number, batch in enumerate(islice(cycle(batches), len(batches) + rounds)):
        for name, work in stages.items():
            started = time.perf_counter()
            work(batch)
            _wait(batch.squares.device)
            if number >= len(batches):
                times[name].append((time.perf_counter() - started) * 1000 / len(batch.photos))
    return times


def _wait(device: torch.device) -> None:
    """A GPU works on after it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _share(times: Mapping[str, Sequence[float]]) -> float:
    """Of the limit in the whole: the median over rounds, in each of which both met the same machine."""
    return float(np.median(np.divide(times["limit"], times["whole"])))
