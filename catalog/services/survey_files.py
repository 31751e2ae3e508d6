"""Ratings in files that other tools write: long, one row an answer, or wide, one row a rater."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from catalog.errors import InvalidTable, TableTooLarge
from catalog.models.labels import PART_CHOICES
from catalog.models.survey import IMAGE_KEY_LENGTH, RATER_KEY_LENGTH, AgeBand, Scale, Sex
from catalog.ratings import PARTS
from catalog.services.tables import OpenTable, table_open

MAX_BYTES = 100 * 1024 * 1024
_MAX_ROUND = 100
# What Google Forms makes of a grid's question and row, and other tools of an image and a part: "A [B]".
_BRACKETED = re.compile(r"^(?P<outer>.*?)\s*\[(?P<inner>[^\[\]]+)\]$", re.DOTALL)
_NUMBER = re.compile(r"^[+-]?[0-9]{1,10}(\.[0-9]{0,20})?$")
_AGE_RANGE = re.compile(r"^(?P<from>[0-9]{1,3})\s*(?:[-–~]\s*[0-9]{1,3}|\+|세 이상| ?and older)$")
_OLDEST = 130
_SEXES = {
    Sex.FEMALE: ("female", "f", "woman", "w", "여", "여자", "여성"),
    Sex.MALE: ("male", "m", "man", "남", "남자", "남성"),
    Sex.OTHER: ("other", "diverse", "기타"),
}
_NAMES_SHOWN = 5


class Layout(StrEnum):
    """LONG: one row an answer. WIDE: one row a rater, one column an image, or a part of an image."""

    LONG = "long"
    WIDE = "wide"


class Field(StrEnum):
    """What a column can hold. ROUND: 0 for a first answer, 1 for a repeat."""

    RATER = "rater"
    IMAGE = "image"
    VALUE = "value"
    PART = "part"
    ROUND = "round"
    SEX = "sex"
    AGE = "age"


NEEDED = {Layout.LONG: (Field.IMAGE, Field.VALUE), Layout.WIDE: ()}
ALLOWED = {Layout.LONG: tuple(Field), Layout.WIDE: (Field.RATER, Field.SEX, Field.AGE)}


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a file's columns are read, and what is imported of it.

    columns: by what they hold. where: only rows with these values in these columns. part: what all answers are about
    where no column or heading says so. ignored: columns of a wide file that are about no image.
    add_images: also take images that the survey does not have yet. skip_bad_rows: import the rest.
    """

    layout: Layout = Layout.LONG
    columns: Mapping[Field, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    part: str = ""
    ignored: Sequence[str] = ()
    add_images: bool = False
    skip_bad_rows: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "layout": self.layout.value,
            "columns": {held.value: column for held, column in self.columns.items()},
            "where": dict(self.where),
            "part": self.part,
            "ignored": list(self.ignored),
            "add_images": self.add_images,
            "skip_bad_rows": self.skip_bad_rows,
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(
            layout=Layout(values["layout"]),
            columns={Field(held): column for held, column in values["columns"].items()},
            where=values["where"],
            part=values["part"],
            ignored=tuple(values["ignored"]),
            add_images=values["add_images"],
            skip_bad_rows=values["skip_bad_rows"],
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one row, or one of its answers, cannot be imported. row: as a spreadsheet numbers it; 1 is the header."""

    row: int
    message: str


@dataclass(slots=True)
class FileRater:
    """Someone who rated, by the name that the file has. is_identified: see Rater."""

    name: str
    is_identified: bool = True
    age_band: str = ""
    sex: str = ""


@dataclass(slots=True)
class RatingFile:
    """What a file says. The lists of an answer's row, image, rater, part, round and value are of one length.

    images, raters: in the order they first appear; `image` and `rater` refer to them by position.
    filtered: rows that `where` leaves out. blank: questions without an answer. notes: what was left empty, and why.
    """

    encoding: str
    rows: int = 0
    filtered: int = 0
    blank: int = 0
    images: list[str] = field(default_factory=list)
    raters: list[FileRater] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    image: list[int] = field(default_factory=list)
    rater: list[int] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    round: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def columns_of(content: bytes) -> tuple[str, ...]:
    """A file's header. Raises InvalidTable and TableTooLarge."""
    return _opened(content).columns


def rating_file_read(
    content: bytes, *, options: ImportOptions, scale: Scale, parts: Sequence[str], type_names: Mapping[str, int]
) -> RatingFile:
    """Read all answers; what is wrong with single ones is among its problems.

    scale, parts: the survey's. type_names: face types by their names, which a survey of types may use for 1 to 5.
    Raises InvalidTable and TableTooLarge where the file as a whole cannot be read.
    """
    table = _opened(content)
    _require_columns(table, options)
    return _Reader(table, options, scale, parts, type_names).read()


def _opened(content: bytes) -> OpenTable:
    if len(content) > MAX_BYTES:
        raise TableTooLarge(
            _("The table is larger than %(limit)d MB. Import it in several files.") % {"limit": MAX_BYTES // 2**20}
        )
    return table_open(content)


def _require_columns(table: OpenTable, options: ImportOptions) -> None:
    lacking = [held for held in NEEDED[options.layout] if not options.columns.get(held)]
    if lacking:
        raise InvalidTable(_("Say which columns hold these: %(fields)s.") % {"fields": ", ".join(lacking)})
    senseless = [held for held in options.columns if held not in ALLOWED[options.layout]]
    if senseless:
        raise InvalidTable(
            _("A table with one row a rater has no single column for these: %(fields)s.")
            % {"fields": ", ".join(senseless)}
        )
    wanted = [*options.columns.values(), *options.where, *options.ignored]
    missing = sorted({column for column in wanted if column not in table.columns})
    if missing:
        raise InvalidTable(
            _("The table lacks these columns: %(missing)s. It has: %(columns)s.")
            % {"missing": ", ".join(missing), "columns": ", ".join(table.columns)[:200] or "–"}
        )
    twice = sorted({column for column in wanted if table.columns.count(column) > 1})
    if twice:
        raise InvalidTable(
            _("The table has more than one column of this name: %(names)s.") % {"names": ", ".join(twice)}
        )


def _part_names() -> dict[str, int]:
    """How files may call a part, in any language of the product."""
    names = {_folded(part): index for index, part in enumerate(PARTS)}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            names |= {_folded(str(label)): PARTS.index(part) for part, label in PART_CHOICES}
    return names


def _folded(text: str) -> str:
    return " ".join(text.replace("_", " ").split()).casefold()


class _Reader:
    def __init__(
        self,
        table: OpenTable,
        options: ImportOptions,
        scale: Scale,
        parts: Sequence[str],
        type_names: Mapping[str, int],
    ) -> None:
        self._table = table
        self._options = options
        self._scale = scale
        self._asked = {PARTS.index(part) for part in parts}
        self._part_names = _part_names()
        self._type_names = type_names if scale is Scale.TYPES else {}
        self._values: dict[str, float | str] = {}
        self._unread: Counter[tuple[str, str]] = Counter()
        self._file = RatingFile(encoding=table.encoding)
        self._image_places: dict[str, int] = {}
        self._rater_places: dict[str, int] = {}
        self._default_part = self._given_part(parts)

    def read(self) -> RatingFile:
        read_row = self._long_row() if self._options.layout is Layout.LONG else self._wide_row()
        width = len(self._table.columns)
        places = [(self._table.columns.index(column), text) for column, text in self._options.where.items()]
        for number, cells in self._table.rows:
            self._file.rows += 1
            if len(cells) != width:
                self._problem(
                    number,
                    _("The row has %(found)d cells, the header %(expected)d.")
                    % {"found": len(cells), "expected": width},
                )
            elif any(cells[place].strip() != text for place, text in places):
                self._file.filtered += 1
            else:
                read_row(number, cells)
        self._file.notes += [
            _("“%(text)s” in “%(column)s” was not understood and is left empty (%(count)d times).")
            % {"text": text, "column": column, "count": count}
            for (column, text), count in self._unread.most_common(_NAMES_SHOWN)
        ]
        return self._file

    def _given_part(self, parts: Sequence[str]) -> int | None:
        if self._options.part:
            part = self._part_names.get(_folded(self._options.part))
            if part not in self._asked:
                raise InvalidTable(_("The survey does not ask about “%(part)s”.") % {"part": self._options.part})
            return part
        return PARTS.index(parts[0]) if len(parts) == 1 else None

    def _place(self, held: Field) -> int | None:
        column = self._options.columns.get(held)
        return self._table.columns.index(column) if column else None

    def _long_row(self) -> Callable[[int, list[str]], None]:
        image_place, value_place = self._place(Field.IMAGE), self._place(Field.VALUE)
        part_place, round_place = self._place(Field.PART), self._place(Field.ROUND)
        if part_place is None and self._default_part is None:
            raise InvalidTable(_("The survey asks about several parts. Say which one the answers are about."))
        assert image_place is not None and value_place is not None  # noqa: PT018, S101 - checked with the columns
        rater_of = self._rater_of_row() if Field.RATER in self._options.columns else None
        turns: Counter[tuple[int, int, int]] = Counter()

        def read(number: int, cells: list[str]) -> None:
            value = self._value(number, cells[value_place], self._table.columns[value_place])
            if value is None:
                return
            image = self._image(number, cells[image_place].strip())
            part = self._default_part if part_place is None else self._part(number, cells[part_place])
            round_ = 0 if round_place is None else self._round(number, cells[round_place])
            if image is None or part is None or round_ is None:
                return
            if rater_of is not None:
                rater = rater_of(number, cells)
            else:
                # Nobody says who rated; whoever gave an image's n-th answer is taken for the n-th rater.
                turns[image, part, round_] += 1
                rater = self._rater(f"unidentified {turns[image, part, round_]:06}", is_identified=False)
            if rater is not None:
                self._answer(number, image, rater, part, round_, value)

        return read

    def _wide_row(self) -> Callable[[int, list[str]], None]:
        questions = list(self._questions())
        rater_of = self._rater_of_row()

        def read(number: int, cells: list[str]) -> None:
            rater = rater_of(number, cells)
            if rater is None:
                return
            for place, image, part in questions:
                value = self._value(number, cells[place], self._table.columns[place])
                if value is not None:
                    self._answer(number, image, rater, part, 0, value)

        return read

    def _questions(self) -> Iterator[tuple[int, int, int]]:
        """Place of the column, image and part, for each column that is about an image."""
        taken = {*self._options.columns.values(), *self._options.where, *self._options.ignored}
        seen: set[tuple[int, int]] = set()
        for place, column in enumerate(self._table.columns):
            if not column or column in taken:
                continue
            name, part = self._heading(column)
            if part is None:
                raise InvalidTable(
                    _("Which part of the face is the column “%(column)s” about? Write it as “image [part]”.")
                    % {"column": column[:100]}
                )
            if part not in self._asked:
                raise InvalidTable(_("The survey does not ask about “%(part)s”.") % {"part": column[:100]})
            image = self._image(1, name)
            if image is None:
                continue
            if (image, part) in seen:
                raise InvalidTable(
                    _("The table has more than one column of this name: %(names)s.") % {"names": column[:100]}
                )
            seen.add((image, part))
            yield place, image, part
        if not seen:
            raise InvalidTable(_("No column of the table is about an image."))

    def _heading(self, column: str) -> tuple[str, int | None]:
        """Image and part of "image", "image [part]" or "question [image]"; the question may name a part too."""
        match = _BRACKETED.match(column)
        if match is None:
            return column, self._default_part
        outer, inner = match["outer"], match["inner"].strip()
        part = self._part_names.get(_folded(inner))
        if part is not None and outer:
            return outer, part
        named = [index for name, index in self._part_names.items() if name in _folded(outer)]
        return inner, named[0] if len(set(named)) == 1 else self._default_part

    def _rater_of_row(self) -> Callable[[int, list[str]], int | None]:
        rater_place, sex_place, age_place = (self._place(held) for held in (Field.RATER, Field.SEX, Field.AGE))

        def rater_of(number: int, cells: list[str]) -> int | None:
            name = f"row {number}" if rater_place is None else cells[rater_place].strip()
            place = self._rater_places.get(name)
            if place is not None:
                return place
            if not 0 < len(name) <= RATER_KEY_LENGTH:
                self._problem(number, _("The row does not say who rated, or with too long a name."))
                return None
            place = self._rater(name)
            # What a rater's first row says of the rater.
            if sex_place is not None:
                self._file.raters[place].sex = self._sex(cells[sex_place].strip(), self._table.columns[sex_place])
            if age_place is not None:
                self._file.raters[place].age_band = self._age(cells[age_place].strip(), self._table.columns[age_place])
            return place

        return rater_of

    def _rater(self, name: str, *, is_identified: bool = True) -> int:
        place = self._rater_places.get(name)
        if place is None:
            place = self._rater_places[name] = len(self._file.raters)
            self._file.raters.append(FileRater(name, is_identified))
        return place

    def _image(self, number: int, name: str) -> int | None:
        place = self._image_places.get(name)
        if place is None:
            if not 0 < len(name) <= IMAGE_KEY_LENGTH:
                self._problem(number, _("The row does not say which image was rated, or with too long a name."))
                return None
            place = self._image_places[name] = len(self._file.images)
            self._file.images.append(name)
        return place

    def _part(self, number: int, text: str) -> int | None:
        part = self._part_names.get(_folded(text))
        if part in self._asked:
            return part
        self._problem(number, _("The survey does not ask about “%(part)s”.") % {"part": text[:100]})
        return None

    def _round(self, number: int, text: str) -> int | None:
        if text.strip().isdecimal() and int(text) <= _MAX_ROUND:
            return int(text)
        self._problem(number, _("“%(text)s” is no round: 0 is a first answer, 1 its repeat.") % {"text": text[:100]})
        return None

    def _value(self, number: int, text: str, column: str) -> float | None:
        """The rating; None where there is none, or none that the survey's scale has."""
        # Few different answers make up a survey.
        value = self._values.get(text)
        if value is None:
            value = self._values[text] = self._number(text.strip())
        if isinstance(value, float):
            return value
        if value:
            self._problem(number, _("%(reason)s (column “%(column)s”)") % {"reason": value, "column": column[:100]})
        else:
            self._file.blank += 1
        return None

    def _number(self, text: str) -> float | str:
        """The rating, or what is wrong with it; nothing where it is empty."""
        if not text:
            return ""
        value: float | None = self._type_names.get(text.casefold())
        if value is None:
            # float() also reads "1_000", "infinity" and digits of other scripts.
            if not _NUMBER.match(text):
                return _("“%(text)s” is no number.") % {"text": text[:100]}
            value = float(text)
        if not self._scale.allows(value):
            return _("%(value)s is not on the survey's scale, which is: %(scale)s.") % {
                "value": text[:100],
                "scale": self._scale.label,
            }
        return float(value)

    def _sex(self, text: str, column: str) -> str:
        for sex, names in _SEXES.items():
            if text.casefold() in names:
                return sex.value
        if text:
            self._unread[column, text[:50]] += 1
        return ""

    def _age(self, text: str, column: str) -> str:
        """A band of an age in years, or of the band itself, such as 25-34 or 55+."""
        if _NUMBER.match(text) and 0 < float(text) < _OLDEST:
            return AgeBand.of_years(float(text)).value
        if match := _AGE_RANGE.match(text):
            return AgeBand.of_years(float(match["from"])).value
        if text:
            self._unread[column, text[:50]] += 1
        return ""

    def _answer(self, number: int, image: int, rater: int, part: int, round_: int, value: float) -> None:
        file = self._file
        file.row.append(number)
        file.image.append(image)
        file.rater.append(rater)
        file.part.append(part)
        file.round.append(round_)
        file.value.append(value)

    def _problem(self, number: int, message: str) -> None:
        self._file.problems.append(Problem(number, message))
