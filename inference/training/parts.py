"""The part finder's recipe.

Few portraits have landmarks, so the net learns twice: first from those, while it also places the five
points on all portraits; then from those again and from its own first answers on all the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset
from tqdm import tqdm

from inference.dataset import Subset, data_hash, line_labels, open_data
from inference.nets.parts import FaceLines, PartsNet, mirror_lines
from inference.preprocessing import CROP_SIZE, PADDING_VALUE, Floats, apply, crop_matrix, to_tensor, warp
from inference.training import augmentation
from inference.training.augmentation import Rng
from inference.training.loop import EPOCH_SAMPLES, FitSettings, RunOptions, fit
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


def lines_in_crop(lines: Sequence[float], points: Floats, matrix: Floats) -> Floats:
    """Carry a photo's lines into its crop.

    A line is carried at the height or the width where it touches the face: the outline's edges level with
    the nose, the brows, nose base and chin in the face's middle.
    Shapes: lines (5,) in the photo's pixels, points (5, 2), matrix (2, 3) -> (5,) in shares of the crop's side.
    """
    xl, xr, yb, yn, yc = lines
    middle, level = float(points[:, 0].mean()), float(points[:, 1].mean())
    touching = np.array([[xl, level], [xr, level], [middle, yb], [middle, yn], [middle, yc]])
    carried = apply(matrix, touching) / CROP_SIZE
    return np.concatenate([carried[:2, 0], carried[2:, 1]])


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
        if rng.random() < _LANDMARKED_SHARE:
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
        if rng.random() < 0.1:
            pixels = augmentation.cover_elsewhere(pixels, points, self._textures, rng)
        crop = warp(pixels, matrix)
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
            placed = augmentation.mirror_points(placed, CROP_SIZE)
            lines = mirror_lines(torch.from_numpy(lines)).numpy()
        if rng.random() < 0.3:
            _hide_edge(crop, rng)
        return {
            "image": torch.from_numpy(augmentation.photometric(crop, rng)),
            "points": torch.from_numpy(placed / CROP_SIZE).float(),
            "lines": torch.from_numpy(lines).float(),
            "weight": torch.tensor(1.0 if name in self._landmarks else 0.5),
        }


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


def train_parts(run: RunOptions) -> Trained[PartsNet]:
    """Train the part finder in its two stages, of the same length."""
    torch.manual_seed(run.seed)
    portraits = labelled_portraits(run.data, Subset.TRAINING)
    others = labelled_portraits(run.data, Subset.VALIDATION)
    landmarks = line_labels(run.data)
    files = [image.file for image in (*portraits, *others)]
    sources = label_sources(run.data, open_data(run.data).line_tables)
    inputs = data_hash(files, sources)
    landmarked = [image for image in others if image.file.name in landmarks]
    validation = PartsSamples(landmarked, landmarks, {}, _VALIDATION_SAMPLES, run.seed) if landmarked else None
    trainee = PartsTrainee()
    guesses: dict[str, Floats] = {}
    count = run.epochs * EPOCH_SAMPLES
    for stage in (1, 2):
        samples = PartsSamples(portraits, landmarks, guesses, count, run.seed + stage)
        checkpoint = run.out / f"parts_stage{stage}.pt"
        settings = FitSettings(
            count // _BATCH, _BATCH, 2e-3, checkpoint, device=run.device, seed=run.seed, inputs=inputs
        )
        fitted = fit(trainee, samples, parts_loss, settings, f"parts, stage {stage}", validation)
        trainee.load_state_dict(fitted.state_dict())
        if stage == 1:
            guesses = guess_lines(trainee.net.to("cpu"), portraits)
    return Trained(trainee.net.eval(), files, sources, THRESHOLDS)
