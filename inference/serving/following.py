"""Models in this process that follow the releases: what is activated elsewhere runs here seconds later."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import structlog

from inference.client import Backend
from inference.contracts import FaceAnalysis, ModelVersions
from inference.weights import PACKAGED_WEIGHTS

logger = structlog.get_logger(__name__)

POLL_SECONDS = 3.0
# A release that did not load is tried again: its storage may have been away.
RETRY_SECONDS = 60.0

_MODEL_FILES = {".json", ".safetensors"}

# sha256 of the weights in use, by model name.
ActiveSet = Mapping[str, str]


class Releases(Protocol):
    """Which releases are in use, and what they are made of."""

    def active_hashes(self) -> ActiveSet:
        """Asked every few seconds."""

    def manifest_of(self, sha256: str) -> Mapping[str, Any]: ...

    def weights_of(self, sha256: str) -> bytes:
        """Raises where there are none, or other bytes than were released."""


class FollowingBackend:
    """Answers with the active releases; a model without one runs its packaged weights.

    Newly activated releases are loaded and warmed beside the backend in use, which answers until
    they are ready and finishes the photos it has by then. What does not load changes nothing.

    build: makes a backend from a folder with the files of every model.
    cache: released weights on this machine's disk, named by their hash. It can be emptied at any time.
    after_poll: gives back what a poll leaves with its thread, such as a database connection.
    """

    def __init__(
        self,
        *,
        build: Callable[[Path], Backend],
        releases: Releases,
        cache: Path,
        after_poll: Callable[[], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._build = build
        self._releases = releases
        self._cache = cache
        self._after_poll = after_poll
        self._poll_seconds = poll_seconds
        self._failed: ActiveSet | None = None
        self._retry_at = 0.0
        self._is_followed = False
        self._beginning = threading.Lock()
        self._active, self._backend = self._start()

    def analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
        return self._backend.analyze(photo, keep_photo=keep_photo, deadline=deadline)

    def warm_up(self) -> None:
        """Begin to follow; what is loaded is warm already. Call it after forking, which no thread survives."""
        # Servers with several threads may warm up in each; one follower is enough.
        with self._beginning:
            if self._is_followed:
                return
            self._is_followed = True
        follower = threading.Thread(
            target=_follow, args=(weakref.ref(self), self._poll_seconds), name="releases", daemon=True
        )
        follower.start()

    def versions(self) -> ModelVersions:
        return self._backend.versions()

    def refresh(self) -> None:
        """Switch to the active releases if they are others than before. Raises what asking for them raises."""
        active = self._releases.active_hashes()
        if active == self._active or (active == self._failed and time.monotonic() < self._retry_at):
            return
        try:
            backend = self._load(active)
        except Exception:
            self._failed, self._retry_at = active, time.monotonic() + RETRY_SECONDS
            logger.exception("releases_not_loaded", active=active, in_use=self.versions())
            return
        # One assignment: a photo is analysed by the one or by the other.
        self._backend = backend
        self._active, self._failed = active, None
        logger.info("releases_loaded", in_use=backend.versions())

    def poll(self) -> None:
        """refresh(), in the following thread: it must outlive a database that is away."""
        try:
            self.refresh()
        except Exception as error:
            logger.warning("releases_not_polled", exc_info=error)
        finally:
            # After a failure above all: a broken connection that is kept fails for ever.
            self._after_poll()

    def _start(self) -> tuple[ActiveSet, Backend]:
        try:
            active = self._releases.active_hashes()
            return active, self._load(active)
        except Exception:
            logger.exception("releases_not_loaded", in_use="packaged weights")
            return {}, self._load({})

    def _load(self, active: ActiveSet) -> Backend:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for packaged in PACKAGED_WEIGHTS.iterdir():
                if packaged.suffix in _MODEL_FILES and packaged.stem not in active:
                    (folder / packaged.name).symlink_to(packaged)
            for model, sha256 in active.items():
                (folder / f"{model}.json").write_text(json.dumps(self._releases.manifest_of(sha256)))
                (folder / f"{model}.safetensors").symlink_to(self._fetch(sha256))
            backend = self._build(folder)
        backend.warm_up()
        return backend

    def _fetch(self, sha256: str) -> Path:
        """The path of these weights in the cache, where they are put if need be."""
        path = self._cache / f"{sha256}.safetensors"
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            return path
        content = self._releases.weights_of(sha256)
        self._cache.mkdir(parents=True, exist_ok=True)
        # Other processes fetch the same file at the same time; a rename shows each a whole one.
        with tempfile.TemporaryDirectory(dir=self._cache) as folder:
            whole = Path(folder) / path.name
            whole.write_bytes(content)
            return whole.replace(path)


def _follow(reference: weakref.ref[FollowingBackend], seconds: float) -> None:
    """Poll for as long as somebody uses the backend."""
    while True:
        time.sleep(seconds)
        backend = reference()
        if backend is None:
            return
        backend.poll()
        # While this thread sleeps, it must not be what keeps the backend alive.
        del backend
