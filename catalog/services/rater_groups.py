"""What raters of one age or sex answer, beside what the others do. Pure NumPy, no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalog.services.aggregation import Mask, Votes, mean_ratings, rank_correlation, t_quantiles

# Fewer images say nothing about how two rankings agree.
_FEWEST_IMAGES = 5


@dataclass(frozen=True, slots=True)
class RaterGroup:
    """Raters who said the same of themselves. by: "age_band" or "sex"; value: empty where they did not say.

    mean: of the raters' own means, so that each rater counts once; low, high: its 95 % interval.
    correlation: Spearman's, of the images' mean ratings by these raters with those by all others.
    """

    by: str
    value: str
    raters: int
    ratings: int
    mean: float
    low: float | None
    high: float | None
    correlation: float | None


def rater_groups(votes: Votes, *, age_bands: Sequence[str], sexes: Sequence[str]) -> list[RaterGroup]:
    """Groups that have ratings, by age, then by sex; age_bands, sexes (R,)."""
    return [
        _group(votes, by, value, np.array(said)[votes.rater] == value)
        for by, said in (("age_band", age_bands), ("sex", sexes))
        for value in sorted({said[rater] for rater in np.unique(votes.rater)}, key=lambda value: (value == "", value))
    ]


def _group(votes: Votes, by: str, value: str, is_member: Mask) -> RaterGroup:
    own = votes.where(is_member)
    count = np.bincount(own.rater, minlength=votes.raters)
    means = np.bincount(own.rater, own.value, votes.raters)[count > 0] / count[count > 0]
    margin = None
    if len(means) > 1:
        margin = float(t_quantiles(np.array([len(means) - 1]))[0] * means.std(ddof=1) / np.sqrt(len(means)))
    mean = float(means.mean())
    return RaterGroup(
        by=by,
        value=value,
        raters=len(means),
        ratings=len(own.value),
        mean=mean,
        low=None if margin is None else mean - margin,
        high=None if margin is None else mean + margin,
        correlation=_correlation(own, votes.where(~is_member)),
    )


def _correlation(own: Votes, others: Votes) -> float | None:
    first, second = mean_ratings(own), mean_ratings(others)
    rated = (first.count > 0) & (second.count > 0)
    if rated.sum() < _FEWEST_IMAGES:
        return None
    return rank_correlation(first.value[rated], second.value[rated])
