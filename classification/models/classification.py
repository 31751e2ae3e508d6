"""The record of each answered photo."""

from __future__ import annotations

import uuid
from itertools import product
from typing import TYPE_CHECKING, ClassVar, TypedDict

from django.core.signing import BadSignature, Signer
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from catalog.models import FaceType
from inference.contracts import PartAnalysis

if TYPE_CHECKING:
    from classification.models.sharing import ShareLink


class PartRecord(TypedDict):
    """One element of Classification.parts.

    box: x0, y0, x1, y1 in pixels of the upright photo. probabilities: best type first.
    """

    part: str
    box: list[float]
    type: str
    probabilities: list[float]


def part_record(part: PartAnalysis) -> PartRecord:
    return {
        "part": part.part.value,
        "box": [round(edge, 1) for edge in (part.box.x0, part.box.y0, part.box.x1, part.box.y1)],
        "type": part.type.value,
        "probabilities": [round(probability, 4) for probability in part.probabilities],
    }


# The sixteen codes of the Myers-Briggs indicator.
MBTI_CODES = tuple(map("".join, product("EI", "SN", "TF", "JP")))


class Client(models.TextChoices):
    """The way a photo came in."""

    MOBILE = "mobile", _("mobile app")
    WEB = "web", _("web page")
    API = "api", _("API")


class ClassificationQuerySet(models.QuerySet["Classification"]):
    def alive(self) -> ClassificationQuerySet:
        """Not yet expired."""
        return self.filter(expires_at__gt=timezone.now())

    def expired(self) -> ClassificationQuerySet:
        return self.filter(expires_at__lte=timezone.now())


class Classification(models.Model):
    """One photo's answer, as it was given.

    The photo itself lies encrypted in the "photos" storage, only where its owner agreed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    birth_date = models.DateField(_("birth date"))
    mbti = models.CharField(_("MBTI"), max_length=4, choices=[(code, code) for code in MBTI_CODES], blank=True)
    type = models.ForeignKey(FaceType, on_delete=models.PROTECT, related_name="+", verbose_name=_("type"))
    borderline_with = models.ForeignKey(
        FaceType, on_delete=models.PROTECT, related_name="+", null=True, verbose_name=_("borderline with")
    )
    score = models.FloatField(_("score"))
    confidence = models.FloatField(_("confidence"))
    parts = models.JSONField(_("parts"))
    photo_width = models.PositiveIntegerField(_("photo width"))
    photo_height = models.PositiveIntegerField(_("photo height"))
    photo_key = models.CharField(_("photo key"), max_length=100, blank=True, editable=False)
    celebrity_images = models.JSONField(_("celebrity images"), default=list)
    # So many of them, from the first, were chosen because they are most like the face.
    look_alikes = models.PositiveSmallIntegerField(_("look-alikes"), default=0)
    gate_version = models.CharField(_("gate version"), max_length=50)
    parts_version = models.CharField(_("parts version"), max_length=50)
    types_version = models.CharField(_("types version"), max_length=50)
    client = models.CharField(_("client"), max_length=10, choices=Client.choices)
    language = models.CharField(_("language"), max_length=10)
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"))

    # Present on rows of selectors.classifications_alive().
    open_links: list[ShareLink]

    objects: ClassVar[models.Manager[Classification]] = ClassificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("classification")
        verbose_name_plural = _("classifications")
        constraints = [
            models.CheckConstraint(condition=Q(score__gte=0, score__lte=100), name="classification_score_range"),
            models.CheckConstraint(
                condition=Q(confidence__gte=0, confidence__lte=1), name="classification_confidence_range"
            ),
            models.CheckConstraint(condition=Q(mbti__in=["", *MBTI_CODES]), name="classification_mbti_known"),
            models.CheckConstraint(condition=Q(client__in=Client.values), name="classification_client_known"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("created_at")), name="classification_expires_later"
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="classification_expiry"),
            models.Index(fields=["-created_at"], name="classification_newest"),
        ]
        permissions = [("view_photo", _("Can see people's photos, birth dates and MBTI"))]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def owner_token(self) -> str:
        """The secret that lets its holder read and delete this record.

        It is a signature over the id, so nothing that could leak is stored, and a repeated
        idempotent request can be answered with it again.
        """
        return _owner_signer().signature(str(self.id))

    def is_owned_with(self, token: str) -> bool:
        try:
            _owner_signer().unsign(f"{self.id}:{token}")
        except BadSignature:
            return False
        return True


class IdempotentRequest(models.Model):
    """A request that was answered under an Idempotency-Key.

    key: SHA-256 of the client's key, so that a key of any length or content can be kept.
    fingerprint: SHA-256 of what was sent, so that a key reused for something else is noticed.
    """

    key = models.CharField(max_length=64, primary_key=True)
    fingerprint = models.CharField(max_length=64)
    classification = models.OneToOneField(Classification, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return self.key


def _owner_signer() -> Signer:
    return Signer(salt="classification.owner")
