"""One worker of batch work: an engine, with threads that read and decode ahead of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import cv2
import torch

from inference.bulk import CHUNK, Answer, BulkJob, Crashed
from inference.contracts import FaceAnalysis, InferenceError
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine
from inference.weights import unpacked

# Enough to hide what a bucket takes to answer.
_READERS = 8

Loading = Sequence[Future[DecodedPhoto | InferenceError | OSError]]


class PhotoAnalyzer:
    """Analyses photos by their names. One core's worth of work without a GPU: machines run one for each core.

    device: as torch names it.
    """

    def __init__(self, job: BulkJob, device: str = "cpu") -> None:
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        self._job = job
        with unpacked(job.models) as folder:
            self._engine = Engine(job.limits, folder, device)
        self._engine.warm_up(CHUNK)
        self._readers = ThreadPoolExecutor(_READERS, "reading")
        # Many photos are read at once, one is decoded: a large PNG takes hundreds of megabytes for a moment. A GPU is
        # faster than one core decodes.
        self._decoding = threading.BoundedSemaphore(1 if device == "cpu" else _READERS)

    def begin(self, names: Sequence[str]) -> Loading:
        """Start to read and decode photos; finish() takes what comes of it."""
        return [self._readers.submit(self._load, name) for name in names]

    def finish(self, loading: Loading) -> list[Answer]:
        """An answer for each photo, in their order."""
        loaded = [each.result() for each in loading]
        photos = [each for each in loaded if isinstance(each, DecodedPhoto)]
        analysed = iter(self._analyze(photos) if photos else [])
        return [_without_embedding(next(analysed)) if isinstance(each, DecodedPhoto) else each for each in loaded]

    def _analyze(self, photos: Sequence[DecodedPhoto]) -> list[FaceAnalysis | InferenceError]:
        """One by one where there is no memory for all of them."""
        with suppress(MemoryError):
            return self._engine.analyze(photos)
        if len(photos) == 1:
            return [Crashed("There was no memory for it.")]
        return [answer for photo in photos for answer in self._analyze([photo])]

    def _load(self, name: str) -> DecodedPhoto | InferenceError | OSError:
        try:
            content = self._job.read(name)
            with self._decoding:
                return decode(content, self._job.limits)
        except (InferenceError, OSError) as error:
            return error


def device_of(worker: int) -> str:
    """Workers share the GPUs evenly; without one each takes a core."""
    gpus = torch.cuda.device_count()
    return f"cuda:{worker % gpus}" if gpus else "cpu"


def _without_embedding(answer: FaceAnalysis | InferenceError) -> FaceAnalysis | InferenceError:
    # It says who somebody is, and nobody downstream needs it.
    return replace(answer, embedding=()) if isinstance(answer, FaceAnalysis) else answer
