"""Raters at work: they join a survey by its link, are shown one image after another, and answer.

What comes next is worked out anew each time from the ratings there are, so that a rater can stop, go on elsewhere,
or have the survey open twice. Its cost grows with the rater's own answers, never with the survey.
"""

from __future__ import annotations

import hashlib
import math
import random
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, F, Min, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.errors import (
    AnsweredOtherwise,
    NotInSurvey,
    RaterUnknown,
    RatingOffScale,
    SurveyClosed,
    SurveyNotFound,
    SurveyNotOpen,
)
from catalog.models import PartLabel, Rater, Rating, Survey, SurveyImage
from catalog.models.survey import Scale
from inference.contracts import Box

# A rater is thanked after so many images, and may go on.
SET_SIZE = 50
# Of so many images one has a known answer, where the survey has such images.
GOLD_EVERY = 10
# So many images lie between an image and its repeat, unless the survey has fewer.
REPEAT_DISTANCE = 10
# A repeat agrees with the first answer when they differ by no more than this.
TOLERANCE = {Scale.TYPES: 0, Scale.ONE_TO_SEVEN: 1, Scale.PERCENT: 10}

_SECRET_BYTES = 18
_MAX_SEED = 2**62


@dataclass(frozen=True, slots=True)
class Joined:
    """A rater who has just joined. secret: known to the rater alone; the database keeps its hash."""

    rater: Rater
    secret: str


@dataclass(frozen=True, slots=True)
class VisitKey:
    """One showing of one image to a rater. round: 0 the first time, 1 for the repeat."""

    survey_image_id: int
    round: int


@dataclass(frozen=True, slots=True)
class AskedPart:
    """box: in pixels of the picture, where it is known. answer: the one given before, if any."""

    part: str
    box: Box | None
    answer: float | None


@dataclass(frozen=True, slots=True)
class Visit:
    """What a rater is shown: an image of `width` × `height` pixels, and the parts asked of it, in their order."""

    key: VisitKey
    width: int
    height: int
    parts: tuple[AskedPart, ...]

    @property
    def is_answered(self) -> bool:
        return all(asked.answer is not None for asked in self.parts)


@dataclass(frozen=True, slots=True)
class Progress:
    """done: images answered so far, repeats included. in_set, goal: of these in the present set, and its size."""

    done: int
    in_set: int
    goal: int


@dataclass(frozen=True, slots=True)
class Consistency:
    """repeated: questions answered twice. agreeing: how many of them alike, within TOLERANCE."""

    repeated: int
    agreeing: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """A visit that has begun. answered: how many of its parts."""

    key: VisitKey
    answered: int
    is_gold: bool


# --- The survey and its raters ---


def survey_by_link(link_token: str) -> Survey:
    """Raises SurveyNotFound."""
    try:
        return Survey.objects.get(link_token=link_token)
    except Survey.DoesNotExist as error:
        raise SurveyNotFound(_("There is no survey at this address. The link may be incomplete.")) from error


def survey_require_open(survey: Survey) -> None:
    """Raises SurveyNotOpen and SurveyClosed."""
    now = timezone.now()
    if survey.was_open(now):
        return
    if survey.closes_at is not None and survey.closes_at <= now:
        raise SurveyClosed(_("This survey has closed. Thank you for your interest."))
    raise SurveyNotOpen(_("This survey has not opened yet. Please come back later."))


def rater_join(*, survey: Survey, language: str, age_band: str = "", sex: str = "") -> Joined:
    """Someone agrees to take part. Raises SurveyNotOpen and SurveyClosed."""
    survey_require_open(survey)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    rater = Rater.objects.create(
        survey=survey,
        key=_hash(secret),
        seed=secrets.randbelow(_MAX_SEED),
        language=language,
        age_band=age_band,
        sex=sex,
        consented_at=timezone.now(),
    )
    return Joined(rater, secret)


def rater_by_secret(*, survey: Survey, secret: str) -> Rater:
    """Raises RaterUnknown."""
    try:
        rater = Rater.objects.get(survey=survey, key=_hash(secret))
    except Rater.DoesNotExist as error:
        raise RaterUnknown(
            _("This browser does not take part in this survey yet, or its cookies were cleared.")
        ) from error
    rater.survey = survey
    return rater


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


# --- Answers ---


@transaction.atomic
def rating_give(*, rater: Rater, key: VisitKey, part: str, value: float, replaces: Collection[float] = ()) -> Rating:
    """Keep one answer. The same answer again changes nothing, however often it comes.

    replaces: earlier answers to this question that the rater takes back; another one than these stands, so that
    neither a second window nor a message that arrives late undoes what the rater said last.
    Raises SurveyNotOpen, SurveyClosed, NotInSurvey, RatingOffScale and AnsweredOtherwise.
    """
    survey = rater.survey
    survey_require_open(survey)
    _require_on_scale(survey, value)
    _require_asked(survey, rater, key, part)
    rating, is_new = Rating.objects.get_or_create(
        rater=rater,
        survey_image_id=key.survey_image_id,
        part=part,
        round=key.round,
        defaults={"value": value, "created_at": timezone.now()},
    )
    if is_new:
        if key.round == 0 and part == survey.parts[0]:
            SurveyImage.objects.filter(pk=key.survey_image_id).update(rating_count=F("rating_count") + 1)
    elif rating.value != value:
        # The condition is the database's: another window may have changed the answer since it was read.
        if not Rating.objects.filter(pk=rating.pk, value__in=replaces).update(value=value):
            raise AnsweredOtherwise(_("You have given this picture another answer already; that one is kept."))
        rating.value = value
    return rating


