"""From many ratings of an image to one value, and which raters to leave out. Pure NumPy, no database.

Everywhere N is the number of ratings, I of items (images), R of raters, K of categories.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# The 97.5 % quantiles of Student's t with 1 to 4 degrees of freedom, where the series is not exact enough.
_T_QUANTILES = (12.7062047, 4.3026527, 3.1824463, 2.7764451)
_MOST_ITERATIONS = 200
_CONVERGED = 1e-8
# What stands for the logarithm of a probability of 0.
_LEAST = 1e-300


@dataclass(frozen=True, slots=True)
class Votes:
    """Ratings of one part. item (N,): 0 to I - 1; rater (N,): 0 to R - 1; value (N,): on the survey's scale."""

    item: Ints
    rater: Ints
    value: Floats
    items: int
    raters: int

    def where(self, kept: Mask) -> Votes:
        """Only some of the ratings, kept (N,), of the same items and raters."""
        return Votes(self.item[kept], self.rater[kept], self.value[kept], self.items, self.raters)


@dataclass(frozen=True, slots=True)
class Estimates:
    """One value an item. value (I,): NaN without ratings. low, high (I,): 95 % interval, NaN where there is none.

    count (I,): ratings.
    """

    value: Floats
    low: Floats
    high: Floats
    count: Ints


def mean_ratings(votes: Votes) -> Estimates:
    """Means, with Student's t intervals from each item's own spread; two ratings are the least for an interval."""
    count = np.bincount(votes.item, minlength=votes.items)
    total = np.bincount(votes.item, votes.value, votes.items)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        margin = t_quantiles(count - 1) * standard_deviations(votes) / np.sqrt(count)
    return Estimates(mean, mean - margin, mean + margin, count)


def standard_deviations(votes: Votes) -> Floats:
    """(I,): of each item's ratings, as a sample's; NaN below two ratings."""
    count = np.bincount(votes.item, minlength=votes.items)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(votes.item, votes.value, votes.items) / count
        squares = np.bincount(votes.item, (votes.value - mean[votes.item]) ** 2, votes.items)
        deviations: Floats = np.sqrt(squares / (count - 1))
    deviations[count < 2] = np.nan
    return deviations


def t_quantiles(freedom: Ints) -> Floats:
    """97.5 % quantiles of Student's t, NaN below one degree of freedom.

    Source: Abramowitz & Stegun 1964, 26.7.5, off by less than 0.0003 from five degrees on; a table below.
    """
    z = NormalDist().inv_cdf(0.975)
    v = np.maximum(freedom, 1).astype(float)
    quantiles = (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * v**4)
    )
    for few, quantile in enumerate(_T_QUANTILES, start=1):
        quantiles[freedom == few] = quantile
    quantiles[freedom < 1] = np.nan
    return quantiles


def majority(votes: Votes) -> Estimates:
    """The most frequent value of each item; of equally frequent ones the nearest to the mean, then the smaller."""
    categories, category = np.unique(votes.value, return_inverse=True)
    counts = _count_table(votes, category, len(categories))
    means = mean_ratings(votes)
    # Distances are below one when divided by more than the range, so they only decide between equal counts.
    reach = np.ptp(categories) + 1 if len(categories) else 1.0
    with np.errstate(invalid="ignore"):
        preference = counts - np.abs(categories - means.value[:, None]) / reach
    value = np.full(votes.items, np.nan)
    rated = means.count > 0
    if rated.any():
        value[rated] = categories[np.argmax(preference[rated], axis=1)]
    none = np.full(votes.items, np.nan)
    return Estimates(value, none, none, means.count)


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """The model's maximum-likelihood estimates.

    posterior (I, K): probability of each item's true category. prior (K,). confusion (R, K, K): probability that a
    rater answers the last axis' category where the middle axis' one is true.
    """

    posterior: Floats
    prior: Floats
    confusion: Floats
    log_likelihood: float
    iterations: int


