"""The page of an evaluation: complete, self-contained, and right about intervals and groups."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from PIL import Image

from inference.contracts import FaceType
from inference.dataset import ImageFile
from inference.evaluation.cases import TYPED, GateCase, PartsCase, TypesCase
from inference.evaluation.groups import groupings_of
from inference.evaluation.html import Page, write_html
from inference.evaluation.intervals import share_interval, statistic_interval
from inference.evaluation.pages import gate_page, parts_page, types_page
from inference.evaluation.report import Measurement, Report, share
from inference.metrics import pearson_r
from tests.images import draw_photo, encode

FACES = 12


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of drawings: twelve rated portraits, six of them held out, and a scene."""
    held_out = [number for number in range(200) if image_file(tmp_path, number).is_held_out][: FACES // 2]
    others = [number for number in range(200) if number not in held_out][: FACES // 2]
    for number in (*held_out, *others):
        path = image_file(tmp_path, number).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(draw_photo()))
    scene = next(name for name in map("scenes/things/{}.png".format, range(99)) if file_of(tmp_path, name).is_held_out)
    (tmp_path / scene).parent.mkdir(parents=True)
    Image.new("RGB", (200, 150), "teal").save(tmp_path / scene)
    write_csv(
        tmp_path / "parts.csv",
        [
            {"file": f"faces/omi/{number}.jpg", "identity": f"faces/omi/{number}.jpg"}
            | {"xl": 75, "xr": 225, "yb": 120, "yn": 240, "yc": 320}
            for number in held_out
        ],
    )
    write_csv(
        tmp_path / "survey" / "omi_means.csv",
        [
            {"stimulus": number, "attractive": 5 * index, "age": 16 + 9 * index, "gender": 90 * (index % 2)}
            | {"skin-color": 10 * index}
            for index, number in enumerate(held_out)
        ],
    )
    return tmp_path


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def file_of(folder: Path, name: str) -> ImageFile:
    return ImageFile(folder / name, name, name)


def image_file(folder: Path, number: int) -> ImageFile:
    return file_of(folder, f"faces/omi/{number}.jpg")


def faces_of(data: Path) -> list[ImageFile]:
    return [file_of(data, path.relative_to(data).as_posix()) for path in sorted((data / "faces").rglob("*.jpg"))]


def gate_report(data: Path) -> Report:
    refused, *typed = faces_of(data)
    faces = [GateCase(refused, True, "no_face", 0.0), *(GateCase(file, True, TYPED, 0.9) for file in typed)]
    scenes = [GateCase(file, False, "no_face", 0.2) for file in faces_of(data)[:3]]
    return Report("gate 9", [share("faces that get a type", len(typed), len(faces))], cases=[*faces, *scenes])


def parts_report(data: Path) -> Report:
    truth = np.array([[75.0, 50, 225, 320], [75, 104, 225, 240], [75, 240, 225, 320]])
    refused, *found = faces_of(data)
    cases = [PartsCase(file, truth, truth + 2, np.array([0.9, 0.8, 0.7])) for file in found]
    cases.append(PartsCase(refused, truth, None, np.zeros(3)))
    return Report("parts 9", [Measurement("whole_face mean IoU", 0.9, len(cases), "0.85", (0.88, 0.92))], cases=cases)


def types_report(data: Path) -> Report:
    order = list(FaceType)
    cases = [
        TypesCase(file, 50 + row, order[row % 5], order[(row + row % 2) % 5], 40 + row, 0.3 + 0.05 * row)
        for row, file in enumerate(faces_of(data))
    ]
    return Report("types 9", [Measurement("kappa", 0.5, len(cases))], cases=cases)


def page_text(data: Path, *pages: Page) -> str:
    path = data / "page.html"
    write_html(pages, path)
    return path.read_text()


def test_page_needs_nothing_beside_it(data: Path) -> None:
    pages = (
        gate_page(gate_report(data), data),
        parts_page(parts_report(data), data),
        types_page(types_report(data), data),
    )

    text = page_text(data, *pages)

    sources = re.findall(r'(?:src|href)="([^"]{0,20})', text)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    # ROC, IoU histogram, confusion, reliability, score over rating.
    assert text.count("data:image/svg+xml") == 5


def test_page_shows_numbers_with_their_intervals(data: Path) -> None:
    text = page_text(data, parts_page(parts_report(data), data))

    assert "parts 9" in text
    assert "0.8800 to 0.9200" in text


def test_worst_cases_come_first_and_names_cannot_break_the_page(data: Path) -> None:
    report = gate_report(data)
    page = gate_page(report, data)

    assert [picture.caption for picture in page.worst] == [f"{report.cases[0].file.name}: no_face, score 0.00"]
    assert page.worst[0].image.startswith(b"\xff\xd8")
    assert "IoU 0.000" in parts_page(parts_report(data), data).worst[0].caption

    odd = Report("<script>", report.measurements, cases=report.cases)
    assert "<script>" not in page_text(data, gate_page(odd, data))


def test_groups_are_of_those_of_whom_something_is_known(data: Path) -> None:
    groupings = {grouping.name: grouping for grouping in groupings_of(faces_of(data), data)}

    sizes = {
        name.split()[0]: {group.name: len(group.files) for group in grouping.groups}
        for name, grouping in groupings.items()
    }
    assert sizes["skin"] == {"1 light": 2, "2 middle": 2, "3 dark": 2}
    assert sizes["age"] == {"0 to 17": 1, "18 to 29": 1, "30 to 44": 2, "45 to 59": 1, "60 and over": 1}
    assert sizes["gender"] == {"man": 3, "woman": 3}
    # All portraits are in one folder, which divides nothing.
    assert "folder" not in sizes


def test_difference_between_groups_is_stated(data: Path) -> None:
    (gender,) = [table for table in gate_page(gate_report(data), data).groups if table.name == "gender"]

    shares = [rows[0].value for rows in gender.measurements.values()]
    assert f"{max(shares) - min(shares):.4f}" in gender.note


def test_interval_of_a_share_is_open_to_failures_nobody_has_seen() -> None:
    low, high = share_interval(100, 100)

    assert 0.95 < low < 0.97
    assert high == pytest.approx(1)
    assert share_interval(0, 0) == (0, 1)


def test_interval_of_a_statistic_holds_it_and_narrows_with_cases() -> None:
    def interval(cases: int) -> tuple[float, float, float]:
        rng = np.random.default_rng(1)
        first = rng.normal(size=cases)
        second = first + rng.normal(size=cases)
        return pearson_r(first, second), *statistic_interval(pearson_r, first, second)

    widths = []
    for cases in (40, 400):
        r, low, high = interval(cases)
        assert low < r < high
        widths.append(high - low)

    assert widths[1] < widths[0] / 2


@pytest.mark.parametrize("model", ["gate", "parts", "types"])
def test_command_writes_the_page_beside_the_numbers(data: Path, model: str) -> None:
    call_command("evaluate", model, data=data, html=data / "page.html", json=data / "numbers.json")

    text = (data / "page.html").read_text()
    assert f"<h1>{model} " in text
    # The drawings get no type, and of none there are no plots.
    assert ("data:image/svg+xml" in text) == (model != "types")
    assert "cases" in (data / "numbers.json").read_text()
