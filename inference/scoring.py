"""The scoring policy: part types -> one score -> one type. Pure functions, no Django, no torch.

The rule is the source system's (docs/scoring.md tells it), with two changes: a part counts with its
*expected* factor under its probabilities, so that the score is continuous, and the type model's
calibration then spreads the scores as the survey's shares ask and says how sure they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp

from inference.contracts import FacePart, FaceType, PartAnalysis, ScoreCalibration

# A neighbouring type is named as well when it is at least this probable, relative to the first.
BORDERLINE_RATIO = 0.8


@dataclass(frozen=True, slots=True)
class ScoringPolicy:
    """How parts make a score and a score makes a type.

    weights: points a part can give, for each of the three parts; they sum to 100.
    factors: 0 to 1, the share of its weight that a part of that type earns, best type first.
    thresholds: a score above the n-th is of the n-th type; below all four it is omega. Descending.
    """

    weights: Mapping[FacePart, float]
    factors: tuple[float, float, float, float, float]
    thresholds: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if set(self.weights) != set(FacePart) or abs(sum(self.weights.values()) - 100) > 1e-6:
            raise ValueError(f"weights must be given for each part and sum to 100, got {dict(self.weights)}")
        if any(weight < 0 for weight in self.weights.values()):
            raise ValueError(f"weights must not be negative, got {dict(self.weights)}")
        if list(self.factors) != sorted(self.factors, reverse=True) or self.factors[-1] < 0 or self.factors[0] > 1:
            raise ValueError(f"factors must descend within 0 to 1, got {self.factors}")
        if sorted(set(self.thresholds), reverse=True) != list(self.thresholds) or not (
            0 < self.thresholds[-1] <= self.thresholds[0] < 100
        ):
            raise ValueError(f"thresholds must descend strictly within 0 to 100, got {self.thresholds}")


DEFAULT_POLICY = ScoringPolicy(
    weights={FacePart.WHOLE_FACE: 50, FacePart.UPPER_FACE: 40, FacePart.LOWER_FACE: 10},
    factors=(1.0, 0.8, 0.6, 0.4, 0.2),
    thresholds=(85, 68, 48, 20),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One face's result.

    score: 0 to 100, calibrated. confidence: probability of `type`, 0 to 1.
    borderline_with: the neighbouring type that is nearly as probable, or None.
    """

    type: FaceType
    score: float
    confidence: float
    borderline_with: FaceType | None


def raw_score(parts: Sequence[PartAnalysis], policy: ScoringPolicy) -> float:
    """Weighted sum of the parts' expected factors, 0 to 100."""
    return sum(
        policy.weights[part.part]
        * sum(probability * factor for probability, factor in zip(part.probabilities, policy.factors, strict=True))
        for part in parts
    )


def calibrate(raw: float, calibration: ScoreCalibration) -> float:
    """The score of a raw one, constant beyond the ends of the curve."""
    score = _interpolate(raw, calibration.raw, calibration.score)
    return min(max(score, calibration.score[0]), calibration.score[-1])


def type_of(score: float, policy: ScoringPolicy) -> FaceType:
    for face_type, threshold in zip(FaceType, policy.thresholds, strict=False):
        if score > threshold:
            return face_type
    return FaceType.OMEGA


def type_probabilities(raw: float, calibration: ScoreCalibration, policy: ScoringPolicy) -> tuple[float, ...]:
    """Probability of each type, given a raw score: proportional odds at the policy's thresholds, best type first.

    At a threshold that the calibration was not fitted at, the midpoint lies on the line between its neighbours'.
    """
    midpoints = (
        _interpolate(threshold, calibration.thresholds, calibration.midpoints) for threshold in policy.thresholds
    )
    better = [0.0, *(_sigmoid((raw - midpoint) / calibration.scale) for midpoint in midpoints), 1.0]
    # Rounding must not make a narrow type's probability negative.
    return tuple(max(upper - lower, 0.0) for lower, upper in pairwise(better))


def judge(parts: Sequence[PartAnalysis], calibration: ScoreCalibration, policy: ScoringPolicy) -> Verdict:
    """Turn three part analyses into the one answer a person gets."""
    raw = raw_score(parts, policy)
    score = calibrate(raw, calibration)
    face_type = type_of(score, policy)
    types = list(FaceType)
    position = types.index(face_type)
    probabilities = type_probabilities(raw, calibration, policy)
    neighbours = [index for index in (position - 1, position + 1) if 0 <= index < len(types)]
    nearest = max(neighbours, key=lambda index: probabilities[index])
    is_borderline = probabilities[nearest] >= BORDERLINE_RATIO * probabilities[position]
    return Verdict(
        type=face_type,
        score=score,
        confidence=probabilities[position],
        borderline_with=types[nearest] if is_borderline else None,
    )


def _interpolate(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """y at x on the broken line through (xs, ys); its outer segments go on for ever."""
    right = min(max(bisect_right(xs, x), 1), len(xs) - 1)
    share = (x - xs[right - 1]) / (xs[right] - xs[right - 1])
    return ys[right - 1] + share * (ys[right] - ys[right - 1])


def _sigmoid(x: float) -> float:
    # exp of a large number would overflow.
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))
