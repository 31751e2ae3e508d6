"""Every write to boards, and every read. Whoever joins, leaves or changes a board holds its row's lock meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Lower
from django.utils import timezone

from classification.comparisons import results_hold, token_of
from classification.errors import BoardFull, BoardNotFound, NicknameTaken, NotAllowed, TooManyComparisons
from classification.models import Board, BoardMember, Classification
from classification.models.comparing import BOARD_SEATS

# What a person can look through.
MAX_PER_RESULT = 20


@transaction.atomic
def board_create(*, name: str, owner: Classification, nickname: str, nonce: str = "") -> Board:
    """A board with its owner on it; the same form, told by its nonce, makes one.

    Raises TooManyComparisons, ClassificationNotFound.
    """
    board, is_new = Board.objects.get_or_create(
        token=token_of(purpose="board", owner=owner.pk, nonce=nonce),
        defaults={"name": name, "expires_at": timezone.now() + timedelta(days=settings.RETENTION_DAYS)},
    )
    if is_new:
        member_add(token=board.token, classification=owner, nickname=nickname)
    return board


@transaction.atomic
def member_add(*, token: str, classification: Classification, nickname: str) -> BoardMember:
    """Join with a result; one that is on the board already stays as it is.

    Raises BoardNotFound, BoardFull, NicknameTaken, TooManyComparisons, ClassificationNotFound.
    """
    board = _locked(token)
    members = list(board.members.all())
    if already := next((member for member in members if member.classification_id == classification.pk), None):
        return already
    # Full also while a result on it has expired but is not erased yet: that takes a day at most.
    free = set(range(1, BOARD_SEATS + 1)) - {member.seat for member in members}
    if not free:
        raise BoardFull
    # As the constraint compares them.
    if board.members.annotate(lower=Lower("nickname")).filter(lower=Lower(Value(nickname))).exists():
        raise NicknameTaken
    if BoardMember.objects.filter(classification=classification).count() >= MAX_PER_RESULT:
        raise TooManyComparisons
    results_hold([classification.pk])
    return BoardMember.objects.create(board=board, classification=classification, nickname=nickname, seat=min(free))


@transaction.atomic
def member_remove(*, token: str, member_id: int, by: Collection[UUID]) -> bool:
    """Take a member off, who leaves or whom the owner removes; the last one closes the board.

    by: the results whose owner asks for it. Returns whether the member was one of them. A member who is gone already is
    no error. Raises BoardNotFound, NotAllowed.
    """
    board = _locked(token)
    members = _members_alive(board)
    member = next((each for each in members if each.pk == member_id), None)
    if member is None:
        return False
    if member.classification_id not in by and members[0].classification_id not in by:
        raise NotAllowed
    member.delete()
    if not board.members.exists():
        board.delete()
    return member.classification_id in by


@transaction.atomic
def board_rename(*, token: str, name: str, by: Collection[UUID]) -> None:
    """Raises BoardNotFound, NotAllowed."""
    board = _locked(token)
    _require_owner(board, by)
    board.name = name
    board.save(update_fields=["name"])


@transaction.atomic
def board_close(*, token: str, by: Collection[UUID]) -> None:
    """Erase the board for everybody on it. Raises BoardNotFound, NotAllowed."""
    board = _locked(token)
    _require_owner(board, by)
    board.delete()


@contextmanager
def emptied_boards_closed(classification_ids: Sequence[UUID]) -> Generator[None]:
    """Erase, with the results that are erased within, the boards on which nobody else was; in one transaction."""
    with transaction.atomic():
        theirs = BoardMember.objects.filter(classification__in=classification_ids).values("board")
        # Nobody joins one of them until it is known whether it stays; in one order, so that nobody waits in a circle.
        boards = list(
            Board.objects.select_for_update().filter(pk__in=theirs).order_by("pk").values_list("pk", flat=True)
        )
        yield
        Board.objects.filter(pk__in=boards, members=None).delete()


def expired_boards_purge() -> int:
    """Erase every expired board; returns how many."""
    _erased, by_model = Board.objects.filter(expires_at__lte=timezone.now()).delete()
    return by_model.get("classification.Board", 0)


def board_by_token(token: str) -> Board:
    """Raises BoardNotFound."""
    board = Board.objects.alive().filter(token=token).first()
    if board is None:
        raise BoardNotFound
    return board


def members_of(board: Board) -> list[BoardMember]:
    """Those whose results are alive, with their results, longest first: the first one owns the board.

    Raises BoardNotFound for a board on which only expired results are left.
    """
    members = list(board.members.alive().longest_first().select_related("classification__type"))
    if not members:
        raise BoardNotFound
    return members


def boards_of(classification_id: UUID) -> list[Board]:
    """Those this result is on, newest first."""
    return list(Board.objects.alive().filter(members__classification=classification_id).order_by("-pk"))


def _locked(token: str) -> Board:
    board = Board.objects.alive().select_for_update().filter(token=token).first()
    if board is None:
        raise BoardNotFound
    return board


def _members_alive(board: Board) -> list[BoardMember]:
    return list(board.members.alive().longest_first())


def _require_owner(board: Board, by: Collection[UUID]) -> None:
    members = _members_alive(board)
    if not members or members[0].classification_id not in by:
        raise NotAllowed
