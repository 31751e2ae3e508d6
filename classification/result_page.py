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
from classification.selectors import Answer
from inference.contracts import FacePart

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
# The parts share edges; drawn this share of the face's width apart, each outline stays visible.
BOX_GAP = 0.012
# A part's letter tag, as a share of the photo's width.
TAG_SIZE = 0.075


@dataclass(frozen=True, slots=True)
class BoxDrawing:
    """A part's rectangle and the centre of its letter tag, in pixels of the photo."""

    x: float
    y: float
    width: float
    height: float
    tag_x: float
    tag_y: float


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
    drawing: BoxDrawing
    shares: list[TypeShare]


@dataclass(frozen=True, slots=True)
class CelebrityCard:
    name: str
    url: str
    width: int
    height: int
    attribution: str

    @classmethod
    def of(cls, image: CelebrityImage, language: str) -> Self:
        return cls(image.celebrity.name(language), image.url, image.width, image.height, image.attribution)


@dataclass(frozen=True, slots=True)
class ResultPage:
    """tag_size: side of a letter tag, in pixels of the photo."""

    classification: Classification
    type_code: str
    letter: str
    type_name: str
    sentences: list[str]
    score: int
    confidence: str
    between: str
    photo: str
    tag_size: float
    parts: list[PartCard]
    celebrities: list[CelebrityCard]

    @classmethod
    def of(cls, answer: Answer) -> Self:
        classification = answer.classification
        language = get_language() or classification.language
        types = catalog.selectors.face_types()
        tag_size = TAG_SIZE * classification.photo_width
        return cls(
            classification=classification,
            type_code=classification.type.code,
            letter=classification.type.letter,
            type_name=classification.type.name(language),
            sentences=classification.type.sentences(language),
            score=round(classification.score),
            confidence=_confidence_in_words(classification.confidence),
            between=_between(classification, language),
            photo=_data_uri(answer.preview) if answer.preview else "",
            tag_size=tag_size,
            parts=[
                _part_card(record, types, language, _drawing(record, classification, tag_size))
                for record in classification.parts
            ],
            celebrities=[CelebrityCard.of(image, language) for image in answer.celebrities],
        )


def _confidence_in_words(confidence: float) -> str:
    return next(str(words) for floor, words in CONFIDENCE_WORDS if confidence >= floor)


def _between(classification: Classification, language: str) -> str:
    """The sentence that names both types where the answer is borderline, the higher type first."""
    if classification.borderline_with is None:
        return ""
    higher, lower = sorted((classification.type, classification.borderline_with), key=lambda each: each.rank)
    return gettext("Between %(higher)s and %(lower)s") % {
        "higher": higher.name(language),
        "lower": lower.name(language),
    }


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _part_card(record: PartRecord, types: Sequence[FaceType], language: str, drawing: BoxDrawing) -> PartCard:
    by_code: Mapping[str, FaceType] = {face_type.code: face_type for face_type in types}
    face_type = by_code[record["type"]]
    return PartCard(
        code=record["part"],
        name=str(PART_NAMES[record["part"]]),
        letter=face_type.letter,
        type_name=face_type.name(language),
        drawing=drawing,
        shares=[
            TypeShare(each.letter, each.name(language), round(100 * probability), is_highest=each == face_type)
            for each, probability in zip(types, record["probabilities"], strict=True)
        ],
    )


def _drawing(record: PartRecord, photo: Classification, tag_size: float) -> BoxDrawing:
    """The part's box within the photo, its tag on an edge that no other part's tag sits on."""
    x0, y0, x1, y1 = record["box"]
    gap = BOX_GAP * (x1 - x0)
    is_whole = record["part"] == FacePart.WHOLE_FACE
    inset = -gap if is_whole else gap
    left, right = max(x0 + inset, 0), min(x1 - inset, photo.photo_width)
    top, bottom = max(y0 + inset, 0), min(y1 - inset, photo.photo_height)
    tag_x = {FacePart.WHOLE_FACE: (left + right) / 2, FacePart.UPPER_FACE: left, FacePart.LOWER_FACE: right}[
        FacePart(record["part"])
    ]
    tag_y = top if is_whole else (top + bottom) / 2
    margin = tag_size / 2
    return BoxDrawing(
        x=left,
        y=top,
        width=right - left,
        height=bottom - top,
        tag_x=min(max(tag_x, margin), photo.photo_width - margin),
        tag_y=min(max(tag_y, margin), photo.photo_height - margin),
    )
