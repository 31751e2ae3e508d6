"""The faces the type model's trunk learns from, and what its teacher says of them.

Beyer et al. 2022, doi:10.1109/CVPR52688.2022.01065: distillation is function matching, and wants many and
varied pictures. A few thousand portraits are not many, so most of the pool are morphs of two of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from inference.dataset import ImageFile
from inference.nets.parts import part_boxes
from inference.nets.types import EMBEDDING, IMPRESSIONS, PARTS, ROI_CELLS, roi_sample
from inference.preprocessing import CROP_SIZE, Floats, Pixels
from inference.training.loop import WORKERS, one_thread
from inference.training.morphs import CANVAS_TO_CROP, AlignedPortrait, morph
from inference.training.recognition import (
    CHIP_SIZE,
    FEATURE_CHANNELS,
    RECOGNITION,
    RecognitionNet,
    recognition_weights,
)

# Channels that a cell's features are reduced to.
CELL_CHANNELS = 48
# The square that dlib's net expects, in shares of the canonical crop: the median over the portraits of what dlib's
# own aligner cuts.
_CHIP_CENTRE = (0.5, 0.549)
_CHIP_SIDE = 0.736
# What the centres of the net's cells span, in shares of the chip: it does not pad where it shrinks.
_MAP_START, _MAP_SPAN = 6 / CHIP_SIZE, 132 / CHIP_SIZE
_JPEG_QUALITY = 95
_BATCH = 64
# A feature that hardly varies is not blown up beyond this share of the median deviation.
_MIN_DEVIATION = 0.2
# Against the mean squared length of a face's features; chosen by the ratings of faces left out.
_IMPRESSION_RIDGE = 0.3

Halves = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Features:
    """What the teacher sees in the three parts' boxes, on a grid of cells, and its embedding.

    direct: of the face, mirrored: of its mirror image as it lies there, both (N, 3, 448, 4, 4).
    embedding (N, 128): the mean of both.
    """

    direct: Tensor
    mirrored: Tensor
    embedding: Tensor

    @property
    def both_ways(self) -> Tensor:
        """The same for a face and for its mirror image."""
        return (self.direct + self.mirrored) / 2

    @property
    def cells(self) -> Tensor:
        """Mirrored like the face."""
        return (self.direct + self.mirrored.flip(-1)) / 2


def shares_by_set(files: Sequence[ImageFile]) -> Floats:
    """How often each file is drawn (N,), summing to 1: a set's share is the square root of its size."""
    sets = [str(file.path.parent) for file in files]
    sizes = Counter(sets)
    shares: Floats = np.array([sizes[name] ** -0.5 for name in sets])
    return shares / float(shares.sum())


class Teacher:
    """dlib's net, asked about aligned portraits."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._net = RecognitionNet.read(recognition_weights())
        self._net.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, faces: Sequence[AlignedPortrait]) -> Features:
        chips = torch.from_numpy(np.stack([_chip(face.pixels) for face in faces])).permute(0, 3, 1, 2).float()
        boxes = part_boxes(torch.from_numpy(np.stack([face.lines for face in faces])).float())
        direct, first = self._look(chips, boxes)
        mirrored, second = self._look(
            chips.flip(-1), torch.stack([1 - boxes[..., 2], boxes[..., 1], 1 - boxes[..., 0], boxes[..., 3]], -1)
        )
        return Features(direct, mirrored, (first + second) / 2)

    def _look(self, chips: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        centre = torch.tensor(_CHIP_CENTRE).repeat(2)
        places = (((boxes - centre) / _CHIP_SIDE + 0.5 - _MAP_START) / _MAP_SPAN).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16):
            seen = chips.to(self._device).contiguous(memory_format=torch.channels_last)
            maps, embedding = self._net.forward_features(seen)
        parts = [
            torch.cat([roi_sample(found.float(), places[:, part], ROI_CELLS) for found in maps], dim=1)
            for part in range(PARTS)
        ]
        return torch.stack(parts, dim=1).cpu(), embedding.float().cpu()


def _chip(canvas: Pixels) -> Pixels:
    """The teacher's square of a canvas."""
    scale = CHIP_SIZE / (_CHIP_SIDE * CROP_SIZE)
    shift = CHIP_SIZE / 2 - scale * CROP_SIZE * np.array(_CHIP_CENTRE)
    matrix = np.column_stack([scale * CANVAS_TO_CROP[:, :2], scale * CANVAS_TO_CROP[:, 2] + shift])
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    return np.asarray(cv2.warpAffine(canvas, matrix, (CHIP_SIZE, CHIP_SIZE), flags=cv2.INTER_LINEAR), np.uint8)


