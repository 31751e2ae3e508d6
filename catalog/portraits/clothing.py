"""Outfits."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.portraits.canvas import Canvas, Point, circle, curve, taper
from catalog.portraits.colours import WHITE, Colour, darker, lighter, mix
from catalog.portraits.head import Head, mirrored, upright
from catalog.portraits.traits import Outfit

_TIE: Colour = (150, 48, 58)
# From the neck to the lower edge, in head units, which the body shares.
_SHOULDER = ((66, 158), (104, 182), (150, 202), (190, 234), (212, 290), (222, 360))


def _garment(neckline: Sequence[Point]) -> list[Point]:
    """Shoulders cut out at a neckline that runs from the picture's left to its right."""
    right = curve(_SHOULDER)
    return upright([*neckline, *right, *mirrored(right)[::-1]])


def _shade(canvas: Canvas, outline: Sequence[Point], colour: Colour) -> None:
    canvas.shape(outline, colour)
    clip = canvas.mask(outline)
    dark = curve([(70, 170), (110, 230), (120, 360), (300, 360), (260, 160)], closed=True)
    canvas.shape(upright(dark), darker(colour, 0.4), opacity=0.38, blur=16, clip=clip)
    canvas.shape(upright(circle((-112, 206), 54, height=16)), lighter(colour, 0.4), opacity=0.3, blur=12, clip=clip)
    for sign in (-1, 1):
        fold = curve([(sign * 128, 360), (sign * 136, 318), (sign * 152, 284)])
        canvas.shape(upright(taper(fold, (6, 4, 0.5))), darker(colour, 0.45), opacity=0.45, blur=1.5, clip=clip)


def draw_outfit(canvas: Canvas, head: Head) -> None:
    main, under = head.traits.cloth
    _DRAWERS[head.traits.outfit](canvas, main, under)


def _draw_tee(canvas: Canvas, main: Colour, _under: Colour) -> None:
    neckline = curve([(-66, 158), (-58, 182), (-34, 205), (0, 213), (34, 205), (58, 182), (66, 158)])
    _shade(canvas, _garment(neckline), main)
    canvas.shape(upright(taper(neckline, (9, 10, 10, 9))), darker(main, 0.16))


def _draw_sweater(canvas: Canvas, main: Colour, under: Colour) -> None:
    tee = curve([(-62, 160), (-54, 182), (-32, 200), (0, 207), (32, 200), (54, 182), (62, 160)])
    canvas.shape(_garment(tee), under)
    neckline = [(-70, 156), (-44, 200), (0, 252), (44, 200), (70, 156)]
    _shade(canvas, _garment(neckline), main)
    canvas.shape(upright(taper(curve(neckline[:3]), (11, 11))), lighter(main, 0.14))
    canvas.shape(upright(taper(curve(neckline[2:]), (11, 11))), lighter(main, 0.08))


def _draw_turtleneck(canvas: Canvas, main: Colour, _under: Colour) -> None:
    _shade(canvas, _garment([(-62, 150), (0, 190), (62, 150)]), main)
    right = [(30, 138), (63, 122), (67, 160), (60, 184)]
    roll = curve([(0, 142), *right, (0, 196), *mirrored(right)[::-1]], closed=True)
    canvas.shape(upright(roll), lighter(main, 0.06))
    clip = canvas.mask(upright(roll))
    for x in range(-60, 61, 12):
        canvas.shape(
            upright(taper([(x, 120), (x * 0.98, 200)], (2.2, 2.2))), darker(main, 0.3), opacity=0.35, clip=clip
        )
    canvas.shape(upright(circle((0, 196), 64, height=8)), darker(main, 0.5), opacity=0.35, blur=5)


def _draw_shirt(canvas: Canvas, main: Colour, _under: Colour) -> None:
    neckline = [(-66, 156), (-40, 186), (0, 236), (40, 186), (66, 156)]
    _shade(canvas, _garment(neckline), main)
    canvas.shape(upright(taper([(0, 232), (0, 360)], (2, 2))), darker(main, 0.4), opacity=0.7)
    for y in (262, 306):
        canvas.shape(upright(circle((7, y), 3.2)), mix(main, WHITE, 0.6))
    _draw_collar(canvas, lighter(main, 0.12))


def _draw_collar(canvas: Canvas, colour: Colour) -> None:
    for sign in (-1, 1):
        flap = [(sign * x, y) for x, y in ((64, 140), (72, 160), (62, 204), (34, 238), (2, 230), (36, 192))]
        shadow = [(x + 2, y + 5) for x, y in flap]
        canvas.shape(upright(shadow), darker(colour, 0.6), opacity=0.3, blur=2.5)
        canvas.shape(upright(flap), colour if sign < 0 else darker(colour, 0.08))


