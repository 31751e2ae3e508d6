"""Beards and moustaches."""

from __future__ import annotations

from catalog.portraits.canvas import Canvas, Point, curve
from catalog.portraits.colours import darker
from catalog.portraits.head import Head, mirrored
from catalog.portraits.mouth import MOUTH_Y
from catalog.portraits.traits import Beard


def draw_beard(canvas: Canvas, head: Head) -> None:
    """What lies under the lips; draw the mouth afterwards."""
    traits = head.traits
    colour = darker(traits.hair_colour, 0.12)
    face = canvas.mask(head.at(head.outline()))
    match traits.beard:
        case Beard.STUBBLE:
            canvas.shape(_jaw_beard(head, 0), colour, opacity=0.26, blur=5, clip=face)
        case Beard.SHORT:
            canvas.shape(_jaw_beard(head, 1), colour, opacity=0.82, blur=2.2, clip=face)
            _draw_moustache(canvas, head, 0.85)
        case Beard.FULL:
            canvas.shape(_jaw_beard(head, 9), colour, opacity=0.97, blur=1.2)
            _draw_moustache(canvas, head, 1)
        case Beard.GOATEE:
            canvas.shape(_chin_beard(head), colour, opacity=0.9, blur=1.4)
            _draw_moustache(canvas, head, 0.92)
        case Beard.MOUSTACHE:
            _draw_moustache(canvas, head, 0.95)
        case Beard.NONE:
            pass


def _jaw_beard(head: Head, growth: float) -> list[Point]:
    """growth: units that the beard stands out below the jaw."""
    jaw = [(x * (1 + growth * 0.006), y + growth * max(y - 60, 0) / 72) for x, y in head.jaw()]
    cheek = head.traits.face.cheek
    right = [(cheek - 7, -8), (cheek - 12, 18), (cheek - 17, 44), (62, 62), (44, 66), (24, 60), (8, 61)]
    inner = curve([*right, *mirrored(right)[::-1]])
    return [*head.at(jaw, 2), *head.at(inner, 8)]


def _chin_beard(head: Head) -> list[Point]:
    """Round the mouth's corners and over the chin."""
    bottom = head.traits.face.bottom
    right = [
        (20, MOUTH_Y + 18),
        (33, MOUTH_Y - 8),
        (40, MOUTH_Y - 4),
        (38, MOUTH_Y + 18),
        (30, bottom - 8),
        (16, bottom + 3),
    ]
    outline = [(0, MOUTH_Y + 20), *right, (0, bottom + 5), *mirrored(right)[::-1]]
    return head.at(curve(outline, closed=True), 9)


def _draw_moustache(canvas: Canvas, head: Head, opacity: float) -> None:
    y = MOUTH_Y
    right = [(6, y - 22), (22, y - 20), (38, y - 9), (43, y + 4), (34, y - 3), (16, y - 8)]
    outline = curve([(0, y - 20), *right, (0, y - 8), *mirrored(right)[::-1]], closed=True)
    canvas.shape(head.at(outline, 12), darker(head.traits.hair_colour, 0.2), opacity=opacity, blur=1)
