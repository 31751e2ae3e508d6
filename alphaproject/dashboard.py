"""The back office's first page: what happened in the last month, what waits, and what answers.

What it costs does not grow with the tables: outcomes are counted by day, queues only as far as is shown, and of the
surveys only the open ones are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import Least
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django_tasks_db.models import DBTaskResult

import catalog.selectors
from catalog.models import ImageLabel, Survey, SurveyImage
from catalog.models.labels import LabelState
from classification.models import DailyCount
from inference.models import ModelName, ModelRelease

DAYS = 30
TASK_DAYS = 7
_SURVEYS_SHOWN = 5
# Longer queues are shown as "more than".
_COUNTED_AT_MOST = 1000

_REASONS: dict[str, Promise] = {
    "no_face": _("no face"),
    "multiple_faces": _("several faces"),
    "face_too_small": _("face too small"),
    "face_cut_off": _("face cut off"),
    "face_covered": _("face covered"),
    "face_turned_away": _("face turned away"),
    "parts_not_found": _("parts not found"),
    "too_dark": _("too dark"),
    "too_blurry": _("too blurry"),
    "under_age": _("too young"),
    "invalid_image": _("damaged file"),
    "photo_too_large": _("file too large"),
    "unsupported_image": _("no photo, or of another format"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a chart and of the table beside it. share: percent of `whole`, for its length."""

    label: str
    value: int
    share: float

    @property
    def number(self) -> str:
        return number_format(self.value, force_grouping=True)

    @property
    def percent(self) -> str:
        return f"{self.share:.0f}"


@dataclass(frozen=True, slots=True)
class Day:
    """classified_share, refused_share: percent of the busiest day's photos."""

    day: date
    classified: int
    refused: int
    classified_share: float
    refused_share: float


@dataclass(frozen=True, slots=True)
class Activity:
    """The last DAYS days. days: oldest first."""

    classified: str
    refused: str
    refused_percent: str
    days: list[Day]
    types: list[Bar]
    reasons: list[Bar]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queue: how many wait, as text, and where to go on with it."""

    title: str
    count: str
    url: str
    is_empty: bool


@dataclass(frozen=True, slots=True)
class SurveyProgress:
    title: str
    url: str
    bar: Bar
    wanted: str


@dataclass(frozen=True, slots=True)
class ModelInUse:
    name: str
    version: str
    since: Any


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's callback for the first page: each section for those who may see what it sums up."""
    may = request.user.has_perm
    context["title"] = _("Dashboard")
    context["dashboard"] = {
        "days": DAYS,
        "activity": activity() if may("classification.view_classification") else None,
        "waiting": list(_waiting(may)),
        "surveys": survey_progress() if may("catalog.view_survey") else [],
        "models": models_in_use() if may("inference.view_modelrelease") else [],
    }
    return context


def activity() -> Activity:
    """Two queries, over at most a month of counts."""
    today = timezone.localdate()
    since = today - timedelta(days=DAYS - 1)
    counts = (
        DailyCount.objects.filter(day__gte=since).values_list("day", "outcome").annotate(total=Sum("count")).order_by()
    )
    types = catalog.selectors.face_types()
    type_codes = {face_type.code for face_type in types}
    classified: Counter[date] = Counter()
    refused: Counter[date] = Counter()
    outcomes: Counter[str] = Counter()
    for day, outcome, total in counts:
        (classified if outcome in type_codes else refused)[day] += total
        outcomes[outcome] += total
    busiest = max((classified[day] + refused[day] for day in {*classified, *refused}), default=0) or 1
    days = [since + timedelta(days=number) for number in range(DAYS)]
    reasons = {outcome: total for outcome, total in outcomes.most_common() if outcome not in type_codes}
    language = get_language() or ""
    return Activity(
        classified=number_format(classified.total(), force_grouping=True),
        refused=number_format(refused.total(), force_grouping=True),
        refused_percent=f"{_share(refused.total(), classified.total() + refused.total()):.1f}",
        days=[
            Day(day, classified[day], refused[day], _share(classified[day], busiest), _share(refused[day], busiest))
            for day in days
        ],
        types=_bars((face_type.name(language), outcomes[face_type.code]) for face_type in types),
        reasons=_bars((str(_REASONS.get(reason, reason)), total) for reason, total in reasons.items()),
    )


def open_reviews() -> tuple[str, bool]:
    """How many labels wait for a curator, as text, and whether none does."""
    return _count(ImageLabel.objects.filter(state__in=[LabelState.PROPOSED, LabelState.DISPUTED]))


def survey_progress() -> list[SurveyProgress]:
    """Of the surveys that take ratings now, the newest first: ratings given of those wanted, an image at most its
    share."""
    surveys = list(Survey.objects.open().order_by("-opens_at", "-pk")[:_SURVEYS_SHOWN])
    images = SurveyImage.objects.filter(survey__in=surveys).values("survey").order_by()
    sums = images.annotate(
        images=Count("pk"), given=Sum(Least(F("rating_count"), F("survey__ratings_wanted")))
    ).values_list("survey", "images", "given")
    counted = {survey: (images, given) for survey, images, given in sums}
    return [_progress(survey, *counted.get(survey.pk, (0, 0))) for survey in surveys]


def _progress(survey: Survey, images: int, given: int) -> SurveyProgress:
    wanted = images * survey.ratings_wanted
    return SurveyProgress(
        title=str(survey),
        url=reverse("admin:catalog_survey_change", args=[survey.pk]),
        bar=Bar(str(survey), given, _share(given, wanted)),
        wanted=number_format(wanted, force_grouping=True),
    )


def models_in_use() -> list[ModelInUse]:
    active = {release.name: release for release in ModelRelease.objects.active().defer("manifest")}
    return [
        ModelInUse(
            str(name.label),
            active[name].version if name in active else str(_("the packaged weights")),
            active[name].activated_at if name in active else None,
        )
        for name in ModelName
    ]


def _waiting(may: Any) -> Iterable[Waiting]:
    if may("catalog.view_imagelabel"):
        count, is_empty = open_reviews()
        url = reverse("admin:catalog_imagelabel_changelist")
        yield Waiting(str(_("Open reviews")), count, url, is_empty)
    if may("django_tasks_database.view_dbtaskresult"):
        since = timezone.now() - timedelta(days=TASK_DAYS)
        count, is_empty = _count(DBTaskResult.objects.failed().filter(finished_at__gte=since))
        url = reverse("admin:django_tasks_database_dbtaskresult_changelist")
        title = _("Background tasks failed in %(days)d days") % {"days": TASK_DAYS}
        yield Waiting(title, count, f"{url}?status__exact=FAILED", is_empty)


def _count(rows: QuerySet[Any]) -> tuple[str, bool]:
    count = rows.order_by()[: _COUNTED_AT_MOST + 1].count()
    return (f"> {_COUNTED_AT_MOST}" if count > _COUNTED_AT_MOST else str(count)), count == 0


def _bars(rows: Iterable[tuple[str, int]]) -> list[Bar]:
    kept = list(rows)
    whole = sum(value for _label, value in kept)
    return [Bar(label, value, _share(value, whole)) for label, value in kept]


def _share(value: int, whole: int) -> float:
    return 100 * value / whole if whole else 0.0
