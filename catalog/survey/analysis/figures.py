"""What the analysis page shows of a frozen result: read from its rows, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TypeVar

from django.core.cache import cache
from django.db.models import Avg, Count, F, FloatField, IntegerField, Max, Min, QuerySet, Sum, Value
from django.db.models.expressions import ExpressionWrapper
from django.db.models.functions import Floor
from django.utils.translation import get_language

from catalog.models import Celebrity, FaceType, Rater, Survey, SurveyImage, SurveyResult, SurveyResultRow
from catalog.models.survey import Method, Scale

_Z = NormalDist().inv_cdf(0.975)
# A result never changes; but an image may be given to another celebrity, which shows after so many seconds at most.
_CACHED = 600

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SurveyCounts:
    """images: in the survey. answers: first ratings of its first part. raters: who joined."""

    images: int
    answers: int
    raters: int


@dataclass(frozen=True, slots=True)
class TypeShare:
    """share: of the images that have a type, 0 to 1."""

    code: str
    letter: str
    name: str
    count: int
    share: float

    @property
    def percent(self) -> float:
        return 100 * self.share


@dataclass(frozen=True, slots=True)
class Ranked:
    """A celebrity, or an image of nobody in the catalogue. name_en: for pictures drawn without a Korean font.

    value: mean of the images' values; low, high: its 95 % interval as far as raters differ, not the choice of images.
    """

    place: int
    name: str
    name_en: str
    images: int
    ratings: int
    value: float
    low: float | None
    high: float | None


def survey_counts(survey: Survey) -> SurveyCounts:
    images = SurveyImage.objects.filter(survey=survey).aggregate(images=Count("pk"), answers=Sum("rating_count"))
    raters = Rater.objects.filter(survey=survey).count()
    return SurveyCounts(images=images["images"], answers=images["answers"] or 0, raters=raters)


def rows_of(result: SurveyResult, part: str) -> QuerySet[SurveyResultRow]:
    return SurveyResultRow.objects.filter(result=result, part=part)


def type_shares(result: SurveyResult, part: str) -> list[TypeShare]:
    """All five types, best first."""
    counts = _frozen(
        f"types:{result.pk}:{part}",
        lambda: dict(rows_of(result, part).order_by().values_list("face_type").annotate(count=Count("pk"))),
    )
    types = list(FaceType.objects.best_first())
    typed = sum(counts.get(face_type.pk, 0) for face_type in types)
    language = get_language() or ""
    return [
        TypeShare(
            code=face_type.code,
            letter=face_type.letter,
            name=face_type.name(language),
            count=counts.get(face_type.pk, 0),
            share=counts.get(face_type.pk, 0) / typed if typed else 0.0,
        )
        for face_type in types
    ]


def value_histogram(result: SurveyResult, part: str, *, bars: int) -> list[dict[str, int]]:
    """How many images have values in each of `bars` equal parts of the scale, worst first, by type's code."""
    scale = Scale(result.survey.scale)
    worst, best = (scale.lowest, scale.highest)[:: scale.direction]
    place = Floor((F("value") - Value(worst)) * bars / (best - worst), output_field=IntegerField())
    counted = rows_of(result, part).order_by().values_list(place, "face_type__code").annotate(count=Count("pk"))
    found = _frozen(f"histogram:{result.pk}:{part}:{bars}", lambda: list(counted))
    histogram: list[dict[str, int]] = [{} for _bar in range(bars)]
    for bar, code, count in found:
        # The best value of all belongs to the last bar.
        types = histogram[min(int(bar), bars - 1)]
        types[code] = types.get(code, 0) + count
    return histogram


def ranking(result: SurveyResult, part: str, *, offset: int = 0, limit: int | None = None) -> list[Ranked]:
    """Best first: celebrities; where the result is about no picture of the catalogue, its images."""
    end = None if limit is None else offset + limit
    with_picture = rows_of(result, part).filter(survey_image__image__isnull=False)
    if not with_picture.exists():
        rows = rows_of(result, part).order_by("rank").select_related("survey_image")[offset:end]
        return [_ranked_image(row) for row in rows]
    variance = ExpressionWrapper(F("spread") * F("spread") / F("count"), output_field=FloatField())
    direction = Scale(result.survey.scale).direction
    celebrities = (
        with_picture.order_by()
        .values(celebrity=F("survey_image__image__celebrity"))
        .annotate(
            mean=Avg("value"),
            images=Count("pk"),
            ratings=Sum("count"),
            variance=Sum(variance),
            with_spread=Count("spread"),
            low=Min("low"),
            high=Max("high"),
        )
        .order_by("-mean" if direction > 0 else "mean", "celebrity")[offset:end]
    )
    found = _frozen(f"ranking:{result.pk}:{part}:{offset}:{end}", lambda: list(celebrities))
    names = Celebrity.objects.in_bulk({row["celebrity"] for row in found})
    language = get_language() or ""
    scale, is_mean = Scale(result.survey.scale), result.method == Method.MEAN
    ranked = []
    for place, row in enumerate(found, start=offset + 1):
        low, high = (row["low"], row["high"]) if row["images"] == 1 else (None, None)
        if row["images"] > 1 and is_mean and row["with_spread"] == row["images"]:
            margin = _Z * sqrt(row["variance"]) / row["images"]
            low, high = max(scale.lowest, row["mean"] - margin), min(scale.highest, row["mean"] + margin)
        # Deleted since.
        if (celebrity := names.get(row["celebrity"])) is None:
            continue
        ranked.append(
            Ranked(
                place=place,
                name=celebrity.name(language),
                name_en=celebrity.name_en,
                images=row["images"],
                ratings=row["ratings"],
                value=row["mean"],
                low=low,
                high=high,
            )
        )
    return ranked


def _ranked_image(row: SurveyResultRow) -> Ranked:
    key = row.survey_image.key
    return Ranked(row.rank, key, key, 1, row.count, row.value, row.low, row.high)


def disagreement(result: SurveyResult, part: str, *, limit: int) -> list[SurveyResultRow]:
    """The images that raters differ most about, first."""
    # Ids alone are sorted in memory, whole rows would be on the disk.
    chosen = rows_of(result, part).filter(spread__isnull=False).order_by("-spread", "rank").values_list("pk", flat=True)
    ids = _frozen(f"disagreement:{result.pk}:{part}:{limit}", lambda: list(chosen[:limit]))
    rows = SurveyResultRow.objects.select_related("survey_image__image__celebrity", "face_type").in_bulk(ids)
    return [rows[pk] for pk in ids]


def _frozen(name: str, read: Callable[[], T]) -> T:
    """What a frozen result's many rows come to, summed up once in a while."""
    key = f"survey-analysis:{name}"
    if (found := cache.get(key)) is None:
        found = read()
        cache.set(key, found, _CACHED)
    known: T = found
    return known
