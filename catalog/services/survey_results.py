"""Results of surveys: made from the ratings and frozen, compared, published as labels, and taken back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.errors import (
    InvalidCut,
    LabelsChanged,
    MethodNeedsCategories,
    NoRatings,
    NothingToCompare,
    NothingToPublish,
    ResultNotPublished,
    ResultPublished,
)
from catalog.models import FaceType, Rater, Survey, SurveyImage, SurveyResult, SurveyResultRow
from catalog.models.labels import LabelSource
from catalog.models.survey import Method, Scale
from catalog.ratings import PARTS, SurveyRatings, ratings_read
from catalog.services.aggregation import (
    Estimates,
    ExclusionReason,
    ExclusionRule,
    Floats,
    Ints,
    Votes,
    dawid_skene,
    exclusions,
    majority,
    mean_ratings,
    rank_correlation,
    rater_quality,
    standard_deviations,
)
from catalog.services.agreement import (
    Level,
    half_correlation,
    intraclass_correlation,
    krippendorff_alpha,
    spearman_brown,
)
from catalog.services.labels import PartKey, PartState, part_labels_restore, part_labels_set_types
from catalog.services.rater_groups import rater_groups
from inference.survey_rule import SURVEY_SHARES, survey_types, types_by_cut_points

_ROWS_AT_ONCE = 1000
_MOVED_SHOWN = 20
_KEYS_NAMED = 5
TYPE_COUNT = len(SURVEY_SHARES)


class CutKind(StrEnum):
    """How values become types.

    SHARES: the ranking is cut by shares of the types, the source's rule. POINTS: by four fixed values.
    CATEGORY: the raters' own answer is the type; of the five types only.
    """

    SHARES = "shares"
    POINTS = "points"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True)
class Cut:
    """values: five shares, best type first, of any sum; or four points on the survey's scale, the best type's first."""

    kind: CutKind
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """published: parts that got their types. without_picture: parts of images that the catalogue does not have."""

    published: int
    without_picture: int


@dataclass(frozen=True, slots=True)
class Move:
    """One image in two results; types are those of FaceType, ranks begin at 1."""

    key: str
    first_type: FaceType | None
    second_type: FaceType | None
    first_rank: int
    second_rank: int

    @property
    def steps(self) -> int:
        """How many types apart; 0 where one of them is missing."""
        return abs(self.first_type.rank - self.second_type.rank) if self.first_type and self.second_type else 0


@dataclass(frozen=True, slots=True)
class PartComparison:
    """One part in two results. images: in both. rank_correlation: Spearman's. equal_share: of the types, 0 to 1.

    moved: the images that moved most, by types, then by ranks.
    """

    part: str
    images: int
    rank_correlation: float | None
    equal_share: float
    moved: tuple[Move, ...]


# --- Making ---


def shares_of(survey: Survey) -> tuple[float, ...]:
    """The survey's own shares, or the rule's; best type first."""
    return tuple(survey.shares or SURVEY_SHARES)


def result_create(
    *,
    survey: Survey,
    method: Method = Method.MEAN,
    cut: Cut | None = None,
    exclusion: ExclusionRule | None = None,
    created_by: User | None = None,
) -> SurveyResult:
    """Aggregate a survey's ratings as they are now, and freeze what comes out.

    cut: by the survey's shares where there is none. exclusion: ExclusionRule() where there is none.
    Images with a known answer test raters and get no type.
    Raises NoRatings, MethodNeedsCategories and InvalidCut.
    """
    scale = Scale(survey.scale)
    cut = cut or Cut(CutKind.SHARES, shares_of(survey))
    rule = exclusion or ExclusionRule()
    _check(scale, method, cut)
    ratings = ratings_read(survey)
    quality = rater_quality(
        ratings.votes_of_all_parts(),
        ratings.votes_of_all_parts(repeats=True),
        np.repeat(ratings.gold, len(PARTS)),
        rule.gold_tolerance,
        scale.highest - scale.lowest,
    )
    # Nothing can be said of raters whom nobody told apart.
    quality = replace(quality, count=np.where(ratings.identified, quality.count, 0))
    excluded = exclusions(quality, rule)
    dropped = np.concatenate([np.array([], np.int64), *excluded.values()])
    kept = ~np.isin(ratings.rater, dropped)
    votes = {part: ratings.votes(part, kept) for part in survey.parts}
    votes = {part: of_part for part, of_part in votes.items() if len(of_part.value)}
    if not votes:
        raise NoRatings(_("This survey has no ratings to make a result of, or all its raters are excluded."))
    result = SurveyResult(
        survey=survey,
        method=method,
        parameters={"cut": asdict(cut), "exclusion": asdict(rule)},
        excluded={reason: ratings.rater_ids[raters].tolist() for reason, raters in excluded.items() if len(raters)},
        data_hash=ratings.hash(),
        rating_count=sum(len(of_part.value) for of_part in votes.values()),
        rater_count=len(np.unique(np.concatenate([of_part.rater for of_part in votes.values()]))),
        agreement={part: _agreement(of_part, ratings, scale) for part, of_part in votes.items()},
        groups={
            part: [asdict(group) for group in rater_groups(of_part, age_bands=ratings.age_bands, sexes=ratings.sexes)]
            for part, of_part in votes.items()
        },
        created_by=created_by,
    )
    types = list(FaceType.objects.best_first())
    reliability = np.where(ratings.identified, quality.reliability, np.nan)
    with transaction.atomic():
        result.save(force_insert=True)
        for part, of_part in votes.items():
            SurveyResultRow.objects.bulk_create(
                _rows(result, part, _rank(of_part, scale, method, cut), ratings, types), batch_size=_ROWS_AT_ONCE
            )
        _note_raters(ratings, reliability, excluded)
    return result


def _check(scale: Scale, method: Method, cut: Cut) -> None:
    if method is not Method.MEAN and not scale.has_categories:
        raise MethodNeedsCategories(
            _("Ratings from 0 to 100 have no categories to count. Use their mean, or another survey's scale.")
        )
    if cut.kind is CutKind.CATEGORY and (scale is not Scale.TYPES or method is Method.MEAN):
        raise InvalidCut(
            _("Only the majority and Dawid-Skene, in a survey that asks for the types, give a type themselves.")
        )
    if cut.kind is CutKind.SHARES and (
        len(cut.values) != TYPE_COUNT or min(cut.values) < 0 or not 0 < sum(cut.values) < np.inf
    ):
        raise InvalidCut(_("Give five shares, none of them negative, best type first."))
    if cut.kind is CutKind.POINTS:
        points = scale.direction * np.array(cut.values)
        if len(points) != TYPE_COUNT - 1 or not (np.diff(points) < 0).all():
            raise InvalidCut(_("Give four cut points on the survey's scale, from the best type to the last."))


@dataclass(frozen=True, slots=True)
class _Ranking:
    """items: the rated ones, best first. types: 0 (best) to 4, one for each of them. spread (I,): of the ratings."""

    items: Ints
    types: Ints
    estimates: Estimates
    spread: Floats


def _rank(votes: Votes, scale: Scale, method: Method, cut: Cut) -> _Ranking:
    means = mean_ratings(votes)
    estimates, category = _estimate(votes, scale, method, means)
    rated = np.flatnonzero(means.count > 0)
    goodness = scale.direction * estimates.value[rated]
    # Of equal values the better mean ranks higher, then the first key.
    order = np.lexsort((-scale.direction * means.value[rated], -goodness))
    items, goodness = rated[order], goodness[order]
    match cut.kind:
        case CutKind.SHARES:
            types = survey_types(-np.arange(len(items), dtype=float), cut.values)
        case CutKind.POINTS:
            types = types_by_cut_points(goodness, [scale.direction * point for point in cut.values])
        case CutKind.CATEGORY:
            types = category[items]
    return _Ranking(items, types, estimates, standard_deviations(votes))


def _estimate(votes: Votes, scale: Scale, method: Method, means: Estimates) -> tuple[Estimates, Ints]:
    """One value an item, and the category it is in, counted from the scale's lowest."""
    match method:
        case Method.MEAN:
            low, high = (np.clip(bound, scale.lowest, scale.highest) for bound in (means.low, means.high))
            return replace(means, low=low, high=high), np.zeros(votes.items, np.int64)
        case Method.MAJORITY:
            found = majority(votes)
            return found, (np.nan_to_num(found.value, nan=scale.lowest) - scale.lowest).astype(np.int64)
    categories = np.arange(scale.lowest, scale.highest + 1)
    posterior = dawid_skene(votes, (votes.value - scale.lowest).astype(np.int64), len(categories)).posterior
    none = np.full(votes.items, np.nan)
    return Estimates(posterior @ categories, none, none, means.count), posterior.argmax(axis=1)


