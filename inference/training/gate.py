"""The gate's recipe: a detector on composed scenes, then a verifier on aligned crops.

Labels come from the teacher detector on the portraits; everything hard (scale, roll, several faces,
cut-off faces, covers, bad light) is made by augmentation, and the scenes give the negatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from inference.dataset import face_files, scene_files
from inference.nets.gate import STRIDE, DetectionMaps, GateNet, Verification
from inference.preprocessing import (
    CROP_SIZE,
    DETECTOR_SIZE,
    PADDING_VALUE,
    Floats,
    Pixels,
    apply,
    crop_matrix,
    letterbox,
    mirror_points,
    warp,
)
from inference.training import augmentation
from inference.training.augmentation import Mask, Rng
from inference.training.loop import EPOCH_SAMPLES, FitSettings, RunOptions, fit
from inference.training.samples import PortraitSampler, jitter_points, normalize
from inference.training.teachers import FACE_SCORE, FaceLabel, FaceTeacher, LabelledImage, load_labelled

_CELLS = DETECTOR_SIZE // STRIDE
# From which the released weights accept: a candidate at all (the detector's probability), a face (the product
# of both nets' probabilities), a cover; and a candidate that is worth explaining when it is refused.
THRESHOLDS = {"detection": 0.15, "face": 0.24, "covered": 0.5, "likely": 0.4}
# What the teacher half believes on a scene makes a negative worth learning.
_HARD_SCORE = 0.2
# Faces smaller than this in the detector's input are not asked of it.
_SMALLEST_FACE = 10.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A face in a composed picture: centre (2,), size (2,) and points (5, 2), in the picture's pixels."""

    centre: Floats
    size: Floats
    points: Floats


def place(face: FaceLabel, matrix: Floats, degrees: float) -> Placed:
    """Carry a label through a similarity. The box of a turned face is that of the turned ellipse in its box."""
    centre = apply(matrix, (face.box[:2] + face.box[2:]) / 2)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    width, height = (face.box[2:] - face.box[:2]) * scale
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    size = np.array([np.hypot(width * cos, height * sin), np.hypot(width * sin, height * cos)])
    return Placed(centre, size, apply(matrix, face.points))


class DetectorSamples(Dataset[dict[str, Tensor]]):
    """Composed pictures with heat map, boxes and points; sample i depends on the seed and i alone."""

    def __init__(
        self, portraits: Sequence[LabelledImage], scenes: Sequence[LabelledImage], count: int, seed: int
    ) -> None:
        self._portraits = PortraitSampler(portraits)
        self._scenes = [image.pixels for image in scenes]
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self._seed, index))
        kind = rng.random()
        faces: list[Placed] = []
        if kind < 0.2:
            picture = self._scene(rng)
        elif kind < 0.55:
            picture, faces = self._alone(rng)
        else:
            picture, faces = self._composed(rng)
        if rng.random() < 0.5:
            picture, faces = np.ascontiguousarray(picture[:, ::-1]), [_mirrored(face) for face in faces]
        return _detector_targets(augmentation.photometric(picture, rng), faces)

    def _scene(self, rng: Rng) -> Pixels:
        scene = self._scenes[int(rng.integers(len(self._scenes)))]
        if rng.random() < 0.4:
            return letterbox(scene)[0]
        height, width = scene.shape[:2]
        scale = DETECTOR_SIZE / max(height, width) * float(np.exp(rng.uniform(-0.7, 1.3)))
        anchor = rng.uniform(0.2, 0.8, 2) * [width, height]
        matrix = augmentation.rotation_scale(anchor, np.full(2, DETECTOR_SIZE / 2), float(rng.normal(0, 15)), scale)
        return warp(scene, matrix, DETECTOR_SIZE)

    def _alone(self, rng: Rng) -> tuple[Pixels, list[Placed]]:
        """One portrait by itself, as it is or zoomed until the face overfills the frame."""
        portrait = self._portraits.draw(rng)
        if rng.random() < 0.15:
            square, box = letterbox(portrait.pixels)
            matrix = np.array([[box.scale, 0, box.left], [0, box.scale, box.top]], np.float64)
            return square, [place(face, matrix, 0.0) for face in portrait.faces]
        size = DETECTOR_SIZE * float(np.exp(rng.uniform(np.log(0.2), np.log(1.5))))
        slack = max(0.15, 0.5 - size / DETECTOR_SIZE / 2)
        target = DETECTOR_SIZE * (0.5 + rng.uniform(-slack, slack, 2))
        degrees = _roll(rng)
        matrix = _onto(portrait.faces[0], target, degrees, size)
        pixels = self._with_covers(portrait, rng, 0.2)
        picture = _warp_filled(pixels, matrix, rng)
        if rng.random() < 0.35:
            # A frame of another shape leaves bands of padding, and cuts what lies beyond.
            band = int(rng.uniform(0.05, 0.22) * DETECTOR_SIZE)
            if rng.random() < 0.7:
                picture[:, :band] = picture[:, -band:] = PADDING_VALUE
            else:
                picture[:band] = picture[-band:] = PADDING_VALUE
        return picture, [place(face, matrix, degrees) for face in portrait.faces]

    def _composed(self, rng: Rng) -> tuple[Pixels, list[Placed]]:
        """One to three portraits laid onto a background."""
        picture = (
            self._scene(rng)
            if rng.random() < 0.7
            else augmentation.random_patch(self._scenes, (DETECTOR_SIZE, DETECTOR_SIZE), rng)
        )
        placed: list[Placed] = []
        for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))):
            portrait = self._portraits.draw(rng)
            size = DETECTOR_SIZE * float(np.exp(rng.uniform(np.log(0.065), np.log(0.6))))
            target = rng.uniform(0.05, 0.95, 2) * DETECTOR_SIZE
            if any(np.abs(target - other.centre).max() < 0.6 * (size + other.size.max()) for other in placed):
                continue
            degrees = _roll(rng)
            matrix = _onto(portrait.faces[0], target, degrees, size)
            pixels = self._with_covers(portrait, rng, 0.2)
            overlay = warp(pixels, matrix, DETECTOR_SIZE)
            face = place(portrait.faces[0], matrix, degrees)
            mask = _portrait_mask(face, degrees, rng) * _inside(pixels.shape[:2], matrix)
            picture = augmentation.blend(picture, overlay, mask)
            placed.append(face)
        return picture, placed

    def _with_covers(self, portrait: LabelledImage, rng: Rng, probability: float) -> Pixels:
        if rng.random() > probability:
            return portrait.pixels
        cover = augmentation.cover_nose_and_mouth if rng.random() < 0.6 else augmentation.cover_elsewhere
        return cover(portrait.pixels, portrait.faces[0].points, self._scenes, rng)


