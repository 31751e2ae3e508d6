"""The models in the process that asks, as in a replica on Ray: decoded in the calling threads, analysed in batches."""

from __future__ import annotations

import threading
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import torch

from inference import telemetry
from inference.batching import Batcher, Place
from inference.client import BackendOptions, is_awaited
from inference.contracts import FaceAnalysis, ModelVersions
from inference.decoding import DecodedPhoto, decode, encode_jpeg
from inference.engine import Engine


class LocalBackend:
    """One engine, whose batches one thread runs, one after the other.

    Two batches at once would only share the same cores; waiting in turn answers the first one sooner.
    """

    loads_weights: ClassVar[bool] = True

    def __init__(self, options: BackendOptions, weights_dir: Path | None = None) -> None:
        # The nets use all threads; OpenCV's small resizes lose more to hand-over than they gain.
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(1)
        self._limits = options.limits
        self._engine = Engine(options.limits, weights_dir, options.device)
        # A large PNG takes hundreds of megabytes for a moment: no more of them at a time than there are cores.
        self._decoding = threading.BoundedSemaphore(options.threads)
        self._batcher: Batcher[DecodedPhoto, FaceAnalysis] = Batcher(
            self._engine.analyze,
            max_batch=options.max_batch,
            max_waiting=options.max_waiting,
            max_wait=options.max_wait,
            set_up=partial(_set_up, self._engine, options.max_batch),
        )
        # Its thread ends with the backend: once another release has taken over and the last photo is answered.
        weakref.finalize(self, self._batcher.close)

    def analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
        with self._batcher.admit(deadline, is_awaited()) as place:
            try:
                decoded = self._decode(photo, place)
                analysis = place.ask(decoded)
                return replace(analysis, photo=encode_jpeg(decoded)) if keep_photo else analysis
            except MemoryError as error:
                raise self._batcher.busy() from error

    def warm_up(self) -> None:
        self._batcher.wait_until_set_up()

    def versions(self) -> ModelVersions:
        return self._engine.versions

    def _decode(self, photo: bytes, place: Place[DecodedPhoto, FaceAnalysis]) -> DecodedPhoto:
        if not self._decoding.acquire(timeout=place.seconds_left()):
            raise self._batcher.busy()
        try:
            with telemetry.DECODE_SECONDS.time():
                return decode(photo, self._limits)
        finally:
            self._decoding.release()


def _set_up(engine: Engine, batch: int) -> None:
    """Run everything once, the decoder too, which loads its parts when it first needs them."""
    decode(encode_jpeg(DecodedPhoto(np.zeros((8, 8, 3), np.uint8), 8, 8)))
    engine.warm_up(batch)
