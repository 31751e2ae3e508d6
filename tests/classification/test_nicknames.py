"""What becomes of the names that people give themselves."""

from __future__ import annotations

import pytest

from classification.nicknames import clean_name


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Min \t su \n", "Min su"),
        ("민수", "민수"),
        ("Zoë 🙂", "Zoë 🙂"),
        ("<b>Max</b>", "<b>Max</b>"),
        ("Ｍａｘ", "Max"),
        ("e\u0301", "é"),
        # Turned around, hidden inside, made of nothing.
        ("\u202exaM", "xaM"),
        ("M\u200ba\u2060x\x00\x07", "Max"),
        ("\u3164\u115f\u2800", ""),
        ("\ue000\ud800", ""),
        # Marks piled up on one letter.
        ("Z\u0335\u0321\u0322\u031b\u0317\u0316", "Z\u0335\u0321"),
    ],
)
def test_name_is_one_line_of_what_can_be_seen(typed: str, kept: str) -> None:
    assert clean_name(typed) == kept
    assert clean_name(kept) == kept
