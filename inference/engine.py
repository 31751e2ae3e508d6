"""Decoded photos in, analyses out: gate, then parts, then types, on a batch.

The detector sees the whole photo, letterboxed; all later nets see one face, turned upright. Every
photo gets one result or one error, in the order given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
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
from inference.nets.gate import DetectionMaps, GateNet
from inference.nets.parts import PartsNet, part_boxes
from inference.nets.types import TypesNet
from inference.preprocessing import (
    CROP_SIZE,
    Floats,
    Letterbox,
    Pixels,
    apply,
    crop_matrix,
    invert,
    letterbox,
    to_tensor,
    warp,
)
from inference.registry import MODELS, RegistryError
from inference.weights import PACKAGED_WEIGHTS

# Height and width of a photo as it often arrives after decoding.
_WARM_UP_SIZE = (640, 480)
# A picture with a shorter side below this is a thumbnail or a profile picture, cut to the face already: the
# limit on the face shrinks with it, down to a share at which features can still be told.
SMALL_PICTURE_SIDE = 480
_MIN_SHARE = 0.35
# A face that is this many times as large as the next is the one the photo is of.
DOMINANT_AREA_RATIO = 4.0
# Candidates that overlap more than this are one face seen twice.
_SAME_FACE_IOU = 0.4
_MAX_CANDIDATES = 16
# The largest of them are looked at closely.
_MAX_VERIFIED = 4
# Nose tip off the middle of the eyes, in eye distances, for a head turned by 60 degrees: the tip stands
# about 0.45 eye distances out of the plane of the eyes, and 0.45 * tan 60 = 0.78.
_MAX_NOSE_OFFSET = 0.75
# A line of the face may lie this share of the face's height outside the frame: hair-thin cuts hide nothing.
_CUT_OFF_TOLERANCE = 0.04
# A face's box may reach this share of its side beyond the frame; close-ups that keep brows, eyes and chin reach 0.18.
_MAX_SHARE_OUTSIDE = 0.2
# Grey levels of 255, over the face: mean below which no feature can be told, and the 95th percentile with it.
_DARK_MEAN = 28.0
_DARK_HIGHLIGHT = 60.0
# Detail over contrast: a face blurred by a Gaussian of 2 % of its height lies above in 19 of 20 cases, by
# 4 % below in two of three; unblurred portraits start at 0.42.
_MIN_SHARPNESS = 0.24
# Brows, eyes' outer corners, jaw and chin of the mean face, as shares of the crop's side.
_NOMINAL_OUTLINE: Floats = np.array([[0.29, 0.34], [0.71, 0.34], [0.36, 0.80], [0.64, 0.80], [0.50, 0.86]])


@dataclass(frozen=True, slots=True)
class Candidate:
    """A face the detector proposes, in decoded pixels: box (4,) x0, y0, x1, y1, points (5, 2), score 0 to 1."""

    box: Floats
    points: Floats
    score: float


@dataclass(frozen=True, slots=True)
class _Check:
    """What the verifier says of a crop: probabilities of a face and of a cover, points (5, 2) in crop pixels."""

    face: float
    covered: float
    points: Floats


@dataclass(frozen=True, slots=True)
class _Proposal:
    """A candidate, the crop it was looked at in (matrix (2, 3), decoded pixels to crop), and the verdict."""

    candidate: Candidate
    matrix: Floats
    check: _Check

    @property
    def score(self) -> float:
        """0 to 1: both nets must believe in the face."""
        return self.candidate.score * self.check.face


@dataclass(frozen=True, slots=True)
class AlignedFace:
    """The photo's one face, turned upright.

    matrix: (2, 3) decoded pixels to crop pixels. crop: (128, 128, 3).
    """

    box: Floats
    points: Floats
    score: float
    matrix: Floats
    crop: Pixels


class Engine:
    """The three models, loaded once. Not safe for two threads at a time; the caller serializes."""

    def __init__(self, limits: PhotoLimits | None = None, weights_dir: Path | None = None, device: str = "cpu") -> None:
        folder = weights_dir or PACKAGED_WEIGHTS
        self._limits = limits or PhotoLimits()
        self._device = torch.device(device)
        gate = MODELS.load("gate", GateNet, folder)
        parts = MODELS.load("parts", PartsNet, folder)
        types = MODELS.load("types", TypesNet, folder)
        if types.manifest.calibration is None:
            raise RegistryError("the type model's manifest has no calibration curve")
        self._calibration = types.manifest.calibration
        self._thresholds = gate.manifest.thresholds
        if missing := {"detection", "face", "covered", "likely"} - self._thresholds.keys():
            raise RegistryError(f"the gate's manifest lacks thresholds: {', '.join(sorted(missing))}")
        self._max_line_spread = parts.manifest.thresholds["line_spread"]
        self._gate = gate.net.to(self._device)
        self._parts = parts.net.to(self._device)
        self._types = types.net.to(self._device)
        self.versions = ModelVersions(gate.manifest.version, parts.manifest.version, types.manifest.version)

    def warm_up(self) -> None:
        """Run every net once. A blank photo would not do: it stops at the detector."""
        self.detect([np.zeros((*_WARM_UP_SIZE, 3), np.uint8)])
        crop = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        self.verify([crop])
        self.rate([AlignedFace(np.zeros(4), np.zeros((5, 2)), 0.0, np.zeros((2, 3)), crop)])

    def analyze(self, photos: Sequence[DecodedPhoto]) -> list[FaceAnalysis | InferenceError]:
        """One analysis or one refusal for each photo."""
        faces = self.find_faces(photos)
        found = [face for face in faces if isinstance(face, AlignedFace)]
        answers = iter(self.rate(found))
        results: list[FaceAnalysis | InferenceError] = []
        for photo, face in zip(photos, faces, strict=True):
            if isinstance(face, InferenceError):
                results.append(face)
                continue
            lines, spread, probabilities = next(answers)
            results.append(self._judge(photo, face, lines, spread, probabilities))
        return results

    def find_faces(self, photos: Sequence[DecodedPhoto]) -> list[AlignedFace | PhotoRefused]:
        """The gate alone: each photo's one full human face, or why there is none."""
        candidates = self.detect([photo.pixels for photo in photos])
        matrices = [[crop_matrix(candidate.points) for candidate in found] for found in candidates]
        crops = [warp(photo.pixels, matrix) for photo, own in zip(photos, matrices, strict=True) for matrix in own]
        checks = iter(self.verify(crops))
        proposals = [
            [_Proposal(candidate, matrix, next(checks)) for candidate, matrix in zip(found, own, strict=True)]
            for found, own in zip(candidates, matrices, strict=True)
        ]
        return [self._choose(photo, own) for photo, own in zip(photos, proposals, strict=True)]

    @torch.inference_mode()
    def detect(self, photos: Sequence[Pixels]) -> list[list[Candidate]]:
        """Candidates of each photo, the largest first."""
        if not photos:
            return []
        squares = [letterbox(pixels) for pixels in photos]
        maps: DetectionMaps = self._gate.detector(to_tensor([square for square, _ in squares], self._device))
        heat = torch.sigmoid(maps.heat)
        peaks = (heat == functional.max_pool2d(heat.unsqueeze(1), 3, 1, 1).squeeze(1)) & (
            heat >= self._thresholds["detection"]
        )
        heat, peaks = heat.cpu(), peaks.cpu()
        boxes, points = maps.boxes.cpu().double(), maps.points.cpu().double()
        found = []
        for index, (_, box) in enumerate(squares):
            cells = peaks[index].nonzero()
            scores = heat[index][cells[:, 0], cells[:, 1]]
            order = scores.argsort(descending=True, stable=True)[:_MAX_CANDIDATES]
            found.append(
                _distinct(
                    [
                        _candidate(
                            boxes[index, :, y, x].numpy(), points[index, :, y, x].numpy(), float(heat[index, y, x]), box
                        )
                        for y, x in cells[order].tolist()
                    ]
                )
            )
        return found

    @torch.inference_mode()
    def verify(self, crops: Sequence[Pixels]) -> list[_Check]:
        """Look closely at each crop."""
        if not crops:
            return []
        out = self._gate.verifier(to_tensor(crops, self._device))
        points = (out.points * CROP_SIZE).cpu().double().numpy()
        faces, covers = torch.sigmoid(out.face).tolist(), torch.sigmoid(out.covered).tolist()
        return [_Check(*values) for values in zip(faces, covers, points, strict=True)]

    def _choose(self, photo: DecodedPhoto, proposals: Sequence[_Proposal]) -> AlignedFace | PhotoRefused:
        """The face the photo is of, or the first reason against it. proposals: the largest first."""
        real = [proposal for proposal in proposals if proposal.score >= self._thresholds["face"]]
        if not real:
            return PhotoRefused(self._why_no_face(photo, proposals))
        candidate, check = real[0].candidate, real[0].check
        points = apply(invert(real[0].matrix), check.points)
        matrix = crop_matrix(points)
        face = AlignedFace(candidate.box, points, real[0].score, matrix, warp(photo.pixels, matrix))
        if len(real) > 1 and _area(candidate.box) < DOMINANT_AREA_RATIO * _area(real[1].candidate.box):
            return PhotoRefused(RefusalReason.MULTIPLE_FACES)
        reason = self._why_unusable(photo, face, check.covered)
        return PhotoRefused(reason) if reason else face

    def _why_unusable(self, photo: DecodedPhoto, face: AlignedFace, covered: float) -> RefusalReason | None:
        """What is wrong with a photo's one face; the first that holds is what the person should mend first."""
        faults = {
            RefusalReason.FACE_TOO_SMALL: (face.box[2:] - face.box[:2]).max() * photo.scale
            < min_face_side(photo.width, photo.height, self._limits),
            RefusalReason.FACE_TURNED_AWAY: _nose_offset(face.points) > _MAX_NOSE_OFFSET,
            RefusalReason.FACE_CUT_OFF: _is_cut_off(_NOMINAL_OUTLINE * CROP_SIZE, face.matrix, photo)
            or _share_outside(face.box, photo) > _MAX_SHARE_OUTSIDE,
            RefusalReason.TOO_DARK: _is_dark(face.crop),
            RefusalReason.TOO_BLURRY: _sharpness(face.crop) < _MIN_SHARPNESS,
            RefusalReason.FACE_COVERED: covered >= self._thresholds["covered"],
        }
        return next((reason for reason, holds in faults.items() if holds), None)

    def _why_no_face(self, photo: DecodedPhoto, proposals: Sequence[_Proposal]) -> RefusalReason:
        """A photo without a verified face: perhaps there is one that cannot be seen well."""
        if _is_dark(photo.pixels):
            return RefusalReason.TOO_DARK
        likely = [proposal for proposal in proposals if proposal.candidate.score >= self._thresholds["likely"]]
        if likely and _is_cut_off(_NOMINAL_OUTLINE * CROP_SIZE, likely[0].matrix, photo):
            return RefusalReason.FACE_CUT_OFF
        if likely and _sharpness(warp(photo.pixels, likely[0].matrix)) < _MIN_SHARPNESS:
            return RefusalReason.TOO_BLURRY
        return RefusalReason.NO_FACE

    @torch.inference_mode()
    def rate(self, faces: Sequence[AlignedFace]) -> list[tuple[Floats, Floats, Floats]]:
        """Lines (5,) and their spreads (5,) in shares of the crop, and type probabilities (3, 5), of each face.

        A face and its mirror image are rated alike by averaging both.
        """
        if not faces:
            return []
        crops = to_tensor([face.crop for face in faces], self._device)
        both = torch.cat([crops, crops.flip(-1)]).contiguous(memory_format=torch.channels_last)
        found = self._parts(both)
        count = len(faces)
        position = (found.position[:count] + _mirror_lines(found.position[count:])) / 2
        spread = (found.spread[:count] + found.spread[count:]) / 2
        boxes = torch.cat([part_boxes(position), part_boxes(_mirror_lines(position))])
        probabilities = self._types(both, boxes).probabilities
        probabilities = (probabilities[:count] + probabilities[count:]) / 2
        return list(
            zip(
                position.cpu().double().numpy(),
                spread.cpu().double().numpy(),
                probabilities.cpu().double().numpy(),
                strict=True,
            )
        )

    def _judge(
        self, photo: DecodedPhoto, face: AlignedFace, lines: Floats, spread: Floats, probabilities: Floats
    ) -> FaceAnalysis | PhotoRefused:
        xl, xr, yb, yn, yc = lines
        if not (xl < xr and yb < yn < yc) or spread.max() > self._max_line_spread:
            return PhotoRefused(RefusalReason.PARTS_NOT_FOUND)
        middle = (xl + xr) / 2
        outline = np.array([[middle, yb], [middle, yc]]) * CROP_SIZE
        if _is_cut_off(outline, face.matrix, photo):
            return PhotoRefused(RefusalReason.FACE_CUT_OFF)
        boxes = part_boxes(torch.from_numpy(lines)).numpy() * CROP_SIZE
        parts = [_box_in_photo(box, face.matrix, photo) for box in boxes]
        if any(box is None for box in parts):
            return PhotoRefused(RefusalReason.PARTS_NOT_FOUND)
        # Half precision sums to 1 only roughly; the contract says exactly.
        shares = probabilities / probabilities.sum(axis=1, keepdims=True)
        analyses = tuple(
            PartAnalysis(part, cast("Box", box), cast("tuple[float, float, float, float, float]", tuple(row.tolist())))
            for part, box, row in zip(FacePart, parts, shares, strict=True)
        )
        face_box = _clip(face.box * photo.scale, photo)
        points = tuple(Point(*point) for point in (face.points * photo.scale).tolist())
        return FaceAnalysis(
            photo_width=photo.width,
            photo_height=photo.height,
            face=DetectedFace(
                cast("Box", face_box), cast("tuple[Point, Point, Point, Point, Point]", points), face.score
            ),
            parts=cast("tuple[PartAnalysis, PartAnalysis, PartAnalysis]", analyses),
            calibration=self._calibration,
            models=self.versions,
        )


