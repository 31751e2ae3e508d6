"""The type model's recipe.

1. The trunk: every part's embedding predicts principal components of what a teacher, dlib's face-recognition
   net, sees in that part, on portraits and on morphs of two of them; and every part's impressions predict what
   ridge regression on that would rate, learned from the survey's 34 attributes of rated faces. It never sees an
   adult man of the survey, neither his picture nor his rating.
   Where all the data's faces are rated men, the released type model's trunk takes its place.
2. The ratings: ridge regression of the appearance rating on what the trunk's maps hold in each part's box and on
   its impressions. To the trunk adult men are strangers, so cross-validating the regression over them is all that
   honest numbers need.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from inference.contracts import ScoreCalibration
from inference.dataset import HELD_OUT_FOLD, DataError, ImageFile, Subset, data_hash, face_files, rated_faces
from inference.nets.parts import PartsNet, part_boxes
from inference.nets.types import FEATURES, PARTS, TypesNet
from inference.preprocessing import (
    CROP_SIZE,
    CROP_TEMPLATE,
    Floats,
    Pixels,
    apply,
    crop_matrix,
    standardized,
    to_tensor,
    warp,
)
from inference.registry import MODELS, Manifest
from inference.training import augmentation
from inference.training.augmentation import Rng
from inference.training.calibration import cross_validated, fit_type_scale
from inference.training.loop import EPOCH_SAMPLES, FitSettings, RunOptions, fit
from inference.training.morphs import CANVAS_TO_CROP, AlignedPortrait, align, lines_through, touching_points
from inference.training.parts import guess_lines
from inference.training.pool import CELL_CHANNELS, FacePool, Teacher, build_pool, pool_of, shares_by_set
from inference.training.samples import jitter_points, normalize
from inference.training.teachers import FACE_SCORE, LabelledImage, load_labelled

_BATCH = 32
# Of the samples so many are rated faces, portraits; the others are morphs.
_RATED_SHARE, _PORTRAIT_SHARE = 0.15, 0.25
_MORPHS = 20_000
# Of the views so many have lost resolution, as a small face's photo has.
_COARSE_SHARE = 0.3
_VIEWS = 10
# Faces other than adult men teach the rating too, with this weight against a man's.
_OTHERS_WEIGHT = 0.2
_RIDGE = 0.3
# What the early map's features, the last one's and impressions count, for the whole face, the upper and lower part.
_FEATURE_SHARES = ((0.3, 0.5, 0.2), (0.0, 0.6, 0.4), (0.5, 0.5, 0.0))
# How much a rating's dependence on the view costs, against what rating every view alike would need.
_STEADINESS = 2.0
# A feature that hardly varies is not blown up beyond this share of the median deviation.
_MIN_DEVIATION = 0.2
_CHUNK = 128
# Fewer give five folds too few to tell types apart by.
_FEWEST_MEN = 25


class TypesTrainee(nn.Module):
    """TypesNet, and the head that only training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.net = TypesNet()
        self.cells = nn.ModuleList([nn.Conv2d(64, CELL_CHANNELS, 1) for _ in range(PARTS)])

    def forward(self, crops: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of each part the embedding (B, 3, 128), impressions (B, 3, 32) and the cells' features (B, 3, 48, 4, 4)."""
        _, late = self.net.forward_maps(crops)
        cells = self.net.forward_cells(late, boxes)
        seen = torch.stack([head(cells[:, index]) for index, head in enumerate(self.cells)], dim=1)
        return self.net.forward_embeddings(cells).float(), self.net.forward_impressions(cells).float(), seen.float()


class TypesSamples(Dataset[dict[str, Tensor]]):
    """Views of a pool's faces with part boxes and the teacher's targets."""

    def __init__(
        self, pool: FacePool, files: Sequence[ImageFile], is_rated: NDArray[np.bool_], *, count: int, seed: int
    ) -> None:
        """files: of the pool's P portraits, which come first in it. is_rated (P,): those of a survey."""
        self._pool = pool
        self._shares = shares_by_set(files).cumsum()
        self._rated = np.flatnonzero(is_rated)
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self._seed, index))
        return view_of(self._pool, self._draw(rng), rng, 1.0)

    def _draw(self, rng: Rng) -> int:
        kind, portraits = rng.random(), len(self._shares)
        if kind < _RATED_SHARE and len(self._rated):
            return int(rng.choice(self._rated))
        if kind < _RATED_SHARE + _PORTRAIT_SHARE or portraits == len(self._pool):
            return min(int(np.searchsorted(self._shares, rng.random(), side="right")), portraits - 1)
        return int(rng.integers(portraits, len(self._pool)))