def _require_on_scale(survey: Survey, value: float) -> None:
    scale = Scale(survey.scale)
    if not scale.allows(value):
        raise RatingOffScale(
            _("An answer must be a whole number from %(lowest)d to %(highest)d.")
            % {"lowest": scale.lowest, "highest": scale.highest}
        )


def _require_asked(survey: Survey, rater: Rater, key: VisitKey, part: str) -> None:
    image_is_asked = SurveyImage.objects.filter(pk=key.survey_image_id, survey=survey, image__isnull=False).exists()
    if part in survey.parts and image_is_asked:
        if key.round == 0:
            return
        # A repeat is one of an answer that there is.
        first = Rating.objects.filter(rater=rater, survey_image=key.survey_image_id, part=part, round=0)
        if key.round == 1 and first.exists():
            return
    raise NotInSurvey(_("This survey does not ask about this picture, or not about this part of it."))


# --- What comes next ---


def visits_next(*, rater: Rater, count: int, holding: Collection[VisitKey] = ()) -> list[Visit]:
    """Up to `count` images that this rater should see next; none once all have enough ratings.

    holding: visits handed out before whose answers may still be on their way.
    What was begun comes first. Then a share of repeats, images with a known answer, and of the others those
    with the fewest ratings, at random among equals. Random choices depend on the rater's seed and place alone.
    """
    seen = _seen(rater)
    begun = {visit.key for visit in seen}
    held = list(dict.fromkeys(holding))
    incomplete = [visit.key for visit in seen if visit.answered < len(rater.survey.parts) and visit.key not in held]
    chosen = incomplete[:count]
    taken = [*seen, *_as_seen(rater.survey, [key for key in held if key not in begun])]
    while len(chosen) < count and (visit := _choose(rater, taken)):
        taken.append(visit)
        chosen.append(visit.key)
    return visits_of(rater=rater, keys=chosen)


def visits_of(*, rater: Rater, keys: Sequence[VisitKey]) -> list[Visit]:
    """The visits of these keys, with the answers they have; a key that is not of this survey is left out."""
    ids = {key.survey_image_id for key in keys}
    images = (
        SurveyImage.objects.filter(pk__in=ids, survey=rater.survey, image__isnull=False)
        .select_related("image")
        .only("image__width", "image__height")
        .in_bulk()
    )
    labels = PartLabel.objects.filter(label__image__survey_images__in=images, x0__isnull=False).annotate(
        survey_image_id=F("label__image__survey_images")
    )
    boxes = {
        (label.survey_image_id, label.part): Box(label.x0 or 0.0, label.y0 or 0.0, label.x1 or 0.0, label.y1 or 0.0)
        for label in labels
    }
    ratings = Rating.objects.filter(rater=rater, survey_image__in=images)
    answers = {
        (VisitKey(survey_image_id, round_), part): value
        for survey_image_id, round_, part, value in ratings.values_list("survey_image_id", "round", "part", "value")
    }
    return [
        Visit(
            key=key,
            width=image.image.width,
            height=image.image.height,
            parts=tuple(
                AskedPart(part, boxes.get((image.pk, part)), answers.get((key, part))) for part in rater.survey.parts
            ),
        )
        for key in keys
        if (image := images.get(key.survey_image_id)) and image.image
    ]


def visits_last(*, rater: Rater, count: int) -> list[Visit]:
    """The visits whose every part this rater answered most lately, in the order they were begun."""
    complete = [visit.key for visit in _seen(rater) if visit.answered >= len(rater.survey.parts)]
    return visits_of(rater=rater, keys=complete[-count:])


def progress_of(*, rater: Rater) -> Progress:
    seen = _seen(rater)
    done = sum(visit.answered >= len(rater.survey.parts) for visit in seen)
    in_set = done % SET_SIZE
    firsts = [visit for visit in seen if visit.key.round == 0]
    # More than a set's worth need not be counted.
    left = _wanting_ratings(rater.survey, firsts)[:SET_SIZE].count()
    begun = len(seen) - done
    repeats_left = max(0, _repeats_due(rater.survey, len(firsts) + left) - (len(seen) - len(firsts)))
    return Progress(done=done, in_set=in_set, goal=min(SET_SIZE, in_set + begun + left + repeats_left))


def consistency_of(*, rater: Rater) -> Consistency:
    """How far this rater's repeats agree with the first answers."""
    first = Rating.objects.filter(rater=rater, round=0, survey_image=OuterRef("survey_image"), part=OuterRef("part"))
    pairs = (
        Rating.objects.filter(rater=rater, round=1)
        .annotate(first_value=first.values("value")[:1])
        .values_list("first_value", "value")
    )
    tolerance = TOLERANCE[Scale(rater.survey.scale)]
    return Consistency(
        repeated=len(pairs), agreeing=sum(abs(first_value - value) <= tolerance for first_value, value in pairs)
    )


