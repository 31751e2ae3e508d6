"""Stands in for the processes with the models: reads each photo for real, and finds a beta face in it."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from inference.bulk import Answer, BulkJob
from inference.contracts import InferenceError
from tests.fakes import FakeBackend

# The names that were asked about, in their order.
asked: list[str] = []


def analyze_photos(names: Iterable[str], job: BulkJob, workers: int | None) -> Generator[tuple[str, Answer]]:
    backend = FakeBackend()
    for name in names:
        asked.append(name)
        try:
            yield name, backend.analyze(job.read(name))
        except (InferenceError, OSError) as error:
            yield name, error
