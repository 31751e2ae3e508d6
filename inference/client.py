"""All that the web tier may call to have a photo analysed.

The backend may run the models in this process or reach them elsewhere; it is built once a
process, when it is first needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from inference import telemetry
from inference.contracts import FaceAnalysis, InferenceError, ModelVersions, PhotoLimits


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """How a backend serves.

    processes: engines with a process each, where it has such. threads: CPU threads each may use. max_batch: photos
    analysed at once. max_wait: seconds that a photo waits for others to be analysed with. max_waiting: photos that may
    wait for their turn; one more is refused as Busy.
    device: a torch device, for the nets. urls, secret: of the inference tier, where it is a tier of its own.
    """

    limits: PhotoLimits = field(default_factory=PhotoLimits)
    processes: int = 1
    threads: int = 1
    max_batch: int = 8
    max_wait: float = 0.0
    max_waiting: int = 64
    device: str = "cpu"
    urls: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)


class Backend(Protocol):
    """What runs the models.

    Its class is called with BackendOptions; one whose `loads_weights` is true also with
    `weights_dir`, and it is replaced when other weights are released.
    """

    def analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
        """Analyse one photo.

        keep_photo: also return the photo as a JPEG without metadata (FaceAnalysis.photo).
        deadline: of time.monotonic(): nobody waits for the answer after it; None waits as long as it takes.
        Raises an InferenceError where there is no analysis to give: Busy, at once, where too many photos wait
        already, and at the deadline.
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


def analyze(photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
    """Analyse one photo; see Backend.analyze."""
    try:
        analysis = _backend.get().analyze(photo, keep_photo=keep_photo, deadline=deadline)
    except Exception as error:
        telemetry.PHOTOS.labels(error.code if isinstance(error, InferenceError) else "error").inc()
        raise
    telemetry.PHOTOS.labels("analysed").inc()
    return analysis


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


_is_awaited: ContextVar[Callable[[], bool]] = ContextVar("is_awaited", default=lambda: True)


@contextmanager
def awaited_while(is_awaited: Callable[[], bool]) -> Iterator[None]:
    """Say how a backend can tell whether anybody still waits for what is asked for in this context.

    is_awaited: called from any thread.
    """
    token = _is_awaited.set(is_awaited)
    try:
        yield
    finally:
        _is_awaited.reset(token)


def is_awaited() -> Callable[[], bool]:
    """What tells, from any thread, whether anybody still waits for the answer of this context."""
    return _is_awaited.get()
