"""Where a batch's rows go: a file beside a journal, or the database. Either knows what is done already."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from catalog.models import FaceType
from classification.batch.journal import Journal
from classification.batch.results import PhotoResult
from classification.batch.tables import table_write
from classification.models import BatchResult

_FIELDS = [field.name for field in BatchResult._meta.concrete_fields]  # noqa: SLF001 - public by custom


class Output(Protocol):
    def known(self, sources: Collection[str]) -> set[str]:
        """Those of the sources that have their row."""

    def add(self, results: Sequence[PhotoResult]) -> None: ...

    def finish(self, *, is_complete: bool) -> None:
        """Nothing more comes. is_complete: no photo is left without a row."""

    def close(self) -> None:
        """After finish(), or where the batch was interrupted."""


class FileOutput:
    """A table, and until it is complete a journal beside it, from which the next run goes on."""

    def __init__(self, path: Path, *, source: str, made_with: str) -> None:
        """path: ends in .csv or .parquet. Raises UnusableJournal."""
        self._path = path
        self._journal = Journal(journal_of(path), source=source, made_with=made_with)

    def known(self, sources: Collection[str]) -> set[str]:
        return self._journal.known(sources)

    def add(self, results: Sequence[PhotoResult]) -> None:
        self._journal.add(results)

    def finish(self, *, is_complete: bool) -> None:
        table_write(self._path, self._journal.results())
        if is_complete:
            self._journal.remove()

    def close(self) -> None:
        self._journal.close()


class DatabaseOutput:
    """A row of BatchResult for each photo: the latest answer about it."""

    def __init__(self, *, made_with: str) -> None:
        self._made_with = made_with
        self._types = {face_type.code: face_type for face_type in FaceType.objects.all()}

    def known(self, sources: Collection[str]) -> set[str]:
        by_key = {_key(source): source for source in sources}
        done = BatchResult.objects.filter(key__in=by_key, made_with=self._made_with).values_list("key", flat=True)
        return {by_key[key] for key in done}

    def add(self, results: Sequence[PhotoResult]) -> None:
        BatchResult.objects.bulk_create(
            [self._row(result) for result in results],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=[name for name in _FIELDS if name not in ("id", "key")],
        )

    def finish(self, *, is_complete: bool) -> None:
        """Every row is there already."""

    def close(self) -> None:
        """Django keeps the connection."""

    def _row(self, result: PhotoResult) -> BatchResult:
        return BatchResult(
            key=_key(result.source),
            source=result.source,
            type=self._types[result.type] if result.type else None,
            score=result.score,
            confidence=result.confidence,
            borderline_with=self._types[result.borderline_with] if result.borderline_with else None,
            parts=result.parts,
            refusal=result.refusal,
            photo_width=result.photo_width,
            photo_height=result.photo_height,
            gate_version=result.models["gate"],
            parts_version=result.models["parts"],
            types_version=result.models["types"],
            made_with=self._made_with,
        )


def journal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.journal")


def _key(source: str) -> str:
    # A path can be longer than what an index holds.
    return hashlib.sha256(source.encode()).hexdigest()
