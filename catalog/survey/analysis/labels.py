"""What the analysis page calls things."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import SurveyResult
from catalog.models.survey import AgeBand, Sex
from catalog.services.rater_groups import RaterGroup

# In the order they are shown; each -1 or 0 to 1.
MEASURES: dict[str, Promise] = {
    "alpha_nominal": gettext_lazy("Krippendorff's alpha, nominal"),
    "alpha_ordinal": gettext_lazy("Krippendorff's alpha, ordinal"),
    "alpha_interval": gettext_lazy("Krippendorff's alpha, interval"),
    "split_half": gettext_lazy("split-half reliability (Spearman-Brown)"),
    "icc_1": gettext_lazy("intraclass correlation of one rating, ICC(1)"),
    "icc_1_k": gettext_lazy("intraclass correlation of the mean, ICC(1,k)"),
}


@dataclass(frozen=True, slots=True)
class GroupLine:
    label: str
    group: RaterGroup


def group_lines(result: SurveyResult, part: str) -> list[GroupLine]:
    names = {"age_band": dict(AgeBand.choices), "sex": dict(Sex.choices)}
    not_said = {"age_band": _("age not said"), "sex": _("sex not said")}
    groups = [RaterGroup(**values) for values in result.groups.get(part, [])]
    return [
        GroupLine(str(names[group.by].get(group.value, group.value)) if group.value else not_said[group.by], group)
        for group in groups
    ]


def measures(result: SurveyResult, part: str) -> list[tuple[str, float]]:
    """What is known of how far the raters agree."""
    known = result.agreement.get(part, {})
    return [(str(label), known[name]) for name, label in MEASURES.items() if known.get(name) is not None]