def _draw_suit(canvas: Canvas, main: Colour, under: Colour) -> None:
    _shade(canvas, _garment([(-64, 156), (-36, 190), (0, 226), (36, 190), (64, 156)]), under)
    tie = mix(darker(main, 0.2), _TIE, 0.6)
    knot = [(-13, 222), (13, 222), (8, 244), (-8, 244)]
    canvas.shape(upright([(-8, 242), (8, 242), (19, 360), (-19, 360)]), tie)
    canvas.shape(upright(knot), lighter(tie, 0.1))
    _draw_collar(canvas, under)
    opening = [(-76, 156), (-64, 214), (-30, 290), (-6, 360), (6, 360), (30, 290), (64, 214), (76, 156)]
    for side in (opening[:4], opening[4:]):
        sign = -1 if side[0][0] < 0 else 1
        shoulder = curve([(sign * x, y) for x, y in _SHOULDER])
        panel = [*side, *shoulder[::-1]] if sign < 0 else [*side, *shoulder]
        _shade(canvas, upright(panel), main)
        lapel = [
            (sign * x, y)
            for x, y in ((76, 156), (100, 178), (112, 226), (88, 232), (96, 250), (8, 352), (30, 290), (64, 214))
        ]
        canvas.shape(upright([(x + sign * 2, y + 3) for x, y in lapel]), darker(main, 0.6), opacity=0.4, blur=2)
        canvas.shape(upright(lapel), lighter(main, 0.08 if sign < 0 else 0.03))


def _draw_hoodie(canvas: Canvas, main: Colour, under: Colour) -> None:
    tee = curve([(-62, 160), (-54, 184), (-32, 202), (0, 208), (32, 202), (54, 184), (62, 160)])
    canvas.shape(_garment(tee), under)
    _shade(canvas, _garment(curve([(-66, 160), (-44, 206), (0, 236), (44, 206), (66, 160)])), main)
    for sign in (-1, 1):
        hood = curve(
            [
                (sign * x, y)
                for x, y in ((62, 128), (92, 150), (104, 184), (74, 222), (22, 246), (2, 238), (38, 210), (62, 176))
            ],
            closed=True,
        )
        canvas.shape(upright([(x, y + 6) for x, y in hood]), darker(main, 0.6), opacity=0.35, blur=4)
        canvas.shape(upright(hood), lighter(main, 0.1) if sign < 0 else darker(main, 0.05))
        cord = curve([(sign * 20, 242), (sign * 24, 280), (sign * 20, 318)])
        canvas.shape(upright(taper(cord, (4, 4))), lighter(main, 0.6))
        canvas.shape(upright(circle((sign * 20, 320), 3.6)), lighter(main, 0.75))


def _draw_jacket(canvas: Canvas, main: Colour, under: Colour) -> None:
    tee = curve([(-62, 158), (-54, 182), (-32, 202), (0, 209), (32, 202), (54, 182), (62, 158)])
    canvas.shape(_garment(tee), under)
    canvas.shape(upright(taper(tee, (7, 8, 7))), darker(under, 0.12))
    for sign in (-1, 1):
        shoulder = curve([(sign * x, y) for x, y in _SHOULDER])
        _shade(canvas, upright([(sign * 70, 156), (sign * 58, 230), (sign * 48, 360), *shoulder[::-1]]), main)
        collar = [(sign * x, y) for x, y in ((66, 142), (90, 164), (112, 206), (72, 246), (54, 226), (62, 180))]
        canvas.shape(upright([(x + sign, y + 5) for x, y in collar]), darker(main, 0.6), opacity=0.4, blur=2.5)
        canvas.shape(upright(collar), lighter(main, 0.12 if sign < 0 else 0.05))
        seam = [(sign * 60, 248), (sign * 54, 360)]
        canvas.shape(upright(taper(seam, (1.6, 1.6))), lighter(main, 0.35), opacity=0.7)


_DRAWERS = {
    Outfit.TEE: _draw_tee,
    Outfit.SHIRT: _draw_shirt,
    Outfit.SUIT: _draw_suit,
    Outfit.HOODIE: _draw_hoodie,
    Outfit.TURTLENECK: _draw_turtleneck,
    Outfit.JACKET: _draw_jacket,
    Outfit.SWEATER: _draw_sweater,
}
