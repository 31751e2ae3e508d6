"""From men's left-out latent ratings to types: the ordinal heads, the score's curve and its odds.

All of it is fitted on men whose ratings the latent ratings were not learned from: a model is surer of those it knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.comparison import CROSS_VALIDATED, CROSS_VALIDATED_MEN, CROSS_VALIDATED_R
from inference.contracts import Box, FacePart, FaceType, PartAnalysis, ScoreCalibration
from inference.dataset import SURVEY_SHARES, survey_types
from inference.metrics import (
    Ints,
    calibration_error_of_chance,
    expected_calibration_error,
    pearson_r,
    quadratic_weighted_kappa,
)
from inference.nets.types import PARTS, OrdinalHead
from inference.preprocessing import Floats
from inference.scoring import DEFAULT_POLICY, judge, raw_score

_NO_BOX = Box(0, 0, 1, 1)
_TYPES = list(FaceType)
# The share of faces below each of the four best types.
_BELOW = 1 - np.cumsum(SURVEY_SHARES)[:-1] / sum(SURVEY_SHARES)
# The curve's ends, scores 0 and 100: all but so many of the faces it was fitted on lie between.
_TAIL = 0.001
_SCALE_PENALTY = 1e-4


@dataclass(frozen=True, slots=True)
class TypeScale:
    """What turns latent ratings (N, 3) into types: a head for each part, and the meaning of their score."""

    head: OrdinalHead
    calibration: ScoreCalibration

    def part_probabilities(self, latent: Floats) -> Floats:
        """Shapes: latent (N, 3) -> (N, 3, 5), best type first."""
        with torch.inference_mode():
            return np.asarray(self.head(torch.from_numpy(latent).float()).double().numpy())


def fit_type_scale(latent: Floats, part_ratings: Floats, rating: Floats) -> TypeScale:
    """Fit heads, curve and odds on faces left out. Shapes: latent, part_ratings (N, 3), rating (N,)."""
    part_types = np.stack([survey_types(column) for column in part_ratings.T], axis=1)
    return _fit(latent, part_types, survey_types(rating))


def cross_validated(latent: Floats, part_ratings: Floats, rating: Floats, folds: NDArray[np.int64]) -> dict[str, float]:
    """How well types agree with the survey's when heads, curve and odds, too, come from the other folds.

    Shapes: latent (N, 3), of men left out; part_ratings (N, 3); rating (N,); folds (N,).
    """
    part_types = np.stack([survey_types(column) for column in part_ratings.T], axis=1)
    types = survey_types(rating)
    probabilities = np.empty((len(rating), PARTS, len(_TYPES)))
    score, confidence, given = np.empty(len(rating)), np.empty(len(rating)), np.empty(len(rating), np.int64)
    for fold in np.unique(folds):
        own = folds == fold
        scale = _fit(latent[~own], part_types[~own], types[~own])
        probabilities[own] = scale.part_probabilities(latent[own])
        verdicts = [judge(parts, scale.calibration, DEFAULT_POLICY) for parts in _analyses(probabilities[own])]
        score[own] = [verdict.score for verdict in verdicts]
        confidence[own] = [verdict.confidence for verdict in verdicts]
        given[own] = [_TYPES.index(verdict.type) for verdict in verdicts]
    found = {CROSS_VALIDATED_MEN: float(len(rating)), CROSS_VALIDATED_R: pearson_r(score, rating)}
    found |= _agreement(CROSS_VALIDATED, given, types)
    error = f"{CROSS_VALIDATED} expected calibration error"
    found[error] = expected_calibration_error(confidence, given == types)
    found[f"{error}, were confidences exact"] = calibration_error_of_chance(confidence)
    for index, face_type in enumerate(FaceType):
        found[f"{CROSS_VALIDATED} share of {face_type}"] = float((given == index).mean())
    for index, part in enumerate(FacePart):
        expected = probabilities[:, index] @ np.array(DEFAULT_POLICY.factors)
        found[f"{CROSS_VALIDATED} {part}, Pearson r with the mean rating"] = pearson_r(expected, part_ratings[:, index])
        found |= _agreement(f"{CROSS_VALIDATED} {part},", probabilities[:, index].argmax(axis=1), part_types[:, index])
    return found


def fit_ordinal(latent: Floats, types: Ints) -> OrdinalHead:
    """Thresholds and scales, one set a part, by maximum likelihood. Shapes: latent (N, P), types (N, P), 0 the best."""
    head = OrdinalHead(latent.shape[1])
    x, target = torch.from_numpy(latent).float(), torch.from_numpy(types).unsqueeze(-1)
    head.thresholds.data = torch.quantile(x, torch.from_numpy(_BELOW).float(), dim=0).T.contiguous()
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        likelihood: Tensor = head(x).clamp(min=1e-6).log().gather(2, target).mean()
        # Types told apart without an error would ask for an infinitely steep head, unrelated ones for a flat one.
        loss = _SCALE_PENALTY * head.log_scale.square().sum() - likelihood
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return head


def raw_scores(probabilities: Floats) -> Floats:
    """The default policy's raw score (N,) of type probabilities (N, 3, 5)."""
    return np.array([raw_score(parts, DEFAULT_POLICY) for parts in _analyses(probabilities)])


