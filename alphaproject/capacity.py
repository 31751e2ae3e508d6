"""How much a server takes on at once: for the settings, and for gunicorn, whose main process knows no settings."""

from __future__ import annotations

from dataclasses import dataclass

import environs

from alphaproject.cores import usable_cores

# Each takes the memory of a whole set of models.
_USUAL_ENGINES = 4
_OTHER_THREADS = 16


@dataclass(frozen=True, slots=True)
class Capacity:
    """What web processes, of which there are so many, take on.

    cores: each one's share of the machine's. engines: processes with the models, of each. batch: photos that an engine
    analyses at once. queue: photos that may wait in a web process for their turn.
    """

    processes: int
    cores: int
    engines: int
    batch: int
    queue: int

    @property
    def threads(self) -> int:
        """Of each web process: one for each photo that may wait or run, and some for everything else.

        Requests must find the line full, not wait unseen for a thread.
        """
        return self.queue + self.engines * self.batch + _OTHER_THREADS


def read_capacity(env: environs.Env) -> Capacity:
    """Raises environs.EnvError, which names the variable."""
    few = environs.validate.Range(1, 1024)
    processes = env.int("WEB_CONCURRENCY", 1, validate=few)
    cores = max(usable_cores() // processes, 1)
    return Capacity(
        processes=processes,
        cores=cores,
        engines=env.int("INFERENCE_PROCESSES", min(cores, _USUAL_ENGINES), validate=few),
        batch=env.int("INFERENCE_BATCH", 8, validate=few),
        queue=env.int("INFERENCE_QUEUE", 64, validate=environs.validate.Range(1, 100_000)),
    )
