"""Rules about a person's data that form and API share."""

from __future__ import annotations

from datetime import date

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

OLDEST_BIRTH_DATE = date(1900, 1, 1)
IN_THE_FUTURE = _("A birth date cannot lie in the future.")
TOO_LONG_AGO = _("A birth date cannot lie before 1900.")


def validate_birth_date(value: date) -> None:
    """A day of the past, since 1900."""
    if value > timezone.localdate():
        raise ValidationError(IN_THE_FUTURE, code="future")
    if value < OLDEST_BIRTH_DATE:
        raise ValidationError(TOO_LONG_AGO, code="past")
