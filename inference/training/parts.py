"""The part finder's recipe.

Few portraits have landmarks, so the net learns twice: first from those, while it also places the five
points on all portraits; then from those again and from its own first answers on all the others. At last it
learns, on portraits that are hard to read, how far its lines are off: what it says of that must warn of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from inference.dataset import DataError, Subset, data_hash, face_files, line_labels, open_data
from inference.nets.parts import FaceLines, PartsNet, mirror_lines, spread_of
from inference.preprocessing import (
    CROP_SIZE,
    PADDING_VALUE,
    Floats,
    Pixels,
    apply,
    crop_matrix,
    lines_in_crop,
    mirror_points,
    to_tensor,
    warp,
)
from inference.registry import MODELS
from inference.training import augmentation
from inference.training.augmentation import Rng
from inference.training.loop import EPOCH_SAMPLES, WORKERS, FitSettings, RunOptions, fit, one_thread
from inference.training.release import Trained
from inference.training.samples import PortraitSampler, jitter_points, label_sources, labelled_portraits, normalize
from inference.training.teachers import LabelledImage

# A line this unsure, in shares of the crop's side, was not found.
THRESHOLDS = {"line_spread": 0.1}
_LANDMARKED_SHARE = 0.5
_BATCH = 32
_TEXTURES = 1000
_CHUNK = 256
_VALIDATION_SAMPLES = 512
_SPREAD_SAMPLES = 6400
_LINES = 5


class PartsTrainee(nn.Module):
    """PartsNet, and the points head that only training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.net = PartsNet()
        self.points = nn.Linear(128, 10)

    def forward(self, crops: Tensor) -> tuple[FaceLines, Tensor]:
        hidden = self.net.forward_features(crops)
        return self.net.forward_head(hidden), self.points(hidden).float().view(-1, 5, 2) + 0.5


class PartsSamples(Dataset[dict[str, Tensor]]):
    """Aligned crops with points, and with lines where they are known (NaN elsewhere)."""

    def __init__(
        self,
        portraits: Sequence[LabelledImage],
        landmarks: Mapping[str, Sequence[float]],
        guesses: Mapping[str, Floats],
        count: int,
        seed: int,
    ) -> None:
        """landmarks: lines in the file's pixels. guesses: lines in the canonical crop, in shares of its side."""
        self._portraits = PortraitSampler(portraits)
        self._landmarked = [image for image in portraits if image.faces and image.file.name in landmarks]
        self._landmarks = landmarks
        self._guesses = guesses
        self._textures = [image.pixels for image in portraits[:: max(10, len(portraits) // _TEXTURES)]]
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self._seed, index))
        if self._landmarked and rng.random() < _LANDMARKED_SHARE:
            portrait = self._landmarked[int(rng.integers(len(self._landmarked)))]
        else:
            portrait = self._portraits.draw(rng)
        points = portrait.faces[0].points
        canonical = crop_matrix(points)
        matrix = crop_matrix(jitter_points(points, rng, 0.5))
        # Stretching one axis makes longer and wider faces than the few that are labelled.
        stretch = np.exp(rng.normal(0, 0.06, 2))
        matrix = stretch[:, None] * matrix
        matrix[:, 2] += (1 - stretch) * CROP_SIZE / 2
        pixels = portrait.pixels
        crop = warp(self._cover(pixels, points, rng), matrix)
        placed = apply(matrix, points)
        name = portrait.file.name
        if name in self._landmarks:
            lines = lines_in_crop(self._landmarks[name], points, matrix)
        elif name in self._guesses:
            in_photo = _lines_to_points(self._guesses[name] * CROP_SIZE)
            back = apply(_compose(matrix, canonical), in_photo) / CROP_SIZE
            lines = np.concatenate([back[:2, 0], back[2:, 1]])
        else:
            lines = np.full(5, np.nan)
        if rng.random() < 0.5:
            crop = np.ascontiguousarray(crop[:, ::-1])
            placed = mirror_points(placed, CROP_SIZE)
            lines = mirror_lines(torch.from_numpy(lines)).numpy()
        if rng.random() < 0.3:
            _hide_edge(crop, rng)
        return {
            "image": torch.from_numpy(self._photograph(crop, rng)),
            "points": torch.from_numpy(placed / CROP_SIZE).float(),
            "lines": torch.from_numpy(lines).float(),
            "weight": torch.tensor(1.0 if name in self._landmarks else 0.5),
        }

    def _cover(self, pixels: Pixels, points: Floats, rng: Rng) -> Pixels:
        return augmentation.cover_elsewhere(pixels, points, self._textures, rng) if rng.random() < 0.1 else pixels

    def _photograph(self, crop: Pixels, rng: Rng) -> Pixels:
        return augmentation.photometric(crop, rng)


class DoubtfulSamples(PartsSamples):
    """The same, many of them covered, blurred, dark or noisy."""

    def _cover(self, pixels: Pixels, points: Floats, rng: Rng) -> Pixels:
        if rng.random() < 0.2:
            return augmentation.cover_nose_and_mouth(pixels, points, self._textures, rng)
        return augmentation.cover_elsewhere(pixels, points, self._textures, rng) if rng.random() < 0.25 else pixels

    def _photograph(self, crop: Pixels, rng: Rng) -> Pixels:
        crop = super()._photograph(crop, rng)
        kind = rng.random()
        if kind < 0.2:
            return np.asarray(cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.5, 4))), np.uint8)
        if kind < 0.4:
            return (crop * rng.uniform(0.1, 0.6)).astype(np.uint8)
        if kind < 0.5:
            return np.clip(crop + rng.normal(0, rng.uniform(5, 40), crop.shape), 0, 255).astype(np.uint8)
        return crop


