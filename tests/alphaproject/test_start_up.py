"""A server whose models are missing or altered does not come up, and says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.alphaproject.http_server import PATIENCE, ROOT, free_port, lines_of, start


def lose(weights: Path) -> None:
    (weights / "types.safetensors").unlink()


def alter(weights: Path) -> None:
    file = weights / "types.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The product in a folder of its own, with weights that a test can spoil."""
    folder = tmp_path / "checkout"
    for source, target in ((ROOT, folder), (ROOT / "inference", folder / "inference")):
        target.mkdir()
        for entry in source.iterdir():
            if entry.name not in {"inference", "weights", "var", ".env"}:
                (target / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "inference" / "weights", folder / "inference" / "weights")
    return folder


@pytest.mark.parametrize("spoil", [lose, alter])
def test_models_that_do_not_load_end_the_server_and_are_named(
    checkout: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(checkout / "inference" / "weights")
    log = tmp_path / "log"

    process = start(tmp_path, log, cwd=checkout, PORT=str(free_port()))

    assert process.wait(PATIENCE) != 0
    (line,) = [line for line in lines_of(log) if line["event"] == "models_not_loaded"]
    assert "types" in line["reason"]
    assert str(checkout) not in line["reason"]
