"""The models in processes of their own, beside the web server's.

Of one process Python runs one thread at a time: models that share theirs with threads that answer requests wait for
their turn hundreds of times a batch. Here they wait for nobody, every photo of a server stands in one line, and a
decoder or a net that crashes or hangs takes its own process with it alone. What goes there is a photo's bytes, what
comes back its analysis; this process needs no torch.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import structlog

from inference.batching import Batcher
from inference.client import BackendOptions, is_awaited
from inference.contracts import FaceAnalysis, InvalidImage, ModelVersions
from inference.serving.processes import end, start
from inference.weights import PACKAGED_WEIGHTS, ModelFiles, read_models

if TYPE_CHECKING:
    from inference.serving.analyzer import Analyzer

logger = structlog.get_logger(__name__)

# Seconds in which any batch is done; an engine that takes longer hangs.
HUNG_AFTER = 60.0
_STARTED_AFTER = 300.0

Answer = FaceAnalysis | Exception


@dataclass(frozen=True, slots=True)
class Photo:
    """keep: also return the photo as a JPEG without metadata."""

    content: bytes
    keep: bool


class EnginesBackend:
    """One line of photos, and some processes with an engine each, which take what is next when they are free."""

    loads_weights: ClassVar[bool] = True

    def __init__(self, options: BackendOptions, weights_dir: Path | None = None) -> None:
        files = read_models(weights_dir or PACKAGED_WEIGHTS)
        engines = [EngineProcess(options, files) for _ in range(options.processes)]
        # They load side by side.
        self._versions, *_ = [engine.wait_until_ready() for engine in engines]
        self._batcher: Batcher[Photo, FaceAnalysis] = Batcher(
            *(engine.analyze for engine in engines),
            max_batch=options.max_batch,
            max_waiting=options.max_waiting,
            max_wait=options.max_wait,
        )
        # Its threads end with the backend: once another release has taken over and the last photo is answered. Their
        # engines end with them.
        weakref.finalize(self, self._batcher.close)

    def analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
        with self._batcher.admit(deadline, is_awaited()) as place:
            try:
                return place.ask(Photo(photo, keep_photo))
            except MemoryError as error:
                raise self._batcher.busy() from error

    def warm_up(self) -> None:
        """An engine is warm before it is ready."""

    def versions(self) -> ModelVersions:
        return self._versions


class EngineLost(Exception):
    """The process died or hung with several photos in hand; each is to be tried alone."""


class EngineProcess:
    """An engine in a process of its own, started again whenever it dies or hangs. For one thread at a time.

    files: of every model, by name.
    """

    def __init__(self, options: BackendOptions, files: ModelFiles) -> None:
        self._start = partial(_Child, options, files)
        self._child = self._start()

    def wait_until_ready(self) -> ModelVersions:
        """Raises what loading the models raised, and RuntimeError where the process died of it."""
        try:
            return self._child.versions
        except (EOFError, OSError) as error:
            raise RuntimeError("An engine's process died while it loaded the models.") from error

    def analyze(self, photos: Sequence[Photo]) -> list[Answer]:
        """An analysis or an error for each photo.

        Raises EngineLost where the process is lost over several. A photo over which it is lost twice, alone, cannot
        be decoded.
        """
        for _ in range(2):
            try:
                return self._child.analyze(photos)
            except (EOFError, OSError) as error:
                logger.exception("engine_lost", photos=len(photos), reason=repr(error))
                self._child.end()
                self._child = self._start()
                if len(photos) > 1:
                    raise EngineLost from error
        return [InvalidImage("an engine died of the photo twice")]


class _Child:
    """One process, for as long as it lives. Raises EOFError and OSError, such as TimeoutError, once it does not."""

    def __init__(self, options: BackendOptions, files: ModelFiles) -> None:
        process, self._connection = start(_work, options, files)
        self.end = weakref.finalize(self, end, process, self._connection)

    @cached_property
    def versions(self) -> ModelVersions:
        """Once it is ready. Raises what loading the models raised."""
        message = self._receive(_STARTED_AFTER)
        if isinstance(message, Exception):
            raise message
        return cast("ModelVersions", message)

    def analyze(self, photos: Sequence[Photo]) -> list[Answer]:
        _ = self.versions
        self._connection.send(photos)
        message = self._receive(HUNG_AFTER)
        if isinstance(message, Exception):
            raise message
        return cast("list[Answer]", message)

    def _receive(self, seconds: float) -> object:
        if not self._connection.poll(seconds):
            raise TimeoutError(f"it said nothing for {seconds:.0f} s")
        return self._connection.recv()


def _work(connection: Connection, options: BackendOptions, files: ModelFiles) -> None:
    """The process: analyse what comes, until the other end closes, as it also does when the parent is killed."""
    try:
        from inference.serving.analyzer import Analyzer  # noqa: PLC0415 - torch, which only this process needs

        analyzer = Analyzer(options, files)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
        connection.send(error)
        return
    try:
        connection.send(analyzer.versions)
        while True:
            connection.send(_answers(analyzer, connection.recv()))
    except (EOFError, OSError):
        return


def _answers(analyzer: Analyzer, photos: Sequence[Photo]) -> list[Answer] | Exception:
    try:
        return analyzer.analyze(photos)
    except MemoryError as error:
        return error
    except Exception as error:  # noqa: BLE001 - it is raised where the photos came from
        # Not every exception can go through a pipe.
        return RuntimeError(f"{type(error).__name__}: {error}")