def _lines_to_points(lines: Floats) -> Floats:
    """Points (5, 2) that the lines (5,) of a crop pass through, in its pixels."""
    xl, xr, yb, yn, yc = lines
    middle, level = (xl + xr) / 2, CROP_SIZE * 0.56
    return np.array([[xl, level], [xr, level], [middle, yb], [middle, yn], [middle, yc]])


def _compose(matrix: Floats, canonical: Floats) -> Floats:
    """From the canonical crop's pixels to those of another crop of the same photo."""
    whole = np.vstack([matrix, [0, 0, 1]]) @ np.linalg.inv(np.vstack([canonical, [0, 0, 1]]))
    return np.asarray(whole[:2])


def _hide_edge(crop: np.ndarray, rng: Rng) -> None:
    """What a photo's own edge does to a crop: padding on one side."""
    depth = int(rng.uniform(0.02, 0.2) * CROP_SIZE)
    side = rng.integers(4)
    view = [crop[:depth], crop[-depth // 2 :], crop[:, :depth], crop[:, -depth:]][side]
    view[...] = PADDING_VALUE


def parts_loss(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Laplace likelihood of the known lines, smooth L1 on the points."""
    found: FaceLines
    found, points = net(normalize(batch["image"]))
    known = ~batch["lines"].isnan().any(dim=1)
    weight = (known * batch["weight"])[:, None]
    target = torch.where(known[:, None], batch["lines"], found.position.detach())
    error = (found.position - target).abs()
    likelihood = weight * (error / found.spread + found.spread.log())
    # A plain distance term keeps moving lines whose spread the net has made wide.
    distance = weight * error * 20
    return (likelihood + distance).mean() + 60 * functional.smooth_l1_loss(points, batch["points"], beta=0.02)


@torch.inference_mode()
def guess_lines(net: PartsNet, portraits: Sequence[LabelledImage]) -> dict[str, Floats]:
    """The net's lines on canonical crops, averaged with those of the mirror image; unsure ones are left out."""
    net.eval()
    seen = [image for image in portraits if image.faces]
    guesses: dict[str, Floats] = {}
    for start in tqdm(range(0, len(seen), _CHUNK), desc="guess lines"):
        chunk = seen[start : start + _CHUNK]
        crops = to_tensor([warp(image.pixels, crop_matrix(image.faces[0].points)) for image in chunk])
        first, second = net(crops), net(crops.flip(-1))
        mirrored = mirror_lines(second.position)
        sure = (first.position - mirrored).abs().amax(dim=1) < 0.05
        for image, lines, is_sure in zip(chunk, (first.position + mirrored) / 2, sure.tolist(), strict=True):
            if is_sure:
                guesses[image.file.name] = lines.double().numpy()
    return guesses


def fit_spread(net: PartsNet, samples: Dataset[dict[str, Tensor]]) -> None:
    """Fit how sure a net is of its lines to how far they are off; the lines stay as they are.

    Where no sample's lines are known, so does what it says of them.
    """
    batches = DataLoader(samples, batch_size=_CHUNK, num_workers=WORKERS, worker_init_fn=one_thread)
    net.eval()
    seen, off = [], []
    with torch.no_grad():
        for batch in tqdm(batches, desc="parts, spread", mininterval=5):
            known = ~batch["lines"].isnan().any(dim=1)
            hidden = net.forward_features(normalize(batch["image"][known]))
            seen.append(hidden)
            off.append((net.forward_head(hidden).position - batch["lines"][known]).abs())
    hidden, error = torch.cat(seen), torch.cat(off)
    if not len(error):
        return
    mean, deviation = hidden.mean(dim=0), hidden.std(dim=0, correction=0) + 1e-3
    own = nn.Linear(hidden.shape[1], _LINES)
    nn.init.zeros_(own.weight)
    optimizer = torch.optim.LBFGS(own.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        spread = spread_of(own((hidden - mean) / deviation))
        likelihood = (error / spread + spread.log()).mean() + 1e-3 * own.weight.square().sum()
        likelihood.backward()  # type: ignore[no-untyped-call]
        return likelihood

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    weight = own.weight.data / deviation
    net.predict.weight.data[_LINES:] = weight
    net.predict.bias.data[_LINES:] = own.bias.data - weight @ mean


def train_parts(run: RunOptions) -> Trained[PartsNet]:
    """Train the part finder in stages of the same length.

    Without any landmarks the released part finder's answers take the place of the first stage's.
    """
    torch.manual_seed(run.seed)
    files = face_files(run.data)
    landmarks = line_labels(run.data)
    portraits = labelled_portraits(run.data, [file for file in files if file.subset is Subset.TRAINING])
    watched = labelled_portraits(
        run.data, [file for file in files if file.subset is Subset.VALIDATION and file.name in landmarks]
    )
    if not portraits:
        raise DataError(f"{run.data} has no portraits to train on")
    used = [image.file for image in (*portraits, *watched)]
    sources = label_sources(run.data, open_data(run.data).line_tables)
    inputs = data_hash(used, sources)
    validation = PartsSamples(watched, landmarks, {}, _VALIDATION_SAMPLES, run.seed) if watched else None
    trainee = PartsTrainee()
    guesses: dict[str, Floats] = {}
    parts_version = ""
    stages = [1, 2]
    if not any(image.file.name in landmarks for image in portraits):
        released = MODELS.load("parts", PartsNet)
        guesses, parts_version, stages = guess_lines(released.net, portraits), released.manifest.version, [2]
    count = run.epochs * EPOCH_SAMPLES
    for stage in stages:
        samples = PartsSamples(portraits, landmarks, guesses, count, run.seed + stage)
        checkpoint = run.out / f"parts_stage{stage}.pt"
        settings = FitSettings(
            count // _BATCH, _BATCH, 2e-3, checkpoint, device=run.device, seed=run.seed, inputs=inputs
        )
        fitted = fit(trainee, samples, parts_loss, settings, f"parts, stage {stage}", validation)
        trainee.load_state_dict(fitted.state_dict())
        guesses = guess_lines(trainee.net.to("cpu"), portraits)
    net = trainee.net.to("cpu")
    fit_spread(net, DoubtfulSamples(portraits, landmarks, guesses, _SPREAD_SAMPLES, run.seed + 3))
    return Trained(net.eval(), used, sources, THRESHOLDS, parts_version=parts_version)
