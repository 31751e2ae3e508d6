"""What the result page shows, worked out from an answer."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

import catalog.selectors
from catalog.models import CelebrityImage, FaceType
from classification.models import Classification, PartRecord
from classification.portrait import PartMark, Portrait, portrait_of
from classification.selectors import Answer
from inference.contracts import Box, FacePart

PART_NAMES: dict[str, Promise] = {
    FacePart.WHOLE_FACE: _("Whole face"),
    FacePart.UPPER_FACE: _("Upper face"),
    FacePart.LOWER_FACE: _("Lower face"),
}
# From these probabilities of the type upwards, surest first.
CONFIDENCE_WORDS: tuple[tuple[float, Promise], ...] = (
    (0.7, _("The model is quite sure about this impression.")),
    (0.5, _("The model is fairly sure about this impression.")),
    (0.0, _("It is a close call: another photo may well come out differently.")),
)


@dataclass(frozen=True, slots=True)
class TypeShare:
    letter: str
    name: str
    percent: int
    is_highest: bool


@dataclass(frozen=True, slots=True)
class PartCard:
    code: str
    name: str
    letter: str
    type_name: str
    mark: PartMark
    shares: list[TypeShare]


@dataclass(frozen=True, slots=True)
class CelebrityCard:
    name: str
    url: str
    width: int
    height: int
    attribution: str
    look_alike: bool

    @classmethod
    def of(cls, image: CelebrityImage, language: str, *, look_alike: bool = False) -> Self:
        return cls(image.celebrity.name(language), image.url, image.width, image.height, image.attribution, look_alike)


@dataclass(frozen=True, slots=True)
class ResultPage:
    """photo: the address of the upright photo, or itself as a data URI, where there is one to show."""

    classification: Classification
    type_code: str
    letter: str
    type_name: str
    sentences: list[str]
    score: int
    headline: str
    confidence: str
    between: str
    photo: str
    portrait: Portrait
    parts: list[PartCard]
    celebrities: list[CelebrityCard]

    @classmethod
    def of(cls, answer: Answer, *, photo_url: str = "") -> Self:
        """What an answer shows; its photo from `photo_url` where the answer itself has none."""
        classification = answer.classification
        language = get_language() or classification.language
        types = catalog.selectors.face_types()
        photo_area = Box(0, 0, classification.photo_width, classification.photo_height)
        portrait = portrait_of(classification.parts, photo_area)
        return cls(
            classification=classification,
            type_code=classification.type.code,
            letter=classification.type.letter,
            type_name=classification.type.name(language),
            sentences=classification.type.sentences(language),
            score=round(classification.score),
            headline=_headline(classification, language),
            confidence=_confidence_in_words(classification.confidence),
            between=between_types(classification, language),
            photo=_data_uri(answer.preview) if answer.preview else photo_url,
            portrait=portrait,
            parts=[
                _part_card(record, mark, types, language)
                for record, mark in zip(classification.parts, portrait.marks, strict=True)
            ],
            celebrities=[
                CelebrityCard.of(entry.image, language, look_alike=entry.look_alike) for entry in answer.gallery
            ],
        )


@dataclass(frozen=True, slots=True)
class ResultSummary:
    """A line of a list of results."""

    classification: Classification
    type_name: str
    score: int

    @classmethod
    def of(cls, classification: Classification) -> Self:
        language = get_language() or classification.language
        return cls(classification, classification.type.name(language), round(classification.score))


def _headline(classification: Classification, language: str) -> str:
    """The result in one line, for titles."""
    return gettext("%(type)s (%(letter)s), %(score)d out of 100") % {
        "type": classification.type.name(language),
        "letter": classification.type.letter,
        "score": round(classification.score),
    }


def _confidence_in_words(confidence: float) -> str:
    return next(str(words) for floor, words in CONFIDENCE_WORDS if confidence >= floor)


def between_types(classification: Classification, language: str) -> str:
    """The words that names both types where the answer is borderline, the higher type first."""
    if classification.borderline_with is None:
        return ""
    higher, lower = sorted((classification.type, classification.borderline_with), key=lambda each: each.rank)
    return gettext("Between %(higher)s and %(lower)s") % {
        "higher": higher.name(language),
        "lower": lower.name(language),
    }


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _part_card(record: PartRecord, mark: PartMark, types: Sequence[FaceType], language: str) -> PartCard:
    by_code: Mapping[str, FaceType] = {face_type.code: face_type for face_type in types}
    face_type = by_code[record["type"]]
    return PartCard(
        code=record["part"],
        name=str(PART_NAMES[record["part"]]),
        letter=face_type.letter,
        type_name=face_type.name(language),
        mark=mark,
        shares=[
            TypeShare(each.letter, each.name(language), round(100 * probability), is_highest=each == face_type)
            for each, probability in zip(types, record["probabilities"], strict=True)
        ],
    )
