"""People who join, leave and erase at the same moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection

from classification import boards, comparisons, services
from classification.comparisons import Participant
from classification.errors import BoardFull, ClassificationError, InvitationTaken
from classification.models import Board, BoardMember, Classification, Comparison
from classification.models.comparing import BOARD_SEATS
from tests.catalog.factories import make_face_types
from tests.catalog.test_galleries_concurrently import run_at_once
from tests.classification.people import make_result

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time"),
]

AT_ONCE = 10


@pytest.fixture(autouse=True)
def _types(transactional_db: None) -> None:
    make_face_types()


def refusals_of(*attempts: Callable[[], object]) -> list[type[ClassificationError]]:
    """Make the attempts at once; returns why some were refused."""
    refusals: list[type[ClassificationError]] = []

    def attempt(make: Callable[[], object]) -> None:
        try:
            make()
        except ClassificationError as error:
            refusals.append(type(error))

    run_at_once(*(lambda make=make: attempt(make) for make in attempts))
    return refusals


def test_last_places_of_a_board_go_to_as_many_as_there_are() -> None:
    board = boards.board_create(name="Football", owner=make_result(), nickname="owner")
    for number in range(BOARD_SEATS - 4):
        boards.member_add(token=board.token, classification=make_result(), nickname=f"early {number}")
    late = [make_result() for _ in range(AT_ONCE)]

    refusals = refusals_of(
        *(
            lambda result=result, number=number: boards.member_add(
                token=board.token, classification=result, nickname=f"late {number}"
            )
            for number, result in enumerate(late)
        )
    )

    assert refusals == [BoardFull] * (AT_ONCE - 3)
    assert sorted(board.members.values_list("seat", flat=True)) == list(range(1, BOARD_SEATS + 1))


def test_one_result_joins_a_board_once_from_many_tabs() -> None:
    board = boards.board_create(name="Football", owner=make_result(), nickname="owner")
    result = make_result()

    refusals = refusals_of(
        *(
            lambda number=number: boards.member_add(token=board.token, classification=result, nickname=f"tab {number}")
            for number in range(AT_ONCE)
        )
    )

    assert refusals == []
    assert board.members.filter(classification=result).count() == 1


def test_of_many_guests_at_the_same_moment_one_takes_the_place() -> None:
    invitation = comparisons.invitation_create(host=Participant(make_result()))
    guests = [make_result() for _ in range(AT_ONCE)]

    refusals = refusals_of(
        *(
            lambda guest=guest: comparisons.invitation_accept(token=invitation.token, guest=Participant(guest))
            for guest in guests
        )
    )

    assert refusals == [InvitationTaken] * (AT_ONCE - 1)
    assert Comparison.objects.get().guest in guests


def test_two_who_invite_each_other_at_the_same_moment_get_one_comparison() -> None:
    one, other = make_result(), make_result()
    invitations = {
        guest: comparisons.invitation_create(host=Participant(host)) for host, guest in ((one, other), (other, one))
    }

    refusals = refusals_of(
        *(
            lambda guest=guest: comparisons.invitation_accept(token=invitations[guest].token, guest=Participant(guest))
            for guest in (one, other) * 3
        )
    )

    assert refusals == []
    assert Comparison.objects.filter(guest__isnull=False).count() == 1


def test_form_sent_many_times_at_once_makes_one_board() -> None:
    owner = make_result()

    run_at_once(
        *(lambda: boards.board_create(name="Football", owner=owner, nickname="x", nonce="n") for _ in range(AT_ONCE))
    )

    assert Board.objects.get().members.get().classification == owner


def test_erasing_a_result_while_others_join_leaves_nothing_of_it_and_breaks_nothing() -> None:
    for number in range(6):
        leaving, joining = make_result(), make_result()
        board = boards.board_create(name="Football", owner=leaving, nickname="owner")
        invitation = comparisons.invitation_create(host=Participant(leaving))

        refusals_of(
            lambda leaving=leaving: services.classification_delete(leaving),
            lambda board=board, joining=joining: boards.member_add(
                token=board.token, classification=joining, nickname="x"
            ),
            lambda invitation=invitation, joining=joining: comparisons.invitation_accept(
                token=invitation.token, guest=Participant(joining)
            ),
            lambda board=board, leaving=leaving: boards.member_remove(
                token=board.token,
                member_id=BoardMember.objects.filter(classification=leaving).values_list("pk", flat=True).first() or 0,
                by=[leaving.pk],
            ),
        )

        assert not Comparison.objects.exists()
        assert Classification.objects.get() == joining, f"round {number}"
        # The board is there exactly where somebody is on it.
        assert Board.objects.count() == BoardMember.objects.count() <= 1
        services.classification_delete(joining)
        assert not Board.objects.exists()
