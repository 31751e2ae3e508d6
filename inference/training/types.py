"""The type model's recipe.

1. The trunk: every part's embedding predicts a teacher's identity embedding of the face, on all portraits,
   and the survey's 34 attributes, on rated faces that are not adult men. It never sees a man's rating.
2. The ratings: ridge regression of the appearance rating on each part's embedding, once for each fold of
   men left out and once on all; thresholds and calibration curve are fitted on the men left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from inference.comparison import CROSS_VALIDATED_R
from inference.contracts import ScoreCalibration
from inference.dataset import FOLDS, HELD_OUT_FOLD, RatedFaces, face_files, rated_faces
from inference.nets.parts import PartsNet, part_boxes
from inference.nets.types import EMBEDDING, PARTS, TypesNet
from inference.preprocessing import CROP_SIZE, Floats, apply, crop_matrix, to_tensor, warp
from inference.training import augmentation
from inference.training.augmentation import Rng
from inference.training.calibration import cross_validated, fit_type_scale
from inference.training.loop import EPOCH_SAMPLES, FitSettings, RunOptions, fit
from inference.training.parts import guess_lines
from inference.training.samples import PortraitSampler, jitter_points, normalize
from inference.training.teachers import FACE_SCORE, LabelledImage, identity_embeddings, load_labelled

_BATCH = 32
_RATED_SHARE = 0.3
_VIEWS = 8
# Faces other than adult men teach the rating too, with this weight against a man's.
_OTHERS_WEIGHT = 0.3
_RIDGE = 0.3
_CHUNK = 128


class TypesTrainee(nn.Module):
    """TypesNet, and the heads that only training needs."""

    def __init__(self, attributes: int) -> None:
        super().__init__()
        self.net = TypesNet()
        self.identity = nn.ModuleList([nn.Linear(EMBEDDING, 128) for _ in range(PARTS)])
        self.attributes = nn.ModuleList([nn.Linear(EMBEDDING, attributes) for _ in range(PARTS)])

    def forward(self, crops: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Identity embeddings (B, 3, 128) and attributes (B, 3, A), both standardized, from each part."""
        parts = self.net.forward_features(crops, boxes)
        return (
            torch.stack([head(parts[:, index]) for index, head in enumerate(self.identity)], dim=1).float(),
            torch.stack([head(parts[:, index]) for index, head in enumerate(self.attributes)], dim=1).float(),
        )


class TypesSamples(Dataset[dict[str, Tensor]]):
    """Aligned crops with part boxes, the teacher's embedding, and attributes where known (NaN elsewhere)."""

    def __init__(
        self,
        portraits: Sequence[LabelledImage],
        lines: Mapping[str, Floats],
        identities: Mapping[str, NDArray[np.float32]],
        attributes: Mapping[str, Floats],
        *,
        count: int,
        seed: int,
    ) -> None:
        usable = [image for image in portraits if image.file.name in lines]
        self._portraits = PortraitSampler(usable)
        self._rated = [image for image in usable if image.file.name in attributes]
        self._lines = lines
        self._identities = identities
        self._attributes = attributes
        self._unknown = np.full_like(next(iter(attributes.values())), np.nan)
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self._seed, index))
        if rng.random() < _RATED_SHARE:
            portrait = self._rated[int(rng.integers(len(self._rated)))]
        else:
            portrait = self._portraits.draw(rng)
        name = portrait.file.name
        crop, boxes = random_view(portrait, self._lines[name], rng, 1.0)
        return {
            "image": torch.from_numpy(crop),
            "boxes": boxes,
            "identity": torch.from_numpy(self._identities[name]),
            "attributes": torch.from_numpy(self._attributes.get(name, self._unknown)).float(),
        }


