"""What the inference tests share: the data folder, where there is one, and the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.dataset import face_files, scene_files
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def models() -> Engine:
    return Engine()


@pytest.fixture(scope="session")
def data() -> Path:
    if not (DATA / "faces").is_dir():
        pytest.skip("the data folder ../shared/data is not here")
    return DATA


@pytest.fixture(scope="session")
def portraits(data: Path) -> list[DecodedPhoto]:
    """Ten large portraits that no model was trained on."""
    files = [file for file in face_files(data) if file.is_held_out and "/omi/" in file.name]
    return [decode(file.path.read_bytes()) for file in files[:10]]


@pytest.fixture(scope="session")
def scenes(data: Path) -> list[DecodedPhoto]:
    """Twenty pictures without a person that no model was trained on."""
    files = [file for file in scene_files(data) if file.is_held_out]
    return [decode(file.path.read_bytes()) for file in files[::10]][:20]
