"""Smooth anti-aliased shapes on a picture: drawn three times as large, then reduced."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from catalog.portraits.colours import Colour, mix

WIDTH, HEIGHT = 480, 600
SCALE = 3
_STEPS = 8

Point = tuple[float, float]


def curve(points: Sequence[Point], *, closed: bool = False) -> list[Point]:
    """A smooth line through all points (centripetal Catmull-Rom: no loops between uneven points)."""
    if closed:
        padded = [points[-1], *points, points[0], points[1]]
    else:
        padded = [_beyond(points[0], points[1]), *points, _beyond(points[-1], points[-2])]
    line = [
        point
        for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
        for point in _segment(before, start, end, after)
    ]
    return line if closed else [*line, points[-1]]


def _beyond(end: Point, inner: Point) -> Point:
    return 2 * end[0] - inner[0], 2 * end[1] - inner[1]


def _segment(p0: Point, p1: Point, p2: Point, p3: Point) -> list[Point]:
    t1 = max(math.dist(p0, p1), 1e-6) ** 0.5
    t2 = t1 + max(math.dist(p1, p2), 1e-6) ** 0.5
    t3 = t2 + max(math.dist(p2, p3), 1e-6) ** 0.5

    def between(a: Point, b: Point, ta: float, tb: float, t: float) -> Point:
        share = (t - ta) / (tb - ta)
        return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share

    points = []
    for step in range(_STEPS):
        t = t1 + (t2 - t1) * step / _STEPS
        a1, a2, a3 = between(p0, p1, 0, t1, t), between(p1, p2, t1, t2, t), between(p2, p3, t2, t3, t)
        points.append(between(between(a1, a2, 0, t2, t), between(a2, a3, t1, t3, t), t1, t2, t))
    return points


def circle(centre: Point, radius: float, *, height: float | None = None) -> list[Point]:
    """An ellipse's outline; `height` is its vertical half axis where it differs."""
    vertical = radius if height is None else height
    return [
        (centre[0] + radius * math.cos(angle), centre[1] + vertical * math.sin(angle))
        for angle in (2 * math.pi * step / 64 for step in range(64))
    ]


def taper(line: Sequence[Point], widths: Sequence[float]) -> list[Point]:
    """The outline of a brush stroke along `line`, its width running evenly through `widths`."""
    left, right = [], []
    last = len(line) - 1
    for index, (x, y) in enumerate(line):
        (x0, y0), (x1, y1) = line[max(index - 1, 0)], line[min(index + 1, last)]
        length = math.hypot(x1 - x0, y1 - y0) or 1
        place = index / last * (len(widths) - 1)
        lower = min(int(place), len(widths) - 2)
        half = (widths[lower] + (widths[lower + 1] - widths[lower]) * (place - lower)) / 2
        dx, dy = -(y1 - y0) / length * half, (x1 - x0) / length * half
        left.append((x + dx, y + dy))
        right.append((x - dx, y - dy))
    return [*left, *reversed(right)]


class Canvas:
    """A picture of WIDTH x HEIGHT units, y down."""

    def __init__(self, top: Colour, bottom: Colour) -> None:
        gradient = Image.new("RGB", (2, 2))
        gradient.putdata([top, mix(top, bottom, 0.5), mix(top, bottom, 0.6), bottom])
        # A bilinear enlargement of the corners' centres: only the middle half of it varies.
        size = (WIDTH * SCALE, HEIGHT * SCALE)
        self._image = gradient.resize(size, Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))

    def mask(self, *outlines: Sequence[Point]) -> Image.Image:
        """Where the outlines are, to clip other shapes to."""
        mask = Image.new("L", self._image.size)
        draw = ImageDraw.Draw(mask)
        for outline in outlines:
            draw.polygon([(x * SCALE, y * SCALE) for x, y in outline], fill=255)
        return mask

    def shape(
        self,
        outline: Sequence[Point],
        colour: Colour,
        *,
        opacity: float = 1,
        blur: float = 0,
        clip: Image.Image | None = None,
    ) -> None:
        """Fill an outline. blur: how far its edge fades, in units."""
        if opacity == 1 and not blur and clip is None:
            ImageDraw.Draw(self._image).polygon([(x * SCALE, y * SCALE) for x, y in outline], fill=colour)
            return
        margin = 3 * blur + 1
        left = max(math.floor(min(x for x, _ in outline) - margin), 0)
        top = max(math.floor(min(y for _, y in outline) - margin), 0)
        right = min(math.ceil(max(x for x, _ in outline) + margin), WIDTH)
        bottom = min(math.ceil(max(y for _, y in outline) + margin), HEIGHT)
        if left >= right or top >= bottom:
            return
        # A blurred edge needs no fine pixels, and blurring coarse ones is nine times as fast.
        fine = 1 if blur > 2 else SCALE
        mask = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
        points = [((x - left) * fine, (y - top) * fine) for x, y in outline]
        ImageDraw.Draw(mask).polygon(points, fill=round(255 * opacity))
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur * fine))
        if fine != SCALE:
            mask = mask.resize((mask.width * SCALE, mask.height * SCALE), Image.Resampling.BILINEAR)
        box = (left * SCALE, top * SCALE, right * SCALE, bottom * SCALE)
        if clip is not None:
            mask = ImageChops.multiply(mask, clip.crop(box))
        self._image.paste(colour, box, mask)

    def finished(self) -> Image.Image:
        return self._image.reduce(SCALE)
