"""Is one full human face in a photo, and if not, why not?

The detector sees the whole photo, letterboxed; the verifier sees each candidate closely, turned upright. Where
that finds no face, or a small one, the detector looks again at a larger picture, and then at the photo turned by
quarters, as phones' photos are that lost their EXIF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from inference.contracts import PhotoLimits, PhotoRefused, RefusalReason
from inference.decoding import DecodedPhoto, decode_closer
from inference.nets.gate import DetectionMaps, GateNet
from inference.preprocessing import (
    CROP_SIZE,
    DETECTOR_SIZE,
    Floats,
    Letterbox,
    Pixels,
    apply,
    averaged,
    crop_matrix,
    invert,
    letterbox,
    mirror_points,
    mirrored,
    shrinkage,
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
SAME_FACE_IOU = 0.4
MAX_CANDIDATES = 16
# The best of them are looked at closely.
MAX_VERIFIED = 6
# With fewer pixels a candidate's crop would be blown up, so a photo that was decoded reduced is decoded again.
_ENOUGH_PIXELS = 64
# Around a face, in sides of its box: a crop turned by 45 degrees reaches a little more than one.
VIEW_REACH = 1.6
# A face that takes less of the photo's longer side may have neighbours of its size that the first look missed.
SMALL_SHARE = 0.125
# Pixels that the detector sees at a time: eight squares of the first look, one of a closer one. More are no faster, and
# memory that they take once is never given back.
_PIXELS_AT_ONCE = 8 * DETECTOR_SIZE**2
# How far the nose tip stands out of the plane of the eyes, and the mouth below it, in eye distances.
_NOSE_DEPTH = 0.45
_MOUTH_BELOW = 1.0
# The longer side of a face's box, in sides of its aligned crop: the median over portraits.
_BOX_SIDE = 0.8
# A line of the face may lie this share of the face's height outside the frame: hair-thin cuts hide nothing.
_CUT_OFF_TOLERANCE = 0.04
# A face's box may reach this share of its side beyond the frame; close-ups that keep brows, eyes and chin reach 0.18.
_MAX_SHARE_OUTSIDE = 0.2
# Grey levels of 255, over the face: mean below which no feature can be told, and the 95th percentile with it.
DARK_MEAN = 28.0
DARK_HIGHLIGHT = 60.0
# A crop's rows and columns that show the face alone.
MIDDLE = slice(int(0.3 * CROP_SIZE), int(0.7 * CROP_SIZE))
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
    """What the verifier says of a crop: probabilities of a face, of a cover and of blur, points (5, 2) in crop
    pixels."""

    face: float
    covered: float
    blurred: float
    points: Floats


@dataclass(frozen=True, slots=True)
class Look:
    """One pass of the detector: the side of its input, and by how many quarters the photo is turned for it."""

    size: int
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A part of a photo, perhaps with more or fewer pixels than were decoded: x = (x_decoded - left) * scale."""

    pixels: Pixels
    left: float
    top: float
    scale: float

    def around(self, box: Floats, matrix: Floats) -> View:
        """What all crops of one face are cut from: its surroundings, averaged down once to twice their size at most.

        box: the face's, in decoded pixels. matrix: (2, 3) decoded pixels to crop pixels.
        """
        factor = shrinkage(matrix / self.scale)
        if factor < 2:
            return self
        centre, reach = (box[:2] + box[2:]) / 2, VIEW_REACH * _side(box)
        origin = np.array([self.left, self.top])
        # The detector may see a face in its square's padding, beside the photo.
        last = [self.pixels.shape[1] - 1, self.pixels.shape[0] - 1]
        x0, y0 = np.clip((centre - reach - origin) * self.scale, 0, last).astype(int).tolist()
        x1, y1 = np.maximum((centre + reach - origin) * self.scale, 0).astype(int).tolist()
        region = self.pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        left, top = origin + np.array([x0, y0]) / self.scale
        return View(averaged(region, factor), left, top, self.scale / factor)

    def cut_out(self, matrix: Floats) -> Pixels:
        """The crop at a matrix (2, 3) that takes decoded pixels to crop pixels."""
        linear = matrix[:, :2]
        shift = matrix[:, 2] + linear @ np.array([self.left, self.top])
        return warp(self.pixels, np.column_stack([linear / self.scale, shift]))


