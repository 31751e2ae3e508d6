"""The source's survey rule: from ranked ratings to the five types. Pure functions, no Django, no torch.

Training cuts its labels with it and the back office its surveys, so that both mean the same by a type.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# What the survey's respondents gave the five types, best first.
SURVEY_SHARES = (0.218, 0.214, 0.225, 0.192, 0.152)


def survey_types(ratings: NDArray[np.float64], shares: Sequence[float] = SURVEY_SHARES) -> NDArray[np.int64]:
    """Cut a ranking of mean ratings (N,), more is better, into types 0 (best) to 4 by shares.

    Whole numbers by largest remainder; of equal ratings the earlier one ranks higher. Shares of any sum.
    """
    exact = np.array(shares) / sum(shares) * len(ratings)
    counts = np.floor(exact).astype(int)
    by_remainder = np.argsort(-(exact - counts), kind="stable")
    counts[by_remainder[: len(ratings) - counts.sum()]] += 1
    types = np.empty(len(ratings), np.int64)
    types[np.argsort(-ratings, kind="stable")] = np.repeat(np.arange(len(shares)), counts)
    return types


def types_by_cut_points(ratings: NDArray[np.float64], cut_points: Sequence[float]) -> NDArray[np.int64]:
    """Types 0 (best) to 4 of ratings (N,), more is better: a rating above the n-th point is of the n-th type.

    cut_points: four, strictly descending, as the scoring policy's thresholds.
    """
    if len(cut_points) != 4 or any(higher <= lower for higher, lower in pairwise(cut_points)):
        raise ValueError(f"expected four strictly descending cut points, got {tuple(cut_points)}")
    types: NDArray[np.int64] = (ratings[:, None] <= np.array(cut_points)).sum(axis=1, dtype=np.int64)
    return types
