"""Agreement statistics against published examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from catalog.services.aggregation import Votes
from catalog.services.agreement import Level, half_correlation, intraclass_correlation, krippendorff_alpha, split_half

# Krippendorff 2011, example C: four observers, twelve units, with missing data ("." here).
KRIPPENDORFF = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
# Shrout & Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))


def votes_of(table: Sequence[Sequence[float | None]]) -> Votes:
    """A row an item, a column a rater; None where there is no rating."""
    found = [
        (item, rater, value) for item, row in enumerate(table) for rater, value in enumerate(row) if value is not None
    ]
    item, rater, value = (np.array(column) for column in zip(*found, strict=True))
    return Votes(item, rater, value.astype(float), len(table), max(map(len, table)))


@pytest.fixture
def krippendorff() -> Votes:
    columns = zip(*(row.split() for row in KRIPPENDORFF), strict=True)
    return votes_of([[None if cell == "." else float(cell) for cell in column] for column in columns])


@pytest.mark.parametrize(
    ("level", "published"), [(Level.NOMINAL, 0.743), (Level.ORDINAL, 0.815), (Level.INTERVAL, 0.849)]
)
def test_alpha_is_krippendorffs_own(krippendorff: Votes, level: Level, published: float) -> None:
    assert krippendorff_alpha(krippendorff, level) == pytest.approx(published, abs=0.0005)


@pytest.mark.parametrize("level", Level)
def test_alpha_knows_perfect_agreement_and_chance(level: Level) -> None:
    generator = np.random.default_rng(1)
    item, rater = np.divmod(np.arange(4000), 4)
    agreed = Votes(item, rater, (item % 5).astype(float), 1000, 4)
    chance = Votes(item, rater, generator.integers(1, 6, 4000).astype(float), 1000, 4)

    assert krippendorff_alpha(agreed, level) == pytest.approx(1)
    assert krippendorff_alpha(chance, level) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("table", [[[3], [4]], [[3, 3], [3, 3]]], ids=["nothing to compare", "no two values"])
@pytest.mark.parametrize("level", Level)
def test_alpha_says_nothing_where_nothing_can_be_said(table: list[list[float]], level: Level) -> None:
    assert krippendorff_alpha(votes_of(table), level) is None


def test_intraclass_correlation_is_shrout_and_fleiss_own() -> None:
    found = intraclass_correlation(votes_of(SHROUT_FLEISS))

    assert found is not None
    assert (found.single, found.average, found.k) == pytest.approx((0.17, 0.44, 4), abs=0.005)


def test_intraclass_correlation_allows_unequal_numbers_of_ratings() -> None:
    # True values with variance 4, errors with variance 1: a single rating's reliability is 0.8.
    generator = np.random.default_rng(2)
    counts = generator.integers(2, 9, 3000)
    item = np.repeat(np.arange(3000), counts)
    value = generator.normal(0, 2, 3000)[item] + generator.normal(0, 1, len(item))

    found = intraclass_correlation(Votes(item, np.arange(len(item)), value, 3000, len(item)))

    assert found is not None
    assert found.single == pytest.approx(0.8, abs=0.01)
    assert 2 < found.k < 8


def test_intraclass_correlation_needs_more_than_one_rating_an_item() -> None:
    assert intraclass_correlation(votes_of([[1], [2], [3]])) is None


@pytest.mark.parametrize("is_identified", [True, False])
def test_split_half_finds_the_reliability_of_the_mean(is_identified: bool) -> None:
    # Ten ratings with errors as large as the true spread: the mean's reliability is 10 / 11, a half's 5 / 6.
    generator = np.random.default_rng(3)
    item, rater = np.divmod(np.arange(20_000), 10)
    value = generator.normal(0, 1, 2000)[item] + generator.normal(0, 1, 20_000)
    votes = Votes(item, rater, value, 2000, 10)
    identified = np.full(10, is_identified)

    assert half_correlation(votes, identified) == pytest.approx(5 / 6, abs=0.015)
    assert split_half(votes, identified) == pytest.approx(10 / 11, abs=0.01)
    assert split_half(votes, identified) == split_half(votes, identified)


def test_split_half_needs_two_raters() -> None:
    assert split_half(votes_of([[1], [2], [3], [4]]), np.array([True])) is None
