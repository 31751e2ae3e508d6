"""What the recipes' samples share: which portrait comes next, and how it is varied and handed to a net."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from inference.dataset import ImageFile, open_data
from inference.heads import turned
from inference.preprocessing import PADDING_VALUE, Floats, apply, rotation_scale
from inference.training import augmentation
from inference.training.augmentation import Rng
from inference.training.teachers import FACE_SCORE, LabelledImage, load_labelled
from inference.yunet import WEIGHTS


def labelled_portraits(data: Path, files: Sequence[ImageFile]) -> list[LabelledImage]:
    """Of these portraits, those with a face that is known or that the teacher sees."""
    return (
        [image for image in load_labelled(files, data, FACE_SCORE, "label portraits") if image.faces] if files else []
    )


def label_sources(data: Path, tables: Sequence[Path]) -> list[Path]:
    """The files that a recipe's labels came from: these tables, those of points, and the teacher's weights."""
    candidates = [*tables, *open_data(data).point_tables, data / WEIGHTS]
    return [path for path in candidates if path.exists()]


class PortraitSampler:
    """Draw portraits so that a large set of similar people does not drown the small varied ones.

    A set's share is the square root of its size.
    """

    def __init__(self, portraits: Sequence[LabelledImage]) -> None:
        self._portraits = [portrait for portrait in portraits if portrait.faces]
        sets = [str(portrait.file.path.parent) for portrait in self._portraits]
        sizes = Counter(sets)
        self._cumulative = np.cumsum([sizes[name] ** -0.5 for name in sets])

    def draw(self, rng: Rng) -> LabelledImage:
        position = np.searchsorted(self._cumulative, rng.uniform(0, self._cumulative[-1]), side="right")
        return self._portraits[min(int(position), len(self._portraits) - 1)]


def with_head_turned(portrait: LabelledImage, rng: Rng) -> LabelledImage:
    pixels, label = turned(portrait.pixels, portrait.faces[0], augmentation.yaw(rng), rng)
    return LabelledImage(portrait.file, pixels, (label,))


def jitter_points(points: Floats, rng: Rng, strength: float) -> Floats:
    """Move five points together and each alone, as a detector's errors do."""
    distance = float(np.linalg.norm(points[1] - points[0])) + 1e-6
    centre = points.mean(axis=0)
    matrix = rotation_scale(
        centre,
        centre + rng.normal(0, 0.09 * strength, 2) * distance,
        float(rng.normal(0, 5 * strength)),
        float(np.exp(rng.normal(0, 0.09 * strength))),
    )
    return apply(matrix, points) + rng.normal(0, 0.02 * strength, (5, 2)) * distance


def normalize(images: Tensor) -> Tensor:
    """What preprocessing.to_tensor does, for a batch (B, H, W, 3) that is a tensor already."""
    return images.permute(0, 3, 1, 2).float().sub(PADDING_VALUE).div(PADDING_VALUE)
