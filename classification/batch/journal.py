"""The rows of a batch that is under way: what is in it survives kill -9, and is never done again.

An SQLite file, whatever database the product uses: it repairs itself after a crash, finds a million names by
their index, and is locked while somebody works on it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from classification.batch.results import PhotoResult

_SCHEMA = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS batch (source TEXT NOT NULL, made_with TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS result (number INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE, result TEXT NOT NULL);
BEGIN IMMEDIATE; COMMIT;
"""


class UnusableJournal(Exception):
    """The journal is somebody else's, of another batch, or no journal."""


class Journal:
    """Opens a batch's journal, or begins it.

    source: what the batch is about. made_with: the fingerprint of models and policy. Raises UnusableJournal.
    """

    def __init__(self, path: Path, *, source: str, made_with: str) -> None:
        self._path = path
        try:
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None)
            self._database.executescript(_SCHEMA)
            begun = self._database.execute("SELECT source, made_with FROM batch").fetchone()
            if begun is None:
                self._database.execute("INSERT INTO batch VALUES (?, ?)", (source, made_with))
        except sqlite3.OperationalError as error:
            raise UnusableJournal(f"{path} cannot be used; another run may be at work on it: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise UnusableJournal(f"{path} is not the journal of a batch.") from error
        if begun not in (None, (source, made_with)):
            self.close()
            raise UnusableJournal(
                f"{path} was begun with another source, other models or another scoring policy ({begun[0]}). "
                "Remove it to start over."
            )

    def known(self, sources: Collection[str]) -> set[str]:
        """Those of the sources that have their row."""
        marks = ", ".join("?" * len(sources))
        found = self._database.execute(f"SELECT source FROM result WHERE source IN ({marks})", [*sources])  # noqa: S608
        return {source for (source,) in found}

    def add(self, results: Iterable[PhotoResult]) -> None:
        """All of them or, where the process dies meanwhile, none."""
        rows = [(result.source, result.to_json()) for result in results]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR IGNORE INTO result (source, result) VALUES (?, ?)", rows)
        self._database.execute("COMMIT")

    def results(self) -> Iterator[PhotoResult]:
        """In the order in which they came."""
        for (text,) in self._database.execute("SELECT result FROM result ORDER BY number"):
            yield PhotoResult.from_json(text)

    def close(self) -> None:
        self._database.close()

    def remove(self) -> None:
        self.close()
        self._path.unlink()
