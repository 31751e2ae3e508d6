"""What people may call themselves and their boards: one line of visible text."""

from __future__ import annotations

import unicodedata

# Control, format (such as those that turn text around), private and unassigned characters, and line separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
# Letters and symbols that draw nothing: fillers of Hangul, and Braille without a dot.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# Marks piled up on one letter would cover the lines around it; living scripts need two.
_MARKS_ON_A_LETTER = 2


def clean_name(text: str) -> str:
    """One line, composed (NFKC), trimmed, without what cannot be seen; empty where nothing is left."""
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFKC", " ".join(text.split())):
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        is_seen = category not in _INVISIBLE and character not in _BLANK
        if is_seen and marks <= _MARKS_ON_A_LETTER:
            kept.append(character)
    return " ".join("".join(kept).split())