def _mirrored(face: Placed) -> Placed:
    centre = np.array([DETECTOR_SIZE - face.centre[0], face.centre[1]])
    return Placed(centre, face.size, mirror_points(face.points, DETECTOR_SIZE))


def _inside(size: tuple[int, int], matrix: Floats) -> Mask:
    """Where in the detector's input a warped picture of size (height, width) lies: 1 inside, 0 outside."""
    height, width = size
    corners = apply(matrix, np.array([[1.0, 1.0], [width - 1, 1], [width - 1, height - 1], [1, height - 1]]))
    mask: Mask = np.zeros((DETECTOR_SIZE, DETECTOR_SIZE), np.float32)
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1.0)
    return mask


def _roll(rng: Rng) -> float:
    return float(rng.uniform(-48, 48)) if rng.random() < 0.5 else float(rng.normal(0, 6))


def _onto(face: FaceLabel, target: Floats, degrees: float, size: float) -> Floats:
    """The similarity that makes a face's longer side `size` and takes its centre to `target`."""
    centre = (face.box[:2] + face.box[2:]) / 2
    return augmentation.rotation_scale(centre, target, degrees, size / float((face.box[2:] - face.box[:2]).max()))


def _warp_filled(pixels: Pixels, matrix: Floats, rng: Rng) -> Pixels:
    """Warp to the detector's input; beyond the portrait lies padding, its stretched border, or a colour."""
    picture = warp(pixels, matrix, DETECTOR_SIZE)
    kind = rng.random()
    if kind < 0.4:
        return picture
    inside = _inside(pixels.shape[:2], matrix) > 0
    if kind < 0.7:
        stretched = cv2.warpAffine(
            pixels, matrix, (DETECTOR_SIZE, DETECTOR_SIZE), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_LINEAR
        )
        return np.where(inside[..., None], picture, stretched).astype(np.uint8)
    patch = augmentation.random_patch([], (DETECTOR_SIZE, DETECTOR_SIZE), rng)
    return np.where(inside[..., None], picture, patch).astype(np.uint8)


def _portrait_mask(face: Placed, degrees: float, rng: Rng) -> Mask:
    """What of a portrait to lay down: all of it, or head and shoulders with a soft edge. (S, S), 0 to 1."""
    if rng.random() < 0.3:
        return np.ones((DETECTOR_SIZE, DETECTOR_SIZE), np.float32)
    mask: Mask = np.zeros((DETECTOR_SIZE, DETECTOR_SIZE), np.float32)
    eyes, mouth = face.points[:2].mean(axis=0), face.points[3:].mean(axis=0)
    down = mouth - eyes
    height = 2.9 * float(np.linalg.norm(down))
    head = (0.75 * height * rng.uniform(0.7, 1.0), height * rng.uniform(0.75, 1.0))
    cv2.ellipse(mask, (tuple(eyes + 0.3 * down), (2 * head[0], 2 * head[1]), degrees), 1.0, -1)
    if rng.random() < 0.7:
        cv2.ellipse(mask, (tuple(eyes + 4.9 * down), (2.4 * height, 2 * height), degrees), 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.8, height * rng.uniform(0.01, 0.04))), np.float32)


