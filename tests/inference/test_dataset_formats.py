"""Training data in its three formats: what each reader finds, what it refuses, and that models learn from it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command

from inference.contracts import FacePart
from inference.dataset import (
    DataError,
    ImageFile,
    Subset,
    face_files,
    face_points,
    line_labels,
    open_data,
    rated_faces,
    scene_files,
)
from inference.nets.parts import part_boxes
from inference.training import gate as gate_recipe
from inference.training import parts as parts_recipe
from inference.training import types as types_recipe

# CelebA's mean face.
POINTS = (69, 111, 108, 111, 88, 136, 73, 152, 105, 152)
COLUMNS = (
    *("file", "identity", "sha256"),
    *(f"{part}_box" for part in FacePart),
    *(f"{part}_type" for part in FacePart),
    *("rating", "source", "licence"),
)


def drawn_face(seed: int) -> np.ndarray:
    """(218, 178, 3): an oval with dark spots where eyes, nose and mouth are."""
    rng = np.random.default_rng(seed)
    picture = np.full((218, 178, 3), rng.integers(0, 255, 3), np.uint8)
    cv2.ellipse(picture, (88, 125), (45, 62), 0, 0, 360, rng.integers(120, 220, 3).tolist(), -1)
    for x, y in np.array(POINTS).reshape(5, 2).tolist():
        cv2.circle(picture, (x, y), 4, (30, 30, 30), -1)
    return picture


def write_picture(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def make_celeba(folder: Path, count: int = 40) -> Path:
    names = [f"{number:06}.jpg" for number in range(1, count + 1)]
    for seed, name in enumerate(names):
        write_picture(folder / "img_align_celeba" / name, drawn_face(seed))
    rows = [f"{name}  {' '.join(map(str, POINTS))}" for name in names]
    header = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    (folder / "list_landmarks_align_celeba.txt").write_text("\n".join([str(count), header, *rows]) + "\n")
    # Of another picture: the original, out of which the aligned one was cut.
    boxes = [f"{name} 95 71 226 313" for name in names]
    (folder / "list_bbox_celeba.txt").write_text(
        "\n".join([str(count), "image_id x_1 y_1 width height", *boxes]) + "\n"
    )
    return folder


def write_labels(folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def make_export(folder: Path, **cells: str) -> Path:
    """An export of one picture."""
    write_picture(folder / "images" / "a.jpg", drawn_face(0))
    return write_labels(folder, [{"file": "images/a.jpg", "identity": "7", **cells}])


def run(model: str, data: Path, out: Path, **options: Any) -> dict[str, Any]:
    """Train a model as the command does, and read its manifest."""
    call_command("train", model, data=data, out=out, epochs=1, **options)
    manifest: dict[str, Any] = json.loads((out / f"{model}.json").read_text())
    return manifest


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A part finder's recipe in miniature."""
    monkeypatch.setattr(parts_recipe, "EPOCH_SAMPLES", 16)
    monkeypatch.setattr(parts_recipe, "_BATCH", 8)
    monkeypatch.setattr(parts_recipe, "_VALIDATION_SAMPLES", 8)
    monkeypatch.setattr(parts_recipe, "_SPREAD_SAMPLES", 16)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_a_folder_without_any_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data folder"):
        open_data(tmp_path)


def test_folders_of_sets_need_no_tables(tmp_path: Path) -> None:
    write_picture(tmp_path / "faces" / "mine" / "1.png", drawn_face(0))
    write_picture(tmp_path / "scenes" / "mine" / "1.png", drawn_face(0))

    assert [file.name for file in face_files(tmp_path)] == ["faces/mine/1.png"]
    assert [file.name for file in scene_files(tmp_path)] == ["scenes/mine/1.png"]
    assert line_labels(tmp_path) == face_points(tmp_path) == {}
    with pytest.raises(DataError, match="no ratings"):
        rated_faces(tmp_path)


def test_landmarks_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "faces" / "mine" / "1.png", drawn_face(0))
    (tmp_path / "parts.csv").write_text("file,identity,xl,xr,yb,yn,yc\nfaces/mine/1.png,anna,1,2,nose,4,5\n")

    with pytest.raises(DataError, match=r"parts.csv, faces/mine/1.png: yb is 'nose'"):
        line_labels(tmp_path)


