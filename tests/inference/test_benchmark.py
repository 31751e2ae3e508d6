"""`manage.py benchmark` and the photos it makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import cv2
import pytest
import torch
from django.core.management import CommandError, call_command

from inference.contracts import InvalidImage, PhotoLimits
from inference.decoding import decode, encode_jpeg
from inference.evaluation.benchmark import Batch, _in_turns, loaded_of_nets
from inference.evaluation.camera import as_from_camera
from tests.images import jpeg


@pytest.fixture
def threads() -> Iterator[None]:
    """The command sets OpenCV's, for the whole process."""
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@pytest.mark.usefixtures("threads")
def test_the_stages_are_timed_on_photos_with_a_face(portraits, tmp_path: Path) -> None:
    for number, portrait in enumerate(portraits[:2]):
        (tmp_path / f"{number}.jpg").write_bytes(encode_jpeg(portrait))
    (tmp_path / "nobody.jpg").write_bytes(jpeg())
    output = StringIO()

    call_command("benchmark", tmp_path, "--quick", "--batch", "2", "--json", tmp_path / "out.json", stdout=output)

    report = json.loads((tmp_path / "out.json").read_text())["2"]
    medians = {stage["name"]: stage["median"] for stage in report["stages"]}
    assert output.getvalue().startswith("2 photos")
    assert all(median > 0 for median in medians.values())
    assert medians["limit"] < medians["whole"]
    assert 0 < report["of_limit"] < 1
    assert report["photos_per_second"] > 0
    # Asked of a GPU only.
    assert report["loaded_of_nets"] is None


def test_photos_on_the_device_are_timed_against_the_nets(models, portraits) -> None:
    batch = Batch.of(models, [encode_jpeg(portrait) for portrait in portraits[:2]], PhotoLimits())

    assert 0 < loaded_of_nets(models, [batch], rounds=1) < 1


def test_a_first_round_of_each_batch_is_not_timed() -> None:
    batches = [Batch([b"photo"], [], [], torch.empty(0), torch.empty(0)) for _ in range(2)]
    met = []

    times = _in_turns({"stage": met.append}, batches, rounds=3)

    assert [id(batch) for batch in met] == [id(batches[number]) for number in (0, 1, 0, 1, 0)]
    assert len(times["stage"]) == 3


@pytest.mark.usefixtures("threads")
def test_without_a_face_there_is_nothing_to_time(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no JPEG"):
        call_command("benchmark", tmp_path)

    (tmp_path / "nobody.jpg").write_bytes(jpeg())

    with pytest.raises(CommandError, match="none of the photos"):
        call_command("benchmark", tmp_path)


def test_photos_are_enlarged_as_a_camera_would_have_taken_them() -> None:
    enlarged = as_from_camera(jpeg(), 2)

    decoded = decode(enlarged)
    assert decoded.width * decoded.height == pytest.approx(2e6, rel=0.01)
    # A sensor's noise is what makes a camera's photo large.
    assert len(enlarged) > 200_000
    assert enlarged == as_from_camera(jpeg(), 2)
    with pytest.raises(InvalidImage):
        as_from_camera(b"nothing", 2)
