"""How many photos came to what."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class DailyCount(models.Model):
    """How many photos came to one outcome on one day, so that nobody has to count them.

    day: in the server's time zone. client: a Client, or SOURCE_SYSTEM. outcome: a type's code, or why there was none.
    It says nothing about any person, and stays when their records are erased.
    """

    # Days that were counted from the source system's tables.
    SOURCE_SYSTEM = "source"

    day = models.DateField(_("day"))
    client = models.CharField(_("client"), max_length=10)
    outcome = models.CharField(_("outcome"), max_length=30)
    count = models.PositiveBigIntegerField(_("count"), default=0)

    class Meta:
        verbose_name = _("daily count")
        verbose_name_plural = _("daily counts")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["day", "client", "outcome"], name="dailycount_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.client} {self.outcome}: {self.count}"
