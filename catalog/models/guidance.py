"""What a person reads when a photo is refused."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.languages import in_language
from inference.contracts import RefusalReason

UNDER_AGE = "under_age"
REFUSAL_CODES = (*(reason.value for reason in RefusalReason), UNDER_AGE)


class Guidance(models.Model):
    """Why a photo or its sender was refused, and what to do about it: a sentence each."""

    code = models.CharField(_("code"), max_length=30, unique=True, choices=[(code, code) for code in REFUSAL_CODES])
    message_ko = models.CharField(_("reason (Korean)"), max_length=200)
    message_en = models.CharField(_("reason (English)"), max_length=200)
    advice_ko = models.CharField(_("advice (Korean)"), max_length=200)
    advice_en = models.CharField(_("advice (English)"), max_length=200)

    class Meta:
        verbose_name = _("guidance")
        verbose_name_plural = _("guidance")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=models.Q(code__in=REFUSAL_CODES), name="guidance_code_known"),
        ]

    def __str__(self) -> str:
        return self.code

    def message(self, language: str) -> str:
        return in_language(language, korean=self.message_ko, english=self.message_en)

    def advice(self, language: str) -> str:
        return in_language(language, korean=self.advice_ko, english=self.advice_en)
