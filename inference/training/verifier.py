"""What the gate's verifier learns from: aligned crops of faces, and of what only looks like one to a detector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from inference.gate import CLOSER, TURNED, WHOLE, Gate
from inference.nets.gate import Verification
from inference.preprocessing import (
    CROP_SIZE,
    PADDING_VALUE,
    Floats,
    Pixels,
    apply,
    crop_matrix,
    mirror_points,
    rotation_scale,
    warp,
)
from inference.training import augmentation
from inference.training.augmentation import Rng
from inference.training.backgrounds import background
from inference.training.samples import PortraitSampler, jitter_points, normalize, with_head_turned
from inference.training.teachers import LabelledImage
from inference.yunet import FaceLabel, YuNet

# What the teacher half believes on a scene makes a negative worth learning.
HARD_SCORE = 0.2
# Deviations of a Gaussian in pixels of the crop, where a face's box is about 90 high: up to the first a face can
# be judged, from the second on it cannot; what lies between teaches nothing.
SHARP_ENOUGH, TOO_BLURRED = 1.8, 2.7
_MADE_SIZE = 320
# Twice that of a crop's template.
_EYE_DISTANCE = 72.0


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """Something on a scene that a detector took for a face."""

    pixels: Pixels
    points: Floats


class VerifierSamples(Dataset[dict[str, Tensor]]):
    """Aligned crops: faces, covered faces, and what only looks like a face to a detector."""

    def __init__(
        self,
        portraits: Sequence[LabelledImage],
        scenes: Sequence[LabelledImage],
        false_alarms: Sequence[FalseAlarm],
        count: int,
        seed: int,
    ) -> None:
        self._portraits = PortraitSampler([_reduced(portrait) for portrait in portraits if portrait.faces])
        self._scenes = [image.pixels for image in scenes]
        self._false_alarms = false_alarms
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self._seed, index))
        kind = rng.random()
        covered = kind < 0.2
        is_face = kind < 0.64
        true_points = np.full((5, 2), np.nan)
        if is_face:
            portrait = self._portraits.draw(rng)
            if rng.random() < 0.2:
                portrait = with_head_turned(portrait, rng)
            pixels, true_points = portrait.pixels, portrait.faces[0].points
            if covered:
                pixels = augmentation.cover_nose_and_mouth(pixels, true_points, self._scenes, rng)
            elif rng.random() < 0.25:
                pixels = augmentation.cover_elsewhere(pixels, true_points, self._scenes, rng)
            matrix = crop_matrix(jitter_points(true_points, rng, float(rng.uniform(0.5, 1.8))))
        elif kind < 0.9 and self._false_alarms:
            alarm = self._false_alarms[int(rng.integers(len(self._false_alarms)))]
            pixels = alarm.pixels
            matrix = crop_matrix(jitter_points(alarm.points, rng, 2.0))
        elif kind < 0.92:
            pixels = background(self._scenes, CROP_SIZE, rng)
            matrix = _random_crop(pixels, rng)
        elif kind < 0.95:
            pixels = self._scenes[int(rng.integers(len(self._scenes)))]
            matrix = _random_crop(pixels, rng)
        else:
            # A piece of a portrait that is far from being an aligned face.
            portrait = self._portraits.draw(rng)
            pixels = portrait.pixels
            matrix = _off_face(portrait.faces[0], rng)
        crop = warp(pixels, matrix)
        points = apply(matrix, true_points)
        # Faces and all else are blurred, darkened and cut alike, so that none of it tells the one from the other.
        crop, blurred = _blurred(crop, rng)
        crop = augmentation.photometric(crop, rng)
        if rng.random() < 0.06:
            crop = np.asarray((crop * rng.uniform(0.06, 0.4)).astype(np.uint8))
        if rng.random() < 0.25:
            crop = _cut(crop, rng)
        if rng.random() < 0.5:
            crop = np.ascontiguousarray(crop[:, ::-1])
            points = mirror_points(points, CROP_SIZE)
        return {
            "image": torch.from_numpy(crop),
            "face": torch.tensor(float(is_face)),
            "covered": torch.tensor(float(covered)),
            "blurred": torch.tensor(blurred),
            "points": torch.from_numpy(points / CROP_SIZE).float(),
        }


def _reduced(portrait: LabelledImage) -> LabelledImage:
    """The portrait with no more pixels than crops need; covering and turning a large one takes long."""
    points = portrait.faces[0].points
    factor = _EYE_DISTANCE / max(float(np.linalg.norm(points[1] - points[0])), 1.0)
    if factor >= 1:
        return portrait
    pixels = portrait.pixels
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    scale = np.array(size) / [pixels.shape[1], pixels.shape[0]]
    faces = tuple(FaceLabel(face.box * np.tile(scale, 2), face.points * scale, face.score) for face in portrait.faces)
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return LabelledImage(portrait.file, small, faces)


def _blurred(crop: Pixels, rng: Rng) -> tuple[Pixels, float]:
    """The crop as a lens or a camera leaves it, and whether that is too blurred."""
    kind = rng.random()
    if kind < 0.14:
        return augmentation.blurred(crop, float(rng.uniform(TOO_BLURRED, 9)), rng), 1.0
    if kind < 0.24:
        return augmentation.blurred(crop, float(rng.uniform(0.4, SHARP_ENOUGH)), rng), 0.0
    if kind < 0.38:
        return augmentation.coarse(crop, float(rng.uniform(0.3, 0.8))), 0.0
    return crop, 0.0


def _cut(crop: Pixels, rng: Rng) -> Pixels:
    """The crop as the photo's edge leaves it: beyond it lies padding. At most a little over half the face is gone."""
    normal, depth = [
        (np.array([-1.0, 0]), rng.uniform(0.02, 0.36)),
        (np.array([1.0, 0]), rng.uniform(0.02, 0.36)),
        (np.array([0, 1.0]), rng.uniform(0.04, 0.36)),
        (np.array([0, -1.0]), rng.uniform(0.05, 0.28)),
    ][int(rng.integers(4))]
    angle = np.deg2rad(rng.normal(0, 12))
    normal = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ normal
    ys, xs = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    beyond = (xs - CROP_SIZE / 2) * normal[0] + (ys - 0.55 * CROP_SIZE) * normal[1] > (0.36 - depth) * CROP_SIZE
    return np.where(beyond[..., None], np.uint8(PADDING_VALUE), crop)


