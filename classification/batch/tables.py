"""Results as a CSV or Parquet file, written row by row and whole or not at all."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from catalog.services.tables import csv_lines
from classification.batch.results import COLUMNS, PhotoResult

SUFFIXES = (".csv", ".parquet")
_ROWS_A_GROUP = 10_000


class ParquetUnavailable(Exception):
    """pyarrow is not installed."""


def check_format(path: Path) -> None:
    """Raises ParquetUnavailable, before any work is done."""
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ParquetUnavailable("Parquet needs pyarrow: pip install -r requirements-batch.txt, or write a .csv.")


def table_write(path: Path, results: Iterator[PhotoResult]) -> None:
    """path: of one of SUFFIXES; what was there is replaced at once."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    if path.suffix == ".parquet":
        _write_parquet(unfinished, results)
    else:
        _write_csv(unfinished, results)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


def _write_csv(path: Path, results: Iterator[PhotoResult]) -> None:
    rows = itertools.chain([list(COLUMNS)], (result.cells() for result in results))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines(rows))


def _write_parquet(path: Path, results: Iterator[PhotoResult]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - an extra, which only this format needs
    import pyarrow.parquet as pq  # noqa: PLC0415

    arrow = {str: pa.string(), float: pa.float64(), int: pa.int32()}
    schema = pa.schema([(name, arrow[kind]) for name, kind in COLUMNS.items()])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(itertools.islice(results, _ROWS_A_GROUP)):
            columns = zip(*(result.cells() for result in group), strict=True)
            writer.write_table(pa.table(dict(zip(COLUMNS, map(list, columns), strict=True)), schema=schema))
