"""From latent ratings to types that keep the survey's shares and say how sure they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inference.comparison import CROSS_VALIDATED_R
from inference.contracts import FacePart, FaceType
from inference.dataset import SURVEY_SHARES, survey_types
from inference.metrics import expected_calibration_error
from inference.scoring import DEFAULT_POLICY, calibrate, type_of, type_probabilities
from inference.training.calibration import (
    cross_validated,
    fit_curve,
    fit_ordinal,
    fit_type_scale,
    raw_scores,
    smoothed_quantiles,
)

_TYPES = list(FaceType)


def simulated(count: int, *, r: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Latent ratings (N, 3) as an ideal model leaves them, and ratings (N,) that correlate with each part by 0.92 r."""
    rng = np.random.default_rng(seed)
    perceived = rng.normal(size=count)
    parts = np.sqrt(0.85) * perceived[:, None] + np.sqrt(0.15) * rng.normal(size=(count, 3))
    return r * parts, r * perceived + np.sqrt(1 - r**2) * rng.normal(size=count)


def alike(rating: np.ndarray) -> np.ndarray:
    return np.repeat(rating[:, None], 3, axis=1)


def test_the_curve_gives_the_surveys_shares_on_other_faces():
    latent, rating = simulated(500, r=0.65, seed=0)
    scale = fit_type_scale(latent, alike(rating), rating)

    others, _ = simulated(5000, r=0.65, seed=1)
    raw = raw_scores(scale.part_probabilities(others))
    types = [type_of(calibrate(value, scale.calibration), DEFAULT_POLICY) for value in raw]

    shares = [types.count(face_type) / len(types) for face_type in FaceType]
    assert shares == pytest.approx(SURVEY_SHARES, abs=0.04)


def test_smoothed_quantiles_err_less_than_plain_ones_and_keep_the_middle():
    rng = np.random.default_rng(0)
    shares, true = np.array([0.15, 0.5, 0.85]), np.array([-1.0364, 0, 1.0364])
    samples = rng.normal(size=(300, 200))

    smoothed = np.array([smoothed_quantiles(sample, shares) for sample in samples]) - true
    plain = np.quantile(samples, shares, axis=1).T - true

    assert (smoothed.std(axis=0) < 0.95 * plain.std(axis=0)).all()
    assert abs(smoothed.mean(axis=0)).max() < 0.03


@pytest.mark.parametrize("r", [0.5, 0.65, 0.75])
def test_confidence_on_ideal_data_is_how_often_the_type_is_right(r):
    latent, rating = simulated(4000, r=r, seed=0)
    scale = fit_type_scale(latent, alike(rating), rating)

    others, their_rating = simulated(20_000, r=r, seed=1)
    raw = raw_scores(scale.part_probabilities(others))
    given = np.array([_TYPES.index(type_of(calibrate(value, scale.calibration), DEFAULT_POLICY)) for value in raw])
    probabilities = np.array([type_probabilities(value, scale.calibration, DEFAULT_POLICY) for value in raw])
    confidence = probabilities[np.arange(len(given)), given]

    right = given == survey_types(their_rating)
    assert expected_calibration_error(confidence, right) < 0.03
    # A constant would be calibrated too.
    assert confidence.std() > 0.05


def test_the_odds_are_even_where_half_of_the_faces_are_above_a_threshold():
    rng = np.random.default_rng(0)
    raw = rng.uniform(30, 90, 20_000)
    types = 4 - (raw[:, None] + rng.logistic(0, 4, (20_000, 1)) > [40, 50, 65, 80]).sum(axis=1)

    calibration = fit_curve(raw, types)

    assert calibration.thresholds == (20, 48, 68, 85)
    assert calibration.midpoints == pytest.approx((40, 50, 65, 80), abs=0.5)
    assert calibration.scale == pytest.approx(4, abs=0.2)


def test_the_ordinal_head_finds_the_types_of_a_noisy_rating():
    rng = np.random.default_rng(0)
    rating = rng.normal(size=600)
    latent = np.stack([rating + rng.normal(0, 0.3, 600) for _ in range(3)], axis=1)
    types = survey_types(rating)

    head = fit_ordinal(latent, alike(types))

    with torch.inference_mode():
        probabilities = head(torch.from_numpy(latent).float())
    assert (probabilities.argmax(-1).numpy() == types[:, None]).mean() > 0.6
    assert (head.thresholds.diff(dim=1) < 0).all()


def test_each_part_gets_thresholds_of_its_own_ratings():
    latent, rating = simulated(600, r=0.8, seed=0)
    part_ratings = np.stack([latent[:, 0], rating, -rating], axis=1)

    found = cross_validated(latent, part_ratings, rating, np.arange(600) % 5)

    assert found["5-fold whole_face, same type"] > 0.9
    assert found["5-fold whole_face, Pearson r with the mean rating"] > 0.9
    # A part whose ratings run against what was seen of it is not rated by the others' ratings.
    assert found["5-fold lower_face, Pearson r with the mean rating"] < 0.1
    assert found["5-fold lower_face, quadratic-weighted kappa"] < 0.1


def test_cross_validation_gives_what_is_known_of_simulated_faces():
    latent, rating = simulated(3000, r=0.65, seed=0)

    found = cross_validated(latent, alike(rating), rating, np.arange(3000) % 5)

    # The mean of three parts correlates by 0.65 * 0.95 with the rating.
    assert found[CROSS_VALIDATED_R] == pytest.approx(0.62, abs=0.03)
    assert found["5-fold expected calibration error"] < 0.04
    assert found["5-fold same type"] == pytest.approx(0.37, abs=0.03)
    assert [found[f"5-fold share of {face_type}"] for face_type in FaceType] == pytest.approx(SURVEY_SHARES, abs=0.01)
    for part in FacePart:
        assert found[f"5-fold {part}, Pearson r with the mean rating"] == pytest.approx(0.6, abs=0.04)


def test_no_fold_fits_its_own_curve():
    latent, rating = simulated(300, r=0.65, seed=0)
    folds = np.arange(300) % 2
    latent[folds == 1] += 9

    found = cross_validated(latent, alike(rating), rating, folds)

    # Each half lies far beyond the other, whose curve it gets.
    assert found["5-fold share of alpha"] == found["5-fold share of omega"] == 0.5
