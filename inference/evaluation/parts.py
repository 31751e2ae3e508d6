"""How well the part boxes fit those that hand-placed landmarks give, on people held out from training.

Where they do not fit, the net should say so: on photos made hard to read, its spread is compared with its error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from inference.comparison import part_iou
from inference.contracts import FaceAnalysis, FacePart
from inference.dataset import DataError, ImageFile, Lines, face_files, line_labels
from inference.decoding import decode
from inference.engine import Engine
from inference.evaluation.cases import PartsCase
from inference.evaluation.intervals import statistic_interval
from inference.evaluation.report import Measurement, Report
from inference.gate import AlignedFace
from inference.metrics import box_iou, rank_correlation
from inference.nets.parts import part_boxes
from inference.preprocessing import Floats, Pixels, lines_in_crop

# Of fewer photos an order says nothing.
_FEWEST_RANKED = 10


def evaluate_parts(engine: Engine, data: Path) -> Report:
    """Mean IoU of each part's box; a face without an answer counts as 0."""
    landmarks = line_labels(data)
    files = [file for file in face_files(data) if file.is_held_out and file.name in landmarks]
    if not files:
        raise DataError(f"{data} has no held-out portrait with landmarks or part boxes")
    cases = [_case(engine, file, landmarks[file.name]) for file in files]
    overlaps = np.array([case.overlaps for case in cases])
    rows = []
    for index, part in enumerate(FacePart):
        own = overlaps[:, index]
        rows += [
            Measurement(
                part_iou(part),
                float(own.mean()),
                len(files),
                ">= 0.85, aim 0.92",
                statistic_interval(lambda values: float(values.mean()), own),
            ),
            Measurement(f"{part} worst IoU", float(own.min()), len(files)),
        ]
    rows += _doubt(engine, files, landmarks)
    worst = overlaps.min(axis=1)
    failures = [(files[row].name, f"IoU {worst[row]:.3f}") for row in np.argsort(worst)[:10]]
    return Report(f"parts {engine.versions.parts}", rows, failures, cases)


def _doubt(engine: Engine, files: Sequence[ImageFile], landmarks: Mapping[str, Lines]) -> list[Measurement]:
    """Whether the lines' mean spread orders photos by the lines' mean error."""
    photos = [decode(file.path.read_bytes()) for file in files]
    lines = [np.array(landmarks[file.name]) / photo.scale for file, photo in zip(files, photos, strict=True)]
    spreads: list[float] = []
    errors: list[float] = []
    for change in _HARDER:
        harder = [replace(photo, pixels=change(photo.pixels, own)) for photo, own in zip(photos, lines, strict=True)]
        faces = engine.gate.find_faces(harder)
        found = [(face, own) for face, own in zip(faces, lines, strict=True) if isinstance(face, AlignedFace)]
        for rating, (face, own) in zip(engine.rate([face for face, _ in found]), found, strict=True):
            spreads.append(float(rating.line_spreads.mean()))
            errors.append(float(np.abs(rating.lines - lines_in_crop(own, face.points, face.matrix)).mean()))
    if len(spreads) < _FEWEST_RANKED:
        return []
    order = rank_correlation(np.array(spreads), np.array(errors))
    return [
        Measurement(
            "rank correlation of spread and error, photos covered, dark and blurred too",
            order,
            len(spreads),
            "",
            statistic_interval(rank_correlation, np.array(spreads), np.array(errors)),
        )
    ]


def _covered(pixels: Pixels, lines: Floats) -> Pixels:
    """The lower third of the face under a grey bar."""
    xl, xr, yb, _, yc = lines
    height = yc - yb
    covered = pixels.copy()
    covered[round(yc - height / 3) : round(yc + height / 10), max(round(xl), 0) : round(xr)] = 128
    return covered


def _blurred(pixels: Pixels, lines: Floats) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.025 * float(lines[4] - lines[2])), np.uint8)


_HARDER: Sequence[Callable[[Pixels, Floats], Pixels]] = (
    lambda pixels, _: pixels,
    _covered,
    _blurred,
    lambda pixels, _: (pixels * 0.3).astype(np.uint8),
)


def _case(engine: Engine, file: ImageFile, lines: Sequence[float]) -> PartsCase:
    photo = decode(file.path.read_bytes())
    # The label may reach beyond the photo; the answer is clipped to it.
    truth = np.clip(part_boxes(torch.tensor(lines, dtype=torch.float64)).numpy(), 0, [photo.width, photo.height] * 2)
    (answer,) = engine.analyze([photo])
    if not isinstance(answer, FaceAnalysis):
        return PartsCase(file, truth, None, np.zeros(len(FacePart)))
    found = np.array([[part.box.x0, part.box.y0, part.box.x1, part.box.y1] for part in answer.parts])
    return PartsCase(file, truth, found, box_iou(found, truth))
