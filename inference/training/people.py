"""Who stands under more than one file name: the table that keeps the split from tearing people apart.

Two portraits show one person where dlib's embeddings are nearer than SAME_PERSON: among the portraits of
Congress the distances have two humps, with a valley there. A few old prints that look alike are joined
too, which costs nothing but that they stay together.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.dataset import ImageFile, Subset

SAME_PERSON = 0.42
# Sets in which one person has several files. Those of other sets have identities, or show nobody twice.
_SETS = ("faces/congress/", "faces/voteview/")


def group_people(
    files: Sequence[ImageFile], embeddings: Mapping[str, NDArray[np.float32]]
) -> list[tuple[ImageFile, str]]:
    """Each file that shows somebody who stands under another name too, with the identity of that person.

    Equal files are the same person in every set. An identity is the name of one of the person's files: the
    first that is in the training subset by its own name, if need be in validation. So nobody becomes held out
    whom earlier weights have seen.
    """
    names = [file.name for file in files]
    index_of = {name: index for index, name in enumerate(names)}
    parents = list(range(len(files)))
    for first, second in [*_equal_files(files), *_near_faces(names, embeddings)]:
        parents[_root(parents, index_of[second])] = _root(parents, index_of[first])
    groups: defaultdict[int, list[ImageFile]] = defaultdict(list)
    for index, file in enumerate(files):
        groups[_root(parents, index)].append(file)
    return [
        (file, _identity(group))
        for group in sorted(groups.values(), key=lambda group: group[0].name)
        if len(group) > 1
        for file in group
    ]


def write_people(people: Iterable[tuple[ImageFile, str]], path: Path) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "identity"])
        writer.writerows((file.name, identity) for file, identity in people)


def _equal_files(files: Sequence[ImageFile]) -> list[tuple[str, str]]:
    first_of: dict[str, str] = {}
    return [
        (first, file.name)
        for file in files
        if (first := first_of.setdefault(hashlib.sha256(file.path.read_bytes()).hexdigest(), file.name)) != file.name
    ]


def _near_faces(names: Sequence[str], embeddings: Mapping[str, NDArray[np.float32]]) -> list[tuple[str, str]]:
    known = [name for name in names if name.startswith(_SETS) and name in embeddings]
    if not known:
        return []
    vectors = np.stack([embeddings[name] for name in known]).astype(np.float64)
    squares = (vectors**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * vectors @ vectors.T, 0))
    return [(known[i], known[j]) for i, j in np.argwhere(np.triu(distance < SAME_PERSON, 1)).tolist()]


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _identity(group: Sequence[ImageFile]) -> str:
    by_own_name = [ImageFile(file.path, file.name, file.name) for file in group]
    return min(by_own_name, key=lambda file: list(Subset).index(file.subset)).name
