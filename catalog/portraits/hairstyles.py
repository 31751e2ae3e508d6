"""The shapes of the hair styles."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.portraits.canvas import Point
from catalog.portraits.head import mirrored
from catalog.portraits.traits import Hair


@dataclass(frozen=True, slots=True)
class Style:
    """A hair style in head units, from the picture's left sideburn over the head to the right one.

    outer: the silhouette. hairline: where hair meets face. sweep: the share of a strand's way that
    it runs along the head instead of up from the hairline. locks: radius of the curls, 0 for
    straight hair. faded: whether the sides are cropped.
    """

    outer: tuple[Point, ...]
    hairline: tuple[Point, ...]
    sweep: float = 0
    locks: float = 0
    faded: bool = False


def _arch(*left: Point) -> tuple[Point, ...]:
    """A symmetric line, given from the left sideburn to the middle."""
    return (*left, *(point for point in mirrored(left)[::-1] if point[0] != 0))


_LEFT_SIDE = ((-97, 8), (-100, -40))
_RIGHT_SIDE = ((100, -40), (97, 8))
_LEFT_TEMPLE = ((-87, 8), (-84, -38))
_RIGHT_TEMPLE = ((84, -38), (87, 8))

# fmt: off
STYLES = {
    Hair.CROP: Style(
        outer=_arch(*_LEFT_SIDE, (-97, -100), (-64, -152), (0, -168)),
        hairline=(
            *_LEFT_TEMPLE, (-74, -72), (-58, -84), (-42, -78), (-28, -86), (-10, -80),
            (8, -87), (26, -79), (44, -85), (60, -80), (75, -70), *_RIGHT_TEMPLE,
        ),
        sweep=0.15,
        faded=True,
    ),
    Hair.SIDE_PART: Style(
        outer=(
            *_LEFT_SIDE, (-101, -104), (-76, -160), (-20, -184),
            (40, -180), (86, -150), (102, -100), *_RIGHT_SIDE,
        ),
        hairline=(
            *_LEFT_TEMPLE, (-78, -66), (-62, -82), (-30, -92), (10, -102),
            (48, -118), (62, -100), (76, -72), *_RIGHT_TEMPLE,
        ),
        sweep=0.75,
    ),
    Hair.QUIFF: Style(
        outer=(
            *_LEFT_SIDE, (-98, -100), (-94, -148), (-72, -186), (-16, -203),
            (50, -190), (90, -150), (99, -98), *_RIGHT_SIDE,
        ),
        hairline=(
            *_LEFT_TEMPLE, (-76, -74), (-54, -100), (-24, -106),
            (14, -108), (50, -102), (76, -76), *_RIGHT_TEMPLE,
        ),
        sweep=0.1,
        faded=True,
    ),
    Hair.CURTAIN: Style(
        outer=_arch((-98, 14), (-108, -40), (-106, -104), (-72, -160), (0, -178)),
        hairline=(
            (-86, 14), (-90, -20), (-84, -46), (-60, -64), (-30, -84), (-8, -114), (4, -122),
            (14, -112), (34, -82), (62, -62), (85, -44), (90, -20), (86, 14),
        ),
        sweep=0.7,
    ),
    Hair.FRINGE: Style(
        outer=_arch((-98, 12), (-106, -40), (-104, -104), (-70, -158), (0, -176)),
        hairline=(
            (-87, 12), (-87, -26), (-78, -50), (-62, -44), (-46, -54), (-28, -46), (-10, -55),
            (8, -48), (26, -57), (44, -49), (62, -58), (78, -50), (87, -26), (87, 12),
        ),
        sweep=0.2,
    ),
    Hair.SLICK_BACK: Style(
        outer=_arch(*_LEFT_SIDE, (-98, -102), (-70, -154), (0, -174)),
        hairline=_arch(*_LEFT_TEMPLE, (-78, -72), (-62, -104), (-34, -108), (0, -102)),
    ),
    Hair.CURLY: Style(
        outer=_arch((-97, 10), (-106, -36), (-106, -96), (-78, -150), (-28, -178)),
        hairline=(
            (-87, 10), (-86, -36), (-78, -66), (-54, -78), (-26, -72), (4, -80),
            (32, -72), (58, -78), (79, -64), (86, -36), (87, 10),
        ),
        locks=15,
    ),
    Hair.COILY: Style(
        outer=_arch((-96, 6), (-103, -36), (-108, -100), (-86, -160), (-34, -190)),
        hairline=_arch((-87, 6), (-84, -40), (-80, -78), (-70, -92), (-36, -99), (0, -101)),
        locks=8,
        faded=True,
    ),
    Hair.BUN: Style(
        outer=_arch(*_LEFT_SIDE, (-97, -104), (-68, -152), (0, -169)),
        hairline=_arch(*_LEFT_TEMPLE, (-77, -74), (-56, -101), (-28, -107), (0, -106)),
    ),
    Hair.SHAVED: Style(
        outer=_arch((-92, 0), (-95, -50), (-84, -110), (-46, -143), (0, -152)),
        hairline=_arch(*_LEFT_TEMPLE, (-74, -74), (-40, -98), (0, -102)),
    ),
}
# fmt: on
