"""Neck, ears and the face's skin."""

from __future__ import annotations

from catalog.portraits.canvas import Canvas, circle, curve, taper
from catalog.portraits.colours import Colour, darker, lighter, mix
from catalog.portraits.eyes import EYE_X, EYE_Y
from catalog.portraits.head import Head, mirrored, upright

_BLUSH: Colour = (222, 96, 84)


def draw_neck(canvas: Canvas, head: Head) -> None:
    skin = head.traits.skin
    half = head.traits.face.jaw * 0.77
    side = curve([(half - 2, 40), (half, 120), (half + 4, 158), (half + 12, 182), (half + 26, 204), (30, 270)])
    neck = upright([*side, *mirrored(side)[::-1]])
    canvas.shape(neck, darker(skin, 0.07))
    clip = canvas.mask(neck)
    below_jaw = [(x * 0.96, y + 30) for x, y in head.outline()]
    canvas.shape(head.at(below_jaw), darker(skin, 0.42), opacity=0.62, blur=3, clip=clip)
    # The neck's muscles meet above the breastbone.
    for sign in (-1, 1):
        muscle = curve([(sign * 40, 140), (sign * 24, 176), (sign * 8, 204)])
        canvas.shape(upright(taper(muscle, (0.5, 4, 0.5))), darker(skin, 0.3), opacity=0.35, blur=1, clip=clip)


def draw_ears(canvas: Canvas, head: Head) -> None:
    skin = head.traits.skin
    cheek = head.traits.face.cheek
    ear = [(-4, -22), (8, -32), (17, -22), (16, 2), (10, 24), (2, 34), (-6, 26)]
    fold = [(2, -18), (9, -20), (10, -6), (5, 6), (6, 18), (1, 22)]
    for sign in (-1, 1):
        outline = curve([(sign * (cheek + x), y) for x, y in ear], closed=True)
        canvas.shape(head.at(outline, -8), darker(skin, 0.1 if sign < 0 else 0.18))
        inner = curve([(sign * (cheek + x), y) for x, y in fold])
        canvas.shape(head.at(taper(inner, (1, 3.4, 1)), -8), darker(skin, 0.4), opacity=0.6, blur=0.5)


def draw_skin(canvas: Canvas, head: Head) -> None:
    """The face, lit from the picture's upper left."""
    skin = head.traits.skin
    outline = head.at(head.outline())
    canvas.shape(outline, darker(skin, 0.2))
    clip = canvas.mask(outline)
    # The face turns away from the light towards its edge, most of all under the jaw.
    inner = [(x * 0.92, y * 0.93 - 4) for x, y in head.outline()]
    canvas.shape(head.at(inner, 2), skin, blur=7, clip=clip)
    far_side = curve(
        [(58, -150), (78, -60), (76, 10), (58, 74), (26, 116), (0, 128), (30, 160), (130, 120), (140, -100)],
        closed=True,
    )
    canvas.shape(head.at(far_side), darker(skin, 0.3), opacity=0.5, blur=11, clip=clip)
    canvas.shape(head.at(circle((-34, -72), 46, height=24)), lighter(skin, 0.5), opacity=0.42, blur=14, clip=clip)
    for sign, opacity in ((-1, 0.17), (1, 0.13)):
        cheek = circle((sign * 54, 38), 24, height=16)
        canvas.shape(head.at(cheek, 6), mix(skin, _BLUSH, 0.6), opacity=opacity, blur=10, clip=clip)
        socket = circle((sign * EYE_X, EYE_Y - 8), 25, height=15)
        canvas.shape(head.at(socket, 8), darker(skin, 0.28), opacity=0.3, blur=6, clip=clip)
    canvas.shape(head.at(circle((-50, 24), 17, height=10), 8), lighter(skin, 0.6), opacity=0.34, blur=7, clip=clip)
    canvas.shape(head.at(circle((0, 118), 16, height=8), 8), lighter(skin, 0.5), opacity=0.28, blur=6, clip=clip)
    canvas.shape(head.at(circle((0, 104), 17, height=4), 9), darker(skin, 0.35), opacity=0.42, blur=3, clip=clip)
