"""The pictures that the gate is measured on are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from inference.decoding import DecodedPhoto
from inference.evaluation.faceless import MADE
from inference.evaluation.portraits import ACCEPTED, FAR, REFUSED, Portrait, Variation
from inference.yunet import FaceLabel

POINTS = np.array([[80.0, 90], [120, 90], [100, 114], [86, 134], [114, 134]])
BOX = np.array([60.0, 50, 140, 160])
BY_NAME = {variation.name: variation for variation in (*ACCEPTED, *FAR, *REFUSED)}


@pytest.fixture
def portrait() -> Portrait:
    grain = np.random.default_rng(0).integers(120, 200, (240, 200, 3), dtype=np.uint8)
    return Portrait(grain, FaceLabel(BOX, POINTS, 0.9))


def made(name: str, portrait: Portrait) -> DecodedPhoto:
    return BY_NAME[name].make(portrait, np.random.default_rng(0))


@pytest.mark.parametrize("variation", BY_NAME.values(), ids=BY_NAME)
def test_each_variation_makes_another_photo_the_same_each_time(variation: Variation, portrait: Portrait) -> None:
    first, second = (variation.make(portrait, np.random.default_rng(3)) for _ in range(2))

    assert first.pixels.flags.c_contiguous
    assert np.array_equal(first.pixels, second.pixels)
    assert first.pixels.shape != portrait.pixels.shape or not np.array_equal(first.pixels, portrait.pixels)


@pytest.mark.parametrize("name", ["with a mask", "with a hand over nose and mouth", "with a scarf over nose and mouth"])
def test_what_covers_a_face_hides_the_mouth_and_not_the_eyes(name: str, portrait: Portrait) -> None:
    changed = (made(name, portrait).pixels != portrait.pixels).any(axis=2)

    for x, y in POINTS[3:].astype(int):
        assert changed[y - 3 : y + 4, x - 3 : x + 4].mean() > 0.9
    for x, y in POINTS[:2].astype(int):
        assert not changed[y - 3 : y + 4, x - 3 : x + 4].any()


@pytest.mark.parametrize("name", ["with glasses", "with dark glasses", "with a hat", "with a headscarf"])
def test_what_may_be_worn_leaves_nose_and_mouth_free(name: str, portrait: Portrait) -> None:
    changed = (made(name, portrait).pixels != portrait.pixels).any(axis=2)

    assert changed.mean() > 0.005
    for x, y in POINTS[2:].astype(int):
        assert not changed[y - 3 : y + 4, x - 3 : x + 4].any()


def test_a_beard_leaves_the_mouth_free(portrait: Portrait) -> None:
    changed = (made("with a beard", portrait).pixels != portrait.pixels).any(axis=2)

    x, y = POINTS[3:].mean(axis=0).astype(int)
    assert changed[y + 14 : y + 24, x - 15 : x + 15].mean() > 0.5
    assert changed[y - 2 : y + 3, x - 6 : x + 7].mean() < 0.1


def test_cuts_take_away_what_they_name(portrait: Portrait) -> None:
    assert made("without the left half", portrait).width == 200 - 100
    assert made("without the right half", portrait).width == 100
    assert made("without the chin", portrait).height == 160 - 22
    assert made("without the brows", portrait).height == 240 - 94


def test_a_far_face_has_so_many_pixels_of_the_full_size_photo(portrait: Portrait) -> None:
    photo = made("face of 120 pixels in 12 megapixels", portrait)

    assert (photo.width, photo.height, photo.scale) == (4000, 3000, 4)
    # The portrait's grain survives the reduction to a quarter; the wall around it is smooth.
    grain = np.abs(np.diff(photo.pixels.astype(int), axis=1)).sum(axis=2) > 12
    rows, columns = np.flatnonzero(grain.any(axis=1)), np.flatnonzero(grain.any(axis=0))
    assert np.ptp(rows) + 1 == pytest.approx(240 * 120 / 110 / 4, abs=4)
    assert np.ptp(columns) + 1 == pytest.approx(200 * 120 / 110 / 4, abs=4)


@pytest.mark.parametrize("kind", MADE)
def test_faceless_pictures_differ_and_come_out_the_same_each_time(kind: str, portrait: Portrait) -> None:
    scenes = [np.random.default_rng(seed).integers(0, 255, (120, 160, 3), dtype=np.uint8) for seed in range(3)]
    make, count = MADE[kind]

    pictures = [make(scenes, [portrait], np.random.default_rng(seed)) for seed in (0, 1, 0)]

    assert count >= 20
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 and min(picture.shape[:2]) > 8 for picture in pictures)
    assert np.array_equal(pictures[0], pictures[2])
    if kind != "portraits below the face":
        assert pictures[0].shape != pictures[1].shape or not np.array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("seed", range(6))
def test_a_portrait_without_its_face_shows_none_of_it(seed: int, portrait: Portrait) -> None:
    make, _ = MADE["portraits without the face"]
    scene = np.zeros((50, 50, 3), np.uint8)

    picture = make([scene], [portrait], np.random.default_rng(seed))

    # Grain is gone from the face: it is the scene's black, or inpainted smoothly.
    face = picture[60:150, 70:130].astype(int)
    assert np.abs(np.diff(face, axis=1)).mean() < 0.5 * np.abs(np.diff(portrait.pixels.astype(int), axis=1)).mean()
