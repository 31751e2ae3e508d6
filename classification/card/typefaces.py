"""The faces that cards are set in, and which characters they have."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FONTS = Path(__file__).parent / "fonts"


@lru_cache(maxsize=64)
def sans(size: int) -> ImageFont.FreeTypeFont:
    """Latin, Greek and Hangul, `size` pixels high."""
    return ImageFont.truetype(FONTS / "card-sans.otf", size)


@lru_cache(maxsize=16)
def letters(size: int) -> ImageFont.FreeTypeFont:
    """Greek capitals alone, for the letter of a type."""
    return ImageFont.truetype(FONTS / "card-letters.ttf", size)


def letter_face(letter: str, size: int) -> ImageFont.FreeTypeFont:
    """The face for a type's letter, which a curator may have changed to any character."""
    return letters(size) if "Α" <= letter <= "Ω" else sans(size)


def is_drawable(text: str) -> bool:
    """Whether sans() has every character of the text."""
    return all(map(_is_in_sans, text))


def fitted(text: str, size: int, width: int) -> ImageFont.FreeTypeFont:
    """sans() at `size`, or as much smaller as the text needs to be at most `width` pixels wide."""
    length = sans(size).getlength(text)
    return sans(size) if length <= width else sans(max(1, int(size * width / length)))


def _is_in_sans(character: str) -> bool:
    if " " <= character <= "~" or character in "–—‘’“”…·•→":
        return True
    if "\xa0" <= character <= "ſ":
        return character != "ŉ"
    if "Α" <= character <= "ω":
        return character != "\u03a2"
    return "가" <= character <= "힣" and _is_in_ks_x_1001(character)


def _is_in_ks_x_1001(syllable: str) -> bool:
    try:
        # Other syllables take more bytes, as sequences of their letters.
        return len(syllable.encode("euc_kr")) == 2
    except UnicodeEncodeError:
        return False
