"""Read the training data's folders, split them, and label faces with the teacher detector.

The layout is that of the data folder's README: `faces/<set>/*.jpg`, `scenes/<set>/*.jpg`, `parts.csv`,
`survey/omi_means.csv`, `teachers/*.onnx`.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from inference.preprocessing import Floats, Pixels

FOLDS = 5
# This fold is in no training run of a released model; it is what evaluation measures on.
HELD_OUT_FOLD = 0
# The teacher's long side: its documented best trade between recall and false alarms on portraits.
_TEACHER_SIZE = 320
_TEACHER_FILE = "teachers/face_detection_yunet_2023mar.onnx"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """name: path relative to the data folder. identity: what the split keeps together."""

    path: Path
    name: str
    identity: str

    @property
    def fold(self) -> int:
        """0 to 4, the same on every machine and whatever other files there are."""
        return int.from_bytes(hashlib.sha256(self.identity.encode()).digest()[:8], "big") % FOLDS

    @property
    def is_held_out(self) -> bool:
        return self.fold == HELD_OUT_FOLD


@dataclass(frozen=True, slots=True)
class FaceLabel:
    """One face by the teacher: box (4,) x0, y0, x1, y1 and points (5, 2) in the image's pixels; score 0 to 1."""

    box: Floats
    points: Floats
    score: float


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image in memory (H, W, 3 uint8 RGB) with the faces the teacher sees in it, best first."""

    file: ImageFile
    pixels: Pixels
    faces: tuple[FaceLabel, ...]


def face_files(data: Path) -> list[ImageFile]:
    """All portraits, in a fixed order."""
    identities = {row["file"]: row["identity"] for row in _rows(data / "parts.csv")}
    return [
        ImageFile(path, name, identities.get(name, name))
        for path in _images(data / "faces")
        for name in [path.relative_to(data).as_posix()]
    ]


def scene_files(data: Path) -> list[ImageFile]:
    """All images without a human face, in a fixed order."""
    return [
        ImageFile(path, name, name) for path in _images(data / "scenes") for name in [path.relative_to(data).as_posix()]
    ]


def line_labels(data: Path) -> dict[str, tuple[float, float, float, float, float]]:
    """xl, xr, yb, yn, yc in the file's pixels, for each file that has landmarks."""
    return {
        row["file"]: (float(row["xl"]), float(row["xr"]), float(row["yb"]), float(row["yn"]), float(row["yc"]))
        for row in _rows(data / "parts.csv")
        if row["xl"]
    }


def attribute_means(data: Path) -> tuple[tuple[str, ...], dict[str, tuple[float, ...]]]:
    """The survey's attribute names and, for each rated file, the mean ratings 0 to 100 in that order."""
    rows = _rows(data / "survey" / "omi_means.csv")
    names = tuple(name for name in rows[0] if name != "stimulus")
    return names, {f"faces/omi/{row['stimulus']}.jpg": tuple(float(row[name]) for name in names) for row in rows}


def read_pixels(path: Path) -> Pixels:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError(f"cannot read {path}")
    return np.asarray(image, np.uint8)


def data_hash(files: Sequence[ImageFile]) -> str:
    """sha256 over the names and contents of the files a model was trained on."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        digest.update(hashlib.sha256(file.path.read_bytes()).digest())
    return digest.hexdigest()


class TeacherDetector:
    """YuNet (Wu et al. 2023, doi:10.1007/s11633-023-1423-y), for pseudo-labels only; never shipped."""

    def __init__(self, data: Path, min_score: float) -> None:
        self._detector = cv2.FaceDetectorYN.create(
            str(data / _TEACHER_FILE), "", (_TEACHER_SIZE, _TEACHER_SIZE), min_score, 0.3, 50
        )

    def __call__(self, pixels: Pixels) -> tuple[FaceLabel, ...]:
        """Faces in an RGB image, best first."""
        scale = _TEACHER_SIZE / max(pixels.shape[:2])
        resized = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._detector.setInputSize((resized.shape[1], resized.shape[0]))
        _, found = self._detector.detect(cv2.cvtColor(resized, cv2.COLOR_RGB2BGR))
        if found is None:
            return ()
        rows = np.asarray(found, np.float64)
        rows[:, :14] /= scale
        labels = [
            FaceLabel(
                np.array([row[0], row[1], row[0] + row[2], row[1] + row[3]]), row[4:14].reshape(5, 2), float(row[14])
            )
            for row in rows
        ]
        return tuple(sorted(labels, key=lambda label: -label.score))


def load_labelled(files: Sequence[ImageFile], data: Path, min_score: float, title: str) -> list[LabelledImage]:
    """Read images and let the teacher label them."""
    teacher = TeacherDetector(data, min_score)
    images = []
    for file in tqdm(files, desc=title, unit="image", mininterval=2):
        pixels = read_pixels(file.path)
        images.append(LabelledImage(file, pixels, teacher(pixels)))
    return images


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
