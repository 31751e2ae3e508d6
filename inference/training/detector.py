"""What the gate's detector learns from: composed pictures with faces of every size, place and roll.

Portraits are laid on scenes, zoomed until they overfill the frame, rolled, turned to the side, cut by the frame,
covered, darkened and blurred. A face that cannot be classified is a face all the same: the detector fires, and
what comes after it says what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from inference.nets.gate import STRIDE, DetectionMaps
from inference.preprocessing import (
    DETECTOR_SIZE,
    PADDING_VALUE,
    Floats,
    Pixels,
    apply,
    letterbox,
    mirror_points,
    rotation_scale,
    warp,
)
from inference.training import augmentation
from inference.training.augmentation import Mask, Rng
from inference.training.backgrounds import background
from inference.training.samples import PortraitSampler, normalize, with_head_turned
from inference.training.teachers import LabelledImage
from inference.yunet import FaceLabel

_CELLS = DETECTOR_SIZE // STRIDE
# Faces smaller than this in the detector's input are not asked of it.
_SMALLEST_FACE = 8.0
# With less than this of its box in the frame, a cut face is neither face nor background.
_SMALLEST_VISIBLE = 0.35
_WHOLE_FRAME = np.array([0.0, 0, DETECTOR_SIZE, DETECTOR_SIZE])


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
        frame = _WHOLE_FRAME
        if kind < 0.06:
            picture = background(self._scenes, DETECTOR_SIZE, rng)
        elif kind < 0.22:
            picture = self._scene(rng)
        elif kind < 0.57:
            picture, faces, frame = self._alone(rng)
        else:
            picture, faces = self._composed(rng)
        if rng.random() < 0.5:
            picture, faces = np.ascontiguousarray(picture[:, ::-1]), [_mirrored(face) for face in faces]
            frame = frame[[2, 1, 0, 3]] * [-1, 1, -1, 1] + [DETECTOR_SIZE, 0, DETECTOR_SIZE, 0]
        return _detector_targets(augmentation.spoilt(augmentation.photometric(picture, rng), rng), faces, frame)

    def _portrait(self, rng: Rng) -> LabelledImage:
        portrait = self._portraits.draw(rng)
        return with_head_turned(portrait, rng) if rng.random() < 0.15 else portrait

    def _scene(self, rng: Rng) -> Pixels:
        scene = self._scenes[int(rng.integers(len(self._scenes)))]
        if rng.random() < 0.4:
            return letterbox(scene)[0]
        height, width = scene.shape[:2]
        scale = DETECTOR_SIZE / max(height, width) * float(np.exp(rng.uniform(-0.7, 1.3)))
        anchor = rng.uniform(0.2, 0.8, 2) * [width, height]
        matrix = rotation_scale(anchor, np.full(2, DETECTOR_SIZE / 2), float(rng.normal(0, 15)), scale)
        return warp(scene, matrix, DETECTOR_SIZE)

    def _alone(self, rng: Rng) -> tuple[Pixels, list[Placed], Floats]:
        """One portrait by itself, as it is or zoomed until the face overfills the frame; and the frame (4,)."""
        portrait = self._portrait(rng)
        if rng.random() < 0.15:
            square, box = letterbox(portrait.pixels)
            matrix = np.array([[box.scale, 0, box.left], [0, box.scale, box.top]], np.float64)
            return square, [place(face, matrix, 0.0) for face in portrait.faces], _WHOLE_FRAME
        size = DETECTOR_SIZE * float(np.exp(rng.uniform(np.log(0.15), np.log(1.5))))
        slack = max(0.15, 0.5 - size / DETECTOR_SIZE / 2)
        target = DETECTOR_SIZE * (0.5 + rng.uniform(-slack, slack, 2))
        if rng.random() < 0.2:
            # Cut by an edge, up to the middle of the face and a little more.
            side, axis = rng.integers(2), rng.integers(2)
            target[axis] = DETECTOR_SIZE * side + (1 - 2 * side) * rng.uniform(-0.1, 0.4) * size
        degrees = _roll(rng)
        matrix = _onto(portrait.faces[0], target, degrees, size)
        pixels = self._with_covers(portrait, rng, 0.2)
        picture, frame = _warp_filled(pixels, matrix, rng), _WHOLE_FRAME.copy()
        if rng.random() < 0.35:
            # A frame of another shape leaves bands of padding, and cuts what lies beyond.
            band = int(rng.uniform(0.05, 0.22) * DETECTOR_SIZE)
            if rng.random() < 0.7:
                picture[:, :band] = picture[:, -band:] = PADDING_VALUE
                frame[[0, 2]] += [band, -band]
            else:
                picture[:band] = picture[-band:] = PADDING_VALUE
                frame[[1, 3]] += [band, -band]
        return picture, [place(face, matrix, degrees) for face in portrait.faces], frame

    def _composed(self, rng: Rng) -> tuple[Pixels, list[Placed]]:
        """One to three portraits laid onto a background."""
        picture = (
            self._scene(rng)
            if rng.random() < 0.7
            else augmentation.random_patch(self._scenes, (DETECTOR_SIZE, DETECTOR_SIZE), rng)
        )
        placed: list[Placed] = []
        for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))):
            portrait = self._portrait(rng)
            size = DETECTOR_SIZE * float(np.exp(rng.uniform(np.log(0.042), np.log(0.6))))
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
    return rotation_scale(centre, target, degrees, size / float((face.box[2:] - face.box[:2]).max()))


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


def _visible(face: Placed, frame: Floats) -> float:
    """The share of a face's box that lies in the frame (4,)."""
    low, high = face.centre - face.size / 2, face.centre + face.size / 2
    inside = np.maximum(np.minimum(high, frame[2:]) - np.maximum(low, frame[:2]), 0)
    return float(np.prod(inside) / np.prod(face.size))


def _detector_targets(picture: Pixels, faces: Sequence[Placed], frame: Floats) -> dict[str, Tensor]:
    """Heat, boxes, points, and where each counts. A cut face whose centre is cut off too has its heat at the edge.

    frame: (4,), the part of the picture that shows something.
    Shapes: heat, known, weight (24, 24), boxes (4, 24, 24), points (10, 24, 24).
    """
    heat = np.zeros((_CELLS, _CELLS), np.float32)
    known = np.ones((_CELLS, _CELLS), np.float32)
    weight = np.zeros((_CELLS, _CELLS), np.float32)
    boxes = np.zeros((4, _CELLS, _CELLS), np.float32)
    points = np.zeros((10, _CELLS, _CELLS), np.float32)
    ys, xs = np.mgrid[:_CELLS, :_CELLS]
    for face in sorted(faces, key=lambda face: -face.size.max()):
        peak = np.clip(face.centre, frame[:2], frame[2:] - 1)
        cell = np.floor(peak / STRIDE).astype(int)
        shift = np.stack([(xs + 0.5) * STRIDE - peak[0], (ys + 0.5) * STRIDE - peak[1]])
        if _visible(face, frame) < _SMALLEST_VISIBLE or face.size.max() < _SMALLEST_FACE:
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
