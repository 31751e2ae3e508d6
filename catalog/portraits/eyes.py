"""Eyes and brows."""

from __future__ import annotations

from catalog.portraits.canvas import Canvas, Point, circle, curve, taper
from catalog.portraits.colours import WHITE, Colour, darker, lighter, mix
from catalog.portraits.head import Head

# The left or right eye's middle, in head units.
EYE_X = 41
EYE_Y = -4
_EYE_SIZE = 1.14
_LASH: Colour = (40, 26, 26)
_EYEBALL: Colour = (250, 248, 246)
_PUPIL: Colour = (22, 16, 18)


def draw_eyes(canvas: Canvas, head: Head) -> None:
    for sign in (-1, 1):
        _draw_eye(canvas, head, sign)


def _draw_eye(canvas: Canvas, head: Head, sign: int) -> None:
    traits = head.traits
    skin = traits.skin
    opening, slant = traits.eye_open, traits.eye_slant

    def placed(points: list[Point]) -> list[Point]:
        """From an eye's own units, x outwards from its middle."""
        return head.at([(sign * (EYE_X + _EYE_SIZE * x), EYE_Y + _EYE_SIZE * y) for x, y in points], 9)

    outer = -1 - 2 * slant
    upper = curve([(-19, 4), (-13, -4 * opening), (-2, -9.5 * opening), (9, -8 * opening), (19, outer)])
    lower = curve([(19, outer), (11, 4.5), (-1, 6.4), (-12, 5.4), (-19, 4)])
    almond = placed([*upper, *lower])
    canvas.shape(almond, mix(_EYEBALL, skin, 0.1))
    clip = canvas.mask(almond)
    # Both eyes look at the viewer, against the head's turn.
    iris = (-sign * traits.turn * 2.5, -1.4)
    canvas.shape(placed(circle(iris, 9.2)), darker(traits.eye_colour, 0.55), clip=clip)
    canvas.shape(placed(circle(iris, 7.8)), traits.eye_colour, clip=clip)
    glow = placed(circle((iris[0], iris[1] + 3), 5, height=3.4))
    canvas.shape(glow, lighter(traits.eye_colour, 0.35), opacity=0.55, blur=1, clip=clip)
    canvas.shape(placed(circle(iris, 4)), _PUPIL, clip=clip)
    lid_shadow = [(x, y + 3.4) for x, y in upper]
    canvas.shape(placed([*upper, *reversed(lid_shadow)]), darker(skin, 0.7), opacity=0.42, blur=0.7, clip=clip)
    glint = (iris[0] - sign * 2.8, iris[1] - 3)
    canvas.shape(placed(circle(glint, 2)), WHITE)
    canvas.shape(placed(taper(upper, (0.8, 1.9, 2.4, 2.2, 0.8))), _LASH)
    canvas.shape(placed(taper(lower, (1.6, 1, 0.6))), darker(skin, 0.6), opacity=0.7)
    if traits.crease:
        crease = curve([(-15, -6 * opening), (-3, -14 * opening), (9, -12.5 * opening), (19, -5)])
        canvas.shape(placed(taper(crease, (0.6, 1.8, 1.6, 0.6))), darker(skin, 0.5), opacity=0.65)
    bag = curve([(-13, 12), (-1, 14.5), (12, 12)])
    canvas.shape(placed(taper(bag, (0.4, 1.6, 0.4))), darker(skin, 0.34), opacity=0.4, blur=0.6)


def draw_brows(canvas: Canvas, head: Head) -> None:
    traits = head.traits
    colour = darker(traits.hair_colour, 0.25)
    weight, arch = traits.brow_weight, traits.brow_arch
    for sign in (-1, 1):
        line = curve([(14, -30), (29, -33.5 - arch), (49, -36 - 4 * arch), (70, -27 - 2 * arch)])
        stroke = taper([(sign * x, y) for x, y in line], (7 * weight, 12.5 * weight, 11 * weight, 7 * weight, 1.5))
        canvas.shape(head.at(stroke, 10), colour, opacity=0.9, blur=0.6)
