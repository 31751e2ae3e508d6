"""Decoded photos in, analyses out: gate, then parts, then types, on a batch.

The detector sees the whole photo, letterboxed; all later nets see one face, turned upright. Every
photo gets one result or one error, in the order given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch.nn import functional

from inference.contracts import (
    Box,
    DetectedFace,
    FaceAnalysis,
    FacePart,
    InferenceError,
    ModelVersions,
    PartAnalysis,
    PhotoLimits,
    PhotoRefused,
    Point,
    RefusalReason,
)
from inference.decoding import DecodedPhoto
from inference.gate import CLOSER, WHOLE, AlignedFace, Gate, View, is_cut_off
from inference.nets.gate import GateNet
from inference.nets.parts import PartsNet, mirror_lines, part_boxes
from inference.nets.types import TypesNet
from inference.preprocessing import CROP_SIZE, Floats, Pixels, apply, invert, standardized, to_tensor
from inference.registry import MODELS, Manifest, RegistryError
from inference.weights import PACKAGED_WEIGHTS

# Weights are stored in half precision, which GPUs compute in several times as fast; processors do not.
_PRECISION = {"cuda": torch.float16}
# Height and width of a photo as it often arrives after decoding.
_WARM_UP_SIZE = (640, 480)


@dataclass(frozen=True, slots=True)
class FaceRating:
    """What the part finder and the type model say of an aligned face.

    lines (5,) and their spreads (5,) in shares of the crop; type probabilities (3, 5); embedding (128,) of length 1.
    """

    lines: Floats
    line_spreads: Floats
    probabilities: Floats
    embedding: Floats


def _existing(name: str) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"torch finds no {name} on this machine (INFERENCE_DEVICE, or --device)")
    return device


class Engine:
    """The three models, loaded once. Not safe for two threads at a time; the caller serializes.

    device: a torch device; raises ValueError where this machine has none such. On a GPU the nets run in half precision;
    its answers differ from a processor's as tests/gpu allows.
    """

    def __init__(self, limits: PhotoLimits | None = None, weights_dir: Path | None = None, device: str = "cpu") -> None:
        folder = weights_dir or PACKAGED_WEIGHTS
        self._device = _existing(device)
        self._dtype = _PRECISION.get(self._device.type, torch.float32)
        gate = MODELS.load("gate", GateNet, folder)
        parts = MODELS.load("parts", PartsNet, folder)
        types = MODELS.load("types", TypesNet, folder)
        if types.manifest.calibration is None:
            raise RegistryError("the type model's manifest has no calibration curve")
        self._calibration = types.manifest.calibration
        thresholds = gate.manifest.thresholds
        if missing := {"detection", "face", "covered", "blurred", "likely", "turned"} - thresholds.keys():
            raise RegistryError(f"the gate's manifest lacks thresholds: {', '.join(sorted(missing))}")
        self._max_line_spread = parts.manifest.thresholds["line_spread"]
        self.gate = Gate(gate.net, thresholds, limits or PhotoLimits(), self._device, self._dtype)
        self._parts = parts.net.to(self._device, self._dtype)
        self._types = types.net.to(self._device, self._dtype)
        self.manifests: dict[str, Manifest] = {
            each.name: each for each in (gate.manifest, parts.manifest, types.manifest)
        }
        self.versions = ModelVersions(gate.manifest.version, parts.manifest.version, types.manifest.version)

    def warm_up(self) -> None:
        """Run every net once, at each size of its input. A blank photo would not do: it stops at the detector."""
        photo = DecodedPhoto(np.zeros((*_WARM_UP_SIZE, 3), np.uint8), *_WARM_UP_SIZE[::-1])
        for look in (WHOLE, CLOSER):
            self.gate.look([photo], look)
        crop = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        self.gate.verify([crop])
        self.rate([AlignedFace(np.zeros(4), np.zeros((5, 2)), 0.0, np.zeros((2, 3)), crop, View(crop, 0, 0, 1.0))])

    def analyze(self, photos: Sequence[DecodedPhoto]) -> list[FaceAnalysis | InferenceError]:
        """One analysis or one refusal for each photo."""
        faces = self.gate.find_faces(photos)
        found = [face for face in faces if isinstance(face, AlignedFace)]
        answers = iter(self.rate(found))
        results: list[FaceAnalysis | InferenceError] = []
        for photo, face in zip(photos, faces, strict=True):
            if isinstance(face, InferenceError):
                results.append(face)
                continue
            results.append(self._judge(photo, face, next(answers)))
        return results

    def tensor(self, images: Sequence[Pixels]) -> torch.Tensor:
        """Images (H, W, 3) as the nets take them."""
        return to_tensor(images, self._device, self._dtype)

    @torch.inference_mode()
    def forward(self, squares: torch.Tensor, crops: torch.Tensor) -> None:
        """All that the nets do for photos with one face each, and nothing else: what an analysis cannot undercut.

        Shapes: squares (B, 3, 192, 192), crops (B, 3, 128, 128), as tensor() makes them.
        """
        gate = self.gate.net
        gate.detector(squares)
        gate.verifier(crops)
        both = torch.cat([crops, crops.flip(-1)]).contiguous(memory_format=torch.channels_last)
        gate.verifier(both)
        self._types(both, part_boxes(self._parts(both).position))

    @torch.inference_mode()
    def rate(self, faces: Sequence[AlignedFace]) -> list[FaceRating]:
        """Parts and types of each face. A face and its mirror image are rated alike by averaging both."""
        if not faces:
            return []
        found = self._parts(self._both_ways([face.crop for face in faces]))
        position, mirrored = found.position.chunk(2)
        position = (position + mirror_lines(mirrored)) / 2
        rated = self._types(
            self._both_ways([standardized(face.crop) for face in faces]),
            torch.cat([part_boxes(position), part_boxes(mirror_lines(position))]),
        )
        embedding = functional.normalize(_mean_of_mirrored(rated.embedding), dim=-1)
        spread, mirrored_spread = found.spread.chunk(2)
        # A mirror image's left edge is the face's right one.
        spread = (spread + mirrored_spread[:, [1, 0, 2, 3, 4]]) / 2
        columns = (position, spread, _mean_of_mirrored(rated.probabilities), embedding)
        return [
            FaceRating(*values) for values in zip(*(column.cpu().double().numpy() for column in columns), strict=True)
        ]

    def _both_ways(self, crops: Sequence[Pixels]) -> torch.Tensor:
        """Crops, then their mirror images."""
        tensor = self.tensor(crops)
        return torch.cat([tensor, tensor.flip(-1)]).contiguous(memory_format=torch.channels_last)

    def _judge(self, photo: DecodedPhoto, face: AlignedFace, rating: FaceRating) -> FaceAnalysis | PhotoRefused:
        xl, xr, yb, yn, yc = rating.lines
        if not (xl < xr and yb < yn < yc) or rating.line_spreads.max() > self._max_line_spread:
            return PhotoRefused(RefusalReason.PARTS_NOT_FOUND)
        middle = (xl + xr) / 2
        outline = np.array([[middle, yb], [middle, yc]]) * CROP_SIZE
        if is_cut_off(outline, face.matrix, photo):
            return PhotoRefused(RefusalReason.FACE_CUT_OFF)
        face_box = _clip(face.box * photo.scale, photo)
        whole, upper, lower = (
            _box_in_photo(box, face.matrix, photo)
            for box in part_boxes(torch.from_numpy(rating.lines)).numpy() * CROP_SIZE
        )
        if face_box is None or whole is None or upper is None or lower is None:
            return PhotoRefused(RefusalReason.PARTS_NOT_FOUND)
        # Half precision sums to 1 only roughly; the contract says exactly.
        shares = rating.probabilities / rating.probabilities.sum(axis=1, keepdims=True)
        parts = tuple(
            PartAnalysis(part, box, tuple(row))
            for part, box, row in zip(FacePart, (whole, upper, lower), shares.tolist(), strict=True)
        )
        points = tuple(Point(*point) for point in (face.points * photo.scale).tolist())
        return FaceAnalysis(
            photo_width=photo.width,
            photo_height=photo.height,
            face=DetectedFace(face_box, cast("tuple[Point, Point, Point, Point, Point]", points), face.score),
            parts=cast("tuple[PartAnalysis, PartAnalysis, PartAnalysis]", parts),
            box_confidence=_confidence_within((xr - xl) / 20, rating.line_spreads),
            embedding=tuple(rating.embedding.tolist()),
            calibration=self._calibration,
            models=self.versions,
        )


def _confidence_within(distance: float, spreads: Floats) -> float:
    """The probability that none of some lines is off by more, each by a Laplace distribution of its spread."""
    return float(np.prod(1 - np.exp(-distance / spreads)))


def _mean_of_mirrored(values: torch.Tensor) -> torch.Tensor:
    """Mean of what was said of faces and of their mirror images: (2 B, …) -> (B, …)."""
    faces, mirrored = values.chunk(2)
    return (faces + mirrored) / 2


def _box_in_photo(box: Floats, matrix: Floats, photo: DecodedPhoto) -> Box | None:
    """A crop's box (4,), in crop pixels, as an upright box of the full-size photo.

    A part is round rather than square, so a turned part's box is the one around the turned ellipse in it.
    """
    back = invert(matrix)
    centre = apply(back, (box[:2] + box[2:]) / 2)
    half = (box[2:] - box[:2]) / 2
    reach = np.hypot(back[:, 0] * half[0], back[:, 1] * half[1])
    return _clip(np.concatenate([centre - reach, centre + reach]) * photo.scale, photo)


def _clip(box: Floats, photo: DecodedPhoto) -> Box | None:
    """The part of a box (4,) inside the photo, or None where there is none."""
    x0, x1 = np.clip(box[[0, 2]], 0, photo.width).tolist()
    y0, y1 = np.clip(box[[1, 3]], 0, photo.height).tolist()
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
