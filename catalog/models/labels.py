"""What is known of an image's three parts, who said so, and every step of its review."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models.celebrities import CelebrityImage
from inference import contracts

PART_CHOICES = [
    (contracts.FacePart.WHOLE_FACE.value, _("whole face")),
    (contracts.FacePart.UPPER_FACE.value, _("upper face")),
    (contracts.FacePart.LOWER_FACE.value, _("lower face")),
]


class LabelState(models.TextChoices):
    """PROPOSED: by the auto-labeller, for review. DISPUTED: waits for a second reviewer."""

    PROPOSED = "proposed", _("to review")
    ACCEPTED = "accepted", _("accepted")
    REJECTED = "rejected", _("rejected")
    DISPUTED = "disputed", _("disputed")


class Rejection(models.TextChoices):
    NOT_A_FACE = "not_a_face", _("not a face")
    NOT_THIS_PERSON = "not_this_person", _("not this person")
    UNUSABLE = "unusable", _("cannot be used")


class ImageLabel(models.Model):
    """The label of one image: its state of review, and through `parts` its boxes and types.

    doubt: 0 (sure) to 1, by which the review queue is ordered, the most doubtful first.
    refusal: why the gate found no usable face, where it found none; a RefusalReason.
    analysed_at: when the auto-labeller last looked at the image.
    version: grows with every change, so that of two people who change one label the second is told.
    held_by, held_until: whose review page has the image now, so that two people are not handed the same one.
    """

    image = models.OneToOneField(CelebrityImage, on_delete=models.CASCADE, related_name="label")
    state = models.CharField(_("state"), max_length=10, choices=LabelState.choices, default=LabelState.PROPOSED)
    rejection = models.CharField(_("rejected because"), max_length=20, choices=Rejection.choices, blank=True)
    doubt = models.FloatField(_("doubt"), default=0)
    refusal = models.CharField(
        _("refused by the gate"),
        max_length=30,
        choices=[(reason.value, reason.value) for reason in contracts.RefusalReason],
        blank=True,
    )
    analysed_at = models.DateTimeField(_("auto-labelled"), null=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("reviewed by")
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True)
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    held_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("label")
        verbose_name_plural = _("labels")
        constraints = [
            models.CheckConstraint(condition=Q(doubt__gte=0, doubt__lte=1), name="imagelabel_doubt_range"),
            models.CheckConstraint(condition=Q(state__in=LabelState.values), name="imagelabel_state_known"),
            models.CheckConstraint(
                condition=Q(state=LabelState.REJECTED) ^ Q(rejection=""), name="imagelabel_rejection_has_reason"
            ),
        ]
        indexes = [models.Index(fields=["state", "-doubt", "id"], name="imagelabel_review_queue")]

    def __str__(self) -> str:
        return str(self.image)


class LabelSource(models.TextChoices):
    MODEL = "model", _("auto-labeller")
    CURATOR = "curator", _("curator")
    SURVEY = "survey", _("survey")
    LEGACY = "legacy", _("source system")


class PartLabel(models.Model):
    """One part of one labelled image: where it is and which type it has.

    x0 to y1: in pixels of the stored picture. confidence: 0 to 1, the auto-labeller's, of a type it gave.
    model_version: of the net that proposed it. result_row: the survey's answer that gave the type.
    """

    label = models.ForeignKey(ImageLabel, on_delete=models.CASCADE, related_name="parts")
    part = models.CharField(_("part"), max_length=20, choices=PART_CHOICES)
    x0 = models.FloatField(null=True)
    y0 = models.FloatField(null=True)
    x1 = models.FloatField(null=True)
    y1 = models.FloatField(null=True)
    box_source = models.CharField(_("box by"), max_length=10, choices=LabelSource.choices, blank=True)
    face_type = models.ForeignKey(
        "catalog.FaceType",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("face type"),
    )
    type_source = models.CharField(_("type by"), max_length=10, choices=LabelSource.choices, blank=True)
    confidence = models.FloatField(_("confidence"), null=True)
    model_version = models.CharField(_("model"), max_length=50, blank=True)
    result_row = models.ForeignKey(
        "catalog.SurveyResultRow", on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )

    class Meta:
        verbose_name = _("part label")
        verbose_name_plural = _("part labels")
        constraints = [
            models.UniqueConstraint(fields=["label", "part"], name="partlabel_once"),
            models.CheckConstraint(
                condition=Q(x0__isnull=True, y0__isnull=True, x1__isnull=True, y1__isnull=True)
                | Q(x0__lt=models.F("x1"), y0__lt=models.F("y1")),
                name="partlabel_box_is_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label_id} {self.part}"

    @property
    def box(self) -> contracts.Box | None:
        if self.x0 is None or self.y0 is None or self.x1 is None or self.y1 is None:
            return None
        return contracts.Box(self.x0, self.y0, self.x1, self.y1)

    def as_dict(self) -> dict[str, Any]:
        """What undo needs to bring this label back."""
        names = ("x0", "y0", "x1", "y1", "box_source", "type_source", "confidence", "model_version")
        return {name: getattr(self, name) for name in names} | {
            "part": self.part,
            "face_type": self.face_type_id,
            "result_row": self.result_row_id,
        }


class ReviewEvent(models.Model):
    """One step of a review. before: the label as it was, to undo the step; undone_at: when that happened."""

    class Action(models.TextChoices):
        ACCEPT = "accept", _("accepted")
        CORRECT = "correct", _("corrected")
        REJECT = "reject", _("rejected")
        DISPUTE = "dispute", _("disputed")

    label = models.ForeignKey(ImageLabel, on_delete=models.CASCADE, related_name="events")
    action = models.CharField(_("action"), max_length=10, choices=Action.choices)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    before = models.JSONField()
    after = models.JSONField()
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    undone_at = models.DateTimeField(_("undone"), null=True)

    class Meta:
        verbose_name = _("review step")
        verbose_name_plural = _("review steps")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.label_id}: {self.action}"


class LabelExport(models.Model):
    """One set of labels as it was handed to training.

    sha256: of its labels.csv, which holds the hash of every picture; the same labels give the same one.
    """

    sha256 = models.CharField(_("SHA-256"), max_length=64, unique=True)
    label_count = models.PositiveIntegerField(_("labels"))
    labels = models.ManyToManyField(ImageLabel, related_name="exports", verbose_name=_("labels"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("label export")
        verbose_name_plural = _("label exports")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.sha256[:12]