def _random_crop(pixels: Pixels, rng: Rng) -> Floats:
    height, width = pixels.shape[:2]
    side = min(height, width) * rng.uniform(0.2, 1.2)
    centre = rng.uniform(0.2, 0.8, 2) * [width, height]
    return rotation_scale(centre, np.full(2, CROP_SIZE / 2), float(rng.normal(0, 20)), CROP_SIZE / side)


def _off_face(face: FaceLabel, rng: Rng) -> Floats:
    """Crop beside a face, of twice or half its size, or turned by more than a roll."""
    points = face.points
    distance = float(np.linalg.norm(points[1] - points[0])) + 1e-6
    centre = points.mean(axis=0)
    kind = rng.choice(3, p=[0.3, 0.25, 0.45])
    shift, degrees, scale = np.zeros(2), 0.0, 1.0
    if kind == 0:
        angle = rng.uniform(0, 2 * np.pi)
        shift = rng.uniform(1.6, 3.0) * distance * np.array([np.cos(angle), np.sin(angle)])
    elif kind == 1:
        scale = float(rng.choice([rng.uniform(0.3, 0.45), rng.uniform(2.2, 4.0)]))
    else:
        degrees = float(rng.uniform(75, 285))
    return crop_matrix(apply(rotation_scale(centre, centre + shift, degrees, scale), points))


def verifier_loss(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy on face and, for faces, on covered and blurred; smooth L1 on a face's points."""
    out: Verification = net(normalize(batch["image"]))
    face = batch["face"]
    is_face = functional.binary_cross_entropy_with_logits(out.face, face * 0.98 + 0.01)
    of_faces = sum(
        functional.binary_cross_entropy_with_logits(logits, batch[name] * 0.98 + 0.01, weight=face)
        for name, logits in (("covered", out.covered), ("blurred", out.blurred))
    )
    points = torch.where(face.bool()[:, None, None], batch["points"], out.points.detach())
    return is_face + of_faces + 60 * functional.smooth_l1_loss(out.points, points, beta=0.02)


def teacher_alarms(scenes: Iterable[LabelledImage], teacher: YuNet) -> Iterator[FalseAlarm]:
    """What the teacher half believes on scenes, and on their lower three quarters."""
    for scene in scenes:
        yield from (FalseAlarm(scene.pixels, face.points) for face in scene.faces)
        zoomed = np.ascontiguousarray(scene.pixels[scene.pixels.shape[0] // 4 :, :])
        yield from (FalseAlarm(zoomed, face.points) for face in teacher(zoomed))


def own_alarms(gate: Gate, pictures: Iterable[Pixels]) -> Iterator[FalseAlarm]:
    """What the detector itself proposes on pictures without a face, at each look the gate takes."""
    for pixels in pictures:
        for look in (WHOLE, CLOSER, TURNED):
            yield from (FalseAlarm(pixels, candidate.points) for candidate in gate.candidates([pixels], look)[0])


def made_pictures(scenes: Sequence[Pixels], count: int, seed: int) -> Iterator[Pixels]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield background(scenes, _MADE_SIZE, rng)
