"""What a board's page shows its members. Nobody is ranked: members stand in the order in which they joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Self
from uuid import UUID

from django.utils.translation import get_language, gettext

import catalog.selectors
from classification.models import Board, BoardMember
from classification.models.comparing import BOARD_SEATS
from classification.pairing import pairing_of


@dataclass(frozen=True, slots=True)
class MemberCard:
    id: int
    nickname: str
    type_code: str
    letter: str
    type_name: str
    score: int
    is_mine: bool
    is_owner: bool


@dataclass(frozen=True, slots=True)
class TypeCount:
    """How many members have a type. nicknames: theirs."""

    code: str
    letter: str
    name: str
    nicknames: list[str]


@dataclass(frozen=True, slots=True)
class ClosestPair:
    """The two whose results coincide most, and how far."""

    nicknames: tuple[str, str]
    percent: str


@dataclass(frozen=True, slots=True)
class BoardPage:
    """owner: their nickname. heir: who would own the board if its owner left it; empty where nobody else is on it."""

    board: Board
    members: list[MemberCard]
    types: list[TypeCount]
    summary: str
    closest: ClosestPair | None
    owner: str
    heir: str
    is_mine: bool
    seats_left: int
    ends_at: datetime

    @classmethod
    def of(cls, board: Board, members: Sequence[BoardMember], *, viewer: Collection[UUID]) -> Self:
        """members: longest first, with their results. viewer: the results of whoever looks at it."""
        language = get_language() or "en"
        return cls(
            board=board,
            members=[
                _card(member, language, is_mine=member.classification_id in viewer, is_owner=member is members[0])
                for member in members
            ],
            types=_types(members, language),
            summary=_summary(members),
            closest=_closest(members),
            owner=members[0].nickname,
            heir=members[1].nickname if len(members) > 1 else "",
            is_mine=members[0].classification_id in viewer,
            seats_left=BOARD_SEATS - len(members),
            ends_at=board.expires_at,
        )


def _card(member: BoardMember, language: str, *, is_mine: bool, is_owner: bool) -> MemberCard:
    face_type = member.classification.type
    return MemberCard(
        id=member.pk,
        nickname=member.nickname,
        type_code=face_type.code,
        letter=face_type.letter,
        type_name=face_type.name(language),
        score=round(member.classification.score),
        is_mine=is_mine,
        is_owner=is_owner,
    )


def _types(members: Sequence[BoardMember], language: str) -> list[TypeCount]:
    return [
        TypeCount(
            face_type.code,
            face_type.letter,
            face_type.name(language),
            [member.nickname for member in members if member.classification.type == face_type],
        )
        for face_type in catalog.selectors.face_types()
    ]


def _summary(members: Sequence[BoardMember]) -> str:
    """One sentence about the types on the board, whatever they are."""
    counts = Counter(member.classification.type.code for member in members)
    if len(members) == 1:
        return gettext("So far it is only one of you. Send the link and see who joins.")
    match len(counts):
        case 1:
            return gettext("All of you make the same kind of impression: a board in perfect tune.")
        case 5:
            return gettext("All five types on one board: nothing is missing here.")
        case number:
            return gettext("%(number)d of the five types meet here: a good mix.") % {"number": number}


def _closest(members: Sequence[BoardMember]) -> ClosestPair | None:
    """Of pairs that coincide as much, the one that was there first."""
    overlaps = {
        (one.nickname, other.nickname): pairing_of(one.classification.parts, other.classification.parts).overlap
        for one, other in combinations(members, 2)
    }
    if not overlaps:
        return None
    nicknames = max(overlaps, key=overlaps.__getitem__)
    return ClosestPair(nicknames, f"{100 * overlaps[nicknames]:.0f}%")
