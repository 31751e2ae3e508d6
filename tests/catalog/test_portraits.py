"""The sample portraits."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import fields

import pytest
from PIL import Image, ImageChops

from catalog.portraits import PORTRAIT_COUNT, draw_portrait
from catalog.portraits.traits import HANDS, Traits, deal_traits


def test_a_portrait_is_a_small_jpeg() -> None:
    content = draw_portrait(0)

    image = Image.open(io.BytesIO(content))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (480, 600))
    assert 15_000 < len(content) < 50_000


def test_a_number_gives_the_same_portrait_each_time() -> None:
    assert draw_portrait(3) == draw_portrait(3)


def test_portraits_differ_visibly() -> None:
    small = [Image.open(io.BytesIO(draw_portrait(number))).resize((24, 30)) for number in range(6)]

    for index, image in enumerate(small):
        for other in small[:index]:
            difference = ImageChops.difference(image, other).convert("L")
            assert sum(difference.get_flattened_data()) / (24 * 30) > 8


def test_portraits_carry_the_sample_tag() -> None:
    corner = Image.open(io.BytesIO(draw_portrait(0))).crop((404, 568, 468, 588)).convert("L")

    darkest, brightest = corner.getextrema()
    assert brightest - darkest > 80


def test_no_two_men_are_alike() -> None:
    traits = deal_traits()

    assert len(traits) == len(set(traits)) == PORTRAIT_COUNT


@pytest.mark.parametrize("name", [field.name for field in fields(Traits)])
def test_every_trait_is_spread_evenly_over_the_types(name: str) -> None:
    traits = deal_traits()

    hands = [Counter(getattr(man, name) for man in traits[number::HANDS]) for number in range(HANDS)]

    assert all(hand == hands[0] for hand in hands)
