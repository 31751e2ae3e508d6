"""What keeps calls from waiting for an address that does not answer."""

from __future__ import annotations

import math
import threading
import time

FAILURES = 3
PAUSE_SECONDS = 5.0


class CircuitBreaker:
    """Admits calls until a few, one after the other, have failed; from then on one at every pause, until one succeeds.

    Calls that fail together count as one: the end of one replica is no reason to leave the others alone.
    Calls run outside its lock, which packages at hand hold meanwhile: one call at a time would be no service.
    """

    def __init__(self, failures: int = FAILURES, pause: float = PAUSE_SECONDS) -> None:
        """failures: one after the other, that open it. pause: seconds from one trial to the next."""
        self._limit = failures
        self._pause = pause
        self._failures = 0
        self._failed_at = -math.inf
        self._next_trial = 0.0
        self._lock = threading.Lock()

    def admits(self) -> bool:
        """Whether to call now. The caller then says how it went."""
        with self._lock:
            if self._failures < self._limit:
                return True
            now = time.monotonic()
            if now < self._next_trial:
                return False
            # This caller tries; the others wait for what it finds.
            self._next_trial = now + self._pause
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self, began: float) -> None:
        """began: when the call did, of time.monotonic()."""
        with self._lock:
            if began < self._failed_at:
                return
            self._failed_at = time.monotonic()
            self._failures += 1
            if self._failures >= self._limit:
                self._next_trial = self._failed_at + self._pause
