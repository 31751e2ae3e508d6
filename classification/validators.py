"""Rules about a person's data that form and API share."""

from __future__ import annotations

from datetime import date

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

OLDEST_BIRTH_DATE = date(1900, 1, 1)


def validate_birth_date(value: date) -> None:
    """A day of the past, since 1900."""
    if value > timezone.localdate():
        raise ValidationError(_("A birth date cannot lie in the future."), code="future")
    if value < OLDEST_BIRTH_DATE:
        raise ValidationError(_("A birth date cannot lie before 1900."), code="past")
