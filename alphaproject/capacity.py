"""How much a server takes on at once: for the settings, and for gunicorn, whose main process knows no settings."""

from __future__ import annotations

from dataclasses import dataclass

import environs

from alphaproject.cores import usable_cores

# Each takes the memory of a whole set of models.
_USUAL_ENGINES = 4
# One decodes, with half of the cores, while the other one's photos are on the GPU.
_USUAL_ENGINES_ON_A_GPU = 2
_OTHER_THREADS = 16


@dataclass(frozen=True, slots=True)
class Capacity:
    """What web processes, of which there are so many, take on.

    cores: each one's share of the machine's. device: where the nets run, as torch names it. engines: processes with the
    models, of each. batch: photos that an engine analyses at once. queue: photos that may wait in a web process for
    their turn.
    """

    processes: int
    cores: int
    device: str
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
    device = env.str("INFERENCE_DEVICE", "cpu", validate=environs.validate.Regexp(r"^(cpu|cuda(:\d+)?)$"))
    usual = _USUAL_ENGINES if device == "cpu" else _USUAL_ENGINES_ON_A_GPU
    return Capacity(
        processes=processes,
        cores=cores,
        device=device,
        engines=env.int("INFERENCE_PROCESSES", min(cores, usual), validate=few),
        batch=env.int("INFERENCE_BATCH", 8, validate=few),
        queue=env.int("INFERENCE_QUEUE", 64, validate=environs.validate.Range(1, 100_000)),
    )
