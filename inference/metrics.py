"""Measures of agreement; pure functions on arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def pearson_r(first: Floats, second: Floats) -> float:
    """Correlation, -1 to 1; 0 where either does not vary, and so predicts nothing."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def rank_correlation(first: Floats, second: Floats) -> float:
    """Correlation of ranks, -1 to 1. Values that are alike are ranked as they come.

    Source: Spearman 1904, doi:10.2307/1412159.
    """
    return pearson_r(*(np.argsort(np.argsort(values, kind="stable")).astype(float) for values in (first, second)))


def quadratic_weighted_kappa(first: Ints, second: Ints, classes: int = 5) -> float:
    """Agreement of two ordinal labellings beyond chance, 1 for identical ones.

    Source: Cohen 1968, doi:10.1037/h0026256.
    """
    observed = np.zeros((classes, classes))
    np.add.at(observed, (first, second), 1)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / observed.sum()
    ranks = np.arange(classes)
    weights = (ranks[:, None] - ranks[None, :]) ** 2
    return float(1 - (weights * observed).sum() / (weights * expected).sum())


def box_iou(first: Floats, second: Floats) -> Floats:
    """Intersection over union. Shapes: (..., 4), (..., 4) as x0, y0, x1, y1 -> (...)."""
    low, high = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    overlap = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = np.prod(first[..., 2:] - first[..., :2], axis=-1) + np.prod(second[..., 2:] - second[..., :2], axis=-1)
    return np.asarray(overlap / (areas - overlap), np.float64)


def confidence_bins(confidence: Floats, bins: int = 10) -> Ints:
    """Which bin of equal width each confidence (N,), 0 to 1, falls into."""
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def expected_calibration_error(confidence: Floats, correct: NDArray[np.bool_]) -> float:
    """Mean gap between confidence and accuracy over ten bins of equal width, weighted by their sizes.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    index = confidence_bins(confidence)
    gaps = [
        abs(confidence[index == bin_].mean() - correct[index == bin_].mean()) * (index == bin_).mean()
        for bin_ in np.unique(index)
    ]
    return float(sum(gaps))


def calibration_error_of_chance(confidence: Floats, draws: int = 500) -> float:
    """The expected calibration error of as many cases, on average, if every confidence (N,) were exact.

    What is measured on few cases lies above 0 by chance alone.
    """
    drawn = np.random.default_rng(0).random((draws, len(confidence)))
    return float(np.mean([expected_calibration_error(confidence, row < confidence) for row in drawn]))