def fit_curve(raw: Floats, types: Ints) -> ScoreCalibration:
    """The curve that gives the survey's shares on faces like these, and the odds of their types.

    Between two thresholds of the default policy lies the share of its type. Shapes: raw (N,), types (N,), 0 the best.
    """
    below = [_TAIL, *_BELOW[::-1], 1 - _TAIL]
    thresholds = DEFAULT_POLICY.thresholds[::-1]
    centre, width = raw.mean(), raw.std()
    # The odds belong to the raw score: the curve bends it, and a latent rating's odds are straight.
    odds = fit_ordinal((raw[:, None] - centre) / width, types[:, None])
    midpoints = centre + width * odds.thresholds[0].detach().double().flip(0)
    return ScoreCalibration(
        raw=tuple(smoothed_quantiles(raw, np.array(below)).tolist()),
        score=(0.0, *thresholds, 100.0),
        thresholds=thresholds,
        midpoints=tuple(midpoints.tolist()),
        scale=float(width * odds.log_scale[0].detach().exp()),
    )


def smoothed_quantiles(values: Floats, shares: Floats) -> Floats:
    """Values below which these shares of faces lie, by a kernel estimate that keeps mean and variance.

    Of a few hundred faces the quantiles themselves are a fifth less certain.
    Source: Silverman & Young 1987, doi:10.1093/biomet/74.3.469.
    """
    deviation = values.std()
    # Silverman's rule for the width of the kernel, against the deviation.
    relative = 0.9 * len(values) ** -0.2
    shrink = 1 / np.sqrt(1 + relative**2)
    centres, width = values.mean() + shrink * (values - values.mean()), shrink * relative * deviation
    grid = np.linspace(centres.min() - 4 * width, centres.max() + 4 * width, 1000)
    standard = torch.from_numpy((grid[:, None] - centres) / width)
    return np.interp(shares, torch.special.ndtr(standard).mean(dim=1).numpy(), grid)


def _fit(latent: Floats, part_types: Ints, types: Ints) -> TypeScale:
    head = fit_ordinal(latent, part_types)
    with torch.inference_mode():
        probabilities = head(torch.from_numpy(latent).float()).double().numpy()
    return TypeScale(head, fit_curve(raw_scores(probabilities), types))


def _analyses(probabilities: Floats) -> list[list[PartAnalysis]]:
    return [
        [PartAnalysis(part, _NO_BOX, tuple(row)) for part, row in zip(FacePart, face, strict=True)]
        for face in probabilities.tolist()
    ]


def _agreement(title: str, given: Ints, types: Ints) -> dict[str, float]:
    apart = abs(given - types)
    return {
        f"{title} quadratic-weighted kappa": quadratic_weighted_kappa(given, types),
        f"{title} same type": float((apart == 0).mean()),
        f"{title} at most one type apart": float((apart <= 1).mean()),
    }
