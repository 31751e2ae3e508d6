"""The five types."""

from __future__ import annotations

from typing import Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from catalog.languages import in_language
from catalog.models.celebrities import CelebrityImage
from catalog.validators import split_sentences, validate_description
from inference import contracts


class FaceTypeQuerySet(models.QuerySet["FaceType"]):
    def best_first(self) -> Self:
        return self.order_by("rank")

    def with_published_count(self) -> Self:
        """Set `published_count` on each type, by one index lookup a type however many images there are."""
        # Slots are dense from 0, so the last one tells how many there are.
        last_slot = (
            CelebrityImage.objects.published()
            .filter(face_type=models.OuterRef("pk"))
            .order_by("-gallery_slot")
            .values("gallery_slot")[:1]
        )
        return self.annotate(published_count=Coalesce(models.Subquery(last_slot) + 1, 0))


class FaceType(models.Model):
    """A type of face, as the survey's raters perceive it; never a statement about a person."""

    # The source system's ids, which the mobile app's result codes use.
    id = models.PositiveSmallIntegerField(_("id"), primary_key=True)
    code = models.CharField(
        _("code"),
        max_length=10,
        unique=True,
        choices=[(face_type.value, face_type.value.capitalize()) for face_type in contracts.FaceType],
    )
    letter = models.CharField(_("letter"), max_length=1, help_text=_("The Greek capital letter."))
    rank = models.PositiveSmallIntegerField(_("rank"), unique=True, help_text=_("1 is the first type."))
    name_ko = models.CharField(_("name (Korean)"), max_length=40)
    name_en = models.CharField(_("name (English)"), max_length=40)
    description_ko = models.TextField(
        _("description (Korean)"),
        help_text=_("One sentence a line, at least three; the mobile app shows the first three."),
    )
    description_en = models.TextField(
        _("description (English)"),
        help_text=_("One sentence a line, at least three; the mobile app shows the first three."),
    )

    # Present on rows of with_published_count().
    published_count: int

    objects = FaceTypeQuerySet.as_manager()

    class Meta:
        verbose_name = _("face type")
        verbose_name_plural = _("face types")
        ordering = ["rank"]
        constraints = [
            models.CheckConstraint(condition=models.Q(id__range=(1, 5)), name="facetype_id_1_to_5"),
            models.CheckConstraint(condition=models.Q(rank__range=(1, 5)), name="facetype_rank_1_to_5"),
        ]

    def __str__(self) -> str:
        return f"{self.letter} {self.name(get_language() or '')}"

    def clean(self) -> None:
        # Not field validators: those would be imported by migrations.
        problems: dict[str, ValidationError] = {}
        for field in ("description_ko", "description_en"):
            try:
                validate_description(getattr(self, field))
            except ValidationError as error:
                problems[field] = error
        if problems:
            raise ValidationError(problems)

    def name(self, language: str) -> str:
        return in_language(language, korean=self.name_ko, english=self.name_en)

    def sentences(self, language: str) -> list[str]:
        return split_sentences(in_language(language, korean=self.description_ko, english=self.description_en))

    def description(self, language: str) -> str:
        return " ".join(self.sentences(language))