def _rows(
    result: SurveyResult, part: str, ranking: _Ranking, ratings: SurveyRatings, types: list[FaceType]
) -> list[SurveyResultRow]:
    estimates = ranking.estimates
    return [
        SurveyResultRow(
            result=result,
            survey_image_id=int(ratings.image_ids[item]),
            part=part,
            value=float(estimates.value[item]),
            low=_number(estimates.low[item]),
            high=_number(estimates.high[item]),
            spread=_number(ranking.spread[item]),
            count=int(estimates.count[item]),
            rank=rank,
            face_type=types[face_type],
        )
        for rank, (item, face_type) in enumerate(zip(ranking.items, ranking.types, strict=True), start=1)
    ]


def _agreement(votes: Votes, ratings: SurveyRatings, scale: Scale) -> dict[str, float | None]:
    icc = intraclass_correlation(votes)
    half = half_correlation(votes, ratings.identified)
    nominal = krippendorff_alpha(votes, Level.NOMINAL) if scale.has_categories else None
    return {
        "ratings": len(votes.value),
        "raters": len(np.unique(votes.rater)),
        "images": len(np.unique(votes.item)),
        "alpha_nominal": nominal,
        "alpha_ordinal": krippendorff_alpha(votes, Level.ORDINAL),
        "alpha_interval": krippendorff_alpha(votes, Level.INTERVAL),
        "icc_1": icc.single if icc else None,
        "icc_1_k": icc.average if icc else None,
        "k": icc.k if icc else None,
        "half_correlation": half,
        "split_half": None if half is None else _number(spearman_brown(half)),
    }


