"""Small images the tests draw themselves."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw


def draw_photo(width: int = 300, height: int = 400) -> Image.Image:
    """A colourful picture that differs in each quarter, so that any turn or flip shows."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.25, height * 0.2, width * 0.75, height * 0.8), fill=(224, 172, 140))
    draw.rectangle((0, 0, width // 4, height // 8), fill=(200, 30, 30))
    draw.rectangle((width * 3 // 4, 0, width, height // 8), fill=(30, 200, 30))
    draw.rectangle((0, height * 7 // 8, width // 4, height), fill=(30, 30, 200))
    return image


def encode(image: Image.Image, image_format: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def jpeg(width: int = 300, height: int = 400) -> bytes:
    return encode(draw_photo(width, height), quality=90)
