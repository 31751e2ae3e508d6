"""How well the types fit what raters perceived, on adult men held out from training; how steady they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.comparison import CROSS_VALIDATED, CROSS_VALIDATED_MEN, CROSS_VALIDATED_R
from inference.contracts import FaceAnalysis, FacePart, FaceType, PhotoLimits
from inference.dataset import (
    SURVEY_SHARES,
    ImageFile,
    RatedFaces,
    face_files,
    rated_faces,
    read_pixels,
    survey_types,
)
from inference.engine import Engine
from inference.evaluation.cases import TypesCase
from inference.evaluation.intervals import correlation_interval, share_interval, statistic_interval
from inference.evaluation.photos import (
    Change,
    analyze,
    brightened,
    compressed,
    cropped,
    mirrored,
    photo_of,
    resized,
)
from inference.evaluation.report import Measurement, Report, share
from inference.metrics import (
    Floats,
    Ints,
    calibration_error_of_chance,
    expected_calibration_error,
    pearson_r,
    quadratic_weighted_kappa,
)
from inference.scoring import DEFAULT_POLICY, judge

_ORDER = list(FaceType)
_FACTORS = np.array(DEFAULT_POLICY.factors)
# Two portraits of each person, by which look-alikes are measured.
_NEUTRAL, _SMILING = "faces/london/", "faces/london_smiling/"
_R, _KAPPA, _SAME, _NEAR = (
    "Pearson r with the mean rating",
    "quadratic-weighted kappa",
    "same type",
    "at most one type apart",
)
# Half size leaves such a face the pixels that a face must have.
_LARGE = 2 * PhotoLimits().min_face_pixels
CHANGES: dict[str, Change] = {
    "5 % crop": cropped(0.05),
    "15 % brighter": brightened(1.15),
    "15 % darker": brightened(0.85),
    "JPEG quality 60": compressed(60),
    "half size": resized(0.5),
    "mirrored": mirrored,
}
_AIMS = {f"score, {_R}": ">= 0.65, aim 0.744", _KAPPA: "raters 0.71", "expected calibration error": "<= 0.05"} | {
    f"share of {face_type}": f"{wanted:.3f} +- 0.05" for face_type, wanted in zip(FaceType, SURVEY_SHARES, strict=True)
}


@dataclass(frozen=True, slots=True)
class _JudgedMen:
    """Held-out men that got a type, what raters said of them and what the model says.

    rating (N,), part_ratings (N, 3), 0 to 100; types (N,), part_types (N, 3): the survey's, of the ranking of all
    its men. probabilities (N, 3, 5), score, confidence and given (N,): the model's. Types from 0, the best.
    """

    files: list[ImageFile]
    rating: Floats
    part_ratings: Floats
    types: Ints
    part_types: Ints
    probabilities: Floats
    score: Floats
    confidence: Floats
    given: Ints


def evaluate_types(engine: Engine, data: Path) -> Report:
    """Agreement with the survey, shares and calibration on men; on all held-out faces, steadiness and look-alikes."""
    files = face_files(data)
    held_out = [file for file in files if file.is_held_out]
    rated = rated_faces(data)
    is_man = dict(zip(rated.names, rated.is_man.tolist(), strict=True))
    asked = [file for file in held_out if is_man.get(file.name)]
    men = _judged(engine, asked, rated)
    return Report(
        f"types {engine.versions.types}",
        [
            share("held-out men that get a type", len(men.files), len(asked)),
            # Of nobody there is nothing to say.
            *(_numbers(men) if men.files else []),
            *_steadiness(engine, held_out),
            *_look_alikes(engine, files),
        ],
        failures=[(file.name, "no type") for file in asked if file not in men.files],
        cases=[
            TypesCase(file, rating, _ORDER[own], _ORDER[given], score, confidence)
            for file, rating, own, given, score, confidence in zip(
                men.files,
                men.rating.tolist(),
                men.types.tolist(),
                men.given.tolist(),
                men.score.tolist(),
                men.confidence.tolist(),
                strict=True,
            )
        ],
        quoted=_cross_validated(engine.manifests["types"].metrics),
    )


def _judged(engine: Engine, files: Sequence[ImageFile], rated: RatedFaces) -> _JudgedMen:
    answers = _analyses(engine, files, "men")
    seen = [file for file in files if file.name in answers]
    row_of = {name: row for row, name in enumerate(np.array(rated.names)[rated.is_man].tolist())}
    rows = np.array([row_of[file.name] for file in seen], np.int64)
    rating, part_ratings = rated.rating[rated.is_man], rated.part_ratings[rated.is_man]
    part_types = np.stack([survey_types(column) for column in part_ratings.T], axis=1)
    own = [answers[file.name] for file in seen]
    verdicts = [judge(answer.parts, answer.calibration, DEFAULT_POLICY) for answer in own]
    return _JudgedMen(
        files=seen,
        rating=rating[rows],
        part_ratings=part_ratings[rows],
        types=survey_types(rating)[rows],
        part_types=part_types[rows],
        probabilities=np.array([[part.probabilities for part in answer.parts] for answer in own]),
        score=np.array([verdict.score for verdict in verdicts]),
        confidence=np.array([verdict.confidence for verdict in verdicts]),
        given=np.array([_ORDER.index(verdict.type) for verdict in verdicts], np.int64),
    )


def _numbers(men: _JudgedMen) -> list[Measurement]:
    rows = [
        _correlation("score", men.score, men.rating),
        *_agreement("", men.given, men.types),
        *_calibration(men.confidence, men.given == men.types),
        *_shares(men.given),
    ]
    for index, part in enumerate(FacePart):
        probabilities = men.probabilities[:, index]
        rows += [
            _correlation(part, probabilities @ _FACTORS, men.part_ratings[:, index]),
            *_agreement(f"{part}, ", probabilities.argmax(axis=1), men.part_types[:, index]),
        ]
    return rows


def _analyses(
    engine: Engine, files: Sequence[ImageFile], title: str, change: Change = lambda pixels: pixels
) -> dict[str, FaceAnalysis]:
    """Of changed photos by name; a photo that is refused is left out."""
    photos = (photo_of(change(read_pixels(file.path))) for file in files)
    answers = zip(files, analyze(engine, photos, title, total=len(files)), strict=True)
    return {file.name: answer for file, answer in answers if isinstance(answer, FaceAnalysis)}


def _correlation(subject: str, predicted: Floats, rating: Floats) -> Measurement:
    metric = f"{subject}, {_R}"
    interval = statistic_interval(pearson_r, predicted, rating)
    return Measurement(metric, pearson_r(predicted, rating), len(rating), _AIMS.get(metric, ""), interval)


def _agreement(subject: str, given: Ints, types: Ints) -> list[Measurement]:
    apart = abs(given - types)
    kappa = quadratic_weighted_kappa(given, types)
    interval = statistic_interval(quadratic_weighted_kappa, given, types)
    return [
        Measurement(f"{subject}{_KAPPA}", kappa, len(given), "" if subject else _AIMS[_KAPPA], interval),
        share(f"{subject}{_SAME}", int((apart == 0).sum()), len(given)),
        share(f"{subject}{_NEAR}", int((apart <= 1).sum()), len(given)),
    ]


def _calibration(confidence: Floats, is_right: NDArray[np.bool_]) -> list[Measurement]:
    metric, count = "expected calibration error", len(confidence)
    error = expected_calibration_error(confidence, is_right)
    interval = statistic_interval(expected_calibration_error, confidence, is_right)
    return [
        Measurement(metric, error, count, _AIMS[metric], interval),
        Measurement(f"{metric}, were confidences exact", calibration_error_of_chance(confidence), count),
    ]


def _shares(given: Ints) -> list[Measurement]:
    names = [f"share of {face_type}" for face_type in FaceType]
    return [share(name, int((given == index).sum()), len(given), _AIMS[name]) for index, name in enumerate(names)]


def _steadiness(engine: Engine, files: Sequence[ImageFile]) -> list[Measurement]:
    """How often the type stays when only the photo changes, over all held-out faces that have one.

    A photo that is refused after the change has not kept its type.
    """
    before = _analyses(engine, files, "as they are")
    typed = [file for file in files if file.name in before]
    types = {name: _type(answer) for name, answer in before.items()}
    large = {name for name, answer in before.items() if max(answer.face.box.width, answer.face.box.height) >= _LARGE}
    rows, apart_of_large = [], []
    apart: list[int] = []
    for title, change in CHANGES.items():
        after = _analyses(engine, typed, title, change)
        own = {name: abs(types[name] - _type(answer)) for name, answer in after.items()}
        rows.append(share(f"same type after: {title}", list(own.values()).count(0), len(typed), ">= 0.95"))
        apart += own.values()
        apart_of_large += [steps for name, steps in own.items() if name in large]
    total, total_of_large = len(CHANGES) * len(typed), len(CHANGES) * len(large)
    return [
        *rows,
        share("same type after any change", apart.count(0), total, ">= 0.95"),
        share(
            f"same type after any change, faces of {_LARGE} pixels", apart_of_large.count(0), total_of_large, ">= 0.95"
        ),
        share("at most one type apart after any change, if typed", sum(steps <= 1 for steps in apart), len(apart), "1"),
        share("refused after any change", total - len(apart), total),
    ]


def _type(answer: FaceAnalysis) -> int:
    """From 0, the best."""
    return _ORDER.index(judge(answer.parts, answer.calibration, DEFAULT_POLICY).type)


def _look_alikes(engine: Engine, files: Sequence[ImageFile]) -> list[Measurement]:
    """How often, of people's smiling portraits, the one nearest to a neutral one is of the same person."""
    neutral, smiling = ([file for file in files if file.name.startswith(folder)] for folder in (_NEUTRAL, _SMILING))
    asked, gallery = (
        {file.identity: embeddings[file.name] for file in portraits if file.name in embeddings}
        for portraits, title in ((neutral, "neutral"), (smiling, "smiling"))
        for embeddings in [{name: out.embedding for name, out in _analyses(engine, portraits, title).items()}]
    )
    people = [file for file in neutral if file.identity in asked and file.identity in gallery]
    if not people:
        return []
    names = list(gallery)
    likeness = np.array([asked[file.identity] for file in people]) @ np.array(list(gallery.values())).T
    is_first = {
        file: names[column] == file.identity for file, column in zip(people, likeness.argmax(axis=1), strict=True)
    }
    held_out = [first for file, first in is_first.items() if file.is_held_out]
    metric = f"look-alike: same person first, of {len(names)}"
    return [
        share(metric, sum(is_first.values()), len(people)),
        share(f"{metric}, people held out", sum(held_out), len(held_out)),
    ]


def _cross_validated(metrics: Mapping[str, float]) -> list[Measurement]:
    """What the manifest tells of men left out in training."""
    if CROSS_VALIDATED_MEN not in metrics:
        return []
    count = int(metrics[CROSS_VALIDATED_MEN])
    rows = []
    for name, value in metrics.items():
        metric = name.removeprefix(f"{CROSS_VALIDATED} ")
        if name in {metric, CROSS_VALIDATED_MEN}:
            continue
        interval = None
        if name == CROSS_VALIDATED_R or metric.endswith(_R):
            interval = correlation_interval(value, count)
        elif metric.startswith("share of") or metric.endswith((_SAME, _NEAR)):
            interval = share_interval(round(value * count), count)
        aim = _AIMS.get(f"score, {_R}" if name == CROSS_VALIDATED_R else metric, "")
        rows.append(Measurement(name, value, count, aim, interval))
    return rows
