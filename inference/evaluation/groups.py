"""Groups of people and of sources, so that an average hides no group that a model serves worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from inference.dataset import ImageFile, attribute_means

_AGES = (0, 18, 30, 45, 60)
_ORIGINS = ("asian", "middle-eastern", "hispanic", "islander", "native", "black", "white")
# As in RatedFaces: a face that raters see as a man's.
_MAN_ABOVE = 55


@dataclass(frozen=True, slots=True)
class Group:
    """files: names of the held-out files in it."""

    name: str
    files: frozenset[str]


@dataclass(frozen=True, slots=True)
class Grouping:
    """One way to divide files; a file that nothing is known of is in no group."""

    name: str
    groups: Sequence[Group]
    is_of_people: bool = True


def groupings_of(files: Sequence[ImageFile], data: Path) -> list[Grouping]:
    """By folder, and by what the survey's raters saw in its faces: skin tone, origin, age, gender."""
    names, means = attribute_means(data)
    known = {file.name: dict(zip(names, means[file.name], strict=True)) for file in files if file.name in means}
    found = [
        replace(
            _grouping("folder", {file.name: Path(file.name).parent.as_posix() for file in files}), is_of_people=False
        ),
        _grouping("skin tone, thirds of the raters' light to dark", _thirds(known)),
        _grouping("origin that raters saw most", _origins(known)),
        _grouping("age in years", {name: _age_band(values["age"]) for name, values in known.items()}),
        _grouping(
            "gender",
            {name: "man" if values["gender"] > _MAN_ABOVE else "woman" for name, values in known.items()},
        ),
    ]
    return [grouping for grouping in found if len(grouping.groups) > 1]


def _grouping(name: str, group_of: dict[str, str]) -> Grouping:
    groups = [
        Group(group, frozenset(file for file, own in group_of.items() if own == group))
        for group in sorted(set(group_of.values()))
    ]
    return Grouping(name, groups)


def _thirds(known: dict[str, dict[str, float]]) -> dict[str, str]:
    if not known:
        return {}
    low, high = np.percentile([values["skin-color"] for values in known.values()], [100 / 3, 200 / 3])
    return {
        name: "1 light" if values["skin-color"] <= low else "2 middle" if values["skin-color"] <= high else "3 dark"
        for name, values in known.items()
    }


def _origins(known: dict[str, dict[str, float]]) -> dict[str, str]:
    return {
        name: max(_ORIGINS, key=lambda origin: values[origin])
        for name, values in known.items()
        if values.keys() >= set(_ORIGINS)
    }


def _age_band(age: float) -> str:
    for low, high in pairwise(_AGES):
        if age < high:
            return f"{low} to {high - 1}"
    return f"{_AGES[-1]} and over"
