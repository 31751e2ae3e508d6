"""Surveys: what raters were asked, what they answered, and what was made of it."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from catalog.languages import in_language
from catalog.models.celebrities import CelebrityImage
from catalog.models.labels import PART_CHOICES


class Scale(models.TextChoices):
    """What a rating can be. TYPES: 1 is the first type, 5 the last. The others: more is better."""

    TYPES = "types", _("the five types")
    ONE_TO_SEVEN = "one_to_seven", _("1 to 7")
    PERCENT = "percent", _("0 to 100")


class AgeBand(models.TextChoices):
    UNDER_18 = "under_18", _("under 18")
    FROM_18 = "18_24", _("18 to 24")
    FROM_25 = "25_34", _("25 to 34")
    FROM_35 = "35_44", _("35 to 44")
    FROM_45 = "45_54", _("45 to 54")
    FROM_55 = "55_plus", _("55 and older")


class Sex(models.TextChoices):
    FEMALE = "female", _("female")
    MALE = "male", _("male")
    OTHER = "other", _("other")


def _link_token() -> str:
    return secrets.token_urlsafe(12)


def _all_parts() -> list[str]:
    return [value for value, _label in PART_CHOICES]


def _both_languages() -> list[str]:
    return ["ko", "en"]


class Survey(models.Model):
    """One survey. It takes ratings between `opens_at` and `closes_at`, from whoever has its link.

    parts: the parts asked about. shares: of the five types, best first, in percent, by which the ranking is cut.
    """

    title_ko = models.CharField(_("title (Korean)"), max_length=120)
    title_en = models.CharField(_("title (English)"), max_length=120)
    question_ko = models.CharField(_("question (Korean)"), max_length=300)
    question_en = models.CharField(_("question (English)"), max_length=300)
    scale = models.CharField(_("scale"), max_length=20, choices=Scale.choices, default=Scale.TYPES)
    parts = models.JSONField(_("parts"), default=_all_parts)
    languages = models.JSONField(_("languages"), default=_both_languages)
    opens_at = models.DateTimeField(_("opens"), null=True, blank=True)
    closes_at = models.DateTimeField(_("closes"), null=True, blank=True)
    ratings_wanted = models.PositiveIntegerField(_("ratings wanted an image"), default=15)
    repeat_share = models.FloatField(_("share of repeats"), default=0.1)
    shares = models.JSONField(_("shares of the types"), null=True, blank=True)
    link_token = models.CharField(_("link"), max_length=32, unique=True, default=_link_token, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("survey")
        verbose_name_plural = _("surveys")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(opens_at__isnull=True) | Q(closes_at__isnull=True) | Q(closes_at__gt=models.F("opens_at")),
                name="survey_closes_later",
                violation_error_message=_("A survey must close after it opens."),
            ),
            models.CheckConstraint(
                condition=Q(repeat_share__gte=0, repeat_share__lte=0.5), name="survey_repeat_share_range"
            ),
            models.CheckConstraint(condition=Q(scale__in=Scale.values), name="survey_scale_known"),
        ]

    def __str__(self) -> str:
        return in_language(get_language() or "", korean=self.title_ko, english=self.title_en)


class SurveyImage(models.Model):
    """One image a survey asks about.

    key: how the survey's files name it. image: the catalogue's picture, where it has one; an outside survey's
    need not. gold_value: what an attentive rater answers, on images that test attention.
    rating_count: of first ratings of the survey's first part, kept by the services that write ratings.
    """

    survey = models.ForeignKey(Survey, on_delete=models.CASCADE, related_name="survey_images")
    image = models.ForeignKey(
        CelebrityImage, on_delete=models.PROTECT, null=True, blank=True, related_name="survey_images"
    )
    key = models.CharField(_("name in the survey"), max_length=200)
    gold_value = models.FloatField(_("right answer"), null=True, blank=True)
    rating_count = models.PositiveIntegerField(_("ratings"), default=0, editable=False)

    class Meta:
        verbose_name = _("survey image")
        verbose_name_plural = _("survey images")
        constraints = [
            models.UniqueConstraint(fields=["survey", "key"], name="surveyimage_key_unique"),
            models.UniqueConstraint(fields=["survey", "image"], name="surveyimage_image_unique"),
        ]
        indexes = [models.Index(fields=["survey", "rating_count"], name="surveyimage_fewest_first")]

    def __str__(self) -> str:
        return self.key


class Rater(models.Model):
    """One person who answered one survey; who it is is not known.

    key: an outside survey's id of the rater, or the SHA-256 of the secret in the rater's link.
    seed: makes the order of images, random for each rater and steady for one.
    """

    survey = models.ForeignKey(Survey, on_delete=models.CASCADE, related_name="raters")
    key = models.CharField(max_length=100)
    seed = models.PositiveBigIntegerField(default=0)
    language = models.CharField(max_length=10, blank=True)
    age_band = models.CharField(_("age"), max_length=10, choices=AgeBand.choices, blank=True)
    sex = models.CharField(_("sex"), max_length=10, choices=Sex.choices, blank=True)
    consented_at = models.DateTimeField(_("consented"), null=True)
    reliability = models.FloatField(_("reliability"), null=True, editable=False)
    exclusion_reason = models.CharField(_("excluded because"), max_length=100, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("rater")
        verbose_name_plural = _("raters")
        constraints = [models.UniqueConstraint(fields=["survey", "key"], name="rater_key_unique")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Rating(models.Model):
    """One answer: what one rater gave one part of one image.

    round: 0 the first time, 1 for the repeat that measures consistency.
    """

    survey_image = models.ForeignKey(SurveyImage, on_delete=models.CASCADE, related_name="ratings")
    rater = models.ForeignKey(Rater, on_delete=models.CASCADE, related_name="ratings")
    part = models.CharField(_("part"), max_length=20, choices=PART_CHOICES)
    round = models.PositiveSmallIntegerField(default=0)
    value = models.FloatField(_("rating"))
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("rating")
        verbose_name_plural = _("ratings")
        constraints = [
            # Its index also serves a rater's progress.
            models.UniqueConstraint(fields=["rater", "survey_image", "part", "round"], name="rating_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rater_id}: {self.survey_image_id} {self.part} = {self.value}"


class Method(models.TextChoices):
    """How ratings of one image become one value."""

    MEAN = "mean", _("mean rating")
    MAJORITY = "majority", _("majority")
    DAWID_SKENE = "dawid_skene", _("Dawid-Skene")


class SurveyResult(models.Model):
    """What was made of a survey's ratings, frozen.

    parameters: how types were cut, who was excluded. data_hash: SHA-256 over the ratings used.
    agreement: Krippendorff's alpha and the others, a part.
    """

    survey = models.ForeignKey(Survey, on_delete=models.PROTECT, related_name="results")
    method = models.CharField(_("method"), max_length=20, choices=Method.choices)
    parameters = models.JSONField(_("parameters"), default=dict)
    data_hash = models.CharField(_("hash of the ratings"), max_length=64)
    rating_count = models.PositiveIntegerField(_("ratings"))
    rater_count = models.PositiveIntegerField(_("raters"))
    agreement = models.JSONField(_("agreement"), default=dict)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    published_at = models.DateTimeField(_("published"), null=True)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("survey result")
        verbose_name_plural = _("survey results")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.survey} #{self.pk}"


class SurveyResultRow(models.Model):
    """One part of one image in a result. value: on the survey's scale; low, high: its 95 % interval.

    previous: what the part's label was before this result was published (see PartLabel.as_dict), to undo it.
    """

    result = models.ForeignKey(SurveyResult, on_delete=models.CASCADE, related_name="rows")
    survey_image = models.ForeignKey(SurveyImage, on_delete=models.PROTECT, related_name="+")
    part = models.CharField(_("part"), max_length=20, choices=PART_CHOICES)
    value = models.FloatField(_("value"))
    low = models.FloatField(_("from"), null=True)
    high = models.FloatField(_("to"), null=True)
    count = models.PositiveIntegerField(_("ratings"))
    rank = models.PositiveIntegerField(_("rank"))
    face_type = models.ForeignKey(
        "catalog.FaceType", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("face type")
    )
    previous = models.JSONField(null=True, editable=False)

    class Meta:
        verbose_name = _("result of an image")
        verbose_name_plural = _("results of images")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["result", "survey_image", "part"], name="surveyresultrow_once")
        ]
        indexes: ClassVar = [models.Index(fields=["result", "part", "rank"], name="surveyresultrow_ranking")]

    def __str__(self) -> str:
        return f"{self.survey_image_id} {self.part}: {self.value:.2f}"
