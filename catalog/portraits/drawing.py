"""One portrait, from backdrop to tag."""

from __future__ import annotations

import io
import random
from functools import cache

from PIL import Image, ImageChops, ImageDraw, ImageFont

from catalog.portraits.beards import draw_beard
from catalog.portraits.canvas import HEIGHT, WIDTH, Canvas, circle
from catalog.portraits.clothing import draw_outfit
from catalog.portraits.colours import WHITE, mix
from catalog.portraits.eyes import draw_brows, draw_eyes
from catalog.portraits.glasses import draw_glasses
from catalog.portraits.hair import draw_hair, draw_hair_behind
from catalog.portraits.head import Head
from catalog.portraits.mouth import draw_mouth
from catalog.portraits.nose import draw_nose
from catalog.portraits.skin import draw_ears, draw_neck, draw_skin
from catalog.portraits.traits import Traits, deal_traits

_deal = cache(deal_traits)
_TAG = "SAMPLE"
_QUALITY = 90
# Levels that the noise moves a pixel up or down at most.
_GRAIN = 2


def draw_portrait(number: int) -> bytes:
    """The JPEG of portrait `number`, 0 to PORTRAIT_COUNT - 1; the same number gives the same picture."""
    image = _tagged(_grained(_draw(_deal()[number]), number))
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=_QUALITY, optimize=True)
    return encoded.getvalue()


def _draw(traits: Traits) -> Image.Image:
    light, deep = traits.backdrop
    canvas = Canvas(light, deep)
    canvas.shape(circle((WIDTH / 2, 262), 206), mix(light, WHITE, 0.55), opacity=0.5)
    head = Head(traits)
    draw_hair_behind(canvas, head)
    draw_neck(canvas, head)
    draw_outfit(canvas, head)
    draw_ears(canvas, head)
    draw_skin(canvas, head)
    draw_beard(canvas, head)
    draw_mouth(canvas, head)
    draw_nose(canvas, head)
    draw_eyes(canvas, head)
    draw_brows(canvas, head)
    draw_hair(canvas, head)
    draw_glasses(canvas, head)
    return canvas.finished()


def _grained(image: Image.Image, seed: int) -> Image.Image:
    """With a trace of noise: eight bits would show the smooth backdrop's steps as bands."""
    noise = Image.frombytes("L", image.size, random.Random(seed).randbytes(image.width * image.height))
    grain = noise.point(lambda level: level * 2 * _GRAIN // 255)
    return ImageChops.add(image, Image.merge("RGB", (grain, grain, grain)), offset=-_GRAIN)


def _tagged(image: Image.Image) -> Image.Image:
    """With a small tag in a corner, so that nobody takes it for a real person's picture."""
    font = ImageFont.load_default(12)
    layer = Image.new("RGBA", image.size)
    draw = ImageDraw.Draw(layer)
    left, top = WIDTH - 76, HEIGHT - 32
    draw.rounded_rectangle((left, top, left + 64, top + 20), radius=10, fill=(20, 20, 28, 110))
    draw.text((left + 32, top + 10), _TAG, font=font, anchor="mm", fill=(255, 255, 255, 225))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