def dawid_skene(votes: Votes, category: Ints, categories: int) -> DawidSkene:
    """Estimate true categories and each rater's errors together, by expectation maximization.

    category (N,): the ratings as 0 to K - 1. An item without ratings keeps the prior.
    Source: Dawid & Skene 1979, Applied Statistics 28(1), 20-28, started, as there, from the shares of the answers.
    """
    counts = _count_table(votes, category, categories)
    with np.errstate(invalid="ignore"):
        posterior = counts / counts.sum(axis=1, keepdims=True)
    posterior[np.isnan(posterior)] = 1 / categories
    cell = votes.rater * categories + category
    likelihood, iterations = -np.inf, 0
    while iterations < _MOST_ITERATIONS:
        iterations += 1
        prior = posterior.mean(axis=0)
        confusion = _confusion(posterior, votes, cell, categories)
        logs = np.log(np.maximum(confusion, _LEAST)).transpose(1, 0, 2).reshape(categories, -1)
        joint = np.stack([np.bincount(votes.item, log[cell], votes.items) for log in logs], axis=1)
        joint += np.log(np.maximum(prior, _LEAST))
        peak = joint.max(axis=1, keepdims=True)
        scaled = np.exp(joint - peak)
        total = scaled.sum(axis=1, keepdims=True)
        posterior = scaled / total
        before, likelihood = likelihood, float((peak + np.log(total)).sum())
        if likelihood - before < _CONVERGED * abs(likelihood):
            break
    return DawidSkene(posterior, prior, confusion, likelihood, iterations)


def _confusion(posterior: Floats, votes: Votes, cell: Ints, categories: int) -> Floats:
    """(R, K, K), where each row sums to 1, or to 0 where the rater rated nothing that may be of that category."""
    answers = np.stack(
        [np.bincount(cell, of_category[votes.item], votes.raters * categories) for of_category in posterior.T]
    )
    table = answers.reshape(categories, votes.raters, categories).transpose(1, 0, 2)
    with np.errstate(invalid="ignore"):
        shares: Floats = np.nan_to_num(table / table.sum(axis=2, keepdims=True))
    return shares


def _count_table(votes: Votes, category: Ints, categories: int) -> Floats:
    """(I, K): how many ratings of each category an item has."""
    flat = np.bincount(votes.item * categories + category, minlength=votes.items * categories)
    return flat.reshape(votes.items, categories).astype(float)


class ExclusionReason(StrEnum):
    """Why a rater's answers are left out, in the order the reasons are looked at."""

    SAME_ANSWER = "same_answer"
    GOLD = "gold"
    REPEATS = "repeats"
    RELIABILITY = "reliability"


@dataclass(frozen=True, slots=True)
class ExclusionRule:
    """Who counts as careless. None turns a criterion off.

    max_same_share: the largest share of a rater's answers that may be one and the same (straight-lining).
    min_gold_share: the least share of right answers where the right one is known; right is what differs from it by at
    most gold_tolerance of the scale's range.
    max_repeat_difference: of a rater's answers to the same question, on average, as a share of the scale's range.
    min_reliability: the least correlation with the mean of all others.
    min_ratings: a rater with fewer answers is not judged.
    """

    max_same_share: float | None = 0.95
    min_gold_share: float | None = 0.5
    gold_tolerance: float = 0.25
    max_repeat_difference: float | None = 0.3
    min_reliability: float | None = 0.1
    min_ratings: int = 10


@dataclass(frozen=True, slots=True)
class RaterQuality:
    """What the answers say of each rater; NaN where they say nothing. All (R,).

    same_share: of the answers that are the most frequent one. gold_share: of right answers among known ones.
    repeat_difference: mean, as a share of the scale's range. reliability: correlation with the others' means.
    """

    count: Ints
    same_share: Floats
    gold_share: Floats
    repeat_difference: Floats
    reliability: Floats


def rater_quality(
    votes: Votes, repeats: Votes, gold: Floats, gold_tolerance: float, scale_range: float
) -> RaterQuality:
    """Judge raters by first answers and by repeats of the same items; gold (I,): right answers, NaN where unknown."""
    return RaterQuality(
        count=np.bincount(votes.rater, minlength=votes.raters),
        same_share=same_answer_share(votes),
        gold_share=_mean_by_rater(
            votes,
            (np.abs(votes.value - gold[votes.item]) <= gold_tolerance * scale_range + 1e-9).astype(float),
            ~np.isnan(gold[votes.item]),
        ),
        repeat_difference=repeat_difference(votes, repeats) / scale_range,
        reliability=leave_one_out_correlation(votes.where(np.isnan(gold[votes.item]))),
    )


