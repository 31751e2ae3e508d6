"""The catalogue's format, as `manage.py export_labels` writes it: `labels.csv` and the pictures it names."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from inference.contracts import Box, FacePart, FaceType
from inference.dataset.base import DataError, ImageFile, Lines, RatedFaces, read_number, read_rows
from inference.preprocessing import Floats
from inference.survey_rule import SURVEY_SHARES

EXPORT_TABLE = "labels.csv"
_COLUMNS = (
    *("file", "identity", "rating"),
    *(f"{part}_box" for part in FacePart),
    *(f"{part}_type" for part in FacePart),
)
# Where part boxes begin above the brows, as a share of the face's height from brows to chin; nets.parts.part_boxes.
_ABOVE_BROWS = 0.08
_BETTER = np.cumsum([0.0, *SURVEY_SHARES[:-1]])
# What the middle one of a type's faces would be rated, if ratings were ranks from 0 to 100.
_RATING_OF = dict(zip(FaceType, 100 * (1 - (_BETTER + np.array(SURVEY_SHARES) / 2) / sum(SURVEY_SHARES)), strict=True))


class CatalogueExport:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._table = folder / EXPORT_TABLE

    @staticmethod
    def fits(folder: Path) -> bool:
        if not (folder / EXPORT_TABLE).is_file():
            return False
        with (folder / EXPORT_TABLE).open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            return "whole_face_box" in next(csv.reader(stream), ())

    def faces(self) -> list[ImageFile]:
        files = []
        for row in self._rows():
            path = self._folder / row["file"]
            if not path.resolve().is_relative_to(self._folder.resolve()) or not path.is_file():
                raise DataError(f"{_where(row)}: there is no such file in {self._folder}")
            files.append(ImageFile(path, row["file"], row["identity"] or row["file"]))
        return sorted(files, key=lambda file: file.name)

    def lines(self) -> dict[str, Lines]:
        """Of rows with a box of the whole face and of its upper part, from which all lines follow."""
        found = {}
        for row in self._rows():
            whole, upper = _box(row, FacePart.WHOLE_FACE), _box(row, FacePart.UPPER_FACE)
            if whole is None or upper is None:
                continue
            brows = (upper.y0 + _ABOVE_BROWS * whole.y1) / (1 + _ABOVE_BROWS)
            if not brows < upper.y1 < whole.y1:
                raise DataError(f"{_where(row)}: the upper face does not end within the whole one")
            found[row["file"]] = Lines(whole.x0, whole.x1, brows, upper.y1, whole.y1)
        return found

    def points(self) -> dict[str, Floats]:
        return {}

    def attributes(self) -> tuple[tuple[str, ...], dict[str, tuple[float, ...]]]:
        return (), {}

    def rated(self) -> RatedFaces:
        """Rows with a rating, or else with types, which stand for the rating of the middle one of their faces.

        All of them count as men, of whom the catalogue is made.
        """
        ratings = {row["file"]: rating for row in self._rows() if (rating := _part_ratings(row)) is not None}
        if not ratings:
            raise DataError(f"{EXPORT_TABLE} has neither ratings nor types")
        by_part = np.stack(list(ratings.values()))
        rating = by_part.mean(axis=1)
        return RatedFaces(tuple(ratings), rating[:, None], np.ones(len(ratings), np.bool_), rating, by_part)

    @property
    def line_tables(self) -> list[Path]:
        return [self._table]

    @property
    def point_tables(self) -> list[Path]:
        return []

    @property
    def rating_tables(self) -> list[Path]:
        return [self._table]

    def _rows(self) -> list[dict[str, str]]:
        return read_rows(self._table, _COLUMNS)


def _where(row: dict[str, str]) -> str:
    return f"{EXPORT_TABLE}, {row['file']}"


def _box(row: dict[str, str], part: FacePart) -> Box | None:
    column = f"{part}_box"
    if not row[column]:
        return None
    try:
        box = Box(*(float(value) for value in row[column].split()))
    except (TypeError, ValueError) as error:
        raise DataError(f"{_where(row)}: {column} is {row[column]!r}, expected four numbers") from error
    if not (box.x0 < box.x1 and box.y0 < box.y1):
        raise DataError(f"{_where(row)}: {column} is {row[column]!r}, expected x0 < x1 and y0 < y1")
    return box


def _part_ratings(row: dict[str, str]) -> Floats | None:
    """(3,), or None where the row has neither a rating nor a type. A part without a type is rated as the others are."""
    if row["rating"]:
        rating = read_number(row, "rating", _where(row))
        if not 0 <= rating <= 100:
            raise DataError(f"{_where(row)}: rating is {row['rating']}, expected 0 to 100")
        return np.full(len(FacePart), rating)
    values = np.full(len(FacePart), np.nan)
    for index, part in enumerate(FacePart):
        if name := row[f"{part}_type"]:
            if name not in set(FaceType):
                raise DataError(f"{_where(row)}: {part}_type is {name!r}, expected one of {', '.join(FaceType)}")
            values[index] = _RATING_OF[FaceType(name)]
    if np.isnan(values).all():
        return None
    return np.where(np.isnan(values), np.nanmean(values), values)
