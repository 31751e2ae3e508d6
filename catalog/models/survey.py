"""Surveys: what raters were asked, what they answered, and what was made of it."""

from __future__ import annotations

import secrets
from bisect import bisect_right
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from catalog.languages import in_language
from catalog.models.celebrities import CelebrityImage
from catalog.models.labels import PART_CHOICES

# Far longer than the largest file takes.
_LONGEST_IMPORT = timedelta(minutes=30)
IMAGE_KEY_LENGTH = 200
RATER_KEY_LENGTH = 100


class Scale(models.TextChoices):
    """What a rating can be. TYPES: 1 is the first type, 5 the last. The others: more is better."""

    TYPES = "types", _("the five types")
    ONE_TO_SEVEN = "one_to_seven", _("1 to 7")
    PERCENT = "percent", _("0 to 100")

    @property
    def lowest(self) -> float:
        """The smallest number a rating can be."""
        return 0 if self is Scale.PERCENT else 1

    @property
    def highest(self) -> float:
        return {Scale.TYPES: 5, Scale.ONE_TO_SEVEN: 7, Scale.PERCENT: 100}[self]

    @property
    def has_categories(self) -> bool:
        """Whether ratings are whole numbers, a few that many raters share."""
        return self is not Scale.PERCENT

    @property
    def direction(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self is Scale.TYPES else 1

    def allows(self, value: float) -> bool:
        # A NaN is within no range.
        return self.lowest <= value <= self.highest and (not self.has_categories or value == int(value))

    def as_percent(self, value: float) -> float:
        """The same rating on 0 (worst) to 100 (best)."""
        share = (value - self.lowest) / (self.highest - self.lowest)
        return 100 * (share if self.direction > 0 else 1 - share)


class AgeBand(models.TextChoices):
    UNDER_18 = "under_18", _("under 18")
    FROM_18 = "18_24", _("18 to 24")
    FROM_25 = "25_34", _("25 to 34")
    FROM_35 = "35_44", _("35 to 44")
    FROM_45 = "45_54", _("45 to 54")
    FROM_55 = "55_plus", _("55 and older")

    @classmethod
    def of_years(cls, years: float) -> AgeBand:
        """The band of an age in years."""
        return list(cls)[bisect_right(_AGE_BAND_STARTS, years)]


_AGE_BAND_STARTS = (18, 25, 35, 45, 55)


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


class SurveyQuerySet(models.QuerySet["Survey"]):
    def open(self) -> Self:
        now = timezone.now()
        return self.filter(opens_at__lte=now).filter(Q(closes_at__isnull=True) | Q(closes_at__gt=now))


class Survey(models.Model):
    """One survey. It takes ratings from `opens_at` until `closes_at`, from whoever has its link.

    opens_at: never, where there is none. parts: the parts asked about, in contracts.FacePart's order.
    shares: of the five types, best first, in percent, by which the ranking is cut; the rule's own where there are none.
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

    objects = SurveyQuerySet.as_manager()

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
        return self.title(get_language() or "")

    def title(self, language: str) -> str:
        return in_language(language, korean=self.title_ko, english=self.title_en)

    def question(self, language: str) -> str:
        return in_language(language, korean=self.question_ko, english=self.question_en)

    @property
    def is_open(self) -> bool:
        return self.was_open(timezone.now())

    def was_open(self, moment: datetime) -> bool:
        return (
            self.opens_at is not None
            and self.opens_at <= moment
            and (self.closes_at is None or moment < self.closes_at)
        )


class SurveyImage(models.Model):
    """One image a survey asks about.

    key: how the survey's files name it. image: the catalogue's picture, where it has one; an outside survey's
    need not. gold_value: what an attentive rater answers, on images that test attention; these get no type.
    rating_count: of first ratings of the survey's first part, kept by the services that write ratings.
    """

    survey = models.ForeignKey(Survey, on_delete=models.CASCADE, related_name="survey_images")
    image = models.ForeignKey(
        CelebrityImage, on_delete=models.PROTECT, null=True, blank=True, related_name="survey_images"
    )
    key = models.CharField(_("name in the survey"), max_length=IMAGE_KEY_LENGTH)
    gold_value = models.FloatField(_("right answer"), null=True, blank=True)
    rating_count = models.PositiveIntegerField(_("ratings"), default=0, editable=False)

    class Meta:
        verbose_name = _("survey image")
        verbose_name_plural = _("survey images")
        constraints = [
            models.UniqueConstraint(fields=["survey", "key"], name="surveyimage_key_unique"),
            models.UniqueConstraint(fields=["survey", "image"], name="surveyimage_image_unique"),
        ]
        indexes = [
            # With the id, so that a random one of those with the fewest ratings is a look-up.
            models.Index(fields=["survey", "rating_count", "id"], name="surveyimage_fewest_first"),
            models.Index(fields=["survey"], condition=Q(gold_value__isnull=False), name="surveyimage_gold"),
        ]

    def __str__(self) -> str:
        return self.key


class Rater(models.Model):
    """One person who answered one survey; who it is is not known.

    key: an outside survey's id of the rater, or the SHA-256 of the secret in the rater's link.
    is_identified: whether the ratings are known to be one person's. Where an outside survey does not say who rated,
    each image's n-th ratings stand together, and nothing can be said of the rater.
    seed: makes the order of images, random for each rater and steady for one.
    reliability, exclusion_reason: as the survey's latest result found them.
    """

    survey = models.ForeignKey(Survey, on_delete=models.CASCADE, related_name="raters")
    key = models.CharField(max_length=RATER_KEY_LENGTH)
    is_identified = models.BooleanField(_("identified"), default=True, editable=False)
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


class SurveyImport(models.Model):
    """One file of ratings: looked at, then imported once a curator says so.

    content: the file, gzipped; emptied when it has been imported or dismissed. sha256: of the file.
    started_at: when a worker was told to import it.
    options: how its columns are read (see survey_files.ImportOptions). report: what was found in it.
    """

    class State(models.TextChoices):
        CHECKED = "checked", _("checked")
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        DISMISSED = "dismissed", _("dismissed")

    survey = models.ForeignKey(Survey, on_delete=models.CASCADE, related_name="imports", verbose_name=_("survey"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.CHECKED)
    file_name = models.CharField(_("file"), max_length=200)
    content = models.BinaryField(default=bytes)
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    options = models.JSONField(_("options"), default=dict)
    report = models.JSONField(_("report"), default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("import of ratings")
        verbose_name_plural = _("imports of ratings")
        ordering = ["-pk"]
        default_permissions = ["view"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["checked", "running"]) | Q(content=b""), name="surveyimport_keeps_no_file"
            )
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_stalled(self) -> bool:
        """Whether it has run for so long that its worker must have been stopped."""
        return (
            self.state == self.State.RUNNING
            and self.started_at is not None
            and timezone.now() - self.started_at > _LONGEST_IMPORT
        )


class Method(models.TextChoices):
    """How ratings of one image become one value."""

    MEAN = "mean", _("mean rating")
    MAJORITY = "majority", _("majority")
    DAWID_SKENE = "dawid_skene", _("Dawid-Skene")


class SurveyResult(models.Model):
    """What was made of a survey's ratings, frozen.

    parameters: how types were cut, and by what raters were excluded. excluded: ids of those raters, by reason.
    data_hash: SHA-256 over the survey's ratings, before any were excluded. agreement: by part, Krippendorff's alpha
    and the others. groups: by part, what raters of one age or sex answered (see services/rater_groups.py).
    """

    survey = models.ForeignKey(Survey, on_delete=models.PROTECT, related_name="results")
    method = models.CharField(_("method"), max_length=20, choices=Method.choices)
    parameters = models.JSONField(_("parameters"), default=dict)
    excluded = models.JSONField(_("excluded raters"), default=dict)
    data_hash = models.CharField(_("hash of the ratings"), max_length=64)
    rating_count = models.PositiveIntegerField(_("ratings"))
    rater_count = models.PositiveIntegerField(_("raters"))
    agreement = models.JSONField(_("agreement"), default=dict)
    groups = models.JSONField(_("groups of raters"), default=dict)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    published_at = models.DateTimeField(_("published"), null=True)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("survey result")
        verbose_name_plural = _("survey results")
        ordering = ["-pk"]
        permissions = [("publish_surveyresult", "Can publish survey result")]

    def __str__(self) -> str:
        return f"{self.survey} #{self.pk}"


class SurveyResultRow(models.Model):
    """One part of one image in a result. value: on the survey's scale; low, high: its 95 % interval. rank: 1 is best.

    spread: standard deviation of the ratings, where there are two or more.
    previous: what the part's label was before this result was published, to undo it.
    """

    result = models.ForeignKey(SurveyResult, on_delete=models.CASCADE, related_name="rows")
    survey_image = models.ForeignKey(SurveyImage, on_delete=models.PROTECT, related_name="+")
    part = models.CharField(_("part"), max_length=20, choices=PART_CHOICES)
    value = models.FloatField(_("value"))
    low = models.FloatField(_("from"), null=True)
    high = models.FloatField(_("to"), null=True)
    spread = models.FloatField(_("spread"), null=True)
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