WHOLE = Look(DETECTOR_SIZE, (0,))
CLOSER = Look(640, (0,))
TURNED = Look(DETECTOR_SIZE, (2, 1, 3))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate, the verdict on it, and the crop that was looked at.

    matrix: (2, 3) decoded pixels to crop. view: what the crop was cut from.
    """

    candidate: Candidate
    matrix: Floats
    view: View
    check: Check

    @property
    def score(self) -> float:
        """0 to 1: both nets must believe in the face."""
        return self.candidate.score * self.check.face

    @property
    def face_points(self) -> Floats:
        """(5, 2), the finer ones, in decoded pixels."""
        return apply(invert(self.matrix), self.check.points)


@dataclass(frozen=True, slots=True)
class Face:
    """A face in decoded pixels: box (4,), points (5, 2), score 0 to 1, matrix (2, 3) to the pixels of its crop."""

    box: Floats
    points: Floats
    score: float
    matrix: Floats


@dataclass(frozen=True, slots=True)
class AlignedFace(Face):
    """The photo's one face, turned upright. crop: (128, 128, 3), cut from view."""

    crop: Pixels
    view: View


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be seen: probabilities of a cover and of blur, and whether no feature of it can be told."""

    covered: float
    blurred: float
    is_dark: bool


class Gate:
    """The gate's nets with the thresholds that belong to them. Not safe for two threads at a time."""

    def __init__(
        self,
        net: GateNet,
        thresholds: Mapping[str, float],
        limits: PhotoLimits,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """device, dtype: where and how precisely the nets run."""
        self.net = net.to(device, dtype)
        self._thresholds = thresholds
        self._limits = limits
        self._device = device
        self._dtype = dtype

    def find_faces(self, photos: Sequence[DecodedPhoto]) -> list[AlignedFace | PhotoRefused]:
        """Each photo's one full human face, or why there is none."""
        found = self.look(photos, WHOLE)
        for look, is_wanted in ((CLOSER, self._may_miss_small_ones), (TURNED, self._shows_no_clear_face)):
            again = [index for index, photo in enumerate(photos) if is_wanted(photo, found[index])]
            for index, more in zip(again, self.look([photos[index] for index in again], look), strict=True):
                if look is CLOSER:
                    found[index] = _merged([*found[index], *more])
                elif _best_score(more) > _best_score(found[index]):
                    # The photo lies on its side or on its head: what was seen before is not what it shows.
                    found[index] = more
        return self._realigned([self._choose(photo, own) for photo, own in zip(photos, found, strict=True)])

    def look(self, photos: Sequence[DecodedPhoto], look: Look) -> list[list[Proposal]]:
        """What may be a face in each photo, the largest first, each looked at closely."""
        if not photos:
            return []
        candidates = self.candidates([photo.pixels for photo in photos], look)
        points = [candidate.points for own in candidates for candidate in own]
        matrices = iter(crop_matrix(np.reshape(points, (-1, 5, 2))))
        flat = []
        for photo, own in zip(photos, candidates, strict=True):
            for candidate, view in zip(own, _views(photo, own, look), strict=True):
                matrix = next(matrices)
                flat.append((candidate, matrix, view.around(candidate.box, matrix)))
        checks = self.verify([view.cut_out(matrix) for _, matrix, view in flat])
        proposals = iter(Proposal(*seen, check) for seen, check in zip(flat, checks, strict=True))
        return [[next(proposals) for _ in own] for own in candidates]

    def candidates(self, photos: Sequence[Pixels], look: Look) -> list[list[Candidate]]:
        """Candidates of each photo over all turns, in the unturned photo's pixels, the largest first."""
        squares = [letterbox(pixels, look.size) for pixels in photos]
        turned = [np.rot90(square, turns) for square, _ in squares for turns in look.turns]
        at_once = max(1, _PIXELS_AT_ONCE // look.size**2)
        # In order, and as many for each photo as there are turns.
        found = iter(
            candidates
            for start in range(0, len(turned), at_once)
            for candidates in self._detect(turned[start : start + at_once])
        )
        return [
            _distinct(
                [
                    _in_photo(_turned_back(candidate, turns, look.size), box)
                    for turns in look.turns
                    for candidate in next(found)
                ]
            )
            for _, box in squares
        ]

    @torch.inference_mode()
    def _detect(self, squares: Sequence[Pixels]) -> list[list[Candidate]]:
        """Candidates of each square, in its pixels, the best first."""
        maps: DetectionMaps = self.net.detector(to_tensor(squares, self._device, self._dtype))
        heat = torch.sigmoid(maps.heat)
        peaks = (heat == functional.max_pool2d(heat.unsqueeze(1), 3, 1, 1).squeeze(1)) & (
            heat >= self._thresholds["detection"]
        )
        index, y, x = peaks.nonzero(as_tuple=True)
        # All that is known of each peak in one table, since each transfer from a device costs a wait.
        known = [
            index.unsqueeze(1),
            heat[index, y, x].unsqueeze(1),
            maps.boxes[index, :, y, x],
            maps.points[index, :, y, x],
        ]
        rows = torch.cat(known, dim=1).cpu().double().numpy()
        rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        return [
            _distinct([_candidate(row) for row in rows[rows[:, 0] == number][:MAX_CANDIDATES]])
            for number in range(len(squares))
        ]

    @torch.inference_mode()
    def verify(self, crops: Sequence[Pixels]) -> list[Check]:
        """Look closely at each crop."""
        if not crops:
            return []
        out = self.net.verifier(to_tensor(crops, self._device, self._dtype))
        points = (out.points * CROP_SIZE).cpu().double().numpy()
        chances = torch.sigmoid(torch.stack([out.face, out.covered, out.blurred], dim=1)).tolist()
        return [
            Check(face, covered, blurred, places)
            for (face, covered, blurred), places in zip(chances, points, strict=True)
        ]

    def _real(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        return [proposal for proposal in proposals if proposal.score >= self._thresholds["face"]]

    def _may_miss_small_ones(self, photo: DecodedPhoto, proposals: Sequence[Proposal]) -> bool:
        smallest = SMALL_SHARE * max(photo.pixels.shape)
        is_large = any(_side(proposal.candidate.box) >= smallest for proposal in self._real(proposals))
        return not is_large and not _is_dark(photo.pixels)

    def _shows_no_clear_face(self, photo: DecodedPhoto, proposals: Sequence[Proposal]) -> bool:
        """An upside-down face is now and then taken for one whose mouth is covered."""
        is_clear = any(found.check.covered < self._thresholds["covered"] for found in self._real(proposals))
        return not is_clear and not _is_dark(photo.pixels)

    def _choose(self, photo: DecodedPhoto, proposals: Sequence[Proposal]) -> AlignedFace | PhotoRefused:
        """The face the photo is of, or the first reason against it. proposals: the largest first."""
        real = self._real(proposals)
        if not real:
            return PhotoRefused(self._why_no_face(photo, proposals))
        if len(real) > 1 and _area(real[0].candidate.box) < DOMINANT_AREA_RATIO * _area(real[1].candidate.box):
            return PhotoRefused(RefusalReason.MULTIPLE_FACES)
        face = _by_finer_points(real[0])
        reason = self._why_unusable(photo, face, real[0].check)
        return PhotoRefused(reason) if reason else face

    def _realigned(self, faces: Sequence[AlignedFace | PhotoRefused]) -> list[AlignedFace | PhotoRefused]:
        """The chosen faces, aligned once more by the points in their aligned crops and in those crops' mirror images.

        The detector's coarse points move with every small change of a photo, and all later answers with them.
        """
        crops = [face.crop for face in faces if isinstance(face, AlignedFace)]
        if not crops:
            return list(faces)
        checks = self.verify([*crops, *map(mirrored, crops)])
        seen = np.stack([check.points for check in checks])
        matrices = np.stack([face.matrix for face in faces if isinstance(face, AlignedFace)])
        points = apply(invert(matrices), (seen[: len(crops)] + mirror_points(seen[len(crops) :], CROP_SIZE)) / 2)
        again = iter(zip(points, crop_matrix(points), strict=True))
        return [
            face if isinstance(face, PhotoRefused) else _aligned(face.view, face.box, face.score, *next(again))
            for face in faces
        ]

    def why_unusable(
        self, photos: Sequence[DecodedPhoto], faces: Sequence[Face], qualities: Sequence[Quality]
    ) -> list[RefusalReason | None]:
        """What is wrong with each photo's one face; the first that holds is what the person should mend first."""
        boxes, matrices = np.stack([face.box for face in faces]), np.stack([face.matrix for face in faces])
        points = np.stack([face.points for face in faces])
        frames = frames_of(photos)
        least = [min_face_side(photo.width, photo.height, self._limits) for photo in photos]
        faults = {
            RefusalReason.FACE_TOO_SMALL: _face_sides(boxes, matrices) * [photo.scale for photo in photos] < least,
            RefusalReason.FACE_TURNED_AWAY: yaw_of(points) >= self._thresholds["turned"],
            RefusalReason.FACE_CUT_OFF: are_cut_off(_NOMINAL_OUTLINE[None] * CROP_SIZE, matrices, frames)
            | (_shares_outside(boxes, frames) > _MAX_SHARE_OUTSIDE),
            RefusalReason.TOO_DARK: np.array([quality.is_dark for quality in qualities]),
            RefusalReason.TOO_BLURRY: np.array([q.blurred for q in qualities]) >= self._thresholds["blurred"],
            RefusalReason.FACE_COVERED: np.array([q.covered for q in qualities]) >= self._thresholds["covered"],
        }
        return [
            next((reason for reason, holds in faults.items() if holds[index]), None) for index in range(len(photos))
        ]

    def _why_unusable(self, photo: DecodedPhoto, face: AlignedFace, check: Check) -> RefusalReason | None:
        quality = Quality(check.covered, check.blurred, _is_dark(_middle(face.crop)))
        return self.why_unusable([photo], [face], [quality])[0]

    def _why_no_face(self, photo: DecodedPhoto, proposals: Sequence[Proposal]) -> RefusalReason:
        """A photo without a verified face: perhaps there is one that cannot be seen well."""
        if _is_dark(photo.pixels):
            return RefusalReason.TOO_DARK
        likely = max(proposals, key=lambda proposal: proposal.score, default=None)
        if likely is None or likely.score < self._thresholds["likely"]:
            return RefusalReason.NO_FACE
        return self._why_unusable(photo, _by_finer_points(likely), likely.check) or RefusalReason.NO_FACE


def _aligned(view: View, box: Floats, score: float, points: Floats, matrix: Floats) -> AlignedFace:
    """A face turned upright by its points (5, 2), in decoded pixels."""
    return AlignedFace(box, points, score, matrix, view.cut_out(matrix), view)


def _by_finer_points(proposal: Proposal) -> AlignedFace:
    points = proposal.face_points
    return _aligned(proposal.view, proposal.candidate.box, proposal.score, points, crop_matrix(points))


def _views(photo: DecodedPhoto, candidates: Sequence[Candidate], look: Look) -> list[View]:
    """What each candidate is cut from: the photo as it was decoded, or around a small one its own pixels."""
    whole = View(photo.pixels, 0, 0, 1.0)
    sides = [max(_side(candidate.box), 1.0) for candidate in candidates]
    if look is not CLOSER or min(sides, default=_ENOUGH_PIXELS) >= _ENOUGH_PIXELS:
        return [whole for _ in candidates]
    closer = decode_closer(photo, _ENOUGH_PIXELS / min(sides))
    return [
        _part_of(closer, photo.scale / closer.scale, candidate.box) if side < _ENOUGH_PIXELS else whole
        for candidate, side in zip(candidates, sides, strict=True)
    ]


def _part_of(closer: DecodedPhoto, scale: float, box: Floats) -> View:
    """The surroundings of a face, copied, so that the large picture is not kept. scale: against the box's pixels."""
    centre, reach = (box[:2] + box[2:]) / 2, VIEW_REACH * _side(box)
    # The detector may see a face in its square's padding, beside the photo.
    last = [closer.pixels.shape[1] / scale - 1, closer.pixels.shape[0] / scale - 1]
    left, top = (max(int(low), 0) for low in np.clip(centre - reach, 0, last))
    x0, y0 = round(left * scale), round(top * scale)
    x1, y1 = (int(high) for high in np.ceil((centre + reach) * scale))
    return View(closer.pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].copy(), left, top, scale)


def _turned_back(candidate: Candidate, turns: int, size: int) -> Candidate:
    """A candidate of np.rot90(square, turns), in the unturned square's pixels."""
    if turns == 0:
        return candidate

    def back(points: Floats) -> Floats:
        x, y = points[..., 0], points[..., 1]
        return np.stack({1: (size - y, x), 2: (size - x, size - y), 3: (y, size - x)}[turns], axis=-1)

    corners = back(candidate.box.reshape(2, 2))
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    return Candidate(box, back(candidate.points), candidate.score)


def _best_score(proposals: Sequence[Proposal]) -> float:
    return max((proposal.score for proposal in proposals), default=0.0)


def _merged(proposals: Sequence[Proposal]) -> list[Proposal]:
    """Of the same face in two looks the better view, the largest face first."""
    kept: list[Proposal] = []
    for proposal in sorted(proposals, key=lambda proposal: -proposal.score):
        if all(_iou(proposal.candidate.box, other.candidate.box) < SAME_FACE_IOU for other in kept):
            kept.append(proposal)
    return sorted(kept, key=lambda proposal: -_area(proposal.candidate.box))


def min_face_side(width: int, height: int, limits: PhotoLimits) -> float:
    """Pixels that the longer side of a face must have in a photo of this full size."""
    share = min(width, height) / SMALL_PICTURE_SIDE
    return limits.min_face_pixels * min(max(share, _MIN_SHARE), 1.0)


def _candidate(peak: Floats) -> Candidate:
    """From a peak (16,): index, score, box as centre and size, five points."""
    centre, half = peak[2:4], peak[4:6] / 2
    return Candidate(np.concatenate([centre - half, centre + half]), peak[6:].reshape(5, 2), float(peak[1]))


def _in_photo(candidate: Candidate, square: Letterbox) -> Candidate:
    """A candidate of the detector's square, in the decoded photo's pixels."""
    origin = np.array([square.left, square.top])
    box = (candidate.box.reshape(2, 2) - origin) / square.scale
    return Candidate(box.reshape(4), (candidate.points - origin) / square.scale, candidate.score)


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best that do not overlap a better one; the largest comes first."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.score):
        if all(_iou(candidate.box, other.box) < SAME_FACE_IOU for other in kept):
            kept.append(candidate)
    return sorted(kept[:MAX_VERIFIED], key=lambda candidate: -_area(candidate.box))


def _side(box: Floats) -> float:
    """The longer side of a box (4,)."""
    return float((box[2:] - box[:2]).max())


def _area(box: Floats) -> float:
    return float(np.prod(np.maximum(box[2:] - box[:2], 0)))


def _iou(first: Floats, second: Floats) -> float:
    overlap = _area(np.concatenate([np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])]))
    return overlap / max(_area(first) + _area(second) - overlap, 1e-9)