def _detector_targets(picture: Pixels, faces: Sequence[Placed]) -> dict[str, Tensor]:
    """Heat, boxes, points, and where each counts.

    Shapes: heat, known, weight (24, 24), boxes (4, 24, 24), points (10, 24, 24).
    """
    heat = np.zeros((_CELLS, _CELLS), np.float32)
    known = np.ones((_CELLS, _CELLS), np.float32)
    weight = np.zeros((_CELLS, _CELLS), np.float32)
    boxes = np.zeros((4, _CELLS, _CELLS), np.float32)
    points = np.zeros((10, _CELLS, _CELLS), np.float32)
    ys, xs = np.mgrid[:_CELLS, :_CELLS]
    for face in sorted(faces, key=lambda face: -face.size.max()):
        cell = np.floor(face.centre / STRIDE).astype(int)
        shift = np.stack([(xs + 0.5) * STRIDE - face.centre[0], (ys + 0.5) * STRIDE - face.centre[1]])
        if (cell < 0).any() or (cell >= _CELLS).any() or face.size.max() < _SMALLEST_FACE:
            # Most of it is outside, or it is too small to tell: neither face nor background.
            known[(np.abs(shift) < np.maximum(face.size, STRIDE)[:, None, None] * 0.6).all(axis=0)] = 0
            continue
        sigma = np.maximum(face.size * 0.08, 0.6 * STRIDE)[:, None, None]
        bump = np.exp(-0.5 * ((shift / sigma) ** 2).sum(axis=0)).astype(np.float32)
        bump[cell[1], cell[0]] = 1
        heat = np.maximum(heat, bump)
        near = bump > 0.4
        weight[near] = bump[near]
        boxes[:, near] = np.concatenate([face.centre, face.size])[:, None]
        points[:, near] = face.points.reshape(10, 1)
    return {
        "image": torch.from_numpy(picture),
        "heat": torch.from_numpy(heat),
        "known": torch.from_numpy(np.maximum(known, heat >= 1)),
        "weight": torch.from_numpy(weight),
        "boxes": torch.from_numpy(boxes),
        "points": torch.from_numpy(points),
    }


