"""How the three parts are drawn over the photo. Coordinates are pixels of the upright photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from classification.models import PartRecord
from inference.contracts import Box, FacePart, Point

# The parts share edges; drawn this share of the face's width apart, each outline stays visible.
OUTLINE_GAP = 0.012
# What is shown around the face, in multiples of its width and height, and the shape of that view.
VIEW_WIDTHS = 2.2
VIEW_HEIGHTS = 1.6
VIEW_ASPECT = 4 / 5
# A letter tag's share of the view's width.
TAG_SHARE = 0.075
# Where the drawn figure (templates/classification/_portrait.html) has its face, in its own hundredths of width and
# height: left, top, right, bottom.
FIGURE_FACE = (0.29, 0.14, 0.71, 0.66)


@dataclass(frozen=True, slots=True)
class PartMark:
    """A part's outline, and the centre of the tag with its letter."""

    part: str
    outline: Box
    tag: Point


@dataclass(frozen=True, slots=True)
class Portrait:
    """view: the piece of the photo that is shown. figure: where a drawn person stands in for the one in the photo.

    marks: in the order of the records.
    """

    view: Box
    figure: Box
    tag_size: int
    marks: list[PartMark]


def portrait_of(parts: Sequence[PartRecord], photo: Box) -> Portrait:
    outlines = {record["part"]: _outline(record, photo) for record in parts}
    view = _view(outlines[FacePart.WHOLE_FACE], photo)
    tag_size = round(TAG_SHARE * view.width)
    return Portrait(
        view=view,
        figure=_figure(outlines[FacePart.WHOLE_FACE]),
        tag_size=tag_size,
        marks=[PartMark(part, outline, _tag(part, outline, view, tag_size)) for part, outline in outlines.items()],
    )


def _outline(record: PartRecord, photo: Box) -> Box:
    """The part's box, within the photo: the whole face's a little wider, the others a little narrower."""
    x0, y0, x1, y1 = record["box"]
    gap = OUTLINE_GAP * (x1 - x0)
    inset = -gap if record["part"] == FacePart.WHOLE_FACE else gap
    return _rounded(
        max(x0 + inset, photo.x0), max(y0 + inset, photo.y0), min(x1 - inset, photo.x1), min(y1 - inset, photo.y1)
    )


def _view(face: Box, photo: Box) -> Box:
    """Face and surroundings, so that a face far away is seen as well as a close one."""
    height = min(photo.height, max(VIEW_HEIGHTS * face.height, VIEW_WIDTHS * face.width / VIEW_ASPECT))
    width = min(photo.width, height * VIEW_ASPECT)
    # A face that fills its photo is shown whole, whatever the view's shape.
    width = max(width, face.width)
    x0 = _within((face.x0 + face.x1 - width) / 2, photo.x0, photo.x1 - width)
    y0 = _within((face.y0 + face.y1 - height) / 2, photo.y0, photo.y1 - height)
    return _rounded(x0, y0, x0 + width, y0 + height)


def _figure(face: Box) -> Box:
    """The frame of the drawn figure whose face comes to lie where `face` is."""
    left, top, right, bottom = FIGURE_FACE
    width, height = face.width / (right - left), face.height / (bottom - top)
    x0, y0 = face.x0 - left * width, face.y0 - top * height
    return _rounded(x0, y0, x0 + width, y0 + height)


def _tag(part: str, outline: Box, view: Box, size: float) -> Point:
    """On an edge of the outline where no other part has its tag."""
    middle = Point((outline.x0 + outline.x1) / 2, (outline.y0 + outline.y1) / 2)
    place = {
        FacePart.WHOLE_FACE: Point(middle.x, outline.y0),
        FacePart.UPPER_FACE: Point(outline.x0, middle.y),
        FacePart.LOWER_FACE: Point(outline.x1, middle.y),
    }[FacePart(part)]
    return Point(
        round(_within(place.x, view.x0 + size / 2, view.x1 - size / 2)),
        round(_within(place.y, view.y0 + size / 2, view.y1 - size / 2)),
    )


def _within(value: float, lowest: float, highest: float) -> float:
    return min(max(value, lowest), highest)


def _rounded(x0: float, y0: float, x1: float, y1: float) -> Box:
    return Box(round(x0), round(y0), round(x1), round(y1))
