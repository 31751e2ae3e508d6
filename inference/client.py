"""All that the web tier may call to have a photo analysed.

The backend is a class named by a dotted path; it may run the models in this process or reach
them elsewhere. It is built once a process, by `configure`.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any, Protocol

from inference.contracts import FaceAnalysis, ModelVersions


class Backend(Protocol):
    """What runs the models."""

    def analyze(self, photo: bytes, *, keep_photo: bool = False) -> FaceAnalysis:
        """Analyse one photo.

        keep_photo: also return the photo as a JPEG without metadata (FaceAnalysis.photo).
        Raises an InferenceError where there is no analysis to give.
        """

    def warm_up(self) -> None:
        """Load everything and run once, so that the first photo waits for nothing."""

    def versions(self) -> ModelVersions: ...


class _Client:
    """The process's one backend, built when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: str | None = None
        self._options: dict[str, Any] = {}
        self._backend: Backend | None = None
        self.is_ready = False

    def configure(self, path: str, **options: Any) -> None:
        with self._lock:
            self._path, self._options = path, options
            self._backend = None
            self.is_ready = False

    def backend(self) -> Backend:
        if self._backend is None:
            with self._lock:
                if self._backend is None:
                    self._backend = self._build()
        return self._backend

    def _build(self) -> Backend:
        if self._path is None:
            raise RuntimeError("inference.client.configure() was not called")
        module, _, name = self._path.rpartition(".")
        backend: Backend = getattr(import_module(module), name)(**self._options)
        return backend

    def warm_up(self) -> None:
        self.backend().warm_up()
        self.is_ready = True


_client = _Client()


def configure(path: str, **options: Any) -> None:
    """Name the backend's class and its keyword arguments; it is built on first use."""
    _client.configure(path, **options)


def analyze(photo: bytes, *, keep_photo: bool = False) -> FaceAnalysis:
    """Analyse one photo; see Backend.analyze."""
    return _client.backend().analyze(photo, keep_photo=keep_photo)


def warm_up() -> None:
    """Build the backend and run it once; is_ready() is true from then on."""
    _client.warm_up()


def is_ready() -> bool:
    return _client.is_ready


def versions() -> ModelVersions:
    """The released models in use."""
    return _client.backend().versions()
