"""How the survey was done that the types come from."""

from __future__ import annotations

from typing import Any

from catalog.survey.findings import FEWEST_RATERS, findings
from catalog.survey.sample import SAMPLE_SET, SAMPLE_SOURCE, SAMPLE_SURVEY
from classification.pages.about.page import AboutPage
from inference.models import ModelRelease


class SurveyView(AboutPage):
    template_name = "about/survey.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            survey=findings(),
            fewest_raters=FEWEST_RATERS,
            # The model may be another one by now, whose survey nobody published here.
            learned_from_sample=SAMPLE_SET in ModelRelease.objects.cards_in_use()["types"].sets,
            sample_source=SAMPLE_SOURCE,
            halves_agree=SAMPLE_SURVEY.half_correlation,
            **kwargs,
        )
