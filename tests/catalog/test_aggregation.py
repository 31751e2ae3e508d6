"""Aggregation of ratings and the judgement of raters, against published values and known truths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catalog.services.aggregation import (
    ExclusionRule,
    Votes,
    dawid_skene,
    exclusions,
    leave_one_out_correlation,
    majority,
    mean_ratings,
    rank_correlation,
    rater_quality,
    repeat_difference,
    same_answer_share,
    t_quantiles,
)
from inference.survey_rule import survey_types, types_by_cut_points

# Dawid & Skene 1979, table 1: anaesthetists' grades 1 to 4 of 45 patients. A word a patient: three grades of the first
# observer, then one of each other observer.
ANAESTHETISTS = (
    "1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 "
    "2322223 4444444 2223343 1111111 2223212 1211111 1112111 1111111 1111111 "
    "2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 "
    "1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 "
    "2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222 "
)


def votes_of(item: list[int], rater: list[int], value: list[float]) -> Votes:
    return Votes(np.array(item, int), np.array(rater, int), np.array(value, float), max(item) + 1, max(rater) + 1)


@pytest.fixture
def anaesthetists() -> Votes:
    rows = [
        (patient, max(0, place - 2), float(grade))
        for patient, word in enumerate(ANAESTHETISTS.split())
        for place, grade in enumerate(word)
    ]
    item, rater, value = zip(*rows, strict=True)
    return votes_of(list(item), list(rater), list(value))


def plain_dawid_skene(votes: Votes, category: np.ndarray, categories: int, iterations: int) -> np.ndarray:
    """The paper's equations 2.3 to 2.5 written out, on the table of counts n[item, rater, category]: the posterior."""
    counts = np.zeros((votes.items, votes.raters, categories))
    np.add.at(counts, (votes.item, votes.rater, category), 1)
    posterior = counts.sum(axis=1) / counts.sum(axis=(1, 2))[:, None]
    for _ in range(iterations):
        prior = posterior.mean(axis=0)
        errors = np.einsum("ij,ikl->kjl", posterior, counts)
        errors /= errors.sum(axis=2, keepdims=True)
        likelihood = prior * np.prod(errors[None] ** counts[:, :, None, :], axis=(1, 3))
        posterior = likelihood / likelihood.sum(axis=1, keepdims=True)
    return posterior


def test_dawid_skene_finds_the_papers_estimates(anaesthetists: Votes) -> None:
    grades = anaesthetists.value.astype(int) - 1

    found = dawid_skene(anaesthetists, grades, 4)

    # Table 2 of the paper.
    assert found.prior == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    assert found.confusion.sum(axis=2) == pytest.approx(1)
    assert found.posterior == pytest.approx(plain_dawid_skene(anaesthetists, grades, 4, 200), abs=1e-3)


def test_dawid_skene_hears_the_good_raters_out() -> None:
    generator = np.random.default_rng(5)
    truth = generator.integers(0, 5, 400)
    item, rater = np.divmod(np.arange(400 * 9), 9)
    # Three raters err in a tenth of their answers; six answer by chance.
    right = generator.random(len(item)) < np.where(rater < 3, 0.9, 0.0)
    answers = np.where(right, truth[item], generator.integers(0, 5, len(item)))
    votes = Votes(item, rater, answers + 1.0, 400, 9)

    by_skill = dawid_skene(votes, answers, 5).posterior.argmax(axis=1)

    assert (by_skill == truth).mean() > 0.93
    assert (majority(votes).value - 1 == truth).mean() < 0.85


def test_means_have_students_intervals() -> None:
    votes = votes_of([0, 0, 0, 0, 1, 2, 2], [0, 1, 2, 3, 0, 0, 1], [2, 4, 4, 6, 7, 3, 3])

    found = mean_ratings(votes)

    assert found.value.tolist() == [4, 7, 3]
    assert found.count.tolist() == [4, 1, 2]
    # The standard error of 2, 4, 4 and 6 is 0.8165, the quantile 3.1824.
    assert (found.low[0], found.high[0]) == pytest.approx((1.4015, 6.5985), abs=1e-4)
    assert np.isnan(found.low[1])
    assert (found.low[2], found.high[2]) == (3, 3)


def test_students_quantiles_are_the_tables() -> None:
    freedom = np.array([1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 120, 100_000, 0])
    table = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3060, 2.2281, 2.0860, 2.0423, 1.9799, 1.9600, np.nan]

    assert t_quantiles(freedom) == pytest.approx(table, abs=3e-4, nan_ok=True)


def test_majority_takes_the_most_frequent_and_of_equals_the_nearest_to_the_mean() -> None:
    votes = votes_of([0] * 3 + [1] * 5 + [2] * 2, [0, 1, 2, 0, 1, 2, 3, 4, 0, 1], [1, 5, 5, 1, 1, 3, 3, 5, 2, 4])

    assert majority(votes).value.tolist() == [5, 3, 2]


def test_the_cut_points_leave_a_rating_on_a_point_in_the_lower_type() -> None:
    assert types_by_cut_points(np.array([90.0, 80, 79, 60, 41, 40, 0]), (80, 60, 40, 20)).tolist() == [
        0,
        1,
        1,
        2,
        2,
        3,
        4,
    ]
    with pytest.raises(ValueError, match="descending"):
        types_by_cut_points(np.array([1.0]), (80, 80, 40, 20))


