"""What a card says about a result."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from typing import Self

from django.utils import translation
from django.utils.translation import gettext

import catalog.selectors
from catalog.models import FaceType
from classification.card.typefaces import is_drawable
from classification.errors import PhotoNotStored
from classification.models import Classification
from classification.result_page import PART_NAMES, between_types
from inference.contracts import Box, FacePart

# Counted up whenever the drawing changes, so that no cache keeps the old one.
DRAWING = 1


@dataclass(frozen=True, slots=True)
class CardPart:
    code: str
    name: str
    letter: str
    type_name: str


@dataclass(frozen=True, slots=True)
class CardPhoto:
    """key: where the photo is stored. size: of the upright photo, in its own pixels. face: where the face is in it."""

    key: str
    size: tuple[int, int]
    face: Box


@dataclass(frozen=True, slots=True)
class Card:
    """Every text and number of a card, in one language. photo: where the card is to show it."""

    type_code: str
    letter: str
    type_name: str
    score: int
    eyebrow: str
    out_of: str
    between: str
    parts: list[CardPart]
    brand: str
    question: str
    caution: str
    photo: CardPhoto | None

    @classmethod
    def of(cls, classification: Classification, *, language: str, with_photo: bool = False) -> Self:
        """Raises PhotoNotStored."""
        if with_photo and not classification.photo_key:
            raise PhotoNotStored
        types = {face_type.code: face_type for face_type in catalog.selectors.face_types()}
        with translation.override(language):
            return cls(
                type_code=classification.type.code,
                letter=classification.type.letter,
                type_name=_name(classification.type, language),
                score=round(classification.score),
                eyebrow=gettext("People tend to see in this photo"),
                out_of=gettext("out of 100"),
                between=_drawable(between_types(classification, language)),
                parts=[
                    CardPart(
                        code=record["part"],
                        name=str(PART_NAMES[record["part"]]),
                        letter=types[record["type"]].letter,
                        type_name=_name(types[record["type"]], language),
                    )
                    for record in classification.parts
                ],
                brand=gettext("Alpha Project"),
                question=gettext("Which type do people see in your face?"),
                caution=gettext("For entertainment"),
                photo=_photo(classification) if with_photo else None,
            )

    @property
    def fingerprint(self) -> str:
        """Differs wherever the pictures do."""
        return hashlib.sha256(repr((DRAWING, astuple(self))).encode()).hexdigest()[:32]


def _photo(classification: Classification) -> CardPhoto:
    face = next(record["box"] for record in classification.parts if record["part"] == FacePart.WHOLE_FACE)
    return CardPhoto(
        key=classification.photo_key,
        size=(classification.photo_width, classification.photo_height),
        face=Box(*face),
    )


def _name(face_type: FaceType, language: str) -> str:
    """In the language; in English, or by its code, where a curator chose characters that the card's face lacks."""
    names = (face_type.name(language), face_type.name_en)
    return next(filter(is_drawable, names), face_type.code.capitalize())


def _drawable(text: str) -> str:
    """A sentence that a card can leave out."""
    return text if is_drawable(text) else ""
