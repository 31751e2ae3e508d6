"""What is said about two results together: playful and kind. Which words a pair gets never changes.

No text names a winner, and none says anything of a person's worth: each type stands for a quality of the impression,
and any two qualities are said to suit each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from classification.pairing import Likeness, Pairing, PartPair
from inference.contracts import FacePart, FaceType

QUALITIES: dict[FaceType, Promise] = {
    FaceType.ALPHA: _("sparkle"),
    FaceType.BETA: _("freshness"),
    FaceType.GAMMA: _("ease"),
    FaceType.DELTA: _("character"),
    FaceType.OMEGA: _("warmth"),
}
# By the two types, in the order of FaceType.
HEADLINES: dict[tuple[FaceType, FaceType], tuple[Promise, ...]] = {
    (FaceType.ALPHA, FaceType.ALPHA): (_("Two spotlights, one stage"), _("Twice the sparkle in one picture")),
    (FaceType.ALPHA, FaceType.BETA): (_("A bright day with a light breeze"), _("Sparkle and a breath of fresh air")),
    (FaceType.ALPHA, FaceType.GAMMA): (_("Fireworks on a summer evening"), _("A sparkle that feels at home")),
    (FaceType.ALPHA, FaceType.DELTA): (_("The headline and the story behind it"), _("Sparkle with a signature")),
    (FaceType.ALPHA, FaceType.OMEGA): (_("The spotlight and the warm lamp"), _("A bright hello and a warm one")),
    (FaceType.BETA, FaceType.BETA): (_("Two breaths of fresh air"), _("A clear morning, twice over")),
    (FaceType.BETA, FaceType.GAMMA): (_("Fresh air on an easy Sunday"), _("A light breeze and a comfy chair")),
    (FaceType.BETA, FaceType.DELTA): (_("A fresh page and a bold signature"), _("Fresh meets one of a kind")),
    (FaceType.BETA, FaceType.OMEGA): (_("Morning breeze, afternoon sun"), _("Fresh linen and a warm blanket")),
    (FaceType.GAMMA, FaceType.GAMMA): (_("Ease, squared"), _("Two easy smiles in one frame")),
    (FaceType.GAMMA, FaceType.DELTA): (_("An easy tune with a surprising chorus"), _("Calm water, striking shore")),
    (FaceType.GAMMA, FaceType.OMEGA): (_("A Sunday made for lingering"), _("Soft light from both sides")),
    (FaceType.DELTA, FaceType.DELTA): (_("Two originals, no copies"), _("A double helping of character")),
    (FaceType.DELTA, FaceType.OMEGA): (_("A good story by a warm fire"), _("Character with a warm welcome")),
    (FaceType.OMEGA, FaceType.OMEGA): (_("Two warm lights in one window"), _("Warmth, and then some more")),
}
# By how many of the three parts are alike.
OPENINGS: tuple[tuple[Promise, ...], ...] = (
    (
        _("No part of the same type: together you cover more ground than anyone alone."),
        _("Different in every part. Nobody will ever mix up your photos, and you never run out of things to compare."),
    ),
    (
        _("One part in common, two to show each other."),
        _("You meet in one part and differ in two: enough to recognise, enough to talk about."),
    ),
    (
        _("Two of the three parts are alike, and the third keeps things interesting."),
        _("You agree on two parts out of three. Good friends leave some room."),
    ),
    (
        _("All three parts leave the same kind of impression. Somebody is bound to ask whether you are related."),
        _("Whole face, upper face, lower face: the same type each time. That is what being in tune looks like."),
    ),
)
# one, other: the qualities of the two sides. One: the same, at the start of a sentence.
PART_LINES: dict[Likeness, tuple[Promise, ...]] = {
    Likeness.ALIKE: (_("%(One)s on both sides."), _("Twice the %(one)s.")),
    Likeness.CLOSE: (
        _("%(One)s and %(other)s: next-door neighbours."),
        _("From %(one)s to %(other)s, it is one small step."),
    ),
    Likeness.DIFFERENT: (
        _("%(One)s meets %(other)s: each adds something of its own."),
        _("%(One)s here, %(other)s there: together you have both."),
    ),
}


@dataclass(frozen=True, slots=True)
class PairText:
    """In the active language. parts: a line for each part of the pairing."""

    headline: str
    opening: str
    parts: dict[FacePart, str]


def pair_text(pairing: Pairing, types: tuple[FaceType, FaceType], ids: tuple[UUID, UUID]) -> PairText:
    """types, ids: of the two results. The ids choose among the variants, in either order alike."""
    first, second = sorted(types, key=list(FaceType).index)
    return PairText(
        headline=_variant(HEADLINES[first, second], ids, "headline"),
        opening=_variant(OPENINGS[pairing.alike], ids, "opening") if pairing.parts else "",
        parts={pair.part: _part_line(pair, ids) for pair in pairing.parts},
    )


def _part_line(pair: PartPair, ids: tuple[UUID, UUID]) -> str:
    one, other = (str(QUALITIES[face_type]) for face_type in pair.types)
    return _variant(PART_LINES[pair.likeness], ids, pair.part) % {"one": one, "other": other, "One": capfirst(one)}


def _variant(variants: Sequence[Promise], ids: tuple[UUID, UUID], place: str) -> str:
    digest = hashlib.sha256("".join([*sorted(map(str, ids)), place]).encode()).digest()
    return str(variants[digest[0] % len(variants)])
