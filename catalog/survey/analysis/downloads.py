"""The analysis page's numbers, as tables to download."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from catalog.models import SurveyResult
from catalog.survey.analysis.figures import ranking, rows_of, type_shares
from catalog.survey.analysis.labels import MEASURES, group_lines

Row = Iterable[object]


def _types(result: SurveyResult, part: str) -> Iterator[Row]:
    yield ("type", "images", "share")
    for share in type_shares(result, part):
        yield (share.code, share.count, round(share.share, 6))


def _ranking(result: SurveyResult, part: str) -> Iterator[Row]:
    yield ("place", "name", "images", "ratings", "value", "low_95", "high_95")
    for one in ranking(result, part):
        yield (one.place, one.name, one.images, one.ratings, one.value, one.low, one.high)


_IMAGE_COLUMNS = {
    "rank": "rank",
    "image": "survey_image__key",
    "celebrity_ko": "survey_image__image__celebrity__name_ko",
    "celebrity_en": "survey_image__image__celebrity__name_en",
    "part": "part",
    "type": "face_type__code",
    "value": "value",
    "low_95": "low",
    "high_95": "high",
    "spread": "spread",
    "ratings": "count",
}


def _images(result: SurveyResult, part: str) -> Iterator[Row]:
    yield tuple(_IMAGE_COLUMNS)
    # Values, not objects: there can be a hundred thousand of them.
    yield from rows_of(result, part).order_by("rank").values_list(*_IMAGE_COLUMNS.values()).iterator(chunk_size=5000)


def _groups(result: SurveyResult, part: str) -> Iterator[Row]:
    yield ("by", "group", "raters", "ratings", "mean", "low_95", "high_95", "rank_correlation_with_others")
    for line in group_lines(result, part):
        group = line.group
        yield (group.by, group.value, group.raters, group.ratings, group.mean, group.low, group.high, group.correlation)


def _agreement(result: SurveyResult, part: str) -> Iterator[Row]:
    yield ("measure", "value")
    known = result.agreement.get(part, {})
    for name in (*MEASURES, "half_correlation", "k", "ratings", "raters", "images"):
        yield (name, known.get(name))


TABLES: dict[str, Callable[[SurveyResult, str], Iterator[Row]]] = {
    "types": _types,
    "ranking": _ranking,
    "images": _images,
    "groups": _groups,
    "agreement": _agreement,
}
