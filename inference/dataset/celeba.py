"""CelebA's format: aligned pictures and their five points.

Source: Liu et al. 2015, Deep Learning Face Attributes in the Wild, doi:10.1109/ICCV.2015.425.

Its boxes (`list_bbox_celeba.txt`) lie in the original pictures, out of which the aligned ones were cut, so they say
nothing of these; and its attributes only say whether a face has them or not, so nobody is rated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.dataset.base import DataError, ImageFile, Lines, RatedFaces, image_paths
from inference.preprocessing import Floats

_IMAGES = "img_align_celeba"
_POINTS = "list_landmarks_align_celeba.txt"
_IDENTITIES = "identity_CelebA.txt"
# The first two lines say how many rows follow and what their columns are.
_HEADER_LINES = 2


class CelebA:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def fits(folder: Path) -> bool:
        return (folder / _POINTS).is_file()

    def faces(self) -> list[ImageFile]:
        """Those of the pictures that have points; a part of the pictures will do."""
        known = self.points()
        identities = self._identities()
        names = [path.relative_to(self._folder).as_posix() for path in image_paths(self._folder / _IMAGES)]
        files = [
            ImageFile(self._folder / name, name, f"celeba:{identity}" if identity else name)
            for name in names
            if name in known
            for identity in [identities.get(name, "")]
        ]
        if not files:
            raise DataError(f"{self._folder} has no pictures in {_IMAGES} that {_POINTS} knows")
        return files

    def lines(self) -> dict[str, Lines]:
        return {}

    def points(self) -> dict[str, Floats]:
        lines = (self._folder / _POINTS).read_text(encoding="utf-8").splitlines()
        rows = [line.split() for line in lines[_HEADER_LINES:] if line.strip()]
        if not lines or lines[0].strip() != str(len(rows)):
            raise DataError(f"{_POINTS} begins with {lines[:1]}, but {len(rows)} rows follow")
        found = {}
        for number, (name, *values) in enumerate(rows, start=_HEADER_LINES + 1):
            try:
                found[f"{_IMAGES}/{name}"] = np.array(values, np.float64).reshape(5, 2)
            except ValueError as error:
                raise DataError(f"{_POINTS}, line {number}: expected a name and ten numbers") from error
        return found

    def attributes(self) -> tuple[tuple[str, ...], dict[str, tuple[float, ...]]]:
        return (), {}

    def rated(self) -> RatedFaces:
        raise DataError(
            f"{self._folder} has no ratings: CelebA says whether a face is attractive or not, types need a scale"
        )

    @property
    def line_tables(self) -> list[Path]:
        return []

    @property
    def point_tables(self) -> list[Path]:
        return [self._folder / _POINTS]

    @property
    def rating_tables(self) -> list[Path]:
        return []

    def _identities(self) -> dict[str, str]:
        """By file name, where the table is there; without it the same person may be on both sides of the split."""
        path = self._folder / _IDENTITIES
        if not path.exists():
            return {}
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if any(len(row) != 2 for row in rows):
            raise DataError(f"{_IDENTITIES}: expected a name and a number in each line")
        return {f"{_IMAGES}/{name}": identity for name, identity in rows}
