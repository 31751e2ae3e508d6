"""How much a server takes on at once: for the settings, and for gunicorn, whose main process knows no settings."""

from __future__ import annotations

from dataclasses import dataclass

import environs

_OTHER_THREADS = 16


@dataclass(frozen=True, slots=True)
class Capacity:
    """processes: web processes. batch, queue: photos that each analyses at once, and that may wait for their turn."""

    processes: int
    batch: int
    queue: int

    @property
    def threads(self) -> int:
        """Of each process: one for each photo that may wait or run, and some for everything else.

        Requests must find the line full, not wait unseen for a thread.
        """
        return self.queue + self.batch + _OTHER_THREADS


def read_capacity(env: environs.Env) -> Capacity:
    """Raises environs.EnvError, which names the variable."""
    return Capacity(
        processes=env.int("WEB_CONCURRENCY", 1, validate=environs.validate.Range(1, 1024)),
        batch=env.int("INFERENCE_BATCH", 8, validate=environs.validate.Range(1, 1024)),
        queue=env.int("INFERENCE_QUEUE", 64, validate=environs.validate.Range(1, 100_000)),
    )
