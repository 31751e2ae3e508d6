"""Rules for texts that curators write."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MIN_SENTENCES = 3
# The mobile app splits a description at this character.
SENTENCE_SEPARATOR = "·"


def split_sentences(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def validate_description(text: str) -> None:
    """One sentence a line, at least three, none with the character the mobile app splits at."""
    if len(split_sentences(text)) < MIN_SENTENCES:
        raise ValidationError(
            _("Write at least %(count)d sentences, each on its own line: the mobile app shows three."),
            code="too_few_sentences",
            params={"count": MIN_SENTENCES},
        )
    if SENTENCE_SEPARATOR in text:
        raise ValidationError(
            _("Leave out the character “%(separator)s”: the mobile app splits the text there."),
            code="separator",
            params={"separator": SENTENCE_SEPARATOR},
        )
