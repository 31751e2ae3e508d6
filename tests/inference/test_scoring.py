"""Part types -> score -> type."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.contracts import Box, FacePart, FaceType, PartAnalysis, ScoreCalibration
from inference.scoring import DEFAULT_POLICY, ScoringPolicy, calibrate, judge, raw_score, type_of, type_probabilities

UNCHANGED = ScoreCalibration(raw=(0, 100), score=(0, 100), thresholds=(0, 100), midpoints=(0, 100), scale=2)
# A curve that bends, and odds that do not lie on it.
BENT = ScoreCalibration(
    raw=(20, 45, 55, 60, 100),
    score=(0, 20, 48, 85, 100),
    thresholds=(20, 48, 68, 85),
    midpoints=(37, 53, 68, 83),
    scale=11,
)
BOX = Box(0, 0, 1, 1)


def parts(*types: FaceType) -> list[PartAnalysis]:
    return [
        PartAnalysis(part, BOX, tuple(float(face_type == other) for other in FaceType))  # type: ignore[arg-type]
        for part, face_type in zip(FacePart, types, strict=True)
    ]


@pytest.mark.parametrize(
    ("types", "score", "result"),
    [
        ("alpha alpha alpha", 100, "alpha"),
        ("beta beta beta", 80, "beta"),
        ("gamma gamma gamma", 60, "gamma"),
        ("delta delta delta", 40, "delta"),
        ("omega omega omega", 20, "omega"),
        # 50 x 1.0 + 40 x 0.6 + 10 x 0.2
        ("alpha gamma omega", 76, "beta"),
        # 50 x 0.2 + 40 x 1.0 + 10 x 0.8
        ("omega alpha beta", 58, "gamma"),
        # 50 x 0.8 + 40 x 1.0 + 10 x 0.6: more than 85
        ("beta alpha gamma", 86, "alpha"),
    ],
)
def test_rule_of_the_source_system(types: str, score: float, result: str) -> None:
    verdict = judge(parts(*map(FaceType, types.split())), UNCHANGED, DEFAULT_POLICY)

    assert verdict.score == pytest.approx(score)
    assert verdict.type == result


def test_expected_factor_makes_the_score_continuous() -> None:
    even = [PartAnalysis(part, BOX, (0.2, 0.2, 0.2, 0.2, 0.2)) for part in FacePart]

    assert raw_score(even, DEFAULT_POLICY) == pytest.approx(60)


@pytest.mark.parametrize(
    ("threshold", "above", "at"), [(85, "alpha", "beta"), (68, "beta", "gamma"), (20, "delta", "omega")]
)
def test_threshold_itself_belongs_to_the_type_below(threshold: float, above: str, at: str) -> None:
    assert type_of(threshold + 1e-6, DEFAULT_POLICY) == above
    assert type_of(threshold, DEFAULT_POLICY) == at


def test_curve_interpolates_between_knots_and_is_flat_beyond() -> None:
    curve = replace(UNCHANGED, raw=(40, 50, 70), score=(10, 60, 90))

    assert [calibrate(raw, curve) for raw in (0, 40, 45, 50, 60, 70, 100)] == [10, 10, 35, 60, 75, 90, 90]


@given(st.floats(0, 100), st.floats(0, 100))
def test_better_raw_score_is_never_a_worse_one(one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert calibrate(low, BENT) <= calibrate(high, BENT)


def policies() -> st.SearchStrategy[ScoringPolicy]:
    """Policies with any thresholds that a curator may enter."""
    thresholds = st.lists(st.floats(0.01, 99.99), min_size=4, max_size=4, unique=True)
    return thresholds.map(lambda values: replace(DEFAULT_POLICY, thresholds=tuple(sorted(values, reverse=True))))


@given(st.floats(-10, 110), policies(), st.floats(1e-3, 40))
def test_type_probabilities_are_probabilities_whatever_the_thresholds(
    raw: float, policy: ScoringPolicy, scale: float
) -> None:
    probabilities = type_probabilities(raw, replace(BENT, scale=scale), policy)

    assert len(probabilities) == 5
    assert sum(probabilities) == pytest.approx(1)
    assert min(probabilities) >= 0


@given(st.floats(0, 100), st.floats(0, 100), policies())
def test_better_raw_score_is_never_more_probably_below_a_threshold(
    one: float, other: float, policy: ScoringPolicy
) -> None:
    low, high = (list(accumulate(type_probabilities(raw, BENT, policy)))[:4] for raw in sorted((one, other)))

    assert all(a <= b + 1e-9 for a, b in zip(low, high, strict=True))


@given(st.floats(0, 100), st.floats(0.01, 99.99), st.floats(0.01, 99.99))
def test_higher_threshold_is_never_more_probably_passed(raw: float, one: float, other: float) -> None:
    low, high = (
        type_probabilities(
            raw, BENT, replace(DEFAULT_POLICY, thresholds=(threshold, *(threshold / 10**n for n in (3, 4, 5))))
        )[0]
        for threshold in sorted((one, other))
    )

    assert high <= low + 1e-9


def test_odds_are_even_at_a_midpoint_and_between_midpoints_for_thresholds_between() -> None:
    moved = replace(DEFAULT_POLICY, thresholds=(95, 58, 48, 10))

    def better(raw: float, policy: ScoringPolicy, types: int) -> float:
        return sum(type_probabilities(raw, BENT, policy)[:types])

    assert better(68, DEFAULT_POLICY, 2) == pytest.approx(0.5)
    # 48 -> 53 and 68 -> 68, so 58 -> 60.5; outside, the outer segments go on: 17 points of score are 15 raw ones.
    assert better(60.5, moved, 2) == pytest.approx(0.5)
    assert better(83 + 10 * 15 / 17, moved, 1) == pytest.approx(0.5)
    assert better(37 - 10 * 16 / 28, moved, 4) == pytest.approx(0.5)
    # One scale above an even chance: the logistic function's 0.731.
    assert better(68 + 11, DEFAULT_POLICY, 2) == pytest.approx(0.7311, abs=1e-4)


def test_confidence_is_the_probability_of_the_type_that_is_given() -> None:
    faces = parts(*[FaceType.BETA] * 3)
    wide, narrow = (judge(faces, replace(BENT, scale=scale), DEFAULT_POLICY) for scale in (11, 4))

    assert (wide.type, narrow.type) == (FaceType.ALPHA, FaceType.ALPHA)
    assert wide.confidence == pytest.approx(type_probabilities(80, BENT, DEFAULT_POLICY)[0])
    # A raw score of 80 is more probably beta here, though the curve says alpha; the surer, the clearer.
    assert narrow.confidence < wide.confidence < 0.5
    assert narrow.borderline_with == FaceType.BETA


def test_confidence_falls_and_a_neighbour_is_named_near_a_threshold() -> None:
    gamma, between = parts(*[FaceType.GAMMA] * 3), parts(FaceType.GAMMA, FaceType.BETA, FaceType.GAMMA)

    clear = judge(gamma, UNCHANGED, DEFAULT_POLICY)
    # 50 x 0.6 + 40 x 0.8 + 10 x 0.6 = 68, the border of beta and gamma.
    border = judge(between, UNCHANGED, DEFAULT_POLICY)

    assert clear.borderline_with is None
    assert clear.confidence > 0.9
    assert border.type == FaceType.GAMMA
    assert border.borderline_with == FaceType.BETA
    assert border.confidence == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "change",
    [
        {"weights": {FacePart.WHOLE_FACE: 50, FacePart.UPPER_FACE: 40}},
        {"weights": {FacePart.WHOLE_FACE: 50, FacePart.UPPER_FACE: 40, FacePart.LOWER_FACE: 11}},
        {"weights": {FacePart.WHOLE_FACE: 120, FacePart.UPPER_FACE: -30, FacePart.LOWER_FACE: 10}},
        {"factors": (1.0, 0.8, 0.9, 0.4, 0.2)},
        {"factors": (1.2, 0.8, 0.6, 0.4, 0.2)},
        {"factors": (1.0, 0.8, 0.6, 0.4, -0.2)},
        {"thresholds": (85, 68, 68, 20)},
        {"thresholds": (100, 68, 48, 20)},
        {"thresholds": (20, 48, 68, 85)},
    ],
)
def test_policy_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    ScoringPolicy(DEFAULT_POLICY.weights, DEFAULT_POLICY.factors, DEFAULT_POLICY.thresholds)

    with pytest.raises(ValueError, match="must"):
        replace(DEFAULT_POLICY, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "calibration",
    [
        {"raw": (40, 60, 80)},
        {"raw": (40,), "score": (50,)},
        {"raw": (60, 60)},
        {"raw": (0, float("nan"))},
        {"score": (90, 10)},
        {"score": (0, 101)},
        {"thresholds": (20, 48, 68)},
        {"thresholds": (20,), "midpoints": (40,)},
        {"midpoints": (60, 40)},
        {"midpoints": (60, float("inf"))},
        {"scale": 0},
        {"scale": float("nan")},
    ],
)
def test_calibration_that_makes_no_sense_is_refused(calibration: dict[str, object]) -> None:
    (*_, field) = calibration

    with pytest.raises(ValueError, match=field):
        replace(UNCHANGED, **calibration)  # type: ignore[arg-type]
