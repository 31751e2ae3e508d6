"""What teachers say of images: pseudo-labels, for training only; no teacher ever ships.

YuNet finds faces and their five points. dlib's face-recognition network (King 2017, CC0) embeds identities; it
needs the packages of requirements-train.txt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from inference.dataset import ImageFile, face_points, read_pixels
from inference.preprocessing import CROP_SIZE, Floats, Pixels, crop_matrix
from inference.yunet import FaceLabel, YuNet

# A teacher's face on a portrait counts from here; fainter ones are neither face nor background.
FACE_SCORE = 0.7
# From the middle of the five points to YuNet's box, in sides of the crop: the medians over the portraits.
_BOX_REACH = np.array([[-0.30, -0.455], [0.30, 0.35]])
# More images than this are read from the disk each time.
_KEPT_IMAGES = 20_000
_CHIP_SIZE = 150
_CHIP_PADDING = 0.25


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image with the faces in it, best first. kept: its pixels, unless there are too many images for that."""

    file: ImageFile
    kept: Pixels | None
    faces: tuple[FaceLabel, ...]

    @property
    def pixels(self) -> Pixels:
        """(H, W, 3) uint8 RGB."""
        return read_pixels(self.file.path) if self.kept is None else self.kept


def load_labelled(files: Sequence[ImageFile], data: Path, min_score: float, title: str) -> list[LabelledImage]:
    """Read images with their faces: by the data's own points where it has them, else by the teacher."""
    known = face_points(data)
    teacher = None if all(file.name in known for file in files) else YuNet(data, min_score)
    images = []
    for file in tqdm(files, desc=title, unit="image", mininterval=2):
        pixels = read_pixels(file.path)
        faces = (_label_of(known[file.name]),) if teacher is None or file.name in known else teacher(pixels)
        images.append(LabelledImage(file, pixels if len(files) <= _KEPT_IMAGES else None, faces))
    return images


def _label_of(points: Floats) -> FaceLabel:
    """A face known by its points (5, 2), in the box that the teacher would draw around it."""
    matrix = crop_matrix(points)
    side = CROP_SIZE / float(np.hypot(matrix[0, 0], matrix[1, 0]))
    return FaceLabel((points.mean(axis=0) + _BOX_REACH * side).reshape(4), points, 1.0)


def identity_embeddings(portraits: Sequence[LabelledImage], cache: Path) -> dict[str, NDArray[np.float32]]:
    """Embeddings (128,) of length about 1, each the mean of a face's and its mirror image's.

    cache: an .npz file by file name; what it lacks is computed and added.
    """
    known: dict[str, NDArray[np.float32]] = {}
    if cache.exists():
        with np.load(cache) as stored:
            known = {name: stored[name] for name in stored.files}
    missing = [image for image in portraits if image.faces and image.file.name not in known]
    if missing:
        embed = _DlibEmbedder()
        for image in tqdm(missing, desc="teacher embeddings", unit="face", mininterval=2):
            known[image.file.name] = embed(image.pixels, image.faces[0])
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, **known)  # type: ignore[arg-type]
    return known


class _DlibEmbedder:
    def __init__(self) -> None:
        import dlib  # noqa: PLC0415 - a package that only training has

        found = find_spec("face_recognition_models")
        if found is None or found.origin is None:
            raise RuntimeError("face_recognition_models is not installed; see requirements-train.txt")
        models = Path(found.origin).parent / "models"
        self._dlib = dlib
        self._aligner = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self._net = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def __call__(self, pixels: Pixels, face: FaceLabel) -> NDArray[np.float32]:
        x0, y0, x1, y1 = face.box
        # dlib's own detector draws a square around brows and chin; its aligner expects one.
        half = 0.236 * (x1 - x0 + y1 - y0)
        middle_x, middle_y = (x0 + x1) / 2, y0 + 0.55 * (y1 - y0)
        square = self._dlib.rectangle(
            int(middle_x - half), int(middle_y - half), int(middle_x + half), int(middle_y + half)
        )
        chip = self._dlib.get_face_chip(pixels, self._aligner(pixels, square), _CHIP_SIZE, _CHIP_PADDING)
        both = self._net.compute_face_descriptor([chip, np.ascontiguousarray(chip[:, ::-1])])
        mean: NDArray[np.float32] = np.asarray(both, np.float32).mean(axis=0)
        return mean
