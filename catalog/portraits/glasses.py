"""Glasses."""

from __future__ import annotations

from catalog.portraits.canvas import Canvas, Point, circle, curve, taper
from catalog.portraits.colours import WHITE, Colour, mix
from catalog.portraits.eyes import EYE_X, EYE_Y
from catalog.portraits.head import Head
from catalog.portraits.traits import Glasses

_HORN: Colour = (62, 54, 52)
_GOLD: Colour = (204, 166, 104)
_GLASS: Colour = (226, 238, 246)
# Sum of the channels below which dark frames would not show.
_DEEP_SKIN = 330
# How far the lenses stand before the face.
_DEPTH = 14


def draw_glasses(canvas: Canvas, head: Head) -> None:
    kind = head.traits.glasses
    if kind is Glasses.NONE:
        return
    frame = mix(head.traits.hair_colour, _HORN, 0.6) if sum(head.traits.skin) > _DEEP_SKIN else _GOLD
    for sign in (-1, 1):
        lens = _lens(kind, sign)
        canvas.shape(head.at(lens, _DEPTH), _GLASS, opacity=0.07)
        glint = [(sign * EYE_X + x, EYE_Y + y) for x, y in ((-16, 8), (-6, -14), (0, -14), (-10, 10))]
        canvas.shape(head.at(glint, _DEPTH), WHITE, opacity=0.2, blur=0.6)
        rim = 2.6 if kind is Glasses.ROUND else 3.6
        lower_rim = 1.6 if kind is Glasses.BROWLINE else rim
        canvas.shape(head.at(taper([*lens, lens[0]], (lower_rim, lower_rim)), _DEPTH), frame)
        if kind is not Glasses.ROUND:
            top = sorted(point for point in lens if point[1] < EYE_Y - 12)
            canvas.shape(head.at(taper(top, (5.5, 6.5, 5.5)), _DEPTH), frame)
        temple = [(sign * (EYE_X + 27), EYE_Y - 8), (sign * (head.traits.face.cheek + 3), EYE_Y - 10)]
        canvas.shape(head.at(taper(temple, (3.6, 3.6)), 6), frame)
    bridge = curve([(-13, EYE_Y - 3), (0, EYE_Y - 8), (13, EYE_Y - 3)])
    canvas.shape(head.at(taper(bridge, (3, 3)), _DEPTH + 2), frame)


def _lens(kind: Glasses, sign: int) -> list[Point]:
    if kind is Glasses.ROUND:
        return circle((sign * EYE_X, EYE_Y + 2), 26, height=25)
    right = [(-27, -12), (-22, -18), (20, -18), (28, -14), (28, 6), (20, 20), (-14, 20), (-24, 12)]
    return curve([(sign * (EYE_X + x), EYE_Y + y) for x, y in right], closed=True)
