"""Links by which people show their results to others."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from classification.models.classification import Classification


class ShareLink(models.Model):
    """A public address of one result; whoever has it sees the result, without its photo unless the owner chose so.

    A revoked link stays on record until its result goes, so that its visitors are told why there is nothing.
    """

    classification = models.ForeignKey(
        Classification, on_delete=models.CASCADE, related_name="share_links", verbose_name=_("classification")
    )
    token = models.CharField(_("token"), max_length=43, unique=True, editable=False)
    shows_photo = models.BooleanField(_("shows the photo"), default=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("share link")
        verbose_name_plural = _("share links")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["classification"], condition=Q(revoked_at=None), name="sharelink_one_open_per_result"
            )
        ]

    def __str__(self) -> str:
        return f"{self.classification_id} {'revoked' if self.revoked_at else 'open'}"
