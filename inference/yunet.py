"""The YuNet face detector (Wu et al. 2023, doi:10.1007/s11633-023-1423-y), from the data folder.

It labels portraits for training and is what evaluation compares the gate with; the product never runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inference.dataset import DataError
from inference.preprocessing import Floats, Pixels

# Long side of what it sees: its best trade between recall and false alarms on portraits.
_SIZE = 320
WEIGHTS = "teachers/face_detection_yunet_2023mar.onnx"


@dataclass(frozen=True, slots=True)
class FaceLabel:
    """One face by the teacher: box (4,) x0, y0, x1, y1 and points (5, 2) in the image's pixels; score 0 to 1."""

    box: Floats
    points: Floats
    score: float


class YuNet:
    """data: the data folder. min_score: 0 to 1, below which nothing is a face.

    Raises DataError where the data folder lacks its weights.
    """

    def __init__(self, data: Path, min_score: float) -> None:
        if not (data / WEIGHTS).is_file():
            raise DataError(
                f"{data / WEIGHTS} is missing: faces whose points no table has are found by it; "
                "it is face_detection_yunet_2023mar.onnx of opencv_zoo (MIT)"
            )
        self._detector = cv2.FaceDetectorYN.create(str(data / WEIGHTS), "", (_SIZE, _SIZE), min_score, 0.3, 50)

    def __call__(self, pixels: Pixels) -> tuple[FaceLabel, ...]:
        """Faces in an RGB image, best first."""
        scale = _SIZE / max(pixels.shape[:2])
        resized = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._detector.setInputSize((resized.shape[1], resized.shape[0]))
        found = self._detector.detect(cv2.cvtColor(resized, cv2.COLOR_RGB2BGR))[1]
        # Without a face OpenCV answers None, which its type stubs do not know.
        rows = np.asarray([] if found is None else found, np.float64).reshape(-1, 15)
        rows[:, :14] /= scale
        labels = [
            FaceLabel(
                np.array([row[0], row[1], row[0] + row[2], row[1] + row[3]]), row[4:14].reshape(5, 2), float(row[14])
            )
            for row in rows
        ]
        return tuple(sorted(labels, key=lambda label: -label.score))
