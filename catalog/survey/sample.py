"""The survey that the sample models learned from, for installations that have published none of their own.

Peterson, Uddenberg, Griffiths, Todorov and Suchow 2022, "Deep models of superficial face judgments",
doi:10.1073/pnas.2115228119: people on the web moved a slider from 0 to 100. Numbers are of the 278 adult men among the
images that the sample models were trained with, by `benchmarks/survey_import.py --data DIR`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The set of images, as the cards of models trained on it name it.
SAMPLE_SET = "faces/omi"
SAMPLE_SOURCE = "https://doi.org/10.1073/pnas.2115228119"


@dataclass(frozen=True, slots=True)
class SampleSurvey:
    """agreement: the measures of labels.MEASURES. half_correlation: of the mean ratings by two halves of the raters."""

    images: int
    ratings: int
    agreement: Mapping[str, float]
    half_correlation: float

    @property
    def ratings_an_image(self) -> int:
        return round(self.ratings / self.images)


SAMPLE_SURVEY = SampleSurvey(
    images=278,
    ratings=8673,
    agreement={"alpha_interval": 0.150, "icc_1": 0.150, "icc_1_k": 0.846, "split_half": 0.848},
    half_correlation=0.735,
)
