"""What makes each portrait another man, dealt so that the five types get the same mix of everything."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from catalog.portraits.colours import Colour

# Portraits are dealt in hands: every type gets each card of each deck exactly once.
HANDS = 5
HAND_SIZE = 10
_SEED = 1


class Hair(StrEnum):
    CROP = "crop"
    SIDE_PART = "side_part"
    QUIFF = "quiff"
    CURTAIN = "curtain"
    FRINGE = "fringe"
    SLICK_BACK = "slick_back"
    CURLY = "curly"
    COILY = "coily"
    BUN = "bun"
    SHAVED = "shaved"


class Beard(StrEnum):
    NONE = "none"
    STUBBLE = "stubble"
    SHORT = "short"
    FULL = "full"
    GOATEE = "goatee"
    MOUSTACHE = "moustache"


class Glasses(StrEnum):
    NONE = "none"
    ROUND = "round"
    SQUARE = "square"
    BROWLINE = "browline"


class Outfit(StrEnum):
    TEE = "tee"
    SHIRT = "shirt"
    SUIT = "suit"
    HOODIE = "hoodie"
    TURTLENECK = "turtleneck"
    JACKET = "jacket"
    SWEATER = "sweater"


class Smile(StrEnum):
    SOFT = "soft"
    WIDE = "wide"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class FaceShape:
    """Half widths in head units at the cheekbones, the jaw's corners and the chin, and the chin's height."""

    cheek: float
    jaw: float
    chin: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Traits:
    """One imaginary man.

    turn, tilt: -1 to 1, of the head. lid: whether the upper lid shows a crease.
    """

    skin: Colour
    hair_colour: Colour
    hair: Hair
    beard: Beard
    glasses: Glasses
    outfit: Outfit
    cloth: tuple[Colour, Colour]
    backdrop: tuple[Colour, Colour]
    eye_colour: Colour
    face: FaceShape
    smile: Smile
    crease: bool
    turn: float
    tilt: float
    eye_open: float
    eye_slant: float
    brow_weight: float
    brow_arch: float
    nose_width: float
    mouth_width: float


# Light to deep; each a mid-tone that shading moves both ways.
_SKINS: tuple[Colour, ...] = (
    (250, 219, 197),
    (245, 208, 180),
    (238, 196, 165),
    (231, 185, 148),
    (218, 167, 126),
    (198, 144, 104),
    (173, 119, 82),
    (146, 97, 66),
    (118, 77, 53),
    (95, 62, 45),
)
_DEEP_SKINS = frozenset(_SKINS[5:])

_BLACK, _INK = (38, 34, 38), (48, 40, 42)
_ESPRESSO, _BROWN, _CHESTNUT = (66, 46, 38), (92, 62, 44), (122, 80, 50)
_AUBURN, _BLOND, _SILVER = (142, 74, 44), (206, 164, 104), (160, 160, 164)
_HAIR_COLOURS = (_BLACK, _BLACK, _INK, _ESPRESSO, _ESPRESSO, _BROWN, _CHESTNUT, _AUBURN, _BLOND, _SILVER)
_LIGHT_HAIR = frozenset({_AUBURN, _BLOND, _CHESTNUT})

_BEARDS = (*[Beard.NONE] * 4, Beard.STUBBLE, Beard.STUBBLE, Beard.SHORT, Beard.FULL, Beard.GOATEE, Beard.MOUSTACHE)
_GLASSES = (*[Glasses.NONE] * 7, Glasses.ROUND, Glasses.SQUARE, Glasses.BROWLINE)
_OUTFITS = (*Outfit, Outfit.TEE, Outfit.SHIRT, Outfit.SWEATER)
_SMILES = (*[Smile.SOFT] * 5, *[Smile.WIDE] * 2, *[Smile.OPEN] * 3)
_CREASES = (*[True] * 7, *[False] * 3)
_CLOTHS: tuple[tuple[Colour, Colour], ...] = (
    ((46, 64, 92), (240, 238, 232)),
    ((58, 92, 86), (236, 228, 214)),
    ((158, 76, 62), (244, 238, 228)),
    ((214, 196, 166), (74, 84, 104)),
    ((88, 94, 108), (246, 244, 240)),
    ((232, 228, 220), (104, 120, 140)),
    ((112, 84, 112), (240, 234, 226)),
    ((62, 110, 140), (242, 240, 234)),
    ((190, 142, 78), (242, 236, 226)),
    ((44, 46, 54), (226, 226, 226)),
)
_BACKDROPS: tuple[tuple[Colour, Colour], ...] = (
    ((190, 214, 226), (126, 164, 190)),
    ((244, 214, 190), (226, 168, 142)),
    ((206, 220, 196), (142, 174, 146)),
    ((226, 208, 226), (170, 148, 186)),
    ((246, 228, 180), (228, 186, 120)),
    ((196, 222, 214), (112, 168, 162)),
    ((236, 206, 206), (200, 144, 150)),
    ((214, 216, 226), (146, 152, 178)),
    ((228, 220, 206), (184, 170, 150)),
    ((184, 200, 232), (116, 136, 188)),
)
_EYES: tuple[Colour, ...] = (
    *[(64, 42, 30)] * 4,
    *[(92, 60, 36)] * 3,
    (86, 108, 74),
    (78, 112, 140),
    (112, 118, 110),
)
_BROWN_EYES = frozenset(_EYES[:7])
_FACES = (
    FaceShape(cheek=92, jaw=79, chin=27, bottom=132),
    FaceShape(cheek=91, jaw=84, chin=33, bottom=130),
    FaceShape(cheek=93, jaw=76, chin=23, bottom=131),
    FaceShape(cheek=89, jaw=77, chin=26, bottom=138),
    FaceShape(cheek=95, jaw=83, chin=30, bottom=129),
    FaceShape(cheek=94, jaw=78, chin=25, bottom=134),
    FaceShape(cheek=90, jaw=80, chin=31, bottom=136),
    FaceShape(cheek=96, jaw=86, chin=33, bottom=131),
    FaceShape(cheek=91, jaw=75, chin=24, bottom=134),
    FaceShape(cheek=93, jaw=82, chin=28, bottom=134),
)

# turn, tilt, eye_open, eye_slant, brow_weight, brow_arch, nose_width, mouth_width
_RANGES = ((-1, 1), (-1, 1), (0.76, 0.96), (-1, 1), (0.8, 1.2), (0, 1), (19, 24), (33, 39))


def _spread(low: float, high: float) -> list[float]:
    """A deck of even steps."""
    return [low + (high - low) * step / (HAND_SIZE - 1) for step in range(HAND_SIZE)]


def _goes_together(traits: Traits) -> bool:
    """Whether hair and eyes are a likely match for the skin."""
    if traits.skin in _DEEP_SKINS:
        return traits.hair_colour not in _LIGHT_HAIR and traits.eye_colour in _BROWN_EYES
    return traits.hair is not Hair.COILY


def _deal_hand(rng: random.Random) -> list[Traits]:
    """One type's ten men."""

    def deal(deck: Sequence[Any]) -> list[Any]:
        return rng.sample(deck, HAND_SIZE)

    while True:
        hand = [
            Traits(*cards)
            for cards in zip(
                _SKINS,
                deal(_HAIR_COLOURS),
                deal(list(Hair)),
                deal(_BEARDS),
                deal(_GLASSES),
                deal(_OUTFITS),
                deal(_CLOTHS),
                deal(_BACKDROPS),
                deal(_EYES),
                deal(_FACES),
                deal(_SMILES),
                deal(_CREASES),
                *(deal(_spread(low, high)) for low, high in _RANGES),
                strict=True,
            )
        ]
        if all(map(_goes_together, hand)):
            return deal(hand)


def deal_traits() -> list[Traits]:
    """The traits of all portraits; portrait n belongs to the type at n modulo 5."""
    rng = random.Random(_SEED)
    hands = [_deal_hand(rng) for _ in range(HANDS)]
    return [traits for cards in zip(*hands, strict=True) for traits in cards]
