"""The people whose pictures stand for the types."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.languages import in_language


class Celebrity(models.Model):
    name_ko = models.CharField(_("name (Korean)"), max_length=80)
    name_en = models.CharField(_("name (English)"), max_length=80)
    is_sample = models.BooleanField(
        _("sample"), default=False, editable=False, help_text=_("An imaginary person, drawn for a fresh catalogue.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("celebrity")
        verbose_name_plural = _("celebrities")
        ordering = ["name_en", "pk"]

    def __str__(self) -> str:
        return self.name_en

    def name(self, language: str) -> str:
        return in_language(language, korean=self.name_ko, english=self.name_en)
