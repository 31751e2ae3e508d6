"""What everybody may know of how the types came about: the latest published result, without any rater or ranking.

Values of single celebrities are not among it: a public ranking of people by their looks would be unkind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from catalog.models import FaceType, SurveyResult
from catalog.models.labels import PART_CHOICES
from catalog.models.survey import Method, Scale
from catalog.services.survey_results import CutKind
from catalog.survey.analysis import figures, labels
from catalog.survey.analysis.figures import TypeShare
from catalog.survey.sample import SAMPLE_SURVEY
from inference.survey_rule import SURVEY_SHARES

# What fewer raters answered on average could be one person's answers.
FEWEST_RATERS = 10
_HISTOGRAM_BARS = 20
# In the histogram's own units, the gap between two bars included.
BAR_WIDTH = 10


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of agreement, -1 to 1."""

    name: str
    value: float

    @property
    def percent(self) -> float:
        """The length of its bar."""
        return round(100 * max(0.0, self.value), 1)


@dataclass(frozen=True, slots=True)
class Segment:
    """The images of one type in one bar. y, height: in percent of the highest bar, y down."""

    code: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The images whose values lie in one part of the scale. place: 0 for the worst values."""

    place: int
    segments: list[Segment]

    @property
    def x(self) -> int:
        return self.place * BAR_WIDTH


@dataclass(frozen=True, slots=True)
class GroupMean:
    """The mean answer of raters who said the same of themselves; low, mean, high in percent of the scale from worst."""

    name: str
    raters: int
    low: float
    mean: float
    high: float

    @property
    def width(self) -> float:
        return round(self.high - self.low, 1)


@dataclass(frozen=True, slots=True)
class Findings:
    """title, question: empty of the sample. raters: None where nobody told them apart. excluded: of the raters.

    parts: their names. shares: of the types among the images. measures, groups and histogram are of the first part.
    """

    title: str
    question: str
    scale: str
    parts: list[str]
    images: int
    ratings: int
    raters: int | None
    excluded: int
    method: str
    cut: str
    shares: list[TypeShare]
    measures: list[Measure]
    histogram: list[Bar]
    groups: list[GroupMean]

    @property
    def is_sample(self) -> bool:
        return not self.title

    @property
    def ratings_an_image(self) -> int:
        return round(self.ratings / self.images) if self.images else 0

    @classmethod
    def of_result(cls, result: SurveyResult) -> Self:
        survey, language = result.survey, get_language() or ""
        names = {part: str(name) for part, name in PART_CHOICES if part in result.agreement}
        first = next(iter(names))
        counts = result.agreement[first]
        scale = Scale(survey.scale)
        return cls(
            title=survey.title(language),
            question=survey.question(language),
            scale=str(scale.label),
            parts=list(names.values()),
            images=counts["images"],
            ratings=counts["ratings"],
            raters=counts["raters"],
            excluded=sum(len(raters) for raters in result.excluded.values()),
            method=_method_in_words(Method(result.method)),
            cut=_cut_in_words(result.parameters["cut"]),
            shares=figures.type_shares(result, first),
            measures=[Measure(name, value) for name, value in labels.measures(result, first)],
            histogram=_histogram(figures.value_histogram(result, first, bars=_HISTOGRAM_BARS)),
            groups=_groups(result, first, scale),
        )

    @classmethod
    def of_sample(cls) -> Self:
        known = SAMPLE_SURVEY.agreement
        return cls(
            title="",
            question="",
            scale=str(Scale.PERCENT.label),
            parts=[str(dict(PART_CHOICES)["whole_face"])],
            images=SAMPLE_SURVEY.images,
            ratings=SAMPLE_SURVEY.ratings,
            raters=None,
            excluded=0,
            method=_method_in_words(Method.MEAN),
            cut=_cut_in_words({"kind": CutKind.SHARES, "values": SURVEY_SHARES}),
            shares=_shares_of_rule(),
            measures=[Measure(str(label), known[name]) for name, label in labels.MEASURES.items() if name in known],
            histogram=[],
            groups=[],
        )


def findings() -> Findings:
    """Of the result that was published last; of the sample where none is."""
    published = SurveyResult.objects.filter(published_at__isnull=False).select_related("survey")
    result = published.order_by("-published_at", "-pk").first()
    return Findings.of_result(result) if result and result.agreement else Findings.of_sample()


def _method_in_words(method: Method) -> str:
    return {
        Method.MEAN: _("A picture’s value is the mean of its ratings."),
        Method.MAJORITY: _("A picture’s value is the answer that most raters gave."),
        Method.DAWID_SKENE: _(
            "A picture’s value is an estimate in which raters who err often count less (Dawid and Skene 1979)."
        ),
    }[method]


def _cut_in_words(cut: dict[str, Any]) -> str:
    match CutKind(cut["kind"]):
        case CutKind.SHARES:
            return _(
                "All pictures are ranked by their values, and the ranking is cut by shares: how many faces belong to "
                "each type was asked as well."
            )
        case CutKind.POINTS:
            return _("Four fixed values divide the scale into the five types.")
    return _("The raters’ own answer is the type.")


def _shares_of_rule() -> list[TypeShare]:
    language, total = get_language() or "", sum(SURVEY_SHARES)
    return [
        TypeShare(each.code, each.letter, each.name(language), count=0, share=share / total)
        for each, share in zip(FaceType.objects.best_first(), SURVEY_SHARES, strict=False)
    ]


def _histogram(bars: Sequence[dict[str, int]]) -> list[Bar]:
    highest = max((sum(types.values()) for types in bars), default=0)
    return [Bar(place, _segments(types, highest)) for place, types in enumerate(bars)] if highest else []


def _segments(types: dict[str, int], highest: int) -> list[Segment]:
    segments, top = [], 100.0
    for code, count in sorted(types.items()):
        height = 100 * count / highest
        top -= height
        segments.append(Segment(code, round(top, 2), round(height, 2)))
    return segments


def _groups(result: SurveyResult, part: str, scale: Scale) -> list[GroupMean]:
    def place(value: float) -> float:
        return round(min(100.0, max(0.0, scale.as_percent(value))), 1)

    shown = []
    for line in labels.group_lines(result, part):
        group = line.group
        if group.raters >= FEWEST_RATERS and group.low is not None and group.high is not None:
            low, high = sorted((place(group.low), place(group.high)))
            shown.append(GroupMean(line.label, group.raters, low, place(group.mean), high))
    return shown
