"""Surveys themselves: begun, opened and closed, and the images they ask about."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.errors import SurveyNotOpen, SurveyWithoutImages
from catalog.models import CelebrityImage, Survey, SurveyImage
from catalog.models.survey import IMAGE_KEY_LENGTH, Scale

_ROWS_AT_ONCE = 1000


def survey_create(*, title: str, scale: Scale, parts: Sequence[str], created_by: User | None = None) -> Survey:
    """A survey for ratings from elsewhere; it stays closed to raters."""
    return Survey.objects.create(
        title_ko=title,
        title_en=title,
        question_ko=title,
        question_en=title,
        scale=scale,
        parts=list(parts),
        repeat_share=0,
        created_by=created_by,
    )


@transaction.atomic
def survey_open(*, survey: Survey) -> None:
    """Take ratings from now on. A closing date in the future stays. Raises SurveyWithoutImages."""
    fresh = Survey.objects.select_for_update(no_key=True).get(pk=survey.pk)
    if not fresh.survey_images.filter(image__isnull=False).exists():
        raise SurveyWithoutImages(_("Add pictures of the catalogue to this survey before you open it."))
    now = timezone.now()
    if not fresh.is_open:
        fresh.opens_at = now
    if fresh.closes_at is not None and fresh.closes_at <= now:
        fresh.closes_at = None
    fresh.save(update_fields=["opens_at", "closes_at", "updated_at"])


@transaction.atomic
def survey_close(*, survey: Survey) -> None:
    """Take no more ratings. Raises SurveyNotOpen."""
    fresh = Survey.objects.select_for_update(no_key=True).get(pk=survey.pk)
    if not fresh.is_open:
        raise SurveyNotOpen(_("This survey is not open."))
    fresh.closes_at = timezone.now()
    fresh.save(update_fields=["closes_at", "updated_at"])


@transaction.atomic
def survey_add_images(*, survey: Survey, images: QuerySet[CelebrityImage]) -> int:
    """Ask about these pictures too; how many were not asked about before.

    A picture's name in the survey is its celebrity's English name and its number, which no two share.
    """
    # Two additions at once follow each other.
    Survey.objects.select_for_update(no_key=True).get(pk=survey.pk)
    missing = images.exclude(survey_images__survey=survey).order_by("pk").values_list("pk", "celebrity__name_en")
    added = 0
    batch: list[SurveyImage] = []
    for pk, name in missing.iterator(chunk_size=_ROWS_AT_ONCE):
        number = f" #{pk}"
        batch.append(SurveyImage(survey=survey, image_id=pk, key=name[: IMAGE_KEY_LENGTH - len(number)] + number))
        if len(batch) == _ROWS_AT_ONCE:
            added += _add(batch)
            batch = []
    return added + _add(batch)


def _add(batch: list[SurveyImage]) -> int:
    return len(SurveyImage.objects.bulk_create(batch))
