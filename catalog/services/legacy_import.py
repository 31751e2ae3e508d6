"""Bring over what the source system kept in its database; see TABLES for what is read.

What comes over:
- male_tbl: the types' Korean descriptions, where nobody has changed the one that this catalogue began with.
- img_tbl: the pictures, with their types and dates, unpublished and for review. The source recorded neither whose
  they are nor what allows to show them; a curator adds that.
- user_tbl: how many photos came to which type on which day, and nothing else. The source recorded nobody's consent,
  and kept people's photos, birth dates and MBTI without end. Nobody could be given the token that erases a result
  here, and results here end after some days; so nobody's photo, birth date or MBTI is even read.

It can be repeated: what came over before is known by its content, and counts of a day are set, not added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, Protocol

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from catalog.defaults import TYPE_TEXTS
from catalog.errors import CatalogError
from catalog.models import CelebrityImage, FaceType
from catalog.models.labels import LabelSource
from catalog.services import legacy
from catalog.services.images import image_add
from catalog.services.labels import part_labels_set_types
from inference.contracts import FacePart

# Table -> the columns that are read; further ones do not matter.
TABLES: dict[str, tuple[str, ...]] = {
    # cft_result: a type's code, or "null". created_at: a date.
    "user_tbl": ("id", "cft_result", "created_at"),
    # male_id: a type's id, 1 to 5. male_type: its code. dsc_text: its description, points marked with "·".
    "male_tbl": ("male_id", "male_type", "dsc_text"),
    # male_id: a type's id. url: the picture in base64. created_at: a date.
    "img_tbl": ("id", "male_id", "url", "created_at"),
}
# Pictures are large: so many rows are in memory at once.
_IMAGES_AT_ONCE = 20
_USERS_AT_ONCE = 5000


class UnknownSchema(Exception):
    """The database lacks tables or columns of the source system; the message names them."""


class CountSetter(Protocol):
    """What keeps the counts: of one day and one type's code."""

    def __call__(self, *, day: date, outcome: str, count: int) -> bool:
        """Returns whether that changed anything."""


class Progress(Protocol):
    def __call__(self, table: str, done: int, total: int) -> None: ...


@dataclass(slots=True)
class ImportReport:
    """What came over and what did not. skipped: (row, reason). noted: the same, of rows that did come over."""

    images: int = 0
    texts: int = 0
    days: int = 0
    present: int = 0
    users: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    noted: list[tuple[str, str]] = field(default_factory=list)


def legacy_import(
    *, connection: BaseDatabaseWrapper, set_count: CountSetter, progress: Progress = lambda *_: None
) -> ImportReport:
    """Read the source system's database over `connection`, which is only read. Raises UnknownSchema before anything
    is written, and CatalogError where the storage fails; what came over until then stays, and is not repeated."""
    _check_schema(connection)
    types = {face_type.pk: face_type for face_type in FaceType.objects.all()}
    report = ImportReport()
    _import_texts(connection, types, report)
    _import_images(connection, types, report, progress)
    _import_counts(connection, types, report, set_count, progress)
    return report


def _check_schema(connection: BaseDatabaseWrapper) -> None:
    missing: list[str] = []
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for table, columns in TABLES.items():
            if table not in tables:
                missing.append(table)
                continue
            found = {column.name for column in connection.introspection.get_table_description(cursor, table)}
            missing += [f"{table}.{column}" for column in columns if column not in found]
    if missing:
        raise UnknownSchema(
            _("This is not the source system's database: it has no %(missing)s.") % {"missing": ", ".join(missing)}
        )


def _rows(connection: BaseDatabaseWrapper, table: str, at_once: int) -> Iterator[tuple[Any, ...]]:
    """All rows by their first column, the key, read piece by piece whatever the database."""
    key, *_rest = columns = TABLES[table]
    quote = connection.ops.quote_name
    # Dates as text: some drivers refuse a whole row for a date that is none.
    names = ", ".join(f"CAST({quote(name)} AS CHAR(30))" if name == "created_at" else quote(name) for name in columns)
    # The names are ours, from TABLES.
    select = f"SELECT {names} FROM {quote(table)}"  # noqa: S608
    order = f" ORDER BY {quote(key)} LIMIT {at_once}"
    last: Any = None
    while True:
        with connection.cursor() as cursor:
            if last is None:
                cursor.execute(select + order)
            else:
                cursor.execute(f"{select} WHERE {quote(key)} > %s{order}", [last])
            rows = cursor.fetchall()
        yield from rows
        if len(rows) < at_once:
            return
        last = rows[-1][0]