def _seen(rater: Rater) -> list[_Seen]:
    """This rater's visits, in the order they were begun: one query, over the rater's own answers."""
    rows = (
        Rating.objects.filter(rater=rater)
        .values("survey_image_id", "round", "survey_image__gold_value")
        .annotate(answered=Count("pk"), begun=Min("pk"))
        .order_by("begun")
    )
    return [
        _Seen(
            VisitKey(row["survey_image_id"], row["round"]),
            row["answered"],
            is_gold=row["survey_image__gold_value"] is not None,
        )
        for row in rows
    ]


def _as_seen(survey: Survey, keys: Iterable[VisitKey]) -> list[_Seen]:
    """Visits that were handed out and not begun."""
    wanted = list(keys)
    if not wanted:
        return []
    gold = set(
        SurveyImage.objects.filter(
            survey=survey, pk__in=[key.survey_image_id for key in wanted], gold_value__isnull=False
        ).values_list("pk", flat=True)
    )
    return [_Seen(key, 0, is_gold=key.survey_image_id in gold) for key in wanted]


def _choose(rater: Rater, taken: Sequence[_Seen]) -> _Seen | None:
    """The visit that follows `taken`."""
    choice = random.Random(f"{rater.seed} {len(taken)}")
    firsts = [visit for visit in taken if visit.key.round == 0]
    due = _repeats_due(rater.survey, len(firsts))
    if repeat := _choose_repeat(taken, due, distance=REPEAT_DISTANCE, choice=choice):
        return repeat
    blocks, place = divmod(len(firsts), GOLD_EVERY)
    gold_place = random.Random(f"{rater.seed} gold {blocks}").randrange(GOLD_EVERY)
    gold_shown = sum(visit.is_gold for visit in firsts)
    if gold_shown < blocks + (place >= gold_place) and (gold := _choose_gold(rater.survey, firsts, choice)):
        return gold
    if fewest := _choose_fewest(rater.survey, firsts, choice):
        return fewest
    # The survey has no more: what it is too small to have at the right distance comes now.
    if gold_shown <= blocks and (gold := _choose_gold(rater.survey, firsts, choice)):
        return gold
    return _choose_repeat(taken, due, distance=1, choice=choice)


def _repeats_due(survey: Survey, firsts: int) -> int:
    return math.floor(survey.repeat_share * firsts + 0.5)


def _choose_repeat(taken: Sequence[_Seen], due: int, *, distance: int, choice: random.Random) -> _Seen | None:
    """An image shown at least `distance` images ago, and once only; an image with a known answer tells nothing."""
    repeated = {visit.key.survey_image_id for visit in taken if visit.key.round == 1}
    if len(repeated) >= due:
        return None
    candidates = [
        visit.key.survey_image_id
        for visit in taken[:-distance]
        if visit.key.round == 0 and not visit.is_gold and visit.key.survey_image_id not in repeated
    ]
    return _Seen(VisitKey(choice.choice(candidates), 1), 0, is_gold=False) if candidates else None


def _choose_gold(survey: Survey, firsts: Sequence[_Seen], choice: random.Random) -> _Seen | None:
    shown = {visit.key.survey_image_id for visit in firsts if visit.is_gold}
    gold = SurveyImage.objects.filter(survey=survey, gold_value__isnull=False, image__isnull=False)
    left = [pk for pk in gold.order_by("pk").values_list("pk", flat=True) if pk not in shown]
    return _Seen(VisitKey(choice.choice(left), 0), 0, is_gold=True) if left else None


def _wanting_ratings(survey: Survey, firsts: Iterable[_Seen]) -> QuerySet[SurveyImage]:
    """What is not among `firsts`, and the survey wants more ratings of."""
    # Their ids, which are known here, and no subquery: a join with all ratings can tempt the planner.
    return SurveyImage.objects.filter(
        survey=survey, rating_count__lt=survey.ratings_wanted, gold_value__isnull=True, image__isnull=False
    ).exclude(pk__in=[visit.key.survey_image_id for visit in firsts])


def _choose_fewest(survey: Survey, firsts: Sequence[_Seen], choice: random.Random) -> _Seen | None:
    """A random one of the images with the fewest ratings, by three look-ups in one index."""
    wanting = _wanting_ratings(survey, firsts)
    first = wanting.order_by("rating_count", "pk").values_list("rating_count", "pk").first()
    if first is None:
        return None
    rating_count, lowest = first
    equals = wanting.filter(rating_count=rating_count)
    highest = equals.order_by("-pk").values_list("pk", flat=True).first()
    # Other raters may have answered in between.
    if highest is None:
        return _Seen(VisitKey(lowest, 0), 0, is_gold=False)
    pivot = choice.randint(min(lowest, highest), highest)
    found = equals.filter(pk__gte=pivot).order_by("pk").values_list("pk", flat=True).first()
    return _Seen(VisitKey(lowest if found is None else found, 0), 0, is_gold=False)
