"""Colours and how they mix."""

from __future__ import annotations

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
_SHADE: Colour = (62, 24, 34)
_GLOW: Colour = (255, 238, 214)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour, 0 to 1, in the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def darker(colour: Colour, share: float) -> Colour:
    """Towards a warm shadow; black would look dirty on skin."""
    return mix(colour, _SHADE, share)


def lighter(colour: Colour, share: float) -> Colour:
    return mix(colour, _GLOW, share)
