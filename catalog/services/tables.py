"""Tables that people export from spreadsheets: any of their encodings, any of their separators."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from catalog.errors import InvalidTable

# UTF-8 with or without a byte order mark, and what Korean Windows writes.
_ENCODINGS = ("utf-8-sig", "cp949")
_SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class TableRow:
    """number: the one a spreadsheet shows, so the first row below the header is 2. values: by column, stripped."""

    number: int
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """columns: in lower case."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    encoding: str


@dataclass(frozen=True, slots=True)
class OpenTable:
    """columns: as the header has them, stripped. rows: the cells of each row that has any, with its number."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]
    encoding: str


def table_open(content: bytes) -> OpenTable:
    """A table row by row. Raises InvalidTable, also while rows are read. Formulas are plain text here."""
    encoding, text = _decoded(content)
    header = text[: text.find("\n")] if "\n" in text else text
    separator = max(_SEPARATORS, key=header.count)
    rows = _rows(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    _number, first = next(rows, (1, []))
    return OpenTable(tuple(column.strip() for column in first), rows, encoding)


def table_read(content: bytes, *, needed: Iterable[str]) -> Table:
    """Raises InvalidTable, saying what is wrong with the table as a whole. Formulas are plain text here."""
    table = table_open(content)
    columns = tuple(column.lower() for column in table.columns)
    missing = [column for column in needed if column not in columns]
    if missing:
        raise InvalidTable(
            _("The table lacks these columns: %(missing)s. It has: %(columns)s.")
            % {"missing": ", ".join(missing), "columns": ", ".join(columns)[:200] or "–"}
        )
    rows = [
        TableRow(number, dict.fromkeys(columns, "") | dict(zip(columns, map(str.strip, row), strict=False)))
        for number, row in table.rows
    ]
    return Table(columns=columns, rows=tuple(rows), encoding=table.encoding)


def _rows(reader: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    try:
        for number, row in enumerate(reader, start=1):
            # The first one is the header, even an empty one.
            if number == 1 or any(map(str.strip, row)):
                yield number, row
    except csv.Error as error:
        raise InvalidTable(_("The table is not valid CSV: %(reason)s") % {"reason": error}) from error


class _Echo:
    """What csv.writer writes into, to get the line back."""

    def write(self, line: str) -> str:
        return line


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A table for spreadsheets, line by line: the mark tells them that it is UTF-8, and no text is a formula."""
    writer = csv.writer(_Echo())
    yield "\ufeff"
    for row in rows:
        yield writer.writerow([neutral_cell(value) if isinstance(value, str) else value for value in row])


def neutral_cell(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _decoded(content: bytes) -> tuple[str, str]:
    if b"\0" in content:
        raise InvalidTable(_("The table is not a text file. Save it as CSV in UTF-8."))
    for encoding in _ENCODINGS:
        try:
            return encoding, content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidTable(_("The table's encoding is neither UTF-8 nor CP949. Save it as CSV in UTF-8."))
