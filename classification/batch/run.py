"""Classify every photo of a source that has no row yet."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from classification.batch.outputs import Output
from classification.batch.results import PhotoResult, text_of
from classification.batch.sources import Source
from inference.bulk import BulkEngine, BulkJob, Crashed
from inference.contracts import InferenceError
from inference.scoring import ScoringPolicy

# Names that are looked up at once.
_LOOK_UP = 500
# Rows that are written at once, and at most lost when the process is killed.
_WRITE = 16
Failure = InferenceError | OSError


class Listener(Protocol):
    """Is told what happens, photo by photo."""

    def known(self, count: int) -> None:
        """So many photos have their row already, or were listed before."""

    def done(self, source: str, failure: Failure | None) -> None:
        """A photo has its type; or what it failed with."""


@dataclass
class Report:
    """How many photos came to what. unread: by code; they have no row, and the next run tries them again."""

    known: int = 0
    classified: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        return self.classified + self.refused.total() + self.unread.total()


def photos_classify(
    *,
    source: Source,
    output: Output,
    engine: BulkEngine,
    job: BulkJob,
    policy: ScoringPolicy,
    workers: int | None,
    listener: Listener,
) -> Report:
    """Raises UnusableSource and EngineUnavailable; rows that are written by then stay."""
    report = Report()
    versions = job.versions
    waiting: set[str] = set()
    names = _unknown(source, output, waiting, report, listener)
    rows: list[PhotoResult] = []
    try:
        with closing(engine.analyze_photos(names, job, workers)) as answers:
            for name, answer in answers:
                photo = text_of(name)
                if isinstance(answer, OSError | Crashed):
                    report.unread[unread_code(answer)] += 1
                    waiting.discard(photo)
                else:
                    rows.append(PhotoResult.of(photo, answer, policy, versions))
                    _count(report, rows[-1])
                listener.done(photo, answer if isinstance(answer, InferenceError | OSError) else None)
                if len(rows) >= _WRITE:
                    _write(output, rows, waiting)
    finally:
        # Also what was answered before an interruption.
        _write(output, rows, waiting)
    output.finish(is_complete=not report.unread)
    return report


def unread_code(failure: Failure) -> str:
    """The stable code of a photo that got no row."""
    if isinstance(failure, InferenceError):
        return failure.code
    return "not_found" if isinstance(failure, FileNotFoundError) else "storage_unavailable"


def _unknown(source: Source, output: Output, waiting: set[str], report: Report, listener: Listener) -> Iterator[str]:
    """Names without a row, each once; a manifest may repeat some.

    waiting: names that are at work, which this adds to.
    """
    listed = source.names()
    while names := list(itertools.islice(listed, _LOOK_UP)):
        by_photo = {text_of(name): name for name in names}
        done = output.known(by_photo) | (waiting & by_photo.keys())
        new = [photo for photo in by_photo if photo not in done]
        waiting.update(new)
        report.known += len(names) - len(new)
        listener.known(len(names) - len(new))
        yield from (by_photo[photo] for photo in new)


def _count(report: Report, row: PhotoResult) -> None:
    if row.refusal:
        report.refused[row.refusal] += 1
    else:
        report.classified += 1


def _write(output: Output, rows: list[PhotoResult], waiting: set[str]) -> None:
    if rows:
        output.add(rows)
        waiting.difference_update(row.source for row in rows)
        rows.clear()