def _note_raters(ratings: SurveyRatings, reliability: Floats, excluded: Mapping[ExclusionReason, Ints]) -> None:
    reasons = {int(rater): reason.value for reason, raters in excluded.items() for rater in raters}
    raters = [
        Rater(pk=int(pk), reliability=_number(reliability[index]), exclusion_reason=reasons.get(index, ""))
        for index, pk in enumerate(ratings.rater_ids)
        if ratings.identified[index]
    ]
    Rater.objects.bulk_update(raters, ["reliability", "exclusion_reason"], batch_size=_ROWS_AT_ONCE)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


# --- Comparing ---


@dataclass(frozen=True, slots=True)
class _Place:
    key: str
    value: float
    rank: int
    type_id: int | None


def result_compare(*, first: SurveyResult, second: SurveyResult) -> list[PartComparison]:
    """How far two results agree about the images that both are about; of two surveys, by the catalogue's pictures.

    Raises NothingToCompare.
    """
    same_survey = first.survey_id == second.survey_id
    first_places, second_places = (_places(result, same_survey=same_survey) for result in (first, second))
    parts = [part for part in PARTS if first_places[part].keys() & second_places[part].keys()]
    if not parts:
        raise NothingToCompare(_("These two results have no image in common."))
    types = FaceType.objects.in_bulk()
    return [_compare(part, first_places[part], second_places[part], types) for part in parts]


def _places(result: SurveyResult, *, same_survey: bool) -> dict[str, dict[int, _Place]]:
    """By part and by the SurveyImage, or the picture, which two surveys can share."""
    image = "survey_image_id" if same_survey else "survey_image__image_id"
    direction = Scale(result.survey.scale).direction
    rows = result.rows.values_list(image, "survey_image__key", "part", "value", "rank", "face_type_id")
    places: dict[str, dict[int, _Place]] = {part: {} for part in PARTS}
    for image_id, key, part, value, rank, type_id in rows:
        if image_id is not None:
            places[part][image_id] = _Place(key, direction * value, rank, type_id)
    return places


