"""What every format of training data offers, and how its files are split."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.preprocessing import Floats

FOLDS = 5
# This fold is in no training run of a released model; it is what evaluation measures on.
HELD_OUT_FOLD = 0
# Of the others, one identity of so many tells a training run when to stop and where to put a threshold.
_VALIDATION_SHARE = 12
_IMAGES = {".jpg", ".jpeg", ".png"}


class DataError(Exception):
    """A data folder cannot be used as asked; the text says what of it, and where."""


class Subset(StrEnum):
    """What a file may be used for.

    Nets learn from TRAINING. VALIDATION chooses: when to stop, where a threshold lies. Only evaluation
    looks at HELD_OUT.
    """

    TRAINING = "training"
    VALIDATION = "validation"
    HELD_OUT = "held_out"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """name: path relative to the data folder. identity: what the split keeps together."""

    path: Path
    name: str
    identity: str

    @property
    def fold(self) -> int:
        """0 to 4, the same on every machine and whatever other files there are."""
        return int.from_bytes(self._digest[:8], "big") % FOLDS

    @property
    def subset(self) -> Subset:
        """Like the fold, a function of the identity alone."""
        if self.fold == HELD_OUT_FOLD:
            return Subset.HELD_OUT
        is_validation = int.from_bytes(self._digest[8:16], "big") % _VALIDATION_SHARE == 0
        return Subset.VALIDATION if is_validation else Subset.TRAINING

    @property
    def is_held_out(self) -> bool:
        return self.subset is Subset.HELD_OUT

    @property
    def _digest(self) -> bytes:
        return hashlib.sha256(self.identity.encode()).digest()


class Lines(NamedTuple):
    """Left and right edge of the outline, top of the brows, base of the nose, bottom of the chin; in pixels."""

    xl: float
    xr: float
    yb: float
    yn: float
    yc: float


@dataclass(frozen=True, slots=True)
class RatedFaces:
    """A survey's faces. attributes (N, A), 0 to 100; is_man: adult men, whom the types are about.

    rating (N,): of the whole face, 0 to 100. part_ratings (N, 3): one a part, in contracts.FacePart's order; where
    raters were asked about the whole face only, its three are alike.
    """

    names: tuple[str, ...]
    attributes: Floats
    is_man: NDArray[np.bool_]
    rating: Floats
    part_ratings: Floats


class FaceData(Protocol):
    """A folder in one of the formats. What a format does not have is empty, but for ratings.

    Methods raise DataError where a table is not as it should be.
    """

    def __init__(self, folder: Path) -> None: ...

    @staticmethod
    def fits(folder: Path) -> bool:
        """Whether a folder has this format."""

    def faces(self) -> list[ImageFile]:
        """All portraits, in a fixed order."""

    def lines(self) -> dict[str, Lines]:
        """By file name."""

    def points(self) -> dict[str, Floats]:
        """Eyes, nose tip and corners of the mouth (5, 2), the picture's left ones first, in pixels; by file name."""

    def attributes(self) -> tuple[tuple[str, ...], dict[str, tuple[float, ...]]]:
        """Names of what raters were asked, and mean ratings 0 to 100 in that order; by file name."""

    def rated(self) -> RatedFaces:
        """Raises DataError where nobody was rated."""

    @property
    def line_tables(self) -> list[Path]:
        """Files that lines() reads."""

    @property
    def point_tables(self) -> list[Path]:
        """Files that points() reads."""

    @property
    def rating_tables(self) -> list[Path]:
        """Files that rated() reads."""


def image_paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _IMAGES)


def read_rows(path: Path, columns: Iterable[str] = ()) -> list[dict[str, str]]:
    """The rows of a CSV file. Raises DataError where it is missing, is no text or lacks one of the columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} cannot be read as a table: {error}") from error
    if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
        raise DataError(f"{path.name} lacks the columns {', '.join(missing)}")
    return rows


def read_number(row: Mapping[str, str], column: str, where: str) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {column} is {row[column]!r}, expected a number") from error
    if not np.isfinite(value):
        raise DataError(f"{where}: {column} is {row[column]!r}, expected a number")
    return value
