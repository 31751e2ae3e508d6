"""From head units to the canvas.

Head units: x to the picture's right from the middle of the face, y down from just above the eyes;
the skull's top is near -150, the chin near 132, the ears near x = 95 either side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from catalog.portraits.canvas import Point, curve
from catalog.portraits.traits import Traits

# Where the origin is on the canvas, and canvas units to a head unit.
CENTRE: Point = (240, 276)
ZOOM = 1.13
# The neck's pivot, in head units.
_PIVOT_Y = 150
_MAX_TILT = math.radians(3.5)
# Units that a point one unit in front of the face's outline moves sideways in a full turn.
_PARALLAX = 0.75


def upright(points: Sequence[Point]) -> list[Point]:
    """Place points of the body, which does not tilt with the head."""
    return [(CENTRE[0] + ZOOM * x, CENTRE[1] + ZOOM * y) for x, y in points]


@dataclass(frozen=True, slots=True)
class Head:
    """Places points of a turned and tilted head."""

    traits: Traits

    def at(self, points: Sequence[Point], depth: float = 0) -> list[Point]:
        """depth: how far the points stand out of the plane of the face's outline."""
        angle = self.traits.tilt * _MAX_TILT
        cos, sin = math.cos(angle), math.sin(angle)
        placed = []
        for x, y in points:
            moved = x + depth * _PARALLAX * self.traits.turn
            below = y - _PIVOT_Y
            placed.append((moved * cos - below * sin, _PIVOT_Y + moved * sin + below * cos))
        return upright(placed)

    def outline(self) -> list[Point]:
        """The face's and skull's outline, in head units."""
        face = self.traits.face
        right = [
            (44, -140),
            (80, -108),
            (face.cheek, -50),
            (face.cheek, -5),
            (face.cheek - 3, 34),
            (face.jaw, 74),
            ((face.jaw + face.chin) / 2 + 3, (74 + face.bottom) / 2 + 10),
            (face.chin, face.bottom - 5),
        ]
        left = [(-x, y) for x, y in reversed(right)]
        return curve([(0, -150), *right, (0, face.bottom), *left], closed=True)

    def jaw(self) -> list[Point]:
        """The outline's lower part, from the picture's left ear round the chin to the right one."""
        lower = [point for point in self.outline() if point[1] > -14]
        return sorted(lower, key=lambda point: math.atan2(point[0], point[1] + 20))


def mirrored(points: Sequence[Point]) -> list[Point]:
    return [(-x, y) for x, y in points]
