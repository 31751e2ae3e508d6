"""What a comparison's page shows, worked out from the two results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

import catalog.selectors
from catalog.models import FaceType
from classification import comparisons
from classification.comparisons import Participant
from classification.models import Classification, Comparison
from classification.pair_texts import pair_text
from classification.pairing import Likeness, PartPair, pairing_of
from classification.portrait import Portrait, portrait_of
from classification.result_page import PART_NAMES
from inference.contracts import Box
from inference.contracts import FaceType as TypeCode

LIKENESS_NAMES: dict[Likeness, Promise] = {
    Likeness.ALIKE: _("Just alike"),
    Likeness.CLOSE: _("Nearly alike"),
    Likeness.DIFFERENT: _("Complementary"),
}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two. name: the nickname, or what to call somebody without one. portrait: where the photo is shown."""

    code: str
    name: str
    nickname: str
    is_mine: bool
    classification: Classification
    type_name: str
    score: int
    portrait: Portrait | None

    @property
    def has_photo_to_show(self) -> bool:
        return self.is_mine and bool(self.classification.photo_key)


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One type's probability in both results, in percent."""

    letter: str
    name: str
    percents: tuple[int, int]
    is_highest: tuple[bool, bool]


@dataclass(frozen=True, slots=True)
class PartRow:
    code: str
    name: str
    likeness: Likeness
    likeness_name: str
    line: str
    types: list[FaceType]
    type_names: list[str]
    rows: list[TypeRow]


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """my_result: the viewer's. overlap: in percent. ends_at: when the first of the two results is erased."""

    token: str
    my_result: UUID
    sides: list[Side]
    headline: str
    opening: str
    overlap: int
    parts: list[PartRow]
    ends_at: datetime

    @classmethod
    def of(cls, comparison: Comparison, *, viewer: Collection[UUID]) -> Self:
        """comparison: joined, with its results. viewer: whose results include one of the two."""
        participants = comparisons.participants_of(comparison)
        host, guest = (participants[side].classification for side in ("host", "guest"))
        language = get_language() or host.language
        pairing = pairing_of(host.parts, guest.parts)
        types = TypeCode(host.type.code), TypeCode(guest.type.code)
        text = pair_text(pairing, types, (host.pk, guest.pk))
        face_types = catalog.selectors.face_types()
        shares = [{record["part"]: record["probabilities"] for record in each.parts} for each in (host, guest)]
        return cls(
            token=comparison.token,
            my_result=host.pk if host.pk in viewer else guest.pk,
            sides=[_side(code, participant, viewer, language) for code, participant in participants.items()],
            headline=text.headline,
            opening=text.opening,
            overlap=round(100 * pairing.overlap),
            parts=[
                _part_row(pair, text.parts[pair.part], [each[pair.part] for each in shares], face_types, language)
                for pair in pairing.parts
            ],
            ends_at=min(host.expires_at, guest.expires_at),
        )


def _side(code: str, participant: Participant, viewer: Collection[UUID], language: str) -> Side:
    classification = participant.classification
    is_mine = classification.pk in viewer
    photo_area = Box(0, 0, classification.photo_width, classification.photo_height)
    return Side(
        code=code,
        name=participant.nickname or (gettext("You") if is_mine else gettext("Your friend")),
        nickname=participant.nickname,
        is_mine=is_mine,
        classification=classification,
        type_name=classification.type.name(language),
        score=round(classification.score),
        portrait=portrait_of(classification.parts, photo_area) if participant.photo_is_shown else None,
    )


def _part_row(
    pair: PartPair, line: str, sides: Sequence[Sequence[float]], face_types: Sequence[FaceType], language: str
) -> PartRow:
    by_code = {face_type.code: face_type for face_type in face_types}
    types = [by_code[code] for code in pair.types]
    return PartRow(
        code=pair.part,
        name=str(PART_NAMES[pair.part]),
        likeness=pair.likeness,
        likeness_name=str(LIKENESS_NAMES[pair.likeness]),
        line=line,
        types=types,
        type_names=[face_type.name(language) for face_type in types],
        rows=[
            TypeRow(
                letter=face_type.letter,
                name=face_type.name(language),
                percents=(round(100 * left), round(100 * right)),
                is_highest=(face_type == types[0], face_type == types[1]),
            )
            for face_type, left, right in zip(face_types, *sides, strict=True)
        ],
    )