def exclusions(quality: RaterQuality, rule: ExclusionRule) -> dict[ExclusionReason, Ints]:
    """The raters to leave out, each under the first reason there is."""
    limits: list[tuple[ExclusionReason, Floats, float | None]] = [
        (ExclusionReason.SAME_ANSWER, -quality.same_share, _negative(rule.max_same_share)),
        (ExclusionReason.GOLD, quality.gold_share, rule.min_gold_share),
        (ExclusionReason.REPEATS, -quality.repeat_difference, _negative(rule.max_repeat_difference)),
        (ExclusionReason.RELIABILITY, quality.reliability, rule.min_reliability),
    ]
    left = quality.count >= rule.min_ratings
    found: dict[ExclusionReason, Ints] = {}
    for reason, measure, least in limits:
        if least is None:
            continue
        # A NaN fails no test.
        careless = left & (measure < least - 1e-9)
        found[reason] = np.flatnonzero(careless)
        left &= ~careless
    return found


def _negative(limit: float | None) -> float | None:
    return None if limit is None else -limit


def same_answer_share(votes: Votes) -> Floats:
    """The share of each rater's answers that are that rater's most frequent one."""
    categories, category = np.unique(votes.value, return_inverse=True)
    pairs, counts = np.unique(votes.rater * max(len(categories), 1) + category, return_counts=True)
    most = np.zeros(votes.raters)
    np.maximum.at(most, pairs // max(len(categories), 1), counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return most / np.bincount(votes.rater, minlength=votes.raters)


def repeat_difference(votes: Votes, repeats: Votes) -> Floats:
    """Each rater's mean absolute difference between a repeated answer and the first one."""
    key = votes.rater * votes.items + votes.item
    order = np.argsort(key)
    wanted = repeats.rater * votes.items + repeats.item
    place = np.searchsorted(key, wanted, sorter=order)
    place[place == len(key)] = 0
    if not len(key):
        return np.full(votes.raters, np.nan)
    first = order[place]
    return _mean_by_rater(repeats, np.abs(repeats.value - votes.value[first]), key[first] == wanted)


def leave_one_out_correlation(votes: Votes) -> Floats:
    """Pearson's correlation of each rater's answers with the mean of all other raters' of the same items.

    NaN for raters with fewer than three such answers, or none that differ.
    """
    count = np.bincount(votes.item, minlength=votes.items)[votes.item]
    total = np.bincount(votes.item, votes.value, votes.items)[votes.item]
    shared = votes.where(count > 1)
    others = ((total - votes.value) / np.maximum(count - 1, 1))[count > 1]
    answers = np.bincount(shared.rater, minlength=votes.raters)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = shared.value - (np.bincount(shared.rater, shared.value, votes.raters) / answers)[shared.rater]
        y = others - (np.bincount(shared.rater, others, votes.raters) / answers)[shared.rater]
        xx, yy, xy = (np.bincount(shared.rater, product, votes.raters) for product in (x * x, y * y, x * y))
        correlation = np.where(np.minimum(xx, yy) > 1e-9, xy / np.sqrt(xx * yy), np.nan)
    correlation[answers < 3] = np.nan
    return correlation


def _mean_by_rater(votes: Votes, measure: Floats, counted: Mask) -> Floats:
    rater = votes.rater[counted]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(rater, measure[counted], votes.raters) / np.bincount(rater, minlength=votes.raters)


def rank_correlation(first: Floats, second: Floats) -> float | None:
    """Spearman's rho of two rankings of the same items, ties at their mean rank; None where one does not differ."""
    x, y = (_mean_ranks(values) for values in (first, second))
    x, y = x - x.mean(), y - y.mean()
    spread = sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / spread if spread else None


def _mean_ranks(values: Floats) -> Floats:
    _distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
