"""The mouth and what a smile does around it."""

from __future__ import annotations

from catalog.portraits.canvas import Canvas, Point, circle, curve, taper
from catalog.portraits.colours import Colour, darker, lighter, mix
from catalog.portraits.head import Head, mirrored
from catalog.portraits.traits import Smile

# Where the lips meet, in head units.
MOUTH_Y = 86
_LIP: Colour = (178, 78, 78)
_TEETH: Colour = (248, 244, 238)
_LIPS_DEPTH = 11
_CHEEK_DEPTH = 9
# How far a smile lifts the mouth's corners.
_LIFT = {Smile.SOFT: 4.5, Smile.WIDE: 8.0, Smile.OPEN: 9.5}


def draw_mouth(canvas: Canvas, head: Head) -> None:
    traits = head.traits
    is_open = traits.smile is Smile.OPEN
    half = traits.mouth_width + (0 if traits.smile is Smile.SOFT else 4)
    corner = MOUTH_Y - _LIFT[traits.smile]
    drop = 8 if is_open else 0
    lip = mix(traits.skin, _LIP, 0.33)

    meeting = _line((0, MOUTH_Y + 1), (half * 0.5, MOUTH_Y - 0.5), (half, corner))
    top = _line((0, MOUTH_Y - 6.5), (6, MOUTH_Y - 8), (half * 0.45, MOUTH_Y - 6), (half, corner))
    bite = _line((0, MOUTH_Y + 1 + drop * 1.3), (half * 0.55, MOUTH_Y + drop), (half, corner))
    bottom = _line((0, MOUTH_Y + 10.5 + drop * 1.15), (half * 0.5, MOUTH_Y + 7.2 + drop * 0.9), (half - 2, corner + 1))
    canvas.shape(head.at([*bite, *bottom[::-1]], _LIPS_DEPTH), lighter(lip, 0.12))
    if is_open:
        canvas.shape(head.at([*meeting, *bite[::-1]], _LIPS_DEPTH), darker(lip, 0.7))
        lower_edge = [(x, min(y + 0.5, MOUTH_Y + drop * 0.95)) for x, y in bite]
        teeth = [(x * 0.9, y) for x, y in (*meeting, *lower_edge[::-1])]
        canvas.shape(head.at(teeth, _LIPS_DEPTH), _TEETH)
    canvas.shape(head.at([*meeting, *top[::-1]], _LIPS_DEPTH), darker(lip, 0.16))
    gleam = circle((-4, MOUTH_Y + 6.5 + drop * 1.15), half * 0.3, height=2.2)
    canvas.shape(head.at(gleam, _LIPS_DEPTH), lighter(lip, 0.7), opacity=0.4, blur=1.4)
    seam = taper(meeting, (1, 2.2, 2.4, 2.2, 1))
    canvas.shape(head.at(seam, _LIPS_DEPTH), darker(lip, 0.66), opacity=0.85)
    _draw_creases(canvas, head, half, corner)


def _line(*right: Point) -> list[Point]:
    """A symmetric line, given from the middle to the picture's right."""
    return curve([*mirrored(right[1:])[::-1], *right])


def _draw_creases(canvas: Canvas, head: Head, half: float, corner: float) -> None:
    skin = head.traits.skin
    for sign in (-1, 1):
        dimple = [(sign * (half + 1), corner - 3), (sign * (half + 4), corner + 1), (sign * (half + 1), corner + 6)]
        stroke = taper(curve(dimple), (0.5, 2.2, 0.5))
        canvas.shape(head.at(stroke, _CHEEK_DEPTH), darker(skin, 0.45), opacity=0.4, blur=0.9)
        if head.traits.smile is not Smile.SOFT:
            fold = taper(curve([(sign * 27, 48), (sign * 41, 60), (sign * (half + 10), corner - 4)]), (0.5, 2.4, 0.5))
            canvas.shape(head.at(fold, _CHEEK_DEPTH), darker(skin, 0.4), opacity=0.42, blur=0.9)
    philtrum = taper(curve([(0, 62), (0, 72)]), (4, 6))
    canvas.shape(head.at(philtrum, 13), darker(skin, 0.3), opacity=0.25, blur=1.5)
