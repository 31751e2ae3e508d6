"""How far raters agree. Pure NumPy, no database.

Krippendorff's alpha asks how much less raters disagree than chance would; split-half reliability and the intraclass
correlation how well the mean of the raters would be found again by others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf

import numpy as np

from catalog.services.aggregation import Floats, Ints, Mask, Votes

# The coincidences of more different values than this would be a matrix too large to be worth it.
_MOST_VALUES = 1001
_SPLITS = 50


class Level(StrEnum):
    """What differences between ratings mean: any is one, their ranks count, their distances count."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"


def krippendorff_alpha(votes: Votes, level: Level) -> float | None:
    """1: perfect agreement, 0: as by chance. None where nothing can be compared, or all ratings are the same.

    Items with a single rating do not count. Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.
    """
    count = np.bincount(votes.item, minlength=votes.items)
    paired = votes.where(count[votes.item] > 1)
    if not len(paired.value):
        return None
    if level is Level.INTERVAL:
        observed, expected = _squared_differences(paired, count)
    else:
        values, place = np.unique(paired.value, return_inverse=True)
        if len(values) > _MOST_VALUES:
            return None
        coincidences = _coincidences(paired, place, len(values), count)
        totals = coincidences.sum(axis=1)
        difference = _nominal_difference(totals) if level is Level.NOMINAL else _ordinal_difference(totals)
        observed = float((coincidences * difference).sum()) / totals.sum()
        pairs = totals.sum() * (totals.sum() - 1)
        # A value never meets itself at distance 0, so the diagonal needs no correction.
        expected = float((np.outer(totals, totals) * difference).sum()) / pairs
    return 1 - observed / expected if expected > 0 else None


def _squared_differences(votes: Votes, count: Ints) -> tuple[float, float]:
    """Mean squared difference of two ratings of one item, and of any two ratings."""
    # Centred, so that the sums of squares keep their digits.
    value = votes.value - votes.value.mean()
    total, squares = (np.bincount(votes.item, weights, votes.items) for weights in (value, value * value))
    with np.errstate(invalid="ignore", divide="ignore"):
        within = np.nan_to_num(2 * (count * squares - total**2) / (count - 1), posinf=0, neginf=0)
    n = len(value)
    within[count < 2] = 0
    return float(within.sum()) / n, 2 * float(n * squares.sum() - total.sum() ** 2) / (n * (n - 1))


def _coincidences(votes: Votes, place: Ints, values: int, count: Ints) -> Floats:
    """(V, V): how often each two values stand together in one item, each item weighing as many as it has ratings."""
    table = np.bincount(votes.item * values + place, minlength=votes.items * values).reshape(votes.items, values)
    rated = table[count > 1].astype(float)
    weighted = rated / (count[count > 1] - 1)[:, None]
    matrix: Floats = weighted.T @ rated
    matrix[np.diag_indices(values)] -= weighted.sum(axis=0)
    return matrix


def _nominal_difference(totals: Floats) -> Floats:
    return 1 - np.eye(len(totals))


def _ordinal_difference(totals: Floats) -> Floats:
    """Squared: how many ratings lie between two values, half of those at either counted."""
    middle = np.cumsum(totals) - totals / 2
    return (middle[:, None] - middle[None, :]) ** 2


@dataclass(frozen=True, slots=True)
class IntraclassCorrelation:
    """single: ICC(1), of one rating. average: ICC(1,k), of the mean of an item's ratings. k: ratings an item."""

    single: float
    average: float
    k: float


def intraclass_correlation(votes: Votes) -> IntraclassCorrelation | None:
    """One-way random effects; None where items or ratings are too few, or all items have the same mean.

    One-way, because every image is rated by other raters, drawn by chance: the two-way forms ask that the same raters
    rate all. With unequal numbers of ratings, k is their mean less their variance over their sum.
    Source: Shrout & Fleiss 1979, Psychological Bulletin 86(2), case 1; k after Winer 1971.
    """
    count = np.bincount(votes.item, minlength=votes.items)
    n, items = len(votes.value), int((count > 0).sum())
    if items < 2 or n <= items:
        return None
    value = votes.value - votes.value.mean()
    total = np.bincount(votes.item, value, votes.items)
    between_squares = float((total[count > 0] ** 2 / count[count > 0]).sum())
    between = between_squares / (items - 1)
    within = (float((value**2).sum()) - between_squares) / (n - items)
    k = (n - float((count.astype(float) ** 2).sum()) / n) / (items - 1)
    if between <= 0:
        return None
    return IntraclassCorrelation((between - within) / (between + (k - 1) * within), (between - within) / between, k)


def split_half(votes: Votes, identified: Mask, *, splits: int = _SPLITS, seed: int = 0) -> float | None:
    """Reliability of all ratings' means, from the correlation of two halves' means; None where there are no halves.

    Raters are halved by chance, many times over, and the correlations averaged; identified (R,). Where nobody
    knows who rated, each item's own ratings are halved.
    """
    half = half_correlation(votes, identified, splits=splits, seed=seed)
    return None if half is None else spearman_brown(half)


def spearman_brown(half: float) -> float:
    """The reliability of two halves together, from their correlation (Spearman 1910, Brown 1910)."""
    return 2 * half / (1 + half) if half > -1 else -inf


def half_correlation(votes: Votes, identified: Mask, *, splits: int = _SPLITS, seed: int = 0) -> float | None:
    """Mean correlation of the items' means in one half of the raters with those in the other half."""
    generator = np.random.default_rng(seed)
    by_rater = identified[votes.rater]
    correlations = [_halves_correlate(votes, _halves(votes, by_rater, generator)) for _ in range(splits)]
    known = [correlation for correlation in correlations if correlation is not None]
    return float(np.mean(known)) if known else None


def _halves(votes: Votes, by_rater: Mask, generator: np.random.Generator) -> Mask:
    """(N,): whether a rating is in the first half."""
    chosen = generator.permutation(votes.raters) < votes.raters / 2
    half: Mask = chosen[votes.rater]
    if not by_rater.all():
        unknown = np.flatnonzero(~by_rater)
        # Every second of an item's ratings, in an order of chance; which half gets an odd one is chance too.
        order = unknown[np.lexsort((generator.random(len(unknown)), votes.item[unknown]))]
        item = votes.item[order]
        starts = np.flatnonzero(np.r_[True, item[1:] != item[:-1]])
        lengths = np.diff(np.r_[starts, len(item)])
        position = np.arange(len(item)) - np.repeat(starts, lengths)
        half[order] = (position + np.repeat(generator.integers(0, 2, len(starts)), lengths)) % 2 == 0
    return half


def _halves_correlate(votes: Votes, half: Mask) -> float | None:
    count = np.bincount(votes.item, minlength=votes.items)
    total = np.bincount(votes.item, votes.value, votes.items)
    first_count = np.bincount(votes.item, half, votes.items)
    first_total = np.bincount(votes.item, votes.value * half, votes.items)
    shared = (first_count > 0) & (first_count < count)
    if shared.sum() < 3:
        return None
    x = first_total[shared] / first_count[shared]
    y = (total - first_total)[shared] / (count - first_count)[shared]
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])
