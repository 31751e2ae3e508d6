"""What a batch found in photos that nobody sent: `manage.py classify_photos … --out db`."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models import FaceType


class BatchResult(models.Model):
    """The latest answer about one photo of a batch.

    Not a Classification: nobody asked for it, so it has no birth date, no owner and no date to expire. It holds
    neither the photo nor an embedding.
    key: SHA-256 of source. made_with: changes with the models and the scoring policy.
    """

    key = models.CharField(max_length=64, unique=True)
    source = models.TextField(_("source"))
    type = models.ForeignKey(FaceType, on_delete=models.PROTECT, related_name="+", null=True, verbose_name=_("type"))
    score = models.FloatField(_("score"), null=True)
    confidence = models.FloatField(_("confidence"), null=True)
    borderline_with = models.ForeignKey(
        FaceType, on_delete=models.PROTECT, related_name="+", null=True, verbose_name=_("borderline with")
    )
    parts = models.JSONField(_("parts"), default=list)
    refusal = models.CharField(_("refusal"), max_length=30, blank=True)
    photo_width = models.PositiveIntegerField(_("photo width"), null=True)
    photo_height = models.PositiveIntegerField(_("photo height"), null=True)
    gate_version = models.CharField(_("gate version"), max_length=50)
    parts_version = models.CharField(_("parts version"), max_length=50)
    types_version = models.CharField(_("types version"), max_length=50)
    made_with = models.CharField(max_length=64)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("batch result")
        verbose_name_plural = _("batch results")
        default_permissions = ["view"]
        constraints = [
            models.CheckConstraint(
                condition=Q(type__isnull=False, refusal="", score__isnull=False, confidence__isnull=False)
                | (Q(type__isnull=True) & ~Q(refusal="")),
                name="batchresult_type_or_refusal",
            ),
        ]

    def __str__(self) -> str:
        return self.source
