"""Smooth shapes, text and pictures on one dark picture. Lengths are pixels."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
# Pillow draws shapes with hard edges: they are drawn this many times larger and then reduced.
_FINENESS = 3


def colour(hexadecimal: str) -> Colour:
    red, green, blue = bytes.fromhex(hexadecimal.removeprefix("#"))
    return red, green, blue


def mixed(over: Colour, under: Colour, share: float) -> Colour:
    """`share` of the first colour on the second."""
    red, green, blue = (round(a * share + b * (1 - share)) for a, b in zip(over, under, strict=True))
    return red, green, blue


class Canvas:
    def __init__(self, size: tuple[int, int], ground: Colour) -> None:
        self.ground = ground
        self.image = Image.new("RGB", size, ground)
        self._draw = ImageDraw.Draw(self.image)

    def glow(self, centre: tuple[int, int], radius: int, tint: Colour, strength: float) -> None:
        """Light that fades out from the centre. strength: its share of the colour there, 0 to 1."""
        mask = _glow_mask(strength).resize((2 * radius, 2 * radius), Image.Resampling.BICUBIC)
        self.image.paste(tint, (centre[0] - radius, centre[1] - radius), mask)

    def panel(self, box: tuple[int, int, int, int], radius: int, fill: Colour, line: Colour | None = None) -> None:
        """A rectangle with round corners."""
        x0, y0, x1, y1 = box
        if line:
            self.image.paste(line, (x0, y0), rounded_mask((x1 - x0, y1 - y0), radius))
            x0, y0, x1, y1, radius = x0 + 2, y0 + 2, x1 - 2, y1 - 2, radius - 2
        self.image.paste(fill, (x0, y0), rounded_mask((x1 - x0, y1 - y0), radius))

    def disc(self, centre: tuple[int, int], radius: int, fill: Colour) -> None:
        self.panel((centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius), radius, fill)

    def arc(self, centre: tuple[int, int], radius: int, width: int, share: float, fill: Colour) -> None:
        """A line of round ends along the first `share` of a circle, clockwise from its top."""
        self.image.paste(fill, (centre[0] - radius, centre[1] - radius), _arc_mask(radius, width, share))

    def picture(self, picture: Image.Image, corner: tuple[int, int], radius: int) -> None:
        """With round corners."""
        self.image.paste(picture, corner, rounded_mask(picture.size, radius))

    def text(
        self, place: tuple[float, float], text: str, face: ImageFont.FreeTypeFont, fill: Colour, anchor: str = "la"
    ) -> None:
        """anchor: Pillow's, such as "mm" for the middle and "ls" for the left of the base line."""
        self._draw.text(place, text, font=face, fill=fill, anchor=anchor)

    def letter(self, centre: tuple[int, int], letter: str, face: ImageFont.FreeTypeFont, fill: Colour) -> None:
        """One character whose ink, rather than its line, is centred."""
        x0, y0, x1, y1 = face.getbbox(letter)
        self.text((centre[0] - (x0 + x1) / 2, centre[1] - (y0 + y1) / 2), letter, face, fill)


@lru_cache(maxsize=64)
def rounded_mask(size: tuple[int, int], radius: int) -> Image.Image:
    """Only the corners are drawn large and reduced, whatever the size."""
    mask = Image.new("L", size, 255)
    side = radius * _FINENESS
    corner = Image.new("L", (side, side), 0)
    ImageDraw.Draw(corner).ellipse((0, 0, 2 * side - 1, 2 * side - 1), fill=255)
    corner = corner.resize((radius, radius), Image.Resampling.BOX)
    right, bottom = size[0] - radius, size[1] - radius
    mask.paste(corner, (0, 0))
    mask.paste(corner.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (right, 0))
    mask.paste(corner.transpose(Image.Transpose.FLIP_TOP_BOTTOM), (0, bottom))
    mask.paste(corner.transpose(Image.Transpose.ROTATE_180), (right, bottom))
    return mask


@lru_cache(maxsize=64)
def _arc_mask(radius: int, width: int, share: float) -> Image.Image:
    side, thick = 2 * radius * _FINENESS, width * _FINENESS
    mask = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(mask)
    degrees = 360 * min(share, 1)
    draw.arc((0, 0, side - 1, side - 1), -90, -90 + degrees, fill=255, width=thick)
    turned = mask.rotate(degrees, resample=Image.Resampling.NEAREST) if 0 < share < 1 else None
    if turned:
        # Both ends lie at the top, once as drawn and once turned back.
        end = (side // 2 - thick // 2, 0, side // 2 + thick // 2, thick - 1)
        draw.ellipse(end, fill=255)
        ImageDraw.Draw(turned).ellipse(end, fill=255)
        mask.paste(turned.rotate(-degrees), (0, 0), turned.rotate(-degrees))
    return mask.resize((2 * radius, 2 * radius), Image.Resampling.BOX)


@lru_cache(maxsize=8)
def _glow_mask(strength: float) -> Image.Image:
    """radial_gradient() is dark in the middle; squared, light fades softly."""
    fading = [round(255 * strength * max(0, 1 - level / 180) ** 2) for level in range(256)]
    return Image.radial_gradient("L").point(fading)