def random_view(portrait: LabelledImage, lines: Floats, rng: Rng, strength: float) -> tuple[NDArray[np.uint8], Tensor]:
    """A jittered crop (128, 128, 3) of a portrait, perhaps mirrored, and its part boxes (3, 4) in shares.

    lines: (5,) in shares of the canonical crop. strength: 0 gives the canonical crop, as the engine sees it.
    """
    points = portrait.faces[0].points
    canonical = crop_matrix(points)
    matrix = crop_matrix(jitter_points(points, rng, 0.25 * strength))
    crop = warp(portrait.pixels, matrix)
    xl, xr, yb, yn, yc = lines * CROP_SIZE
    middle, level = (xl + xr) / 2, 0.56 * CROP_SIZE
    touching = np.array([[xl, level], [xr, level], [middle, yb], [middle, yn], [middle, yc]])
    inverse = np.linalg.inv(np.vstack([canonical, [0, 0, 1]]))[:2]
    moved = apply(matrix, apply(inverse, touching)) / CROP_SIZE + rng.normal(0, 0.008 * strength, (5, 2))
    new = np.concatenate([moved[:2, 0], moved[2:, 1]])
    if rng.random() < 0.5:
        crop = np.ascontiguousarray(crop[:, ::-1])
        new = np.array([1 - new[1], 1 - new[0], *new[2:]])
    if strength > 0:
        crop = augmentation.photometric(crop, rng, 0.5 * strength)
    return crop, part_boxes(torch.from_numpy(new).float())