def _total(connection: BaseDatabaseWrapper, table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608 - from TABLES
        return int(cursor.fetchone()[0])


def _import_texts(connection: BaseDatabaseWrapper, types: dict[int, FaceType], report: ImportReport) -> None:
    defaults: dict[str, str] = {text.code: "\n".join(text.sentences_ko) for text in TYPE_TEXTS}
    for male_id, male_type, text in _rows(connection, "male_tbl", _IMAGES_AT_ONCE):
        row = f"male_tbl {male_id}"
        face_type = types.get(male_id)
        if face_type is None or str(male_type).strip().lower() != face_type.code:
            report.skipped.append((row, _("unknown type")))
        elif face_type.description_ko == legacy.sentences_of(str(text)):
            report.present += 1
        elif face_type.description_ko != defaults[face_type.code]:
            report.skipped.append((row, _("the description was edited here")))
        else:
            try:
                legacy.face_type_describe(face_type=face_type, text=str(text))
                report.texts += 1
            except CatalogError as error:
                report.skipped.append((row, str(error)))


def _import_images(
    connection: BaseDatabaseWrapper, types: dict[int, FaceType], report: ImportReport, progress: Progress
) -> None:
    total = _total(connection, "img_tbl")
    for done, (key, male_id, url, created_at) in enumerate(_rows(connection, "img_tbl", _IMAGES_AT_ONCE), start=1):
        row = f"img_tbl {key}"
        progress("img_tbl", done, total)
        face_type = types.get(male_id)
        if face_type is None:
            report.skipped.append((row, _("unknown type")))
            continue
        day = _day(created_at)
        try:
            _import_image(row, legacy.bytes_of(str(url or "")), face_type, day)
            report.images += 1
            if day is None:
                report.noted.append((row, _("the date was not understood and left out")))
        except CatalogError as error:
            if error.code == "duplicate_image":
                report.present += 1
                report.noted.append((row, str(error)))
            elif error.status >= 500:
                raise
            else:
                report.skipped.append((row, str(error)))


@transaction.atomic
def _import_image(row: str, content: bytes, face_type: FaceType, day: date | None) -> None:
    image = image_add(
        celebrity=legacy.unknown_person(), content=content, face_type=face_type, source=f"Source system, {row}"
    )
    part_labels_set_types(changes={(image.pk, FacePart.WHOLE_FACE.value): face_type}, source=LabelSource.LEGACY)
    if day:
        # auto_now_add would have it today.
        created_at = datetime.combine(day, time.min, UTC)
        CelebrityImage.objects.filter(pk=image.pk).update(created_at=created_at)


def _import_counts(
    connection: BaseDatabaseWrapper,
    types: dict[int, FaceType],
    report: ImportReport,
    set_count: CountSetter,
    progress: Progress,
) -> None:
    codes = {face_type.code for face_type in types.values()}
    total = _total(connection, "user_tbl")
    counts: Counter[tuple[date, str]] = Counter()
    for done, (key, result, created_at) in enumerate(_rows(connection, "user_tbl", _USERS_AT_ONCE), start=1):
        progress("user_tbl", done, total)
        code, day = str(result).strip().lower(), _day(created_at)
        if code not in codes:
            report.skipped.append((f"user_tbl {key}", _("unknown type")))
        elif day is None:
            report.skipped.append((f"user_tbl {key}", _("the date was not understood")))
        else:
            counts[day, code] += 1
            report.users += 1
    with transaction.atomic():
        for (day, code), count in sorted(counts.items()):
            report.days += set_count(day=day, outcome=code, count=count)


def _day(value: object) -> date | None:
    """The date that a column's text begins with. None where there is none, or it lies in the future."""
    text = str(value).strip()[:10]
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day <= datetime.now(UTC).date() else None
