"""Stand-ins for what lies beyond the web tier's edge."""

from __future__ import annotations

from typing import ClassVar

from inference.client import BackendOptions
from inference.contracts import (
    Box,
    DetectedFace,
    FaceAnalysis,
    FacePart,
    FaceType,
    InferenceError,
    ModelVersions,
    PartAnalysis,
    PhotoRefused,
    Point,
    RefusalReason,
    ScoreCalibration,
)
from inference.decoding import decode, encode_jpeg

VERSIONS = ModelVersions(gate="gate-0", parts="parts-0", types="types-0")


class FakeBackend:
    """Decodes photos for real, but sees in each what the test tells it to see.

    sees: the type of all three parts. refuses_with: why photos are refused, or None.
    fails_with: an error to raise instead.
    """

    loads_weights: ClassVar[bool] = False

    def __init__(self, options: BackendOptions | None = None) -> None:
        self.limits = options.limits if options else None
        self.sees = FaceType.BETA
        self.refuses_with: RefusalReason | None = None
        self.fails_with: InferenceError | None = None
        self.photos_analysed = 0

    def analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
        decoded = decode(photo, self.limits)
        self.photos_analysed += 1
        if self.fails_with:
            raise self.fails_with
        if self.refuses_with:
            raise PhotoRefused(self.refuses_with)
        width, height = float(decoded.width), float(decoded.height)
        whole = Box(0.25 * width, 0.2 * height, 0.75 * width, 0.8 * height)
        nose = 0.58 * height
        boxes = (
            whole,
            Box(whole.x0, 0.35 * height, whole.x1, nose),
            Box(whole.x0, nose, whole.x1, whole.y1),
        )
        probabilities = tuple(0.8 if face_type == self.sees else 0.05 for face_type in FaceType)
        eye_line, mouth_line = 0.42 * height, 0.68 * height
        return FaceAnalysis(
            photo_width=decoded.width,
            photo_height=decoded.height,
            face=DetectedFace(
                box=whole,
                points=(
                    Point(0.4 * width, eye_line),
                    Point(0.6 * width, eye_line),
                    Point(0.5 * width, nose),
                    Point(0.42 * width, mouth_line),
                    Point(0.58 * width, mouth_line),
                ),
                score=0.99,
            ),
            parts=tuple(  # type: ignore[arg-type]
                PartAnalysis(part=part, box=box, probabilities=probabilities)  # type: ignore[arg-type]
                for part, box in zip(FacePart, boxes, strict=True)
            ),
            box_confidence=0.9,
            embedding=(1.0, *(0.0,) * 127),
            # The raw score of a face that is wholly of one type, to the middle of that type's range.
            calibration=ScoreCalibration(
                raw=(28, 40, 56, 72, 88),
                score=(10, 34, 58, 76, 92),
                thresholds=(20, 48, 68, 85),
                midpoints=(33, 49, 65, 81),
                scale=3,
            ),
            models=VERSIONS,
            photo=encode_jpeg(decoded) if keep_photo else None,
        )

    def warm_up(self) -> None:
        """Nothing to load."""

    def versions(self) -> ModelVersions:
        return VERSIONS