def types_loss(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Squared error of the standardized identity embedding and attributes, over all parts.

    The whole face counts as much as the two smaller parts together.
    """
    identity, attributes = net(normalize(batch["image"]), batch["boxes"])
    weight = torch.tensor([0.5, 0.25, 0.25], device=identity.device)
    distance = (identity - batch["identity"].unsqueeze(1)).square().mean(dim=-1)
    known = ~batch["attributes"].isnan().any(dim=1)
    target = torch.nan_to_num(batch["attributes"]).unsqueeze(1)
    error = (attributes - target).square().mean(dim=-1)
    rated: Tensor = (known[:, None] * error * weight).sum() / known.sum().clamp(min=1)
    recognized: Tensor = (distance * weight).sum(dim=1).mean()
    return recognized + rated


@torch.inference_mode()
def part_embeddings(
    net: TypesNet, portraits: Sequence[LabelledImage], lines: Mapping[str, Floats], views: int, seed: int
) -> Floats:
    """Part embeddings (N, 3, 128): the mean of `views` jittered views, mirrored ones included."""
    net = net.to("cpu").eval()
    rows = []
    for start in tqdm(range(0, len(portraits), _CHUNK), desc="embed parts", mininterval=2):
        chunk = portraits[start : start + _CHUNK]
        total = torch.zeros(len(chunk), PARTS, EMBEDDING)
        for view in range(views):
            seen = [
                random_view(image, lines[image.file.name], np.random.default_rng((seed, start + index, view)), 0.5)
                for index, image in enumerate(chunk)
            ]
            crops, boxes = to_tensor([crop for crop, _ in seen]), torch.stack([box for _, box in seen])
            total += net.forward_features(crops, boxes)
        rows.append((total / views).double().numpy())
    return np.concatenate(rows)


@dataclass(frozen=True, slots=True)
class TrainedTypes:
    """net: the one to release. left_out_r: correlation of the score of men left out with their mean rating."""

    net: TypesNet
    calibration: ScoreCalibration
    left_out_r: float


@dataclass(frozen=True, slots=True)
class _Faces:
    """The rated portraits of a run. attributes (N, A) and rating (N,) are standardized."""

    portraits: list[LabelledImage]
    attributes: Floats
    rating: Floats
    is_man: NDArray[np.bool_]
    folds: NDArray[np.int64]


class TypesTraining:
    """One run: what all its fits share is read once."""

    def __init__(self, run: RunOptions, parts: PartsNet) -> None:
        """parts: the part finder whose boxes the type model will be given."""
        files = [file for file in face_files(run.data) if not file.is_held_out]
        portraits = [image for image in load_labelled(files, run.data, FACE_SCORE, "label portraits") if image.faces]
        self._run = run
        self._identities = _standardized(identity_embeddings(portraits, run.out / "dlib_embeddings.npz"), portraits)
        self._lines = guess_lines(parts, portraits)
        self._portraits = [image for image in portraits if image.file.name in self._lines]
        self._faces = _rated_faces(rated_faces(run.data), self._portraits)

    def train(self) -> TrainedTypes:
        faces = self._faces
        net = self._pretrain()
        embeddings = part_embeddings(net, faces.portraits, self._lines, _VIEWS, self._run.seed)
        latent = np.full((len(faces.portraits), PARTS), np.nan)
        for part in range(PARTS):
            for fold in sorted(set(range(FOLDS)) - {HELD_OUT_FOLD}):
                learns = faces.folds != fold
                weights, bias = rating_weights(embeddings[learns, part], faces.rating[learns], faces.is_man[learns])
                latent[~learns, part] = embeddings[~learns, part] @ weights + bias
            weights, bias = rating_weights(embeddings[:, part], faces.rating, faces.is_man)
            net.rate.data[part] = torch.from_numpy(weights).float()
            net.bias.data[part] = bias

        men = faces.is_man
        rating = faces.rating[men]
        part_ratings = np.repeat(rating[:, None], PARTS, axis=1)
        scale = fit_type_scale(latent[men], part_ratings, rating)
        net.ordinal.load_state_dict(scale.head.state_dict())
        left_out = cross_validated(latent[men], part_ratings, rating, faces.folds[men])
        return TrainedTypes(net.eval(), scale.calibration, left_out[CROSS_VALIDATED_R])

    def _pretrain(self) -> TypesNet:
        faces = self._faces
        trainee = TypesTrainee(faces.attributes.shape[1])
        steps = self._run.epochs * EPOCH_SAMPLES // _BATCH
        others = {faces.portraits[row].file.name: faces.attributes[row] for row in np.flatnonzero(~faces.is_man)}
        samples = TypesSamples(
            self._portraits, self._lines, self._identities, others, count=steps * _BATCH, seed=self._run.seed
        )
        checkpoint = self._run.out / "types.pt"
        settings = FitSettings(steps, _BATCH, 2e-3, checkpoint, weight_decay=0.05, device=self._run.device)
        trainee.load_state_dict(fit(trainee, samples, types_loss, settings, "types").state_dict())
        return trainee.net.to("cpu")


def train_types(run: RunOptions, parts: PartsNet) -> TrainedTypes:
    """Train the type model. parts: the part finder whose boxes it will be given."""
    torch.manual_seed(run.seed)
    return TypesTraining(run, parts).train()


def _standardized(
    identities: Mapping[str, NDArray[np.float32]], portraits: Sequence[LabelledImage]
) -> dict[str, NDArray[np.float32]]:
    """Of these portraits, every dimension with mean 0 and deviation 1.

    All faces share most of an embedding's length; what tells them apart is what is left.
    """
    names = [image.file.name for image in portraits]
    values = np.stack([identities[name] for name in names])
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    return dict(zip(names, standard, strict=True))


def _rated_faces(rated: RatedFaces, portraits: Sequence[LabelledImage]) -> _Faces:
    row_of = {name: row for row, name in enumerate(rated.names)}
    seen = [image for image in portraits if image.file.name in row_of]
    rows = np.array([row_of[image.file.name] for image in seen])
    attributes, rating, is_man = rated.attributes[rows], rated.rating[rows], rated.is_man[rows]
    return _Faces(
        portraits=seen,
        attributes=(attributes - attributes.mean(axis=0)) / attributes.std(axis=0),
        rating=(rating - rating[is_man].mean()) / rating[is_man].std(),
        is_man=is_man,
        folds=np.array([image.file.fold for image in seen]),
    )


def rating_weights(embeddings: Floats, rating: Floats, is_man: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Weighted ridge on embeddings (N, 128), with an offset of their own for those who are not adult men."""
    weight = np.sqrt(np.where(is_man, 1.0, _OTHERS_WEIGHT))[:, None]
    centre = embeddings[is_man].mean(axis=0)
    x = np.column_stack([embeddings - centre, np.ones(len(rating)), ~is_man]) * weight
    y = rating * weight[:, 0]
    penalty = np.full(x.shape[1], _RIDGE * float((x[:, :-2] ** 2).sum()) / (x.shape[1] - 2))
    # The two offsets are free.
    penalty[-2:] = 1e-6
    weights = np.linalg.solve(x.T @ x + np.diag(penalty), x.T @ y)
    return weights[:-2], float(weights[-2] - centre @ weights[:-2])
