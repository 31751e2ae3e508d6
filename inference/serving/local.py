"""The models in the web server's own process: one engine, one photo at a time."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import cv2
import torch

from inference.contracts import FaceAnalysis, InferenceError, ModelVersions, PhotoLimits
from inference.decoding import decode, encode_jpeg
from inference.engine import Engine


class LocalBackend:
    """Decodes in the calling threads, then takes turns on the engine.

    Two photos at once would only share the same cores; waiting in turn answers the first one sooner.
    """

    loads_weights: ClassVar[bool] = True

    def __init__(self, *, limits: PhotoLimits, threads: int, weights_dir: Path | None = None) -> None:
        # The nets use `threads`; OpenCV's small resizes lose more to hand-over than they gain.
        torch.set_num_threads(threads)
        cv2.setNumThreads(1)
        self._limits = limits
        self._engine = Engine(limits, weights_dir)
        self._turn = threading.Lock()
        self._decoding = threading.BoundedSemaphore(threads)

    def analyze(self, photo: bytes, *, keep_photo: bool = False) -> FaceAnalysis:
        # No more at a time than there are cores: a large PNG takes hundreds of megabytes for a moment.
        with self._decoding:
            decoded = decode(photo, self._limits)
        with self._turn:
            (answer,) = self._engine.analyze([decoded])
        if isinstance(answer, InferenceError):
            raise answer
        return replace(answer, photo=encode_jpeg(decoded)) if keep_photo else answer

    def warm_up(self) -> None:
        with self._turn:
            self._engine.warm_up()

    def versions(self) -> ModelVersions:
        return self._engine.versions