def min_face_side(width: int, height: int, limits: PhotoLimits) -> float:
    """Pixels that the longer side of a face must have in a photo of this full size."""
    share = min(width, height) / SMALL_PICTURE_SIDE
    return limits.min_face_pixels * min(max(share, _MIN_SHARE), 1.0)


def _candidate(box: Floats, points: Floats, score: float, square: Letterbox) -> Candidate:
    """From the detector's square (centre, size) to decoded pixels."""
    origin = np.array([square.left, square.top])
    centre = (box[:2] - origin) / square.scale
    half = box[2:] / square.scale / 2
    return Candidate(
        np.concatenate([centre - half, centre + half]), (points.reshape(5, 2) - origin) / square.scale, score
    )


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Drop what overlaps a better candidate (best first); the largest of the rest comes first."""
    kept: list[Candidate] = []
    for candidate in candidates:
        if all(_iou(candidate.box, other.box) < _SAME_FACE_IOU for other in kept):
            kept.append(candidate)
    return sorted(kept, key=lambda candidate: -_area(candidate.box))[:_MAX_VERIFIED]


def _area(box: Floats) -> float:
    return float(np.prod(np.maximum(box[2:] - box[:2], 0)))


def _iou(first: Floats, second: Floats) -> float:
    overlap = _area(np.concatenate([np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])]))
    return overlap / max(_area(first) + _area(second) - overlap, 1e-9)


def _nose_offset(points: Floats) -> float:
    """How far the nose tip lies beside the line from the eyes' middle to the mouth's, in eye distances."""
    eyes, mouth = (points[0] + points[1]) / 2, (points[3] + points[4]) / 2
    down = (mouth - eyes) / max(float(np.linalg.norm(mouth - eyes)), 1e-6)
    nose = points[2] - eyes
    return abs(float(nose[0] * down[1] - nose[1] * down[0])) / max(float(np.linalg.norm(points[1] - points[0])), 1e-6)


def _is_cut_off(outline: Floats, matrix: Floats, photo: DecodedPhoto) -> bool:
    """Whether any point of an outline (N, 2), in crop pixels, lies outside the photo."""
    height, width = photo.pixels.shape[:2]
    points = apply(invert(matrix), outline)
    face_height = CROP_SIZE / 2 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-6)
    slack = _CUT_OFF_TOLERANCE * face_height
    return bool((points < -slack).any() or (points > np.array([width, height]) + slack).any())


def _share_outside(box: Floats, photo: DecodedPhoto) -> float:
    """How far a face's box (4,) reaches beyond the frame's sides or bottom, in box sides.

    Half a face can pass for a whole, covered one whose points crowd inside the frame; its box does not.
    Beyond the top there is only forehead, until the outline's brows are gone.
    """
    height, width = photo.pixels.shape[:2]
    box_width, box_height = np.maximum(box[2:] - box[:2], 1e-6)
    return float(max(-box[0] / box_width, (box[2] - width) / box_width, (box[3] - height) / box_height))


def _is_dark(pixels: Pixels) -> bool:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return float(grey.mean()) < _DARK_MEAN and float(np.percentile(grey, 95)) < _DARK_HIGHLIGHT


def _sharpness(crop: Pixels) -> float:
    """Detail in the middle of the face relative to its contrast; independent of exposure.

    Measured at half the crop's size, where the rounding of grey levels no longer passes for detail.
    """
    quarter = CROP_SIZE // 4
    middle = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[quarter : 3 * quarter, quarter : 3 * quarter]
    grey = cv2.resize(middle.astype(np.float32), (quarter, quarter), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(grey, cv2.CV_32F).std()) / max(float(grey.std()), 1.0)


def _mirror_lines(lines: torch.Tensor) -> torch.Tensor:
    """Lines (B, 5) of mirrored crops, for the crops; and the other way round."""
    return torch.stack([1 - lines[:, 1], 1 - lines[:, 0], lines[:, 2], lines[:, 3], lines[:, 4]], dim=1)


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
