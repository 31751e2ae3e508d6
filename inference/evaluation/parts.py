"""How well the part boxes fit those that hand-placed landmarks give, on people held out from training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from inference.comparison import part_iou
from inference.contracts import FaceAnalysis, FacePart
from inference.dataset import ImageFile, face_files, line_labels
from inference.decoding import decode
from inference.engine import Engine
from inference.evaluation.cases import PartsCase
from inference.evaluation.intervals import statistic_interval
from inference.evaluation.report import Measurement, Report
from inference.metrics import box_iou
from inference.nets.parts import part_boxes


def evaluate_parts(engine: Engine, data: Path) -> Report:
    """Mean IoU of each part's box; a face without an answer counts as 0."""
    landmarks = line_labels(data)
    files = [file for file in face_files(data) if file.is_held_out and file.name in landmarks]
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
    worst = overlaps.min(axis=1)
    failures = [(files[row].name, f"IoU {worst[row]:.3f}") for row in np.argsort(worst)[:10]]
    return Report(f"parts {engine.versions.parts}", rows, failures, cases)


def _case(engine: Engine, file: ImageFile, lines: Sequence[float]) -> PartsCase:
    photo = decode(file.path.read_bytes())
    # The label may reach beyond the photo; the answer is clipped to it.
    truth = np.clip(part_boxes(torch.tensor(lines, dtype=torch.float64)).numpy(), 0, [photo.width, photo.height] * 2)
    (answer,) = engine.analyze([photo])
    if not isinstance(answer, FaceAnalysis):
        return PartsCase(file, truth, None, np.zeros(len(FacePart)))
    found = np.array([[part.box.x0, part.box.y0, part.box.x1, part.box.y1] for part in answer.parts])
    return PartsCase(file, truth, found, box_iou(found, truth))
