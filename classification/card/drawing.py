"""How a card looks, in its two shapes."""

from __future__ import annotations

import io
from enum import StrEnum

from PIL import Image

from classification.card.canvas import Canvas, Colour, colour, mixed
from classification.card.content import Card, CardPart, CardPhoto
from classification.card.typefaces import fitted, letter_face, letters, sans
from inference.contracts import Box, FacePart, FaceType


class CardShape(StrEnum):
    """wide: 1200 × 630, for link previews. tall: 1080 × 1920, for stories."""

    WIDE = "wide"
    TALL = "tall"


SIZES: dict[CardShape, tuple[int, int]] = {CardShape.WIDE: (1200, 630), CardShape.TALL: (1080, 1920)}

# The colours of static/css/site.css.
INK, SURFACE, LINE = colour("#0d0e13"), colour("#16181f"), colour("#343846")
TEXT, MUTED, GOLD, SHADOW = colour("#f4f1ea"), colour("#b3b4bf"), colour("#f1c877"), colour("#14100a")
ACCENTS: dict[str, Colour] = {
    FaceType.ALPHA: GOLD,
    FaceType.BETA: colour("#6fd6e0"),
    FaceType.GAMMA: colour("#8fb4ff"),
    FaceType.DELTA: colour("#c0a5ff"),
    FaceType.OMEGA: colour("#ff9fb4"),
}
PART_COLOURS: dict[str, Colour] = {
    FacePart.WHOLE_FACE: GOLD,
    FacePart.UPPER_FACE: colour("#6fd6e0"),
    FacePart.LOWER_FACE: colour("#ff9fb4"),
}
# What is shown of a photo, in heights of the face.
PHOTO_HEIGHTS = 1.55
# More makes files little smaller and takes several times as long.
_COMPRESSION = 2


def draw(card: Card, shape: CardShape, photo: bytes | None = None) -> bytes:
    """The card as a PNG. photo: the JPEG that card.photo speaks of."""
    canvas = Canvas(SIZES[shape], INK)
    picture = _portrait(photo, card.photo, _PHOTO_SIZES[shape]) if photo and card.photo else None
    _LAYOUTS[shape](canvas, card, picture)
    encoded = io.BytesIO()
    canvas.image.save(encoded, "PNG", compress_level=_COMPRESSION)
    return encoded.getvalue()


def _draw_wide(canvas: Canvas, card: Card, picture: Image.Image | None) -> None:
    accent = ACCENTS[card.type_code]
    canvas.glow((300, 290), 520, accent, 0.3)
    canvas.glow((1150, 640), 420, colour("#6b4a22"), 0.5)
    if picture:
        _draw_photo(canvas, card, picture, (72, 64), 92)
    else:
        _draw_dial(canvas, card, (282, 290), 196)
    left, width = (560, 576)
    top = 92 if card.between else 116
    canvas.text((left, top), card.eyebrow, fitted(card.eyebrow, 30, width), MUTED, "ls")
    canvas.text((left - 4, top + 112), card.type_name, fitted(card.type_name, 112, width), accent, "ls")
    _draw_score(canvas, card, (left, top + 198), 64)
    if card.between:
        face = fitted(card.between, 26, width - 48)
        length = round(face.getlength(card.between))
        canvas.panel((left, 322, left + length + 48, 372), 25, SURFACE, LINE)
        canvas.text((left + 24, 347), card.between, face, TEXT, "lm")
    gap, cell = 18, (width - 36) // 3
    for index, part in enumerate(card.parts):
        x = left + index * (cell + gap)
        _draw_part(canvas, part, (x, 404, x + cell, 520))
    _draw_brand(canvas, card, (left, 578), 26)
    canvas.text((left + width, 578), card.caution, sans(22), MUTED, "rs")


def _draw_tall(canvas: Canvas, card: Card, picture: Image.Image | None) -> None:
    # Stories cover some of their top and bottom with the app's own buttons.
    accent, middle = ACCENTS[card.type_code], 540
    canvas.glow((middle, 640), 900, accent, 0.3)
    canvas.glow((1000, 1900), 760, colour("#6b4a22"), 0.5)
    for index, letter in enumerate("ΑΒΓΔΩ"):
        canvas.text((middle + 76 * (index - 2), 208), letter, letters(46), GOLD, "ms")
    canvas.text((middle, 272), card.brand, sans(38), TEXT, "ms")
    if picture:
        _draw_photo(canvas, card, picture, (middle - 270, 330), 120)
        top = 1130
    else:
        _draw_dial(canvas, card, (middle, 680), 310)
        top = 1090
    canvas.text((middle, top), card.eyebrow, fitted(card.eyebrow, 38, 920), MUTED, "ms")
    canvas.text((middle, top + 150), card.type_name, fitted(card.type_name, 150, 920), accent, "ms")
    _draw_score(canvas, card, (middle, top + 250), 84, centred=True)
    if card.between:
        face = fitted(card.between, 36, 860)
        half = round(face.getlength(card.between) / 2) + 34
        canvas.panel((middle - half, top + 288, middle + half, top + 356), 34, SURFACE, LINE)
        canvas.text((middle, top + 322), card.between, face, TEXT, "mm")
    gap, left, width = 24, 80, 920
    cell = (width - 2 * gap) // 3
    for index, part in enumerate(card.parts):
        x = left + index * (cell + gap)
        _draw_part(canvas, part, (x, top + 396, x + cell, top + 560))
    canvas.text((middle, 1760), card.question, fitted(card.question, 42, 920), GOLD, "ms")
    canvas.text((middle, 1820), card.caution, sans(30), MUTED, "ms")