@dataclass(frozen=True, slots=True)
class _Standard:
    """Standardized features and their half-whitened principal components, of mean variance 1.

    Whitened whole, the faintest components would count as much as the strongest; not whitened, one or two would count
    alone.
    """

    mean: Tensor
    deviation: Tensor
    components: Tensor

    @classmethod
    def fit(cls, values: Tensor, groups: Sequence[slice], count: int) -> _Standard:
        """Of values (N, F) the first `count` components; each group of features weighs the same in them."""
        mean, deviation = _spread(values, groups)
        return cls(mean, deviation, cls._components((values - mean) / deviation, count))

    @classmethod
    def fit_impressions(
        cls, values: Tensor, groups: Sequence[slice], count: int, is_rated: Tensor, ratings: Tensor
    ) -> _Standard:
        """Components of what ridge regression on values (N, F) makes of the ratings (R, A) of the R rated faces."""
        mean, deviation = _spread(values, groups)
        standard = (values - mean) / deviation
        rated = standard[is_rated]
        centred = rated - rated.mean(dim=0)
        kernel = centred @ centred.T / len(groups)
        targets = (ratings - ratings.mean(dim=0)) / ratings.std(dim=0).clamp(min=1e-6)
        weights = centred.T @ torch.linalg.solve(kernel + _IMPRESSION_RIDGE * torch.eye(len(rated)), targets)
        impressions = standard @ weights
        # A faint impression must not be lost beside a clear one.
        scale = 1 / impressions.std(dim=0).clamp(min=1e-6)
        return cls(mean, deviation, (weights * scale) @ cls._components(impressions * scale, count))

    @staticmethod
    def _components(standard: Tensor, count: int) -> Tensor:
        # Centred values have one direction less than there are.
        found = min(count, len(standard) - 1, standard.shape[1])
        _, spread, directions = torch.pca_lowrank(standard, q=found, center=False, niter=4)
        components = torch.zeros(standard.shape[1], count)
        halved = directions / spread.clamp(min=1e-6).sqrt()
        components[:, :found] = halved / (standard @ halved).square().mean().sqrt()
        return components

    def __call__(self, values: Tensor) -> Tensor:
        return ((values - self.mean) / self.deviation) @ self.components


def _spread(values: Tensor, groups: Sequence[slice]) -> tuple[Tensor, Tensor]:
    """Mean and deviation (F,) of values (N, F), such that each group of features weighs the same divided by it."""
    mean, deviation = values.mean(dim=0), values.std(dim=0)
    for group in groups:
        own = deviation[group]
        own.clamp_(min=max(float(own.median()) * _MIN_DEVIATION, 1e-6))
        own.mul_(((values[:, group] - mean[group]) / own).square().sum(dim=1).mean().sqrt())
    return mean, deviation


class Targets:
    """What the student is to predict: the teacher's features as half-whitened principal components of the portraits.

    Identity alone rates faces worse than the layers before it, which still know skin, hair and expression. Impressions
    are what the teacher would rate, had it learned from the rated faces: they say of every face what to look at.
    """

    def __init__(self, features: Features, attributes: Floats) -> None:
        """attributes (N, A): ratings of the portraits that were rated, NaN of the others."""
        stages = _slices([channels * ROI_CELLS**2 for channels in FEATURE_CHANNELS] + [RECOGNITION])
        self._embeddings = [
            _Standard.fit(_seen(features, part), stages if part == 0 else stages[:-1], EMBEDDING)
            for part in range(PARTS)
        ]
        is_rated = torch.from_numpy(~np.isnan(attributes).any(axis=1))
        ratings = torch.from_numpy(attributes).float()[is_rated]
        self._impressions = [
            _Standard.fit_impressions(
                _seen(features, part), stages if part == 0 else stages[:-1], IMPRESSIONS, is_rated, ratings
            )
            for part in range(PARTS if len(ratings) else 0)
        ]
        cells = features.cells.permute(0, 1, 3, 4, 2)
        self._cells = [
            _Standard.fit(cells[:, part].flatten(0, 2), _slices(FEATURE_CHANNELS), CELL_CHANNELS)
            for part in range(PARTS)
        ]

    def embeddings(self, features: Features) -> Halves:
        """(N, 3, 128), the same for a face and its mirror image."""
        found = torch.stack([standard(_seen(features, part)) for part, standard in enumerate(self._embeddings)], dim=1)
        return _halves(found)

    def impressions(self, features: Features) -> Halves:
        """(N, 3, 32), the same for a face and its mirror image; nought where no face was rated."""
        if not self._impressions:
            return np.zeros((len(features.embedding), PARTS, IMPRESSIONS), np.float16)
        found = [standard(_seen(features, part)) for part, standard in enumerate(self._impressions)]
        return _halves(torch.stack(found, dim=1))

    def cells(self, features: Features) -> Halves:
        """(N, 3, 48, 4, 4)."""
        cells = features.cells.permute(0, 1, 3, 4, 2)
        found = torch.stack([standard(cells[:, part]) for part, standard in enumerate(self._cells)], dim=1)
        return _halves(found.permute(0, 1, 4, 2, 3))


def _seen(features: Features, part: int) -> Tensor:
    """A part's features (N, F); those of the whole face are the embedding's, too."""
    stages = torch.split(features.both_ways[:, part], list(FEATURE_CHANNELS), dim=1)
    return torch.cat([stage.flatten(1) for stage in stages] + [features.embedding] * (part == 0), dim=1)