def detector_loss(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Penalty-reduced focal loss on the heat map (Law & Deng 2018, CornerNet), L1 on boxes and points in face sizes."""
    maps: DetectionMaps = net(normalize(batch["image"]))
    probability = torch.sigmoid(maps.heat).clamp(1e-4, 1 - 1e-4)
    centre = batch["heat"] >= 1
    positive = centre * (1 - probability) ** 2 * probability.log()
    negative = ~centre * batch["known"] * (1 - batch["heat"]) ** 4 * probability**2 * (1 - probability).log()
    faces = centre.sum().clamp(min=1)
    heat = -(positive + negative).sum() / faces
    weight = batch["weight"].unsqueeze(1)
    size = batch["boxes"][:, 2:].amax(dim=1, keepdim=True).clamp(min=STRIDE)
    total = weight.sum().clamp(min=1)
    boxes = (
        weight * functional.smooth_l1_loss(maps.boxes / size, batch["boxes"] / size, reduction="none", beta=0.05)
    ).sum()
    points = (
        weight * functional.smooth_l1_loss(maps.points / size, batch["points"] / size, reduction="none", beta=0.05)
    ).sum()
    return heat + (5 * boxes + 3 * points) / total


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
        self._portraits = PortraitSampler(portraits)
        self._scenes = [image.pixels for image in scenes]
        self._false_alarms = false_alarms
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self._seed, index))
        kind = rng.random()
        covered = False
        true_points = np.full((5, 2), np.nan)
        if kind < 0.62:
            portrait = self._portraits.draw(rng)
            pixels, true_points = portrait.pixels, portrait.faces[0].points
            covered = kind < 0.22
            if covered:
                pixels = augmentation.cover_nose_and_mouth(pixels, true_points, self._scenes, rng)
            elif rng.random() < 0.25:
                pixels = augmentation.cover_elsewhere(pixels, true_points, self._scenes, rng)
            matrix = crop_matrix(jitter_points(true_points, rng, 1.0))
        elif kind < 0.92 and self._false_alarms:
            alarm = self._false_alarms[int(rng.integers(len(self._false_alarms)))]
            pixels = alarm.pixels
            matrix = crop_matrix(jitter_points(alarm.points, rng, 2.0))
        elif kind < 0.97:
            pixels = self._scenes[int(rng.integers(len(self._scenes)))]
            matrix = _random_crop(pixels, rng)
        else:
            # A piece of a portrait that is far from being an aligned face.
            portrait = self._portraits.draw(rng)
            pixels = portrait.pixels
            matrix = _off_face(portrait.faces[0], rng)
        crop = warp(pixels, matrix)
        points = apply(matrix, true_points)
        if rng.random() < 0.5:
            crop = np.ascontiguousarray(crop[:, ::-1])
            points = mirror_points(points, CROP_SIZE)
        return {
            "image": torch.from_numpy(augmentation.photometric(crop, rng)),
            "face": torch.tensor(float(kind < 0.62)),
            "covered": torch.tensor(float(covered)),
            "points": torch.from_numpy(points / CROP_SIZE).float(),
        }


def _random_crop(pixels: Pixels, rng: Rng) -> Floats:
    height, width = pixels.shape[:2]
    side = min(height, width) * rng.uniform(0.2, 1.2)
    centre = rng.uniform(0.2, 0.8, 2) * [width, height]
    return augmentation.rotation_scale(centre, np.full(2, CROP_SIZE / 2), float(rng.normal(0, 20)), CROP_SIZE / side)


def _off_face(face: FaceLabel, rng: Rng) -> Floats:
    """Crop beside a face, of twice or half its size, or turned by more than a roll."""
    points = face.points
    distance = float(np.linalg.norm(points[1] - points[0])) + 1e-6
    centre = points.mean(axis=0)
    kind = rng.integers(3)
    shift, degrees, scale = np.zeros(2), 0.0, 1.0
    if kind == 0:
        angle = rng.uniform(0, 2 * np.pi)
        shift = rng.uniform(1.6, 3.0) * distance * np.array([np.cos(angle), np.sin(angle)])
    elif kind == 1:
        scale = float(rng.choice([rng.uniform(0.3, 0.45), rng.uniform(2.2, 4.0)]))
    else:
        degrees = float(rng.uniform(75, 285))
    return crop_matrix(apply(augmentation.rotation_scale(centre, centre + shift, degrees, scale), points))


def verifier_loss(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy on face and, for faces, on covered; smooth L1 on a face's points."""
    out: Verification = net(normalize(batch["image"]))
    face, covered = batch["face"], batch["covered"]
    is_face = functional.binary_cross_entropy_with_logits(out.face, face * 0.98 + 0.01)
    is_covered = functional.binary_cross_entropy_with_logits(out.covered, covered * 0.98 + 0.01, weight=face)
    points = torch.where(face.bool()[:, None, None], batch["points"], out.points.detach())
    return is_face + is_covered + 60 * functional.smooth_l1_loss(out.points, points, beta=0.02)


def find_false_alarms(scenes: Sequence[LabelledImage], data: Path) -> list[FalseAlarm]:
    """What the teacher half believes on scenes, and on their mirror images."""
    teacher = FaceTeacher(data, _HARD_SCORE)
    alarms = [FalseAlarm(scene.pixels, face.points) for scene in scenes for face in scene.faces]
    for scene in scenes:
        zoomed = scene.pixels[scene.pixels.shape[0] // 4 :, :]
        alarms += [FalseAlarm(zoomed, face.points) for face in teacher(np.ascontiguousarray(zoomed))]
    return alarms


def train_gate(run: RunOptions) -> GateNet:
    """Train the detector, then the verifier on more samples, which cost a fraction."""
    torch.manual_seed(run.seed)
    faces = [file for file in face_files(run.data) if not file.is_held_out]
    places = [file for file in scene_files(run.data) if not file.is_held_out]
    portraits = load_labelled(faces, run.data, FACE_SCORE, "label portraits")
    scenes = load_labelled(places, run.data, _HARD_SCORE, "label scenes")
    count = run.epochs * EPOCH_SAMPLES
    more = count * 7 // 5
    net = GateNet()
    fitted = fit(
        net.detector,
        DetectorSamples(portraits, scenes, count, run.seed),
        detector_loss,
        FitSettings(count // 16, 16, 1.5e-3, run.out / "detector.pt", device=run.device),
        "detector",
    )
    net.detector.load_state_dict(fitted.state_dict())
    fitted = fit(
        net.verifier,
        VerifierSamples(portraits, scenes, find_false_alarms(scenes, run.data), more, run.seed + 1),
        verifier_loss,
        FitSettings(more // 32, 32, 1.5e-3, run.out / "verifier.pt", device=run.device),
        "verifier",
    )
    net.verifier.load_state_dict(fitted.state_dict())
    return net.eval()
