"""All that the web tier may call to have a photo analysed.

The backend may run the models in this process or reach them elsewhere; it is built once a
process, when it is first needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from inference.contracts import FaceAnalysis, ModelVersions


class Backend(Protocol):
    """What runs the models.

    Its class is called with `limits` and `threads`; one whose `loads_weights` is true also with
    `weights_dir`, and it is replaced when other weights are released.
    """

    def analyze(self, photo: bytes, *, keep_photo: bool = False) -> FaceAnalysis:
        """Analyse one photo.

        keep_photo: also return the photo as a JPEG without metadata (FaceAnalysis.photo).
        Raises an InferenceError where there is no analysis to give.
        """

    def warm_up(self) -> None:
        """Load everything and run once, so that the first photo waits for nothing."""

    def versions(self) -> ModelVersions: ...


class _LazyBackend:
    """A backend that is built at most once, however many threads ask for it first."""

    def __init__(self, build: Callable[[], Backend]) -> None:
        self._build = build
        self._backend: Backend | None = None
        self._lock = threading.Lock()
        self.is_warm = False

    def get(self) -> Backend:
        if self._backend is None:
            with self._lock:
                if self._backend is None:
                    self._backend = self._build()
        return self._backend


def _unconfigured() -> Backend:
    raise RuntimeError("inference.client.configure() was not called")


_backend = _LazyBackend(_unconfigured)


def configure(build: Callable[[], Backend]) -> None:
    """Say how the backend is built."""
    global _backend  # noqa: PLW0603
    _backend = _LazyBackend(build)


def analyze(photo: bytes, *, keep_photo: bool = False) -> FaceAnalysis:
    """Analyse one photo; see Backend.analyze."""
    return _backend.get().analyze(photo, keep_photo=keep_photo)


def warm_up() -> None:
    """Build the backend and run it once; is_ready() is true from then on."""
    backend = _backend
    backend.get().warm_up()
    backend.is_warm = True


def is_ready() -> bool:
    return _backend.is_warm


def versions() -> ModelVersions:
    """The released models in use."""
    return _backend.get().versions()