def _slices(widths: Sequence[int]) -> list[slice]:
    ends = np.cumsum(widths).tolist()
    return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]


def _halves(values: Tensor) -> Halves:
    return np.asarray(values.clamp(-60000, 60000).half().numpy())


@dataclass(frozen=True, slots=True)
class FacePool:
    """Aligned faces as JPEG files, lines (N, 5) in shares of the canonical crop, and targets."""

    files: Sequence[bytes]
    lines: Floats
    embeddings: Halves
    impressions: Halves
    cells: Halves

    def __len__(self) -> int:
        return len(self.files)

    def pixels(self, index: int) -> Pixels:
        return _decode(self.files[index])

    def write(self, path: Path, inputs: str) -> None:
        """inputs: names what the pool was made of."""
        partial = path.with_suffix(".partial.npz")
        np.savez(
            partial,
            inputs=np.array(inputs),
            content=np.frombuffer(b"".join(self.files), np.uint8),
            sizes=np.array([len(file) for file in self.files]),
            lines=self.lines,
            embeddings=self.embeddings,
            impressions=self.impressions,
            cells=self.cells,
        )
        partial.replace(path)

    @classmethod
    def read(cls, path: Path, inputs: str) -> FacePool | None:
        """A pool that was made of these inputs, if there is one."""
        if not path.exists():
            return None
        with np.load(path) as stored:
            if stored["inputs"].item() != inputs:
                return None
            content, ends = stored["content"].tobytes(), np.cumsum(stored["sizes"]).tolist()
            files = [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]
            return cls(files, stored["lines"], stored["embeddings"], stored["impressions"], stored["cells"])


def build_pool(
    portraits: Sequence[AlignedPortrait],
    attributes: Floats,
    shares: Floats,
    morphs: int,
    teacher: Teacher,
    seed: int,
) -> tuple[FacePool, Targets]:
    """The portraits in their order, then so many morphs.

    attributes (N, A): ratings of the portraits that were rated, NaN of the others.
    shares (N,): how often each portrait is taken for a morph; they sum to 1.
    """
    targets = Targets(_joined([teacher(chunk) for chunk in _chunks(portraits, "ask about portraits")]), attributes)
    faces = _PoolFaces(portraits, shares, len(portraits) + morphs, seed)
    loader = DataLoader(
        faces, batch_size=_BATCH, num_workers=WORKERS, worker_init_fn=one_thread, collate_fn=list, prefetch_factor=4
    )
    files: list[bytes] = []
    lines, embeddings, impressions, cells = [], [], [], []
    for batch in tqdm(loader, desc="ask about morphs", unit_scale=_BATCH, unit="face", mininterval=5):
        features = teacher([AlignedPortrait(_decode(file), points, own) for file, points, own in batch])
        files += [file for file, _, _ in batch]
        lines += [own for _, _, own in batch]
        embeddings.append(targets.embeddings(features))
        impressions.append(targets.impressions(features))
        cells.append(targets.cells(features))
    found = (np.concatenate(values) for values in (embeddings, impressions, cells))
    return FacePool(files, np.stack(lines), *found), targets


def pool_of(portraits: Sequence[AlignedPortrait], teacher: Teacher, targets: Targets) -> FacePool:
    """A pool of these portraits alone, with targets that others have set."""
    features = _joined([teacher(chunk) for chunk in _chunks(portraits, "ask about others")])
    lines = np.stack([face.lines for face in portraits])
    files = [_encode(face.pixels) for face in portraits]
    found = targets.embeddings(features), targets.impressions(features), targets.cells(features)
    return FacePool(files, lines, *found)


class _PoolFaces(Dataset[tuple[bytes, Floats, Floats]]):
    """JPEG file, points and lines of each face: first the portraits, then morphs."""

    def __init__(self, portraits: Sequence[AlignedPortrait], shares: Floats, count: int, seed: int) -> None:
        self._portraits = portraits
        self._shares = shares
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[bytes, Floats, Floats]:
        if index < len(self._portraits):
            face = self._portraits[index]
        else:
            rng = np.random.default_rng((self._seed, index))
            first, second = rng.choice(len(self._portraits), 2, replace=False, p=self._shares)
            face = morph(self._portraits[first], self._portraits[second], rng)
        return _encode(face.pixels), face.points, face.lines


def _chunks(portraits: Sequence[AlignedPortrait], title: str) -> Iterator[Sequence[AlignedPortrait]]:
    for start in tqdm(range(0, len(portraits), _BATCH), desc=title, mininterval=5):
        yield portraits[start : start + _BATCH]


def _joined(parts: Sequence[Features]) -> Features:
    return Features(
        torch.cat([part.direct for part in parts]),
        torch.cat([part.mirrored for part in parts]),
        torch.cat([part.embedding for part in parts]),
    )


def _encode(pixels: Pixels) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def _decode(file: bytes) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR), np.uint8)