_LAYOUTS = {CardShape.WIDE: _draw_wide, CardShape.TALL: _draw_tall}
_PHOTO_SIZES = {CardShape.WIDE: (416, 502), CardShape.TALL: (540, 670)}


def _draw_dial(canvas: Canvas, card: Card, centre: tuple[int, int], radius: int) -> None:
    """The type's letter in a ring that the score fills."""
    accent = ACCENTS[card.type_code]
    width = radius // 9
    canvas.arc(centre, radius, width, 1, mixed(accent, INK, 0.22))
    canvas.arc(centre, radius, width, card.score / 100, accent)
    canvas.letter(centre, card.letter, letter_face(card.letter, round(radius * 1.22)), accent)


def _draw_photo(canvas: Canvas, card: Card, picture: Image.Image, corner: tuple[int, int], badge: int) -> None:
    """The photo, and the dial as a badge on its lower right corner."""
    x, y = corner
    width, height = picture.size
    canvas.panel((x - 3, y - 3, x + width + 3, y + height + 3), 39, ACCENTS[card.type_code])
    canvas.picture(picture, corner, 36)
    centre = (x + width - badge // 3, y + height - badge // 2)
    canvas.disc(centre, badge, INK)
    _draw_dial(canvas, card, centre, badge - 12)


def _draw_score(canvas: Canvas, card: Card, place: tuple[int, int], size: int, *, centred: bool = False) -> None:
    """The number, and smaller what it is out of, on one base line."""
    number, face, small = str(card.score), sans(size), sans(size // 2)
    x, y = place
    space = size // 4
    if centred:
        x -= round((face.getlength(number) + space + small.getlength(card.out_of)) / 2)
    canvas.text((x, y), number, face, TEXT, "ls")
    canvas.text((x + face.getlength(number) + space, y), card.out_of, small, MUTED, "ls")


def _draw_part(canvas: Canvas, part: CardPart, box: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = box
    height, width, tint = y1 - y0, x1 - x0, PART_COLOURS[part.code]
    canvas.panel(box, height // 6, SURFACE, LINE)
    padding = height // 6
    inner = width - 2 * padding
    name = fitted(part.name, round(height * 0.19), inner)
    canvas.text((x0 + padding, y0 + height * 0.32), part.name, name, MUTED, "lm")
    radius = round(height * 0.19)
    centre = (x0 + padding + radius, round(y0 + height * 0.69))
    canvas.disc(centre, radius, tint)
    canvas.letter(centre, part.letter, letter_face(part.letter, round(radius * 1.25)), SHADOW)
    left = centre[0] + radius + padding // 2
    face = fitted(part.type_name, round(height * 0.24), x1 - padding // 2 - left)
    canvas.text((left, centre[1]), part.type_name, face, TEXT, "lm")


def _draw_brand(canvas: Canvas, card: Card, place: tuple[int, int], size: int) -> None:
    x, y = place
    canvas.text(place, "ΑΩ", letters(size), GOLD, "ls")
    canvas.text((x + letters(size).getlength("ΑΩ") + size / 2, y), card.brand, sans(size), TEXT, "ls")


def _portrait(jpeg: bytes, photo: CardPhoto, size: tuple[int, int]) -> Image.Image:
    """The face with what is around it, cut to `size`."""
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        crop = _crop(photo, size)
        # A large JPEG decodes faster at a half or a quarter; no smaller than what is needed of it.
        needed = max(size[0] / crop.width, size[1] / crop.height)
        image.draft("RGB", (round(photo.size[0] * needed), round(photo.size[1] * needed)))
        scale_x, scale_y = image.width / photo.size[0], image.height / photo.size[1]
        box = (crop.x0 * scale_x, crop.y0 * scale_y, crop.x1 * scale_x, crop.y1 * scale_y)
        return image.convert("RGB").resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


def _crop(photo: CardPhoto, size: tuple[int, int]) -> Box:
    """A piece of the photo of the shape of `size`, around the face, as far as the photo reaches."""
    aspect = size[0] / size[1]
    height = min(PHOTO_HEIGHTS * photo.face.height, photo.size[1], photo.size[0] / aspect)
    width = height * aspect
    x0 = min(max((photo.face.x0 + photo.face.x1 - width) / 2, 0), photo.size[0] - width)
    y0 = min(max((photo.face.y0 + photo.face.y1 - height) / 2, 0), photo.size[1] - height)
    return Box(x0, y0, x0 + width, y0 + height)
