"""What an engine's process does: photos' bytes in, analyses out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import torch

from inference import telemetry
from inference.client import BackendOptions
from inference.contracts import FaceAnalysis, InferenceError, PhotoLimits
from inference.decoding import DecodedPhoto, decode, encode_jpeg
from inference.engine import Engine
from inference.serving.engines import Answer, Photo
from inference.weights import ModelFiles, unpacked


class Analyzer:
    """An engine, and threads that decode for it. files: of every model, by name."""

    def __init__(self, options: BackendOptions, files: ModelFiles) -> None:
        torch.set_num_threads(options.threads)
        # The nets use all threads; OpenCV's small resizes lose more to hand-over than they gain.
        cv2.setNumThreads(1)
        with unpacked(files) as folder:
            self._engine = Engine(options.limits, folder, options.device)
        # A large PNG takes hundreds of megabytes for a moment: no more of them at a time than there are cores.
        decoders = ThreadPoolExecutor(options.threads, "decoding")
        # With one thread for everything, handing over to another would only cost.
        self._map = map if options.threads == 1 else decoders.map
        self._decode = partial(_decode, limits=options.limits)
        self._warm_up(options.max_batch)
        self.versions = self._engine.versions

    def analyze(self, photos: Sequence[Photo]) -> list[Answer]:
        """An analysis or an error for each photo.

        Raises what the engine raises, and SystemExit where the GPU failed: nothing works there for a process that met
        such an error, and another one may start afresh.
        """
        decoded = list(self._map(self._decode, [photo.content for photo in photos]))
        readable = [each for each in decoded if isinstance(each, DecodedPhoto)]
        try:
            analysed = iter(self._engine.analyze(readable) if readable else [])
        except torch.AcceleratorError as error:
            raise SystemExit(f"the GPU failed: {error}") from error
        return [
            _with_photo(next(analysed), each, photo) if isinstance(each, DecodedPhoto) else each
            for photo, each in zip(photos, decoded, strict=True)
        ]

    def _warm_up(self, batch: int) -> None:
        """Run everything once, the decoder too, which loads its parts when it first needs them."""
        decode(encode_jpeg(DecodedPhoto(np.zeros((8, 8, 3), np.uint8), 8, 8)))
        self._engine.warm_up(batch)


def _decode(photo: bytes, limits: PhotoLimits) -> DecodedPhoto | InferenceError | MemoryError:
    try:
        with telemetry.DECODE_SECONDS.time():
            return decode(photo, limits)
    except (InferenceError, MemoryError) as error:
        return error


def _with_photo(answer: FaceAnalysis | InferenceError, decoded: DecodedPhoto, photo: Photo) -> Answer:
    return replace(answer, photo=encode_jpeg(decoded)) if photo.keep and isinstance(answer, FaceAnalysis) else answer