def _compare(
    part: str, first: Mapping[int, _Place], second: Mapping[int, _Place], types: Mapping[int, FaceType]
) -> PartComparison:
    pairs = [(first[image], second[image]) for image in sorted(first.keys() & second.keys())]
    moves = [
        Move(
            key=before.key,
            first_type=types.get(before.type_id or 0),
            second_type=types.get(after.type_id or 0),
            first_rank=before.rank,
            second_rank=after.rank,
        )
        for before, after in pairs
        if (before.type_id, before.rank) != (after.type_id, after.rank)
    ]
    moves.sort(key=lambda move: (-move.steps, -abs(move.first_rank - move.second_rank)))
    values = np.array([(before.value, after.value) for before, after in pairs])
    return PartComparison(
        part=part,
        images=len(pairs),
        rank_correlation=rank_correlation(values[:, 0], values[:, 1]),
        equal_share=sum(before.type_id == after.type_id for before, after in pairs) / len(pairs),
        moved=tuple(moves[:_MOVED_SHOWN]),
    )


# --- Publishing ---


@transaction.atomic
def result_publish(*, result: SurveyResult, published_by: User | None = None) -> PublishOutcome:
    """Give the parts of the catalogue's images their types; what they were before is kept, to take it back.

    Raises ResultPublished and NothingToPublish.
    """
    _lock(result)
    if result.published_at is not None:
        raise ResultPublished(_("This result has been published already."))
    rows = list(result.rows.filter(survey_image__image__isnull=False).annotate(image=F("survey_image__image")))
    if not rows:
        raise NothingToPublish(_("None of this result's images is a picture of the catalogue."))
    types = FaceType.objects.in_bulk()
    keys: list[PartKey] = [(row.image, row.part) for row in rows]
    before = part_labels_set_types(
        changes={
            key: types[row.face_type_id] if row.face_type_id else None for key, row in zip(keys, rows, strict=True)
        },
        source=LabelSource.SURVEY,
        rows={key: row.pk for key, row in zip(keys, rows, strict=True)},
    )
    for key, row in zip(keys, rows, strict=True):
        row.previous = before.get(key)
    published = [row for row in rows if row.previous is not None]
    SurveyResultRow.objects.bulk_update(published, ["previous"], batch_size=_ROWS_AT_ONCE)
    result.published_at = timezone.now()
    result.published_by = published_by
    result.save(update_fields=["published_at", "published_by"])
    return PublishOutcome(published=len(published), without_picture=result.rows.count() - len(rows))


@transaction.atomic
def result_undo(*, result: SurveyResult) -> int:
    """Take a publication back: every label becomes what it was before; how many there were.

    Raises ResultNotPublished, and LabelsChanged where somebody has changed one of these labels since; then
    nothing is taken back.
    """
    _lock(result)
    if result.published_at is None:
        raise ResultNotPublished(_("This result is not published."))
    rows = list(
        result.rows.filter(previous__isnull=False, survey_image__image__isnull=False).annotate(
            image=F("survey_image__image")
        )
    )
    states: dict[PartKey, PartState] = {(row.image, row.part): row.previous for row in rows if row.previous}
    changed = part_labels_restore(states=states, rows={(row.image, row.part): row.pk for row in rows})
    if changed:
        raise LabelsChanged(
            ngettext(
                "%(count)d label was changed after this result was published, so nothing is taken back: %(images)s.",
                "%(count)d labels were changed after this result was published, so nothing is taken back: %(images)s.",
                len(changed),
            )
            % {
                "count": len(changed),
                "images": _keys({row.survey_image_id for row in rows if (row.image, row.part) in changed}),
            }
        )
    result.rows.filter(previous__isnull=False).update(previous=None)
    result.published_at = None
    result.published_by = None
    result.save(update_fields=["published_at", "published_by"])
    return len(states)


def _lock(result: SurveyResult) -> None:
    """Keep others from publishing or taking back at the same time, and see what they did before."""
    fresh = SurveyResult.objects.select_for_update(of=("self",)).get(pk=result.pk)
    result.published_at, result.published_by_id = fresh.published_at, fresh.published_by_id


def _keys(survey_image_ids: Collection[int]) -> str:
    keys = SurveyImage.objects.filter(pk__in=sorted(survey_image_ids)[:_KEYS_NAMED]).values_list("key", flat=True)
    return ", ".join(keys) + (" …" if len(survey_image_ids) > _KEYS_NAMED else "")
