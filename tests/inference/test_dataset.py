"""The split: whom it keeps together, and what it keeps apart."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from inference.dataset import PEOPLE, ImageFile, Subset, face_files, rated_faces, scene_files
from inference.training.people import group_people, write_people


def image_file(name: str, identity: str = "") -> ImageFile:
    return ImageFile(Path("/nowhere") / name, name, identity or name)


def drawn_file(folder: Path, name: str, content: bytes) -> ImageFile:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return ImageFile(path, name, name)


def test_fold_and_subset_depend_on_the_identity_alone():
    for number in range(50):
        first, second = (image_file(name, f"person {number}") for name in ("faces/a/1.jpg", "faces/b/2.jpg"))
        assert (first.fold, first.subset) == (second.fold, second.subset)


def test_the_split_is_the_same_on_every_machine():
    files = [image_file(f"faces/omi/{number}.jpg") for number in range(1, 31)]

    assert [file.fold for file in files[:10]] == [2, 0, 0, 0, 3, 4, 1, 4, 2, 0]
    assert [number for number, file in enumerate(files, 1) if file.subset is Subset.VALIDATION] == [1]


def test_a_fifth_is_held_out_and_a_twelfth_of_the_rest_is_for_validation():
    subsets = [image_file(f"faces/omi/{number}.jpg").subset for number in range(5000)]

    assert subsets.count(Subset.HELD_OUT) / 5000 == pytest.approx(1 / 5, abs=0.02)
    assert subsets.count(Subset.VALIDATION) / 5000 == pytest.approx(4 / 5 / 12, abs=0.01)


def test_validation_is_drawn_from_every_fold_that_trains():
    files = [image_file(f"faces/omi/{number}.jpg") for number in range(3000)]

    assert {file.fold for file in files if file.subset is Subset.VALIDATION} == {1, 2, 3, 4}


def test_equal_pictures_and_people_of_the_table_stand_in_one_subset(data: Path):
    files = face_files(data) + scene_files(data)
    subsets_of_bytes: defaultdict[str, set[Subset]] = defaultdict(set)
    for file in files:
        subsets_of_bytes[hashlib.sha256(file.path.read_bytes()).hexdigest()].add(file.subset)
    subset_of = {file.name: file.subset for file in files}
    with PEOPLE.open(newline="") as stream:
        people = list(csv.DictReader(stream))
    subsets_of_people: defaultdict[str, set[Subset]] = defaultdict(set)
    for row in people:
        subsets_of_people[row["identity"]].add(subset_of[row["file"]])

    assert len(subsets_of_bytes) < len(files)
    assert all(len(subsets) == 1 for subsets in subsets_of_bytes.values())
    assert len(subsets_of_people) > 500
    assert all(len(subsets) == 1 for subsets in subsets_of_people.values())


def test_nobody_of_the_table_is_held_out_whom_a_file_name_alone_would_not_have_held_out(data: Path):
    held_out = [file for file in face_files(data) if file.is_held_out and file.name.startswith("faces/voteview/")]

    assert len(held_out) > 200
    assert all(ImageFile(file.path, file.name, file.name).is_held_out for file in held_out)


def test_people_are_grouped_by_near_embeddings_and_by_equal_files(tmp_path: Path):
    first, near, far, same = (
        drawn_file(tmp_path, name, content)
        for name, content in [
            ("faces/congress/1.jpg", b"1"),
            ("faces/voteview/2.jpg", b"2"),
            ("faces/voteview/3.jpg", b"3"),
            ("faces/voteview/4.jpg", b"2"),
        ]
    )
    # In other sets only equal files are the same person.
    omi = drawn_file(tmp_path, "faces/omi/5.jpg", b"5")
    at = [np.array([x, 0.0], np.float32) for x in (0.0, 0.41, 0.9, 0.0)]
    embeddings = {file.name: vector for file, vector in zip((first, near, far, omi), at, strict=True)}

    people = group_people([first, near, far, same, omi], embeddings)

    assert [file for file, _ in people] == [first, near, same]
    assert len({identity for _, identity in people}) == 1


def test_a_person_is_held_out_only_where_each_of_the_files_is(tmp_path: Path):
    names = [f"faces/congress/{number}.jpg" for number in range(40)]
    held_out = next(name for name in names if image_file(name).subset is Subset.HELD_OUT)
    trains = next(name for name in names if image_file(name).subset is Subset.TRAINING)
    files = [drawn_file(tmp_path, name, b"same") for name in (held_out, trains)]

    people = group_people(files, {})
    write_people(people, tmp_path / "people.csv")

    assert {identity for _, identity in people} == {trains}
    assert (tmp_path / "people.csv").read_text() == f"file,identity\n{held_out},{trains}\n{trains},{trains}\n"


def test_each_part_has_the_rating_of_the_whole_face(data: Path):
    rated = rated_faces(data)

    assert rated.part_ratings.shape == (len(rated.names), 3)
    assert (rated.part_ratings == rated.rating[:, None]).all()