def test_celeba_gives_points_and_splits_by_person(tmp_path: Path) -> None:
    make_celeba(tmp_path, 3)
    (tmp_path / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 2937\n000003.jpg 2880\n")

    files = face_files(tmp_path)

    assert [file.name for file in files] == [f"img_align_celeba/00000{number}.jpg" for number in (1, 2, 3)]
    assert files[0].identity == files[2].identity != files[1].identity
    np.testing.assert_array_equal(face_points(tmp_path)[files[0].name], np.reshape(POINTS, (5, 2)))


def test_a_part_of_celebas_pictures_will_do(tmp_path: Path) -> None:
    make_celeba(tmp_path, 3)
    (tmp_path / "img_align_celeba" / "000002.jpg").unlink()

    assert [file.path.name for file in face_files(tmp_path)] == ["000001.jpg", "000003.jpg"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2\nheader\n000001.jpg 1 2 3 4 5 6 7 8 9 10\n", "1 rows follow"),
        ("1\nheader\n000001.jpg 1 2 3 4 5 6 7 8 9\n", "line 3"),
        ("1\nheader\n000001.jpg 1 2 3 4 5 6 7 8 9 x\n", "line 3"),
        ("", "0 rows follow"),
    ],
)
def test_celebas_points_must_be_whole(tmp_path: Path, text: str, why: str) -> None:
    make_celeba(tmp_path, 1)
    (tmp_path / "list_landmarks_align_celeba.txt").write_text(text)

    with pytest.raises(DataError, match=why):
        face_files(tmp_path)


def test_celeba_without_its_pictures_is_refused(tmp_path: Path) -> None:
    shutil.rmtree(make_celeba(tmp_path, 1) / "img_align_celeba")

    with pytest.raises(DataError, match="no pictures in img_align_celeba"):
        face_files(tmp_path)


def test_an_exports_lines_are_those_its_boxes_were_made_from(tmp_path: Path) -> None:
    lines = (40.0, 130.0, 70.0, 120.0, 180.0)
    boxes = part_boxes(torch.tensor(lines, dtype=torch.float64)).tolist()
    cells = {f"{part}_box": " ".join(map(str, box)) for part, box in zip(FacePart, boxes, strict=True)}

    (found,) = line_labels(make_export(tmp_path, **cells)).values()

    assert found == pytest.approx(lines)


def test_an_export_names_who_is_in_a_picture(tmp_path: Path) -> None:
    (file,) = face_files(make_export(tmp_path))

    assert (file.name, file.identity) == ("images/a.jpg", "7")
    assert line_labels(tmp_path) == {}


def test_an_exports_rating_counts_for_every_part(tmp_path: Path) -> None:
    rated = rated_faces(make_export(tmp_path, rating="62.5", upper_face_type="alpha"))

    assert (rated.names, rated.rating.tolist(), rated.is_man.tolist()) == (("images/a.jpg",), [62.5], [True])
    assert rated.part_ratings.tolist() == [[62.5] * 3]


def test_types_stand_in_for_a_rating(tmp_path: Path) -> None:
    rated = rated_faces(make_export(tmp_path, whole_face_type="beta", lower_face_type="omega"))

    # The middle of beta's share of the ranking, from 78.2 down to 56.8 of 100; of omega's; and of the two.
    whole, upper, lower = rated.part_ratings[0].tolist()
    assert whole == pytest.approx(67.5, abs=0.2)
    assert lower == pytest.approx(7.6, abs=0.2)
    assert upper == rated.rating[0] == pytest.approx((whole + lower) / 2)


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"file": "images/b.jpg"}, "no such file"),
        ({"file": "../a.jpg"}, "no such file"),
        ({"whole_face_box": "1 2 3", "upper_face_box": "1 2 3 4"}, "four numbers"),
        ({"whole_face_box": "9 2 3 4", "upper_face_box": "1 2 3 4"}, "x0 < x1"),
        ({"whole_face_box": "1 1 9 9", "upper_face_box": "1 2 9 12"}, "within the whole"),
        ({"rating": "good"}, "rating is 'good', expected a number"),
        ({"rating": "nan"}, "expected a number"),
        ({"rating": "101"}, "expected 0 to 100"),
        ({"whole_face_type": "Alpha"}, "whole_face_type is 'Alpha'"),
        ({}, "neither ratings nor types"),
    ],
)
def test_what_is_wrong_in_an_export_is_named(tmp_path: Path, cells: dict[str, str], why: str) -> None:
    make_export(tmp_path, **cells)
    (tmp_path.parent / "a.jpg").touch()

    with pytest.raises(DataError, match=why):
        _ = face_files(tmp_path), line_labels(tmp_path), rated_faces(tmp_path)


