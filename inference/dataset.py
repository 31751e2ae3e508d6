"""The training data's folders: which files there are, how they are split, what is known of each.

The layout is that of the data folder's README: `faces/<set>/*.jpg`, `scenes/<set>/*.jpg`, `parts.csv`,
`survey/omi_means.csv`, `teachers/*.onnx`.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.contracts import FacePart
from inference.preprocessing import Floats, Pixels
from inference.survey_rule import SURVEY_SHARES as SURVEY_SHARES  # noqa: PLC0414 - part of this module too
from inference.survey_rule import survey_types as survey_types  # noqa: PLC0414

FOLDS = 5
# This fold is in no training run of a released model; it is what evaluation measures on.
HELD_OUT_FOLD = 0
# Of the others, one identity of so many tells a training run when to stop and where to put a threshold.
_VALIDATION_SHARE = 12
# People who stand under more than one file name; `manage.py group_people` writes it.
PEOPLE = Path(__file__).with_name("people.csv")
LINE_LABELS = "parts.csv"
SURVEY_MEANS = "survey/omi_means.csv"
RATED_ATTRIBUTE = "attractive"


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


def face_files(data: Path) -> list[ImageFile]:
    """All portraits, in a fixed order."""
    known = [*_rows(PEOPLE), *_rows(data / LINE_LABELS)]
    identities = {row["file"]: row["identity"] for row in known}
    return [
        ImageFile(path, name, identities.get(name, name))
        for path in _images(data / "faces")
        for name in [path.relative_to(data).as_posix()]
    ]


def scene_files(data: Path) -> list[ImageFile]:
    """All images without a human face, in a fixed order."""
    return [
        ImageFile(path, name, name) for path in _images(data / "scenes") for name in [path.relative_to(data).as_posix()]
    ]


def line_labels(data: Path) -> dict[str, tuple[float, float, float, float, float]]:
    """xl, xr, yb, yn, yc in the file's pixels, for each file that has landmarks."""
    return {
        row["file"]: (float(row["xl"]), float(row["xr"]), float(row["yb"]), float(row["yn"]), float(row["yc"]))
        for row in _rows(data / LINE_LABELS)
        if row["xl"]
    }


def attribute_means(data: Path) -> tuple[tuple[str, ...], dict[str, tuple[float, ...]]]:
    """The survey's attribute names and, for each rated file, the mean ratings 0 to 100 in that order."""
    rows = _rows(data / SURVEY_MEANS)
    names = tuple(name for name in rows[0] if name != "stimulus")
    return names, {f"faces/omi/{row['stimulus']}.jpg": tuple(float(row[name]) for name in names) for row in rows}


@dataclass(frozen=True, slots=True)
class RatedFaces:
    """The survey's faces. attributes (N, 34), 0 to 100; is_man: adult men, whom the types are about.

    rating (N,): of the whole face, 0 to 100. part_ratings (N, 3): one a part, in contracts.FacePart's order; the
    survey asked about the whole face only, so its three are alike.
    """

    names: tuple[str, ...]
    attributes: Floats
    is_man: NDArray[np.bool_]
    rating: Floats
    part_ratings: Floats

    @classmethod
    def read(cls, data: Path) -> RatedFaces:
        columns, means = attribute_means(data)
        values = np.array(list(means.values()))
        gender, age = values[:, columns.index("gender")], values[:, columns.index("age")]
        rating = values[:, columns.index(RATED_ATTRIBUTE)]
        is_man = (gender > 55) & (age >= 18)
        return cls(tuple(means), values, is_man, rating, np.repeat(rating[:, None], len(FacePart), axis=1))


def read_pixels(path: Path) -> Pixels:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError(f"cannot read {path}")
    return np.asarray(image, np.uint8)


def data_hash(files: Iterable[ImageFile], sources: Iterable[Path] = ()) -> str:
    """sha256 over all that a model learned from: images by name and content, and labels and teachers (sources)."""
    digest = hashlib.sha256()
    contents = [*((file.name, file.path) for file in files), *((path.name, path) for path in sources)]
    for name, path in contents:
        digest.update(name.encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