class TypesValidation(Dataset[dict[str, Tensor]]):
    """Each face of a pool once, hardly changed."""

    def __init__(self, pool: FacePool) -> None:
        self._pool = pool

    def __len__(self) -> int:
        return len(self._pool)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return view_of(self._pool, index, np.random.default_rng(index), 0.3)


def view_of(pool: FacePool, index: int, rng: Rng, strength: float) -> dict[str, Tensor]:
    """A random view of one of a pool's faces, and its targets."""
    is_mirrored = rng.random() < 0.5
    crop, boxes = random_view(
        pool.pixels(index), CANVAS_TO_CROP, pool.lines[index], rng, strength, is_mirrored=is_mirrored
    )
    cells = pool.cells[index]
    return {
        "image": torch.from_numpy(crop),
        "boxes": boxes,
        "embeddings": torch.from_numpy(pool.embeddings[index]).float(),
        "impressions": torch.from_numpy(pool.impressions[index]).float(),
        "cells": torch.from_numpy(np.ascontiguousarray(cells[..., ::-1] if is_mirrored else cells)).float(),
    }


def random_view(
    pixels: Pixels, to_crop: Floats, lines: Floats, rng: Rng, strength: float, *, is_mirrored: bool
) -> tuple[Pixels, Tensor]:
    """A jittered crop (128, 128, 3) of a face and its part boxes (3, 4) in shares.

    to_crop: (2, 3), from the pixels to the canonical crop. lines: (5,) in shares of that crop. strength: 0 gives
    that crop itself, as the engine sees it.
    """
    jitter = crop_matrix(jitter_points(CROP_TEMPLATE * CROP_SIZE, rng, 0.35 * strength))
    matrix = (np.vstack([jitter, [0, 0, 1]]) @ np.vstack([to_crop, [0, 0, 1]]))[:2]
    crop = warp(pixels, matrix)
    touching = apply(jitter, touching_points(lines) * CROP_SIZE) / CROP_SIZE
    new = lines_through(touching + rng.normal(0, 0.008 * strength, (5, 2)))
    if is_mirrored:
        crop = np.ascontiguousarray(crop[:, ::-1])
        new = np.array([1 - new[1], 1 - new[0], *new[2:]])
    if strength > 0:
        if rng.random() < _COARSE_SHARE * strength:
            crop = augmentation.coarse(crop, rng.uniform(0.3, 1.0))
        crop = augmentation.photometric(crop, rng, 0.6 * strength)
    return crop, part_boxes(torch.from_numpy(new).float())


