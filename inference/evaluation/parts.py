"""How well the part boxes fit those that hand-placed landmarks give, on people held out from training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from inference.contracts import FaceAnalysis, FacePart
from inference.dataset import face_files, line_labels
from inference.decoding import decode
from inference.engine import Engine
from inference.evaluation.metrics import bootstrap_interval, box_iou
from inference.evaluation.report import Measurement, Report
from inference.nets.parts import part_boxes


def evaluate_parts(engine: Engine, data: Path) -> Report:
    """Mean IoU of each part's box; a face without an answer counts as 0."""
    landmarks = line_labels(data)
    files = [file for file in face_files(data) if file.is_held_out and file.name in landmarks]
    overlaps = np.zeros((len(files), len(FacePart)))
    for row, file in enumerate(files):
        (answer,) = engine.analyze([decode(file.path.read_bytes())])
        if not isinstance(answer, FaceAnalysis):
            continue
        truth = part_boxes(torch.tensor(landmarks[file.name], dtype=torch.float64)).numpy()
        # The label may reach beyond the photo; the answer is clipped to it.
        truth = np.clip(truth, 0, [answer.photo_width, answer.photo_height] * 2)
        found = np.array([[part.box.x0, part.box.y0, part.box.x1, part.box.y1] for part in answer.parts])
        overlaps[row] = box_iou(found, truth)
    rows = []
    for index, part in enumerate(FacePart):
        low, high = bootstrap_interval(overlaps[:, index])
        rows += [
            Measurement(f"{part} mean IoU", float(overlaps[:, index].mean()), len(files), ">= 0.85, aim 0.92"),
            Measurement(f"{part} mean IoU, 95 % low", low, len(files)),
            Measurement(f"{part} mean IoU, 95 % high", high, len(files)),
            Measurement(f"{part} worst IoU", float(overlaps[:, index].min()), len(files)),
        ]
    worst = overlaps.min(axis=1)
    failures = [(files[row].name, f"IoU {worst[row]:.3f}") for row in np.argsort(worst)[:10]]
    return Report(f"parts {engine.versions.parts}", rows, failures)
