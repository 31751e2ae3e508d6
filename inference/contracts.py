"""What the web tier and the inference tier say to each other.

Nothing here needs Django or torch: either tier, a test fake or a remote worker can import it.
Coordinates are pixels of the upright photo, at its full size, y down.

Nothing here has slots: what is frozen and has them takes twice as long to go from one process to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import inf
from typing import ClassVar


class FacePart(StrEnum):
    """The three parts a face is judged by, in the order models and messages use."""

    WHOLE_FACE = "whole_face"
    UPPER_FACE = "upper_face"
    LOWER_FACE = "lower_face"


class FaceType(StrEnum):
    """The five types, best first."""

    ALPHA = "alpha"
    BETA = "beta"
    GAMMA = "gamma"
    DELTA = "delta"
    OMEGA = "omega"


class RefusalReason(StrEnum):
    """Why a readable photo cannot be classified."""

    NO_FACE = "no_face"
    MULTIPLE_FACES = "multiple_faces"
    FACE_TOO_SMALL = "face_too_small"
    FACE_CUT_OFF = "face_cut_off"
    FACE_COVERED = "face_covered"
    FACE_TURNED_AWAY = "face_turned_away"
    PARTS_NOT_FOUND = "parts_not_found"
    TOO_DARK = "too_dark"
    TOO_BLURRY = "too_blurry"


PHOTO_MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")


@dataclass(frozen=True)
class PhotoLimits:
    """The largest photo that is decoded and the smallest face that is judged.

    min_face_pixels: of the face's longer side; in a small picture it shrinks (gate.min_face_side).
    min_face_share: of the photo's longer side. The gate looks at a reduced photo, at 640 pixels at the most, and
    finds faces below this only sometimes.
    """

    max_bytes: int = 15 * 1024 * 1024
    max_pixels: int = 50_000_000
    min_face_pixels: int = 80
    min_face_share: ClassVar[float] = 0.02


@dataclass(frozen=True)
class Box:
    """An axis-aligned rectangle; x0 < x1 and y0 < y1."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return self.width * self.height


@dataclass(frozen=True)
class Point:
    x: float
    y: float


@dataclass(frozen=True)
class DetectedFace:
    """One face as the gate saw it.

    points: right eye, left eye, nose tip, right and left mouth corner; right and left are the
    person's own, so the right eye has the smaller x in an upright photo.
    score: 0 to 1.
    """

    box: Box
    points: tuple[Point, Point, Point, Point, Point]
    score: float


@dataclass(frozen=True)
class PartAnalysis:
    """One part: where it is, and how probable each type is (order of FaceType, sums to 1)."""

    part: FacePart
    box: Box
    probabilities: tuple[float, float, float, float, float]

    @property
    def type(self) -> FaceType:
        return list(FaceType)[self.probabilities.index(max(self.probabilities))]


@dataclass(frozen=True)
class ScoreCalibration:
    """What the type model's raw score means, fitted on people it was not trained on and stored with it.

    raw, score: the knots of the monotone curve to the survey's scale, 0 to 100; linear in between.
    thresholds, midpoints: for these thresholds of the scale, the raw score of a face that is as likely above as below.
    scale: proportional odds: the probability of being above is sigmoid((raw - midpoint) / scale); in raw points.
    All knots increase strictly, two or more a curve.
    """

    raw: tuple[float, ...]
    score: tuple[float, ...]
    thresholds: tuple[float, ...]
    midpoints: tuple[float, ...]
    scale: float

    def __post_init__(self) -> None:
        for first, second in (("raw", "score"), ("thresholds", "midpoints")):
            xs, ys = getattr(self, first), getattr(self, second)
            if len(xs) != len(ys) or len(xs) < 2:
                raise ValueError(f"{first} and {second} need as many knots, and two: {xs}, {ys}")
            if not all(-inf < a < b < inf for knots in (xs, ys) for a, b in pairwise(knots)):
                raise ValueError(f"knots of {first} and {second} must increase strictly: {xs}, {ys}")
        if not 0 <= self.score[0] < self.score[-1] <= 100:
            raise ValueError(f"score must lie within 0 to 100: {self.score}")
        if not 0 < self.scale < inf:
            raise ValueError(f"scale must be greater than 0: {self.scale}")


@dataclass(frozen=True)
class ModelVersions:
    gate: str
    parts: str
    types: str


@dataclass(frozen=True)
class FaceAnalysis:
    """All that the models say of one photo with one usable face.

    box_confidence: how probable it is that no edge of the parts is off by more than a twentieth of the face's width.
    embedding: the face as a vector of length 1; the smaller the angle between two, the more alike the faces.
    photo: where it was asked for, the upright photo as a JPEG without metadata, at the size it was
    decoded (its long side 640 to 1280 pixels where the original is larger).
    """

    photo_width: int
    photo_height: int
    face: DetectedFace
    parts: tuple[PartAnalysis, PartAnalysis, PartAnalysis]
    box_confidence: float
    embedding: tuple[float, ...]
    calibration: ScoreCalibration
    models: ModelVersions
    photo: bytes | None = None


class InferenceError(Exception):
    """A photo got no analysis. Each subclass has a stable code for logs and answers.

    One comes out of another process called anew with its `args`: what a subclass takes is what it must hand to
    Exception.
    """

    code: ClassVar[str]


class InvalidImage(InferenceError):
    """The bytes are of a format we read but cannot be decoded: empty, truncated or damaged."""

    code = "invalid_image"


class UnsupportedImage(InferenceError):
    """The bytes are not of a format we read."""

    code = "unsupported_image"


class PhotoTooLarge(InferenceError):
    """More bytes or more pixels than PhotoLimits allow."""

    code = "photo_too_large"


class Busy(InferenceError):
    """The models cannot take the photo now; trying again later can succeed."""

    code = "busy"

    def __init__(self, retry_after: int = 1) -> None:
        """retry_after: seconds a client should wait."""
        super().__init__(retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"busy, retry after {self.retry_after} s"


class PhotoRefused(InferenceError):
    """The photo was read, and it shows no face that can be classified."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def code(self) -> str:  # type: ignore[override]
        return self.reason.value