def test_an_export_without_its_columns_is_refused(tmp_path: Path) -> None:
    make_export(tmp_path)
    (tmp_path / "labels.csv").write_text("file,whole_face_box\nimages/a.jpg,\n")

    with pytest.raises(DataError, match="lacks the columns identity, rating"):
        face_files(tmp_path)


@pytest.mark.usefixtures("few_steps")
def test_a_part_finder_learns_from_celeba(tmp_path: Path) -> None:
    manifest = run("parts", make_celeba(tmp_path / "celeba"), tmp_path / "out")

    # Without landmarks the released part finder says where the lines are; without YuNet, no teacher was asked.
    assert manifest["training"]["parts_version"].startswith("parts-")
    assert manifest["training"]["teachers"] == {}
    assert manifest["training"]["sets"] == {"img_align_celeba": "not stated"}
    assert manifest["licence"].startswith("not stated")
    card = (tmp_path / "out" / "parts.md").read_text()
    assert "Not measured yet" in card
    assert "``" not in card


@pytest.mark.usefixtures("few_steps")
def test_a_part_finder_learns_from_an_export(tmp_path: Path, data: Path) -> None:
    portraits = [file for file in face_files(data) if file.name.startswith("faces/omi/")][:16]
    folder = make_export_of(portraits, tmp_path / "export")
    (folder / "teachers").mkdir()
    shutil.copy(data / "teachers" / "face_detection_yunet_2023mar.onnx", folder / "teachers")

    manifest = run("parts", folder, tmp_path / "out")

    subsets = [file.subset for file in face_files(folder)]
    assert 0 < subsets.count(Subset.HELD_OUT) < len(portraits)
    assert manifest["training"]["files"] == len(portraits) - subsets.count(Subset.HELD_OUT)
    assert manifest["training"]["parts_version"] == ""
    assert list(manifest["training"]["teachers"]) == ["YuNet"]


def make_export_of(portraits: Sequence[ImageFile], folder: Path) -> Path:
    boxes = {"whole_face_box": "200 100 800 950", "upper_face_box": "200 280 800 620"}
    for portrait in portraits:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        shutil.copy(portrait.path, folder / "images")
    names = [f"images/{portrait.path.name}" for portrait in portraits]
    return write_labels(folder, [{"file": name, "identity": name, "rating": "50", **boxes} for name in names])


def test_an_export_needs_the_face_teacher(tmp_path: Path) -> None:
    make_export(tmp_path / "export", identity="12")

    with pytest.raises(CommandError, match=r"face_detection_yunet_2023mar.onnx is missing"):
        run("parts", tmp_path / "export", tmp_path / "out")


