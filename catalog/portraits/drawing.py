"""Drawing one portrait."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 480, 600


def draw_portrait(number: int) -> bytes:
    """The JPEG of portrait `number`; the same number gives the same picture."""
    rng = random.Random(number)
    background, skin, shirt = (tuple(rng.randrange(60, 230) for _ in range(3)) for _ in range(3))
    image = Image.new("RGB", (WIDTH, HEIGHT), background)
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 440, 420, 800), fill=shirt)
    draw.ellipse((130, 130, 350, 450), fill=skin)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=90)
    return encoded.getvalue()
