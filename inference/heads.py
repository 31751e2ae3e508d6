"""Turn a portrait's head to the side, as far as one picture allows.

The head is an ellipsoid with a nose before a flat background. Turning it about its vertical axis moves each
pixel along its row; what would lie behind something nearer is hidden. What the camera never saw, the far side
of the head, stays unknown: its place is taken by stretched cheek and hair, so beyond 75 degrees nothing is real.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference.preprocessing import Floats, Pixels, apply, rotation_scale
from inference.yunet import FaceLabel

# The turned portrait's side, and where the eyes go: large enough for every later view of it.
_SIDE = 224
_EYE_DISTANCE = 44.0
_EYES: Floats = np.array([_SIDE / 2, 0.42 * _SIDE])


@dataclass(frozen=True, slots=True)
class _Head:
    """In eye distances: half axes of the ellipsoid, and how far the nose tip stands out of it. middle: x of its axis,
    in pixels."""

    across: float
    down: float
    deep: float
    nose: float
    middle: float

    def depth(self, points: Floats) -> Floats:
        """How far each point (..., 2) of the picture stands out of the background, in pixels."""
        x = (points[..., 0] - self.middle) / _EYE_DISTANCE
        y = (points[..., 1] - _EYES[1]) / _EYE_DISTANCE
        inside = np.maximum(1 - (x / self.across) ** 2 - ((y - 0.45) / self.down) ** 2, 0)
        # From the bridge the nose rises slowly to its tip, and falls off below it.
        along = np.where(y < 0.62, np.exp(-0.5 * ((y - 0.62) / 0.42) ** 2), np.exp(-0.5 * ((y - 0.62) / 0.12) ** 2))
        nose = self.nose * along * np.exp(-0.5 * (x / 0.17) ** 2)
        return np.asarray((self.deep * np.sqrt(inside) + nose * (inside > 0)) * _EYE_DISTANCE, np.float64)


def turned(portrait: Pixels, label: FaceLabel, degrees: float, rng: np.random.Generator) -> tuple[Pixels, FaceLabel]:
    """The portrait with its head turned, and the label that follows. Positive degrees turn it towards larger x."""
    upright = _upright(label.points)
    pixels = cv2.warpAffine(portrait, upright, (_SIDE, _SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    points = apply(upright, label.points)
    scale = float(np.hypot(upright[0, 0], upright[1, 0]))
    centre = apply(upright, (label.box[:2] + label.box[2:]) / 2)
    half = (label.box[2:] - label.box[:2]) / 2 * scale
    head = _Head(
        across=half[0] / _EYE_DISTANCE * rng.uniform(1.0, 1.15),
        down=1.75 * rng.uniform(0.9, 1.1),
        deep=rng.uniform(0.9, 1.3),
        nose=rng.uniform(0.3, 0.45),
        middle=float(centre[0]),
    )
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    columns = np.arange(_SIDE, dtype=np.float64)
    grid = np.stack(np.meshgrid(columns, columns), axis=-1)
    landed = _landed(grid, head, cos, sin)
    # What stands nearer lies on the side the head turns to; from the other side on, only what passes it is seen.
    ahead = np.maximum.accumulate(landed, axis=1) if sin >= 0 else np.minimum.accumulate(landed[:, ::-1], 1)[:, ::-1]
    sources = np.stack([np.interp(columns, row, columns) for row in ahead]).astype(np.float32)
    rows = np.repeat(columns[:, None], _SIDE, axis=1).astype(np.float32)
    picture = np.asarray(cv2.remap(pixels, sources, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    moved = points.copy()
    moved[:, 0] = _landed(points, head, cos, sin)
    edge = np.array([[head.middle + side * half[0], centre[1]] for side in np.linspace(-1, 1, 21)])
    reach = _landed(edge, head, cos, sin)
    box = np.array([reach.min(), centre[1] - half[1], reach.max(), centre[1] + half[1]])
    return picture, FaceLabel(box, moved, label.score)


def _upright(points: Floats) -> Floats:
    """The similarity that takes the eyes to their place, level."""
    across = points[1] - points[0]
    distance = float(np.linalg.norm(across)) + 1e-6
    degrees = -float(np.degrees(np.arctan2(across[1], across[0])))
    return rotation_scale((points[0] + points[1]) / 2, _EYES, degrees, _EYE_DISTANCE / distance)


def _landed(points: Floats, head: _Head, cos: float, sin: float) -> Floats:
    """The x (...) to which points (..., 2) go."""
    x = points[..., 0] - head.middle
    reach = head.across * _EYE_DISTANCE
    # Beside the head the background follows the head's edge, so that no gap opens.
    beside = np.clip(x, -reach, reach) * cos + (x - np.clip(x, -reach, reach))
    # The axis lies halfway into the head, so that the head turns on the spot.
    return np.asarray(head.middle + beside + head.depth(points) * sin - 0.35 * head.deep * _EYE_DISTANCE * sin)
