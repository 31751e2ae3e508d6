"""Hair on the head."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image

from catalog.portraits.canvas import Canvas, Point, circle, curve, taper
from catalog.portraits.colours import darker, lighter, mix
from catalog.portraits.hairstyles import STYLES, Style
from catalog.portraits.head import Head
from catalog.portraits.traits import Hair

# How far hair stands out from the face's outline.
_DEPTH = 4
_KNOT_DEPTH = -14
_STRANDS = 26


def draw_hair_behind(canvas: Canvas, head: Head) -> None:
    """What stands behind the skull: a knot."""
    if head.traits.hair is not Hair.BUN:
        return
    colour = head.traits.hair_colour
    outline = [(-30, -176), (-24, -202), (0, -212), (25, -202), (31, -176), (18, -158), (-18, -158)]
    knot = head.at(curve(outline, closed=True), _KNOT_DEPTH)
    canvas.shape(knot, darker(colour, 0.18))
    clip = canvas.mask(knot)
    gleam = head.at(circle((-9, -196), 14, height=8), _KNOT_DEPTH)
    canvas.shape(gleam, lighter(colour, 0.3), opacity=0.5, blur=4, clip=clip)
    for x in (-12, 0, 12):
        strand = taper(curve([(x - 22, -166), (x - 2, -190), (x + 18, -204)]), (0.4, 2.6, 0.4))
        canvas.shape(head.at(strand, _KNOT_DEPTH), darker(colour, 0.5), opacity=0.5, blur=0.5, clip=clip)


def draw_hair(canvas: Canvas, head: Head) -> None:
    traits = head.traits
    style = STYLES[traits.hair]
    outer, hairline = curve(style.outer), curve(style.hairline)
    outline = head.at([*outer, *reversed(hairline)], _DEPTH)
    face = canvas.mask(head.at(head.outline()))
    if traits.hair is Hair.SHAVED:
        canvas.shape(outline, traits.hair_colour, opacity=0.5, blur=3, clip=face)
        return
    shadow = head.at([*outer, *[(x * 0.98, y + 7) for x, y in reversed(hairline)]], _DEPTH)
    canvas.shape(shadow, darker(traits.skin, 0.5), opacity=0.4, blur=4, clip=face)
    locks = [head.at(lock, _DEPTH) for lock in _locks(style, outer, hairline)]
    for part in (outline, *locks):
        canvas.shape(part, traits.hair_colour)
    clip = canvas.mask(outline, *locks)
    _shade(canvas, head, clip)
    if style.faded:
        _fade_sides(canvas, head, clip)
    if style.locks:
        _draw_curls(canvas, head, style.locks, clip)
    else:
        for strand in _strands(style, outer, hairline):
            _draw_strand(canvas, head, strand, clip)


def _locks(style: Style, outer: Sequence[Point], hairline: Sequence[Point]) -> list[list[Point]]:
    """Curls that break the straight edges, above the ears."""
    if not style.locks:
        return []
    centres = [point for line in (outer, hairline) for point in _every(line, style.locks * 1.25)]
    return [
        circle(centre, style.locks * (0.85 + 0.25 * math.sin(7 * index)))
        for index, centre in enumerate(centres)
        if centre[1] < -20
    ]


def _every(line: Sequence[Point], distance: float) -> list[Point]:
    """Points of a line, about `distance` apart."""
    chosen = [line[0]]
    for point in line:
        if math.dist(point, chosen[-1]) >= distance:
            chosen.append(point)
    return chosen


def _shade(canvas: Canvas, head: Head, clip: Image.Image) -> None:
    """Light from the picture's upper left."""
    colour = head.traits.hair_colour
    dark = curve([(30, -210), (70, -120), (80, -40), (84, 180), (190, 180), (190, -210)], closed=True)
    canvas.shape(head.at(dark), darker(colour, 0.4), opacity=0.55, blur=14, clip=clip)
    for sign in (-1, 1):
        side = circle((sign * 94, -14), 13, height=40)
        canvas.shape(head.at(side), darker(colour, 0.45), opacity=0.5, blur=6, clip=clip)
    canvas.shape(head.at(circle((-38, -142), 48, height=20)), lighter(colour, 0.26), opacity=0.5, blur=12, clip=clip)


def _fade_sides(canvas: Canvas, head: Head, clip: Image.Image) -> None:
    tone = mix(head.traits.skin, head.traits.hair_colour, 0.5)
    for sign in (-1, 1):
        side = circle((sign * 95, -14), 15, height=44)
        canvas.shape(head.at(side, _DEPTH), darker(tone, 0.1 if sign < 0 else 0.25), opacity=0.8, blur=7, clip=clip)


def _strands(style: Style, outer: Sequence[Point], hairline: Sequence[Point]) -> list[list[Point]]:
    """Lines from the hairline to the silhouette, leaning towards the temples as far as the style sweeps."""
    strands = []
    for index in range(_STRANDS):
        end = 0.14 + 0.72 * index / (_STRANDS - 1)
        lean = style.sweep * 0.22 * (1 if end > 0.5 else -1)
        high = _along(outer, end)
        line = []
        for rise in (0, 0.25, 0.5, 0.75, 1):
            low = _along(hairline, end + lean * (1 - rise))
            line.append((low[0] + (high[0] - low[0]) * rise, low[1] + (high[1] - low[1]) * rise))
        strands.append(taper(curve(line), (0.3, 3.2 if index % 2 else 2.2, 0.3)))
    return strands


def _along(line: Sequence[Point], share: float) -> Point:
    return line[round(min(max(share, 0.02), 0.98) * (len(line) - 1))]


def _draw_strand(canvas: Canvas, head: Head, strand: list[Point], clip: Image.Image) -> None:
    colour = head.traits.hair_colour
    # Strands lie next to each other: a third of them catch the light.
    tone = lighter(colour, 0.34) if round(strand[0][0]) % 3 == 0 else darker(colour, 0.45)
    canvas.shape(head.at(strand, _DEPTH), tone, opacity=0.42, blur=0.5, clip=clip)


def _draw_curls(canvas: Canvas, head: Head, size: float, clip: Image.Image) -> None:
    colour = head.traits.hair_colour
    for row in range(math.ceil(130 / (size * 1.1))):
        for column in range(-9, 10):
            wobble = math.sin(row * 5.1 + column * 3.7)
            x = (column + 0.5 * (row % 2)) * size * 1.35 + 3 * wobble
            y = -186 + row * size * 1.1 + 3 * math.cos(row * 2.3 + column * 4.1)
            arc = [
                (x + size * 0.62 * math.cos(angle), y + size * 0.62 * math.sin(angle))
                for angle in (wobble + math.pi * (0.85 + 0.16 * step) for step in range(8))
            ]
            tone = lighter(colour, 0.3) if (row + column) % 3 == 0 else darker(colour, 0.42)
            curl = head.at(taper(arc, (0.4, size * 0.2, 0.4)), _DEPTH)
            canvas.shape(curl, tone, opacity=0.5, blur=0.4, clip=clip)
