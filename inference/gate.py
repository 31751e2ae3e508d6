"""Is one full human face in a photo, and if not, why not?

The detector sees the whole photo, letterboxed; the verifier sees each candidate closely, turned upright.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.nn import functional

from inference.contracts import PhotoLimits, PhotoRefused, RefusalReason
from inference.decoding import DecodedPhoto
from inference.nets.gate import DetectionMaps, GateNet
from inference.preprocessing import (
    CROP_SIZE,
    Floats,
    Letterbox,
    Pixels,
    apply,
    crop_matrix,
    invert,
    letterbox,
    mirror_points,
    to_tensor,
    warp,
)

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
class Check:
    """What the verifier says of a crop: probabilities of a face and of a cover, points (5, 2) in crop pixels."""

    face: float
    covered: float
    points: Floats


@dataclass(frozen=True, slots=True)
class _Proposal:
    """A candidate, the crop it was looked at in (matrix (2, 3), decoded pixels to crop), and the verdict."""

    candidate: Candidate
    matrix: Floats
    check: Check

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


class Gate:
    """The gate's nets with the thresholds that belong to them. Not safe for two threads at a time."""

    def __init__(
        self, net: GateNet, thresholds: Mapping[str, float], limits: PhotoLimits, device: torch.device
    ) -> None:
        self._net = net.to(device)
        self._thresholds = thresholds
        self._limits = limits
        self._device = device

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
        return self._realigned(photos, [self._choose(photo, own) for photo, own in zip(photos, proposals, strict=True)])

    @torch.inference_mode()
    def detect(self, photos: Sequence[Pixels]) -> list[list[Candidate]]:
        """Candidates of each photo, the largest first."""
        if not photos:
            return []
        squares = [letterbox(pixels) for pixels in photos]
        maps: DetectionMaps = self._net.detector(to_tensor([square for square, _ in squares], self._device))
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
    def verify(self, crops: Sequence[Pixels]) -> list[Check]:
        """Look closely at each crop."""
        if not crops:
            return []
        out = self._net.verifier(to_tensor(crops, self._device))
        points = (out.points * CROP_SIZE).cpu().double().numpy()
        faces, covers = torch.sigmoid(out.face).tolist(), torch.sigmoid(out.covered).tolist()
        return [Check(*values) for values in zip(faces, covers, points, strict=True)]

    def _choose(self, photo: DecodedPhoto, proposals: Sequence[_Proposal]) -> AlignedFace | PhotoRefused:
        """The face the photo is of, or the first reason against it. proposals: the largest first."""
        real = [proposal for proposal in proposals if proposal.score >= self._thresholds["face"]]
        if not real:
            return PhotoRefused(self._why_no_face(photo, proposals))
        candidate, check = real[0].candidate, real[0].check
        face = _aligned(candidate.box, real[0].score, photo, apply(invert(real[0].matrix), check.points))
        if len(real) > 1 and _area(candidate.box) < DOMINANT_AREA_RATIO * _area(real[1].candidate.box):
            return PhotoRefused(RefusalReason.MULTIPLE_FACES)
        reason = self._why_unusable(photo, face, check.covered)
        return PhotoRefused(reason) if reason else face

    def _realigned(
        self, photos: Sequence[DecodedPhoto], faces: Sequence[AlignedFace | PhotoRefused]
    ) -> list[AlignedFace | PhotoRefused]:
        """The chosen faces, aligned once more by the points in their aligned crops and in those crops' mirror images.

        The detector's coarse points move with every small change of a photo, and all later answers with them.
        """
        crops = [face.crop for face in faces if isinstance(face, AlignedFace)]
        checks = self.verify([*crops, *(np.ascontiguousarray(crop[:, ::-1]) for crop in crops)])
        points = iter(
            (check.points + mirror_points(mirrored.points, CROP_SIZE)) / 2
            for check, mirrored in zip(checks[: len(crops)], checks[len(crops) :], strict=True)
        )
        return [
            face
            if isinstance(face, PhotoRefused)
            else _aligned(face.box, face.score, photo, apply(invert(face.matrix), next(points)))
            for photo, face in zip(photos, faces, strict=True)
        ]

    def _why_unusable(self, photo: DecodedPhoto, face: AlignedFace, covered: float) -> RefusalReason | None:
        """What is wrong with a photo's one face; the first that holds is what the person should mend first."""
        faults = {
            RefusalReason.FACE_TOO_SMALL: (face.box[2:] - face.box[:2]).max() * photo.scale
            < min_face_side(photo.width, photo.height, self._limits),
            RefusalReason.FACE_TURNED_AWAY: _nose_offset(face.points) > _MAX_NOSE_OFFSET,
            RefusalReason.FACE_CUT_OFF: is_cut_off(_NOMINAL_OUTLINE * CROP_SIZE, face.matrix, photo)
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
        if likely and is_cut_off(_NOMINAL_OUTLINE * CROP_SIZE, likely[0].matrix, photo):
            return RefusalReason.FACE_CUT_OFF
        if likely and _sharpness(warp(photo.pixels, likely[0].matrix)) < _MIN_SHARPNESS:
            return RefusalReason.TOO_BLURRY
        return RefusalReason.NO_FACE


def _aligned(box: Floats, score: float, photo: DecodedPhoto, points: Floats) -> AlignedFace:
    """A face turned upright by its points (5, 2), in decoded pixels."""
    matrix = crop_matrix(points)
    return AlignedFace(box, points, score, matrix, warp(photo.pixels, matrix))


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


def is_cut_off(outline: Floats, matrix: Floats, photo: DecodedPhoto) -> bool:
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