def test_types_cannot_be_learned_from_celeba(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no ratings"):
        run("types", make_celeba(tmp_path / "celeba", 3), tmp_path / "out")


def test_a_gate_learns_from_celeba_and_opens_nothing_held_out(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_recipe, "EPOCH_SAMPLES", 32)
    monkeypatch.setattr(gate_recipe, "_VALIDATED", 8)
    folder, out = make_celeba(tmp_path / "celeba"), tmp_path / "out"
    for number in range(40):
        write_picture(folder / "scenes" / f"{number}.png", drawn_face(number)[:60])
    shutil.copytree(data / "teachers", folder / "teachers")
    held_out = [file for file in face_files(folder) + scene_files(folder) if file.is_held_out]
    for file in held_out:
        file.path.write_bytes(b"no picture")

    # It learns to the end; only that is too little to put a threshold anywhere.
    with pytest.raises(CommandError, match="no threshold can be chosen"):
        run("gate", folder, out)

    assert {file.path.parent.name for file in held_out} == {"img_align_celeba", "scenes"}
    assert (out / "verifier.pt").exists()
    with pytest.raises(CommandError, match="seed 0, not 1"):
        run("gate", folder, out, seed=1)


def test_ratings_of_held_out_men_change_numbers_but_no_weights(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(types_recipe, "_VIEWS", 2)
    portraits = [file for file in face_files(data) if file.name.startswith("faces/omi/")][:40]
    folder = make_export_of(portraits, tmp_path / "export")
    shutil.copytree(data / "teachers", folder / "teachers")
    write_ratings(folder, range(10, 90, 2))
    before = run("types", folder, tmp_path / "before")
    write_ratings(folder, range(10, 90, 2), of_held_out=50)

    after = run("types", folder, tmp_path / "after")

    assert (after["sha256"], after["calibration"]) == (before["sha256"], before["calibration"])
    assert after["metrics"] != before["metrics"]
    # The trunk is the released one, and what it learned from goes with it.
    assert before["training"]["trunk_version"].startswith("types-")
    assert {"images", "faces/omi"} <= before["training"]["sets"].keys()
    assert "Keeps the trunk of" in (tmp_path / "before" / "types.md").read_text()


def write_ratings(folder: Path, ratings: Sequence[int], of_held_out: int | None = None) -> None:
    files = face_files(folder)
    rows = [
        {"file": file.name, "identity": file.identity, "rating": str(rating)}
        for file, rating in zip(files, ratings, strict=True)
    ]
    for file, row in zip(files, rows, strict=True):
        if file.is_held_out and of_held_out is not None:
            row["rating"] = str(of_held_out)
    write_labels(folder, rows)


def test_types_need_men_enough(tmp_path: Path, data: Path) -> None:
    portraits = [file for file in face_files(data) if file.name.startswith("faces/omi/")][:3]
    folder = make_export_of(portraits, tmp_path / "export")
    shutil.copytree(data / "teachers", folder / "teachers")

    with pytest.raises(CommandError, match=r"has 3 rated men; types need 25"):
        run("types", folder, tmp_path / "out")


def test_a_gate_needs_scenes(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="learns from pictures without a face too"):
        run("gate", make_celeba(tmp_path / "celeba", 3), tmp_path / "out")


def test_held_out_portraits_without_landmarks_cannot_measure_parts(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no held-out portrait"):
        call_command("evaluate", "parts", data=make_celeba(tmp_path / "celeba", 3))


@pytest.mark.usefixtures("few_steps")
def test_held_out_pictures_are_not_even_opened(tmp_path: Path) -> None:
    folder = make_celeba(tmp_path / "celeba")
    for file in face_files(folder):
        if file.is_held_out:
            file.path.write_bytes(b"no picture")

    run("parts", folder, tmp_path / "out")

    next(file for file in face_files(folder) if file.subset is Subset.TRAINING).path.write_bytes(b"no picture")
    with pytest.raises(CommandError, match="cannot be read as a picture"):
        run("parts", folder, tmp_path / "again")


@pytest.mark.usefixtures("few_steps")
def test_pictures_for_validation_teach_nothing(tmp_path: Path) -> None:
    """Where nothing can be chosen by them, the weights do not depend on them."""
    folder = make_celeba(tmp_path / "celeba")
    before = run("parts", folder, tmp_path / "before")
    validation = [file for file in face_files(folder) if file.subset is Subset.VALIDATION]
    for file in validation:
        write_picture(file.path, 255 - drawn_face(99))

    assert validation
    assert run("parts", folder, tmp_path / "after")["sha256"] == before["sha256"]


@pytest.mark.usefixtures("few_steps")
def test_a_run_is_continued_only_with_its_own_seed_and_data(tmp_path: Path) -> None:
    folder, out = make_celeba(tmp_path / "celeba"), tmp_path / "out"
    first = run("parts", folder, out)

    assert run("parts", folder, out)["sha256"] == first["sha256"]
    with pytest.raises(CommandError, match="seed 0, not 1"):
        run("parts", folder, out, seed=1)
    file = next(file for file in face_files(folder) if file.subset is Subset.TRAINING)
    write_picture(file.path, drawn_face(99))
    with pytest.raises(CommandError, match="belongs to another run"):
        run("parts", folder, out)
    # What was there is still there.
    assert json.loads((out / "parts.json").read_text())["sha256"] == first["sha256"]


@pytest.mark.usefixtures("few_steps")
def test_other_labels_make_another_run(tmp_path: Path) -> None:
    folder, out = make_celeba(tmp_path / "celeba"), tmp_path / "out"
    first = run("parts", folder, out)
    table = folder / "list_landmarks_align_celeba.txt"
    table.write_text(table.read_text().replace(" 69 111", " 68 111"))

    with pytest.raises(CommandError, match="belongs to another run"):
        run("parts", folder, out)
    assert run("parts", folder, tmp_path / "other")["training"]["sha256"] != first["training"]["sha256"]
