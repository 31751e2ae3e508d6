"""What the survey page says of the sample, computed again from the study's ratings."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from catalog.services.aggregation import Votes
from catalog.services.agreement import (
    Level,
    half_correlation,
    intraclass_correlation,
    krippendorff_alpha,
    spearman_brown,
)
from catalog.survey.sample import SAMPLE_SURVEY

SURVEY = Path(settings.BASE_DIR).parent / "shared" / "data" / "survey"


def ratings_of_men() -> Votes:
    with (SURVEY / "omi_means.csv").open(newline="") as file:
        # The data folder's rule for an adult man.
        men = {row["stimulus"] for row in csv.DictReader(file) if float(row["gender"]) > 55 and float(row["age"]) >= 18}
    items: dict[str, int] = {}
    given: Counter[int] = Counter()
    ratings: list[tuple[int, int, float]] = []
    with (SURVEY / "omi_ratings.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["stimulus"] in men and (row["attribute"], row["rating_type"]) == ("attractive", "normal"):
                item = items.setdefault(row["stimulus"], len(items))
                # Nobody told the raters apart: an image's n-th ratings stand together.
                ratings.append((item, given[item], float(row["rating"])))
                given[item] += 1
    item, rater, value = (np.array(column) for column in zip(*ratings, strict=True))
    return Votes(item, rater, value, len(items), int(rater.max()) + 1)


@pytest.mark.skipif(not SURVEY.exists(), reason="the study's ratings are not here")
def test_numbers_of_the_sample_are_those_of_its_ratings() -> None:
    votes = ratings_of_men()
    icc = intraclass_correlation(votes)
    halves = half_correlation(votes, np.zeros(votes.raters, bool))

    assert (votes.items, len(votes.value)) == (SAMPLE_SURVEY.images, SAMPLE_SURVEY.ratings)
    assert icc
    assert halves
    computed = {
        "alpha_interval": krippendorff_alpha(votes, Level.INTERVAL),
        "icc_1": icc.single,
        "icc_1_k": icc.average,
        "split_half": spearman_brown(halves),
    }
    assert computed == pytest.approx(dict(SAMPLE_SURVEY.agreement), abs=0.002)
    assert halves == pytest.approx(SAMPLE_SURVEY.half_correlation, abs=0.002)
