"""95 % intervals: how far a number measured on these cases may be from the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]

_Z = 1.96
_DRAWS = 2000


def share_interval(count: int, total: int) -> Interval:
    """Of a share: its score interval, which stays honest where none or all of the cases count.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    if total == 0:
        return 0.0, 1.0
    share = count / total
    centre = share + _Z**2 / (2 * total)
    reach = _Z * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    scale = 1 + _Z**2 / total
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def correlation_interval(r: float, count: int) -> Interval:
    """Of a Pearson correlation of which only the number of cases is known.

    Source: Fisher 1921, Metron 1, 3-32.
    """
    if count <= 3 or abs(r) >= 1:
        return -1.0, 1.0
    reach = _Z / math.sqrt(count - 3)
    return math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)


def statistic_interval(statistic: Callable[..., float], *columns: NDArray[Any], seed: int = 0) -> Interval:
    """Of any statistic of cases: percentiles over resampled cases. columns: each (N,) or (N, …), case by case.

    Draws for which the statistic is undefined, such as a correlation of equal values, are left out.
    Source: Efron 1979, doi:10.1214/aos/1176344552.
    """
    rng = np.random.default_rng(seed)
    count = len(columns[0])
    with np.errstate(all="ignore"):
        values = [
            statistic(*(column[drawn] for column in columns)) for drawn in rng.integers(0, count, (_DRAWS, count))
        ]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