def _face_sides(boxes: Floats, matrices: Floats) -> Floats:
    """The longer sides (N,) of faces, in decoded pixels: of their boxes (N, 4), or by their points, which tell more of
    small ones. matrices: (N, 2, 3)."""
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return np.asarray(np.maximum(sides, _BOX_SIDE * CROP_SIZE / _scales(matrices)), np.float64)


def _scales(matrices: Floats) -> Floats:
    """By how much similarities (N, 2, 3) enlarge."""
    return np.asarray(np.maximum(np.hypot(matrices[:, 0, 0], matrices[:, 1, 0]), 1e-6), np.float64)


def yaw_of(points: Floats) -> Floats:
    """By how many degrees, 0 to 90, heads are turned to either side; points (..., 5, 2).

    The mean of two estimates: the eyes draw together as the cosine, and the nose tip leaves the line from their middle
    to the mouth's as the tangent.
    """
    eyes, mouth = points[..., :2, :].mean(axis=-2), points[..., 3:, :].mean(axis=-2)
    down, nose, across = mouth - eyes, points[..., 2, :] - eyes, points[..., 1, :] - points[..., 0, :]
    height, width = (np.maximum(np.hypot(each[..., 0], each[..., 1]), 1e-6) for each in (down, across))
    offset = abs(nose[..., 0] * down[..., 1] - nose[..., 1] * down[..., 0]) / height / width
    by_eyes = np.arccos(np.minimum(_MOUTH_BELOW * width / height, 1.0))
    return np.asarray(np.degrees((by_eyes + np.arctan(offset / _NOSE_DEPTH)) / 2), np.float64)