@pytest.mark.parametrize("count", [0, 1, 4, 278])
def test_the_shares_give_every_face_one_type(count: int) -> None:
    types = survey_types(np.random.default_rng(0).random(count))

    assert len(types) == count
    assert np.bincount(types, minlength=5) == pytest.approx(
        np.array([0.218, 0.214, 0.225, 0.192, 0.152]) * count, abs=1
    )


@pytest.fixture
def crowd() -> Votes:
    """Forty raters of sixty items, who agree well: the sum of a true value and some noise, on 0 to 100."""
    generator = np.random.default_rng(7)
    item, rater = np.divmod(np.arange(60 * 40), 40)
    value = np.clip(generator.uniform(20, 80, 60)[item] + generator.normal(0, 8, len(item)), 0, 100)
    return Votes(item, rater, value.round(), 60, 40)


NO_GOLD = np.full(60, np.nan)
NO_REPEATS = Votes(np.array([], int), np.array([], int), np.array([]), 60, 40)


def judged(
    votes: Votes, rule: ExclusionRule, *, repeats: Votes = NO_REPEATS, gold: np.ndarray = NO_GOLD
) -> dict[str, list[int]]:
    found = exclusions(rater_quality(votes, repeats, gold, rule.gold_tolerance, 100), rule)
    return {reason.value: raters.tolist() for reason, raters in found.items() if len(raters)}


def changed(votes: Votes, rater: int, value: np.ndarray | float) -> Votes:
    values = votes.value.copy()
    values[votes.rater == rater] = value
    return replace(votes, value=values)


def test_attentive_raters_stay(crowd: Votes) -> None:
    assert judged(crowd, ExclusionRule()) == {}


def test_one_answer_to_everything_is_careless(crowd: Votes) -> None:
    assert judged(changed(crowd, 3, 50), ExclusionRule()) == {"same_answer": [3]}
    assert judged(changed(crowd, 3, 50), ExclusionRule(max_same_share=None)) == {}


def test_answers_by_chance_are_unreliable(crowd: Votes) -> None:
    by_chance = changed(crowd, 5, np.random.default_rng(0).integers(0, 101, 60).astype(float))
    reversed_scale = changed(crowd, 5, 100 - crowd.value[crowd.rater == 5])

    assert judged(by_chance, ExclusionRule(min_reliability=0.4)) == {"reliability": [5]}
    assert judged(reversed_scale, ExclusionRule()) == {"reliability": [5]}
    assert judged(reversed_scale, ExclusionRule(min_reliability=None)) == {}


def test_wrong_answers_to_known_questions_are_careless(crowd: Votes) -> None:
    gold = NO_GOLD.copy()
    gold[:4] = [90, 10, 90, 10]
    attentive = replace(crowd, value=np.where(crowd.item < 4, gold[crowd.item], crowd.value))
    values = attentive.value.copy()
    values[(crowd.rater == 8) & (crowd.item < 3)] = 50

    assert judged(attentive, ExclusionRule(), gold=gold) == {}
    assert judged(replace(attentive, value=values), ExclusionRule(), gold=gold) == {"gold": [8]}
    # 40 off is right where 40 is allowed.
    assert judged(replace(attentive, value=values), ExclusionRule(gold_tolerance=0.4), gold=gold) == {}


def test_repeats_far_from_the_first_answer_are_careless(crowd: Votes) -> None:
    repeated = np.isin(crowd.rater, [2, 9]) & (crowd.item < 6)
    repeats = crowd.where(repeated)
    shifted = np.where(repeats.rater == 9, (repeats.value + 50) % 100, repeats.value + 3)

    found = judged(crowd, ExclusionRule(), repeats=replace(repeats, value=shifted))

    assert found == {"repeats": [9]}
    assert repeat_difference(crowd, replace(repeats, value=shifted))[[2, 9, 0]] == pytest.approx(
        [3, 50, np.nan], nan_ok=True
    )


def test_few_answers_say_nothing_of_a_rater(crowd: Votes) -> None:
    straight = changed(crowd, 3, 50)
    few = straight.where((straight.rater != 3) | (straight.item < 9))

    assert judged(few, ExclusionRule()) == {}
    assert judged(few, ExclusionRule(min_ratings=9)) == {"same_answer": [3]}


def test_reliability_is_the_correlation_with_all_others() -> None:
    generator = np.random.default_rng(9)
    table = generator.integers(1, 8, (12, 5)).astype(float)
    item, rater = np.divmod(np.arange(60), 5)

    found = leave_one_out_correlation(Votes(item, rater, table.ravel(), 12, 5))

    others = [np.delete(table, column, axis=1).mean(axis=1) for column in range(5)]
    assert found == pytest.approx([np.corrcoef(table[:, n], others[n])[0, 1] for n in range(5)])


def test_measures_of_nobody_are_empty() -> None:
    nobody = Votes(np.array([], int), np.array([], int), np.array([]), 3, 2)

    assert np.isnan(same_answer_share(nobody)).all()
    assert np.isnan(leave_one_out_correlation(nobody)).all()
    assert np.isnan(repeat_difference(nobody, nobody)).all()
    assert np.isnan(mean_ratings(nobody).value).all()
    assert np.isnan(majority(nobody).value).all()


def test_rank_correlation_is_spearmans() -> None:
    # Ties take their mean rank: ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    assert rank_correlation(np.array([1.0, 5, 5, 9]), np.array([1.0, 2, 3, 4])) == pytest.approx(0.9486833)
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([9.0, 4, 1])) == pytest.approx(-1)
    assert rank_correlation(np.array([1.0, 1, 1]), np.array([1.0, 2, 3])) is None
