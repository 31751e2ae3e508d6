"""The format of the sample data: `faces/<set>/*.jpg`, and tables beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.contracts import FacePart
from inference.dataset.base import DataError, ImageFile, Lines, RatedFaces, image_paths, read_number, read_rows
from inference.preprocessing import Floats

# People who stand under more than one file name; `manage.py group_people` writes it.
PEOPLE = Path(__file__).parents[1] / "people.csv"
RATED_ATTRIBUTE = "attractive"
_MAN_ABOVE = 55
_ADULT_FROM = 18


class SetFolders:
    """`parts.csv` (file, identity, xl, xr, yb, yn, yc in pixels) and `survey/omi_means.csv` may be there or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts = folder / "parts.csv"
        self._survey = folder / "survey" / "omi_means.csv"

    @staticmethod
    def fits(folder: Path) -> bool:
        return (folder / "faces").is_dir()

    def faces(self) -> list[ImageFile]:
        known = read_rows(PEOPLE)
        if self._parts.exists():
            known += read_rows(self._parts, ("file", "identity"))
        identities = {row["file"]: row["identity"] for row in known}
        return [
            ImageFile(path, name, identities.get(name, name))
            for path in image_paths(self._folder / "faces")
            for name in [path.relative_to(self._folder).as_posix()]
        ]

    def lines(self) -> dict[str, Lines]:
        if not self._parts.exists():
            return {}
        return {
            row["file"]: Lines(*(read_number(row, name, f"parts.csv, {row['file']}") for name in Lines._fields))
            for row in read_rows(self._parts, ("file", *Lines._fields))
            if row["xl"]
        }

    def points(self) -> dict[str, Floats]:
        return {}

    def attributes(self) -> tuple[tuple[str, ...], dict[str, tuple[float, ...]]]:
        if not self._survey.exists():
            return (), {}
        rows = read_rows(self._survey, ("stimulus", RATED_ATTRIBUTE, "gender", "age"))
        names = tuple(name for name in rows[0] if name != "stimulus") if rows else ()
        return names, {
            f"faces/omi/{row['stimulus']}.jpg": tuple(
                read_number(row, name, f"omi_means.csv, {row['stimulus']}") for name in names
            )
            for row in rows
        }

    def rated(self) -> RatedFaces:
        columns, means = self.attributes()
        if not means:
            raise DataError(f"{self._folder} has no ratings: survey/omi_means.csv is missing or empty")
        values = np.array(list(means.values()))
        rating = values[:, columns.index(RATED_ATTRIBUTE)]
        is_man = (values[:, columns.index("gender")] > _MAN_ABOVE) & (values[:, columns.index("age")] >= _ADULT_FROM)
        # The survey asked about the whole face only.
        return RatedFaces(tuple(means), values, is_man, rating, np.repeat(rating[:, None], len(FacePart), axis=1))

    @property
    def line_tables(self) -> list[Path]:
        return [self._parts]

    @property
    def point_tables(self) -> list[Path]:
        return []

    @property
    def rating_tables(self) -> list[Path]:
        return [self._survey]
