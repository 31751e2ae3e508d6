"""How well the types fit what raters perceived, on adult men held out from training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from inference.contracts import FaceAnalysis, FacePart, FaceType
from inference.dataset import SURVEY_SHARES, ImageFile, RatedFaces, face_files, read_pixels, survey_types
from inference.decoding import DecodedPhoto
from inference.engine import Engine
from inference.evaluation.cases import TypesCase
from inference.evaluation.gate import VARIANTS, Variant
from inference.evaluation.intervals import statistic_interval
from inference.evaluation.report import Measurement, Report, share
from inference.metrics import expected_calibration_error, pearson_r, quadratic_weighted_kappa
from inference.preprocessing import Pixels
from inference.scoring import DEFAULT_POLICY, Verdict, judge

_BATCH = 16
_ORDER = list(FaceType)
_FACTORS = np.array(DEFAULT_POLICY.factors)


def evaluate_types(engine: Engine, data: Path) -> Report:
    """Agreement with the survey, spread, calibration and steadiness."""
    rated = RatedFaces.read(data)
    rating_of = dict(zip(rated.names, rated.rating.tolist(), strict=True))
    men = {name for name, is_man in zip(rated.names, rated.is_man, strict=True) if is_man}
    held_out = [file for file in face_files(data) if file.is_held_out]
    analyses = _analyze(engine, [file for file in held_out if file.name in men])
    verdicts = {name: judge(answer.parts, answer.calibration, DEFAULT_POLICY) for name, answer in analyses.items()}
    names = list(verdicts)
    rating = np.array([rating_of[name] for name in names])
    score = np.array([verdict.score for verdict in verdicts.values()])
    confidence = np.array([verdict.confidence for verdict in verdicts.values()])
    given = np.array([_ORDER.index(verdict.type) for verdict in verdicts.values()])
    survey = survey_types(rating)
    count = len(names)
    rows = [
        Measurement(
            "score, Pearson r with the mean rating",
            pearson_r(score, rating),
            count,
            ">= 0.65, aim 0.744",
            statistic_interval(pearson_r, score, rating),
        ),
        Measurement(
            "quadratic-weighted kappa",
            quadratic_weighted_kappa(given, survey),
            count,
            "raters 0.71",
            statistic_interval(quadratic_weighted_kappa, given, survey),
        ),
        share("same type", int((given == survey).sum()), count),
        share("at most one type apart", int((abs(given - survey) <= 1).sum()), count),
        Measurement(
            "expected calibration error",
            expected_calibration_error(confidence, given == survey),
            count,
            "<= 0.05",
            statistic_interval(expected_calibration_error, confidence, given == survey),
        ),
    ]
    for index, part in enumerate(FacePart):
        expected = np.array([np.dot(answer.parts[index].probabilities, _FACTORS) for answer in analyses.values()])
        rows.append(
            Measurement(
                f"{part}, Pearson r with the mean rating",
                pearson_r(expected, rating),
                count,
                interval=statistic_interval(pearson_r, expected, rating),
            )
        )
    for index, (face_type, wanted) in enumerate(zip(FaceType, SURVEY_SHARES, strict=True)):
        rows.append(share(f"share of {face_type}", int((given == index).sum()), count, f"{wanted:.3f} +- 0.05"))
    file_of = {file.name: file for file in held_out}
    cases = [
        TypesCase(file_of[name], rating_of[name], _ORDER[own], verdict.type, verdict.score, verdict.confidence)
        for (name, verdict), own in zip(verdicts.items(), survey.tolist(), strict=True)
    ]
    return Report(f"types {engine.versions.types}", rows + _steadiness(engine, held_out), cases=cases)


def _analyze(engine: Engine, files: Sequence[ImageFile]) -> dict[str, FaceAnalysis]:
    photos = {file.name: _photo(read_pixels(file.path)) for file in files}
    found: dict[str, FaceAnalysis] = {}
    names = list(photos)
    for start in range(0, len(names), _BATCH):
        chunk = names[start : start + _BATCH]
        answers = engine.analyze([photos[name] for name in chunk])
        found |= {name: out for name, out in zip(chunk, answers, strict=True) if isinstance(out, FaceAnalysis)}
    return found


def _steadiness(engine: Engine, files: Sequence[ImageFile]) -> list[Measurement]:
    """How often the type stays when only the photo changes."""
    photos = [read_pixels(file.path) for file in files[::3]]
    before = _verdicts(engine, photos)
    rows, same, near = [], 0, 0
    total = 0
    for name, change in CHANGES.items():
        after = _verdicts(engine, [change(pixels) for pixels in photos])
        pairs = [
            (_ORDER.index(first.type), _ORDER.index(second.type))
            for first, second in zip(before, after, strict=True)
            if first is not None and second is not None
        ]
        kept = sum(first == second for first, second in pairs)
        rows.append(share(f"same type after: {name}", kept, len(pairs), ">= 0.95"))
        same, total = same + kept, total + len(pairs)
        near += sum(abs(first - second) <= 1 for first, second in pairs)
    rows.append(Measurement("same type after any change", same / total, total, ">= 0.95"))
    rows.append(Measurement("at most one type apart after any change", near / total, total, "1"))
    return rows


def _verdicts(engine: Engine, photos: Sequence[Pixels]) -> list[Verdict | None]:
    found: list[Verdict | None] = []
    for start in range(0, len(photos), _BATCH):
        answers = engine.analyze([_photo(pixels) for pixels in photos[start : start + _BATCH]])
        found += [
            judge(answer.parts, answer.calibration, DEFAULT_POLICY) if isinstance(answer, FaceAnalysis) else None
            for answer in answers
        ]
    return found


def _photo(pixels: Pixels) -> DecodedPhoto:
    return DecodedPhoto(np.ascontiguousarray(pixels), pixels.shape[1], pixels.shape[0])


def _cropped(pixels: Pixels) -> Pixels:
    rows, columns = round(pixels.shape[0] * 0.025), round(pixels.shape[1] * 0.025)
    return pixels[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns]


def _jpeg(pixels: Pixels) -> Pixels:
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _halved(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


CHANGES: dict[str, Variant] = {
    "5 % crop": _cropped,
    "15 % brighter": lambda pixels: np.clip(pixels * 1.15, 0, 255).astype(np.uint8),
    "15 % darker": lambda pixels: (pixels * 0.85).astype(np.uint8),
    "JPEG quality 60": _jpeg,
    "half size": _halved,
    "mirrored": VARIANTS["mirrored"],
}
