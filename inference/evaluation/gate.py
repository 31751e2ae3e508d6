"""How the gate does on files held out from training, through the real path: bytes, decoder, engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from inference.comparison import FACES_ACCEPTED, SCENES_ACCEPTED
from inference.contracts import FaceAnalysis, InferenceError
from inference.dataset import ImageFile, face_files, read_pixels, scene_files
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine
from inference.evaluation.cases import TYPED, GateCase
from inference.evaluation.report import Measurement, Report, share
from inference.preprocessing import PADDING_VALUE, Pixels, crop_matrix, warp

_BATCH = 16
Variant = Callable[[Pixels], Pixels]


def evaluate_gate(engine: Engine, data: Path) -> Report:
    """Acceptance of held-out faces and scenes, as they are and changed as people's photos are."""
    faces = [file for file in face_files(data) if file.is_held_out]
    scenes = [file for file in scene_files(data) if file.is_held_out]
    cases = [*_cases(engine, faces, is_face=True), *_cases(engine, scenes, is_face=False)]
    outcomes = [case.outcome for case in cases if case.is_face]
    alarms = [case.outcome for case in cases if not case.is_face]
    rows = [
        _typed(FACES_ACCEPTED, outcomes, ">= 0.95"),
        _typed(SCENES_ACCEPTED, alarms, "<= 0.03"),
    ]
    rows += _by_set(faces, outcomes) + _by_set(scenes, alarms)
    for reason, count in sorted(Counter(outcomes).items()):
        if reason != TYPED:
            rows.append(share(f"faces refused: {reason}", count, len(faces)))
    sample = [read_pixels(file.path) for file in faces[::4]]
    for name, variant in VARIANTS.items():
        changed = outcomes_of(engine, [_photo(variant(pixels)) for pixels in sample], name)
        rows.append(_typed(f"faces that get a type, {name}", changed))
    failures = [(case.file.name, case.outcome) for case in cases if not case.is_right]
    return Report(f"gate {engine.versions.gate}", rows, failures, cases)


def _cases(engine: Engine, files: Sequence[ImageFile], *, is_face: bool) -> list[GateCase]:
    photos = [decode(file.path.read_bytes()) for file in files]
    outcomes = outcomes_of(engine, photos, "faces" if is_face else "scenes")
    scores = _scores(engine, photos)
    return [
        GateCase(file, is_face, outcome, score) for file, outcome, score in zip(files, outcomes, scores, strict=True)
    ]


def _scores(engine: Engine, photos: Sequence[DecodedPhoto]) -> list[float]:
    """How much each photo's best candidate is a face; 0 where the detector proposes none."""
    scores: list[float] = []
    for start in range(0, len(photos), _BATCH):
        pixels = [photo.pixels for photo in photos[start : start + _BATCH]]
        crops = [
            [warp(own, crop_matrix(candidate.points)) for candidate in candidates]
            for own, candidates in zip(pixels, engine.gate.detect(pixels), strict=True)
        ]
        checks = iter(engine.gate.verify([crop for own in crops for crop in own]))
        scores += [max((next(checks).face for _ in own), default=0.0) for own in crops]
    return scores


def outcomes_of(engine: Engine, photos: Sequence[DecodedPhoto], title: str) -> list[str]:
    """What became of each photo: "typed", or the refusal's code."""
    found: list[str] = []
    for start in tqdm(range(0, len(photos), _BATCH), desc=title, mininterval=2):
        answers: Iterable[FaceAnalysis | InferenceError] = engine.analyze(photos[start : start + _BATCH])
        found += [answer.code if isinstance(answer, InferenceError) else TYPED for answer in answers]
    return found


def _typed(metric: str, outcomes: Sequence[str], aim: str = "") -> Measurement:
    return share(metric, outcomes.count(TYPED), len(outcomes), aim)


def _by_set(files: Sequence[ImageFile], outcomes: Sequence[str]) -> list[Measurement]:
    rows = []
    for name in sorted({Path(file.name).parent.as_posix() for file in files}):
        own = [out for file, out in zip(files, outcomes, strict=True) if Path(file.name).parent.as_posix() == name]
        rows.append(_typed(f"{name} that get a type", own))
    return rows


def _photo(pixels: Pixels) -> DecodedPhoto:
    return DecodedPhoto(np.ascontiguousarray(pixels), pixels.shape[1], pixels.shape[0])


def _rolled(degrees: float) -> Variant:
    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        side = int(1.5 * max(height, width))
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
        return np.asarray(cv2.warpAffine(pixels, matrix, (side, side), borderValue=(PADDING_VALUE,) * 3), np.uint8)

    return change


def _grey(pixels: Pixels) -> Pixels:
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def _distant(pixels: Pixels) -> Pixels:
    """The portrait as a fifth of a wide picture's height."""
    height, width = pixels.shape[:2]
    scale = 2.5
    canvas = np.full((int(height * scale), int(height * scale * 4 / 3), 3), (96, 110, 120), np.uint8)
    top, left = (canvas.shape[0] - height) // 2, (canvas.shape[1] - width) // 3
    canvas[top : top + height, left : left + width] = pixels
    return canvas


def _jpeg(pixels: Pixels) -> Pixels:
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


VARIANTS: dict[str, Variant] = {
    "rolled by 20 degrees": _rolled(20),
    "rolled by 35 degrees": _rolled(35),
    "in grey": _grey,
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "40 % darker": lambda pixels: (pixels * 0.6).astype(np.uint8),
    "JPEG quality 40": _jpeg,
    "from a distance": _distant,
}