def frames_of(photos: Sequence[DecodedPhoto]) -> Floats:
    """Width and height of photos as decoded, (N, 2)."""
    return np.array([photo.pixels.shape[1::-1] for photo in photos], np.float64)


def are_cut_off(outlines: Floats, matrices: Floats, frames: Floats) -> NDArray[np.bool_]:
    """Whether any point of an outline, in crop pixels, lies outside its photo.

    Shapes: outlines (N or 1, P, 2), matrices (N, 2, 3), frames (N, 2) -> (N,).
    """
    points = apply(invert(matrices), outlines)
    slack = (_CUT_OFF_TOLERANCE * CROP_SIZE / 2 / _scales(matrices))[:, None, None]
    return np.asarray(((points < -slack) | (points > frames[:, None] + slack)).any(axis=(1, 2)))


def _shares_outside(boxes: Floats, frames: Floats) -> Floats:
    """How far faces' boxes (N, 4) reach beyond the sides or the bottom of their frames (N, 2), in box sides.

    Half a face can pass for a whole, covered one whose points crowd inside the frame; its box does not.
    Beyond the top there is only forehead, until the outline's brows are gone.
    """
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    beyond = np.concatenate([-boxes[:, :1], boxes[:, 2:] - frames], axis=1) / sides[:, [0, 0, 1]]
    return np.asarray(beyond.max(axis=1), np.float64)


def _middle(crop: Pixels) -> Pixels:
    """The face without what surrounds it, which may be the window behind."""
    return np.ascontiguousarray(crop[MIDDLE, MIDDLE])


def _is_dark(pixels: Pixels) -> bool:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return float(grey.mean()) < DARK_MEAN and float(np.percentile(grey, 95)) < DARK_HIGHLIGHT