def types_loss(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Squared error of embeddings, impressions and cells, all of them standardized, over all parts.

    The whole face counts as much as the two smaller parts together.
    """
    embeddings, impressions, cells = net(normalize(batch["image"]), batch["boxes"])
    weight = torch.tensor([0.5, 0.25, 0.25], device=embeddings.device)
    error = (embeddings - batch["embeddings"]).square().mean(dim=(0, 2))
    error = error + (impressions - batch["impressions"]).square().mean(dim=(0, 2))
    error = error + 0.5 * (cells - batch["cells"]).square().mean(dim=(0, 2, 3, 4))
    total: Tensor = (error * weight).sum()
    return total


@torch.inference_mode()
def view_features(
    net: TypesNet, portraits: Sequence[LabelledImage], lines: Mapping[str, Floats], views: int, seed: int
) -> NDArray[np.float32]:
    """Features (N, V, 3, 4128) of the engine's own two views, the crop and its mirror image, and of others."""
    net = net.to("cpu").eval()
    found = []
    for start in tqdm(range(0, len(portraits), _CHUNK), desc="look at rated faces", mininterval=2):
        chunk = portraits[start : start + _CHUNK]
        canvases = [align(image, lines[image.file.name]) for image in chunk]
        rows = []
        for view in range(views):
            seen = []
            for index, (image, canvas) in enumerate(zip(chunk, canvases, strict=True)):
                rng, is_mirrored = np.random.default_rng((seed, start + index, view)), view % 2 == 1
                pixels, to_crop, strength = canvas.pixels, CANVAS_TO_CROP, 0.7
                if view < 2:
                    pixels, to_crop, strength = image.pixels, crop_matrix(image.faces[0].points), 0.0
                seen.append(random_view(pixels, to_crop, canvas.lines, rng, strength, is_mirrored=is_mirrored))
            crops = to_tensor([standardized(crop) for crop, _ in seen])
            boxes = torch.stack([box for _, box in seen])
            early, late = net.forward_maps(crops)
            rows.append(net.forward_features(early, late, net.forward_cells(late, boxes), boxes))
        found.append(torch.stack(rows, dim=1).numpy())
    return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class RatedViews:
    """Features (N, V, 3, F) of rated faces' views, part ratings (N, 3), who is an adult man (N,), folds (N,)."""

    features: Floats
    part_ratings: Floats
    is_man: NDArray[np.bool_]
    folds: NDArray[np.int64]

    def __getitem__(self, rows: NDArray[np.bool_]) -> RatedViews:
        return RatedViews(self.features[rows], self.part_ratings[rows], self.is_man[rows], self.folds[rows])

    @property
    def engine_features(self) -> Floats:
        """(N, 3, F), as the engine sees a face: the mean of the crop and its mirror image."""
        return np.asarray(self.features[:, :2].mean(axis=1))


def in_span(features: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Features in as few coordinates as there are faces, and what carries weights on those back, (3, F, R).

    A ridge regression's weights lie in the span of the faces it learns from: nothing of it is lost. Within a map
    no feature counts more than another.
    Shapes: features (N, V, 3, F) -> (N, V, 3, R).
    """
    coordinates, carriers = [], []
    ends = np.cumsum(FEATURES)
    groups = [slice(end - count, end) for end, count in zip(ends, FEATURES, strict=True)]
    for part, shares in enumerate(_FEATURE_SHARES):
        own = features[:, :, part]
        mean = own.mean(axis=1)
        deviation = mean.std(axis=0)
        scale = 1 / np.maximum(deviation, _MIN_DEVIATION * np.median(deviation) + 1e-6)
        for found, share in zip(groups, shares, strict=True):
            scale[found] *= np.sqrt(share / np.square(deviation[found] * scale[found]).sum())
        _, _, directions = np.linalg.svd((mean - mean.mean(axis=0)) * scale, full_matrices=False)
        carrier = (directions[: len(own) - 1] * scale).T
        coordinates.append((own.reshape(-1, own.shape[-1]) @ carrier).reshape(*own.shape[:2], -1))
        carriers.append(carrier)
    return np.stack(coordinates, axis=2).astype(np.float64), np.stack(carriers).astype(np.float64)


def rating_weights(faces: RatedViews, part: int) -> tuple[Floats, float]:
    """Weights (F,) and bias that predict men's ratings of one part, standardized over them, from its features.

    Ridge regression in which faces other than men have an offset of their own and a smaller weight. What a face's
    features do from view to view is penalized too, as if the views were samples of their own.
    """
    features, is_man = faces.features[:, :, part], faces.is_man
    mean = features.mean(axis=1)
    centre = mean[is_man].mean(axis=0)
    weight = np.where(is_man, 1.0, _OTHERS_WEIGHT)
    rating = faces.part_ratings[:, part]
    y = (rating - rating[is_man].mean()) / rating[is_man].std()
    x = np.column_stack([mean - centre, np.ones(len(y)), ~is_man])
    moments = (x * weight[:, None]).T @ x
    size = mean.shape[1]
    # Against the mean squared length of the faces' features.
    moments[:size, :size] += _RIDGE * np.trace(moments[:size, :size]) / weight.sum() * np.eye(size)
    moved = ((features - mean[:, None]) * np.sqrt(weight)[:, None, None]).reshape(-1, size)
    moments[:size, :size] += _STEADINESS * (moved.T @ moved) / features.shape[1]
    # The two offsets are free, but for a trifle where there are only men.
    moments[size:, size:] += 1e-6 * np.eye(2)
    weights = np.linalg.solve(moments, x.T @ (weight * y))
    return weights[:size], float(weights[size] - centre @ weights[:size])


def left_out_latents(faces: RatedViews) -> Floats:
    """Latent ratings (N, 3) of each fold's faces by weights learned from the other folds alone."""
    latent = np.empty((len(faces.folds), PARTS))
    for fold in np.unique(faces.folds):
        own = faces.folds == fold
        others = faces[~own]
        for part in range(PARTS):
            weights, bias = rating_weights(others, part)
            latent[own, part] = faces.engine_features[own, part] @ weights + bias
    return latent


@dataclass(frozen=True, slots=True)
class TrainedTypes:
    """net: the one to release. metrics: of the regression, cross-validated over all men.

    files: the images it learned from. trunk: the released model whose trunk it keeps, where it does.
    """

    net: TypesNet
    calibration: ScoreCalibration
    metrics: dict[str, float]
    files: list[ImageFile]
    trunk: Manifest | None


class TypesTraining:
    """One run: what its steps share is read once."""

    def __init__(self, run: RunOptions, parts: PartsNet) -> None:
        """parts: the part finder whose boxes the type model will be given."""
        self._run = run
        self._rated = rated_faces(run.data)
        men = {name for name, is_man in zip(self._rated.names, self._rated.is_man, strict=True) if is_man}
        files = trunk_files(face_files(run.data), men)
        rated = [file for file in face_files(run.data) if file.name in set(self._rated.names)]
        # Rated faces of all folds are read, because all are cross-validated; the trunk learns from `files` alone.
        wanted = list({file.name: file for file in [*files, *rated]}.values())
        images = [image for image in load_labelled(wanted, run.data, FACE_SCORE, "label portraits") if image.faces]
        self._lines = guess_lines(parts, images)
        images = [image for image in images if image.file.name in self._lines]
        own = {file.name for file in files}
        self._trunk = [image for image in images if image.file.name in own]
        self._men_and_others = [image for image in images if image.file.name in set(self._rated.names)]
        if (found := sum(image.file.name in men for image in images)) < _FEWEST_MEN:
            raise DataError(f"{run.data} has {found} rated men; types need {_FEWEST_MEN} at least")
        weights = hashlib.sha256(b"".join(value.numpy().tobytes() for value in parts.state_dict().values()))
        ratings = hashlib.sha256(np.ascontiguousarray(self._rated.attributes).tobytes())
        self._inputs = f"{data_hash(files)} {ratings.hexdigest()} {weights.hexdigest()} {run.seed} {_MORPHS}"

    def train(self) -> TrainedTypes:
        released_types = None if self._trunk else MODELS.load_to_train("types", TypesNet)
        net = released_types.net if released_types else self._pretrain()
        names = [image.file.name for image in self._men_and_others]
        row_of = {name: row for row, name in enumerate(self._rated.names)}
        rows = np.array([row_of[name] for name in names])
        views = view_features(net, self._men_and_others, self._lines, _VIEWS, self._run.seed)
        features, carriers = in_span(views)
        folds = np.array([image.file.fold for image in self._men_and_others])
        rating, part_ratings = self._rated.rating[rows], self._rated.part_ratings[rows]
        faces = RatedViews(features, part_ratings, self._rated.is_man[rows], folds)
        men = faces.is_man
        metrics = cross_validated(left_out_latents(faces)[men], part_ratings[men], rating[men], folds[men])

        released = folds != HELD_OUT_FOLD
        known = faces[released]
        for part in range(PARTS):
            weights, bias = rating_weights(known, part)
            net.rate.data[part] = torch.from_numpy(carriers[part] @ weights).float()
            net.bias.data[part] = bias
        latent = left_out_latents(known)[known.is_man]
        scale = fit_type_scale(latent, part_ratings[released & men], rating[released & men])
        net.ordinal.load_state_dict(scale.head.state_dict())
        used = [image.file for image in self._trunk]
        used += [image.file for image in self._men_and_others if not image.file.is_held_out]
        files = list({file.name: file for file in used}.values())
        trunk = released_types.manifest if released_types else None
        return TrainedTypes(net.eval(), scale.calibration, metrics, files, trunk)

    def _pretrain(self) -> TypesNet:
        run = self._run
        subsets = [[image for image in self._trunk if image.file.subset is subset] for subset in _TRUNK_SUBSETS]
        learned, watched = ([align(image, self._lines[image.file.name]) for image in images] for images in subsets)
        files = [image.file for image in subsets[0]]
        attributes = self._attributes(files)
        pool, validation = self._pools(learned, watched, attributes, shares_by_set(files))
        steps = run.epochs * EPOCH_SAMPLES // _BATCH
        is_rated = np.asarray(~np.isnan(attributes).any(axis=1))
        samples = TypesSamples(pool, files, is_rated, count=steps * _BATCH, seed=run.seed)
        trainee = TypesTrainee()
        settings = FitSettings(
            steps,
            _BATCH,
            2e-3,
            run.out / "types.pt",
            weight_decay=0.05,
            device=run.device,
            seed=run.seed,
            inputs=self._inputs,
        )
        trainee.load_state_dict(
            fit(trainee, samples, types_loss, settings, "types", TypesValidation(validation)).state_dict()
        )
        return trainee.net.to("cpu")

    def _pools(
        self,
        learned: Sequence[AlignedPortrait],
        watched: Sequence[AlignedPortrait],
        attributes: Floats,
        shares: Floats,
    ) -> tuple[FacePool, FacePool]:
        """What the trunk learns from, and what tells it when to stop; kept in the run's folder."""
        paths = self._run.out / "pool.npz", self._run.out / "validation.npz"
        pool, validation = (FacePool.read(path, self._inputs) for path in paths)
        if pool is None or validation is None:
            teacher = Teacher(self._run.device)
            pool, targets = build_pool(learned, attributes, shares, _MORPHS, teacher, self._run.seed)
            validation = pool_of(watched, teacher, targets)
            for path, built in zip(paths, (pool, validation), strict=True):
                built.write(path, self._inputs)
        return pool, validation

    def _attributes(self, files: Sequence[ImageFile]) -> Floats:
        """Attributes (N, A) of rated faces that are not men; NaN of all others."""
        rated = self._rated
        row_of = {name: row for row, name in enumerate(rated.names) if not rated.is_man[row]}
        unknown = np.full(rated.attributes.shape[1], np.nan)
        return np.array([rated.attributes[row_of[file.name]] if file.name in row_of else unknown for file in files])


_TRUNK_SUBSETS = (Subset.TRAINING, Subset.VALIDATION)


def trunk_files(files: Sequence[ImageFile], men: set[str]) -> list[ImageFile]:
    """What the trunk may see: no held-out file, and no adult man of the survey of any fold."""
    return [file for file in files if file.subset in _TRUNK_SUBSETS and file.name not in men]


def train_types(run: RunOptions, parts: PartsNet) -> TrainedTypes:
    """Train the type model. parts: the part finder whose boxes it will be given."""
    torch.manual_seed(run.seed)
    return TypesTraining(run, parts).train()
