"""From latent ratings to types that keep the survey's shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inference.dataset import survey_types
from inference.scoring import DEFAULT_POLICY, calibrate
from inference.training.calibration import fit_curve, fit_ordinal


def test_the_curve_gives_the_surveys_shares():
    rng = np.random.default_rng(0)
    rating = rng.normal(size=500)
    raw = 60 + 4 * (rating + rng.normal(0, 0.8, 500))
    types = survey_types(rating)

    curve = fit_curve(raw, types, rating)

    scores = np.array([calibrate(value, curve) for value in raw])
    shares = [(scores > threshold).mean() for threshold in DEFAULT_POLICY.thresholds]
    assert shares == pytest.approx([0.218, 0.432, 0.657, 0.849], abs=0.01)
    assert list(curve.raw) == sorted(set(curve.raw))
    assert 5 < curve.spread < 40


def test_the_ordinal_head_finds_the_types_of_a_noisy_rating():
    rng = np.random.default_rng(0)
    rating = rng.normal(size=600)
    latent = np.stack([rating + rng.normal(0, 0.3, 600) for _ in range(3)], axis=1)

    head = fit_ordinal(latent, survey_types(rating))

    with torch.inference_mode():
        probabilities = head(torch.from_numpy(latent).float())
    assert (probabilities.argmax(-1).numpy() == survey_types(rating)[:, None]).mean() > 0.6
    assert (head.thresholds.diff(dim=1) < 0).all()
