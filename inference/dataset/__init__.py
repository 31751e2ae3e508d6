"""The training data: which files there are, how they are split, what is known of each.

A data folder has one of three formats, each read by a module of this package: folders of sets, as the sample
data's README describes them; CelebA; an export of the catalogue. Whichever it is, pictures without a face lie
under `scenes/`, and the teachers' weights under `teachers/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from inference.dataset.base import (
    FOLDS,
    HELD_OUT_FOLD,
    DataError,
    FaceData,
    ImageFile,
    Lines,
    RatedFaces,
    Subset,
    image_paths,
)
from inference.dataset.celeba import CelebA
from inference.dataset.export import EXPORT_TABLE, CatalogueExport
from inference.dataset.folders import PEOPLE, SetFolders
from inference.preprocessing import Floats, Pixels
from inference.survey_rule import SURVEY_SHARES, survey_types

__all__ = [
    "EXPORT_TABLE",
    "FOLDS",
    "HELD_OUT_FOLD",
    "PEOPLE",
    "SURVEY_SHARES",
    "DataError",
    "FaceData",
    "ImageFile",
    "Lines",
    "RatedFaces",
    "Subset",
    "attribute_means",
    "data_hash",
    "face_files",
    "face_points",
    "line_labels",
    "open_data",
    "rated_faces",
    "read_pixels",
    "scene_files",
    "survey_types",
]

_FORMATS: tuple[type[FaceData], ...] = (SetFolders, CelebA, CatalogueExport)


def open_data(folder: Path) -> FaceData:
    """Raises DataError where the folder has none of the formats."""
    for format_ in _FORMATS:
        if format_.fits(folder):
            return format_(folder)
    raise DataError(
        f"{folder} is no data folder: it has neither faces/ nor CelebA's list_landmarks_align_celeba.txt "
        "nor the labels.csv of an export"
    )


def face_files(data: Path) -> list[ImageFile]:
    """All portraits, in a fixed order."""
    return open_data(data).faces()


def scene_files(data: Path) -> list[ImageFile]:
    """All images without a human face, in a fixed order."""
    names = ((path, path.relative_to(data).as_posix()) for path in image_paths(data / "scenes"))
    return [ImageFile(path, name, name) for path, name in names]


def line_labels(data: Path) -> dict[str, Lines]:
    """The lines of each file that has landmarks or boxes."""
    return open_data(data).lines()


def face_points(data: Path) -> dict[str, Floats]:
    """The five points (5, 2) of each file whose format has them."""
    return open_data(data).points()


def attribute_means(data: Path) -> tuple[tuple[str, ...], dict[str, tuple[float, ...]]]:
    """The survey's attribute names and, for each rated file, the mean ratings 0 to 100 in that order."""
    return open_data(data).attributes()


def rated_faces(data: Path) -> RatedFaces:
    """Raises DataError where the folder has no ratings."""
    return open_data(data).rated()


def read_pixels(path: Path) -> Pixels:
    """(H, W, 3) uint8 RGB. Raises DataError."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise DataError(f"{path} cannot be read as a picture")
    return np.asarray(image, np.uint8)


def data_hash(files: Iterable[ImageFile], sources: Iterable[Path] = ()) -> str:
    """sha256 over all that a model learned from: images by name and content, and labels and teachers (sources)."""
    digest = hashlib.sha256()
    contents = [*((file.name, file.path) for file in files), *((path.name, path) for path in sources)]
    for name, path in contents:
        digest.update(name.encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
