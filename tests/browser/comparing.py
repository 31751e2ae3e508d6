"""Sets up the pages on which results are compared, each in the state in which most people see it."""

from __future__ import annotations

from django.test import Client

from classification import boards, comparisons
from classification.comparisons import Participant
from classification.models import Board, Comparison
from tests.classification.people import make_result, own

NICKNAMES = ("민수", "Junho", "Théo", "عمر", "서연", "W" * 20, "Jun", "지훈")
TYPES = ("gamma", "beta", "alpha", "gamma", "omega", "delta", "beta", "gamma")


def invitation_new(client: Client) -> str:
    mine = make_result("gamma", "beta", "delta", has_photo=True)
    own(client, mine)
    comparisons.invitation_create(host=Participant(mine, "민수"))
    comparisons.comparison_create(host=Participant(make_result(), "Junho"), guest=Participant(mine, "민수"))
    return f"/results/{mine.pk}/invite/"


def invitation_sent(client: Client) -> str:
    invitation = _invitation()
    own(client, invitation.host)
    return _compare(invitation)


def invitation_with_results(client: Client) -> str:
    own(client, make_result("beta"), make_result("omega", has_photo=True))
    return _compare(_invitation())


def invitation_taken(client: Client) -> str:
    own(client, make_result("beta"))
    return _compare(_comparison())


def comparison(client: Client) -> str:
    made = _comparison()
    own(client, made.host)
    return _compare(made)


def board_new(client: Client) -> str:
    mine = make_result("beta")
    own(client, mine)
    boards.board_create(name="축구부", owner=mine, nickname="민수")
    return f"/results/{mine.pk}/board/"


def board(client: Client) -> str:
    made = _board(len(NICKNAMES))
    own(client, made.members.earliest("pk").classification)
    return f"/boards/{made.token}/"


def board_join(client: Client) -> str:
    own(client, make_result("delta"))
    return f"/boards/{_board(3).token}/"


def _invitation() -> Comparison:
    return comparisons.invitation_create(host=Participant(make_result("gamma", "beta", "delta"), "민수"))


def _comparison() -> Comparison:
    return comparisons.comparison_create(
        host=Participant(make_result("gamma", "beta", "delta", score=57.3, has_photo=True), "민수", shows_photo=True),
        guest=Participant(make_result("beta", "beta", "alpha", score=73.8, has_photo=True), "Junho", shows_photo=True),
    )


def _compare(made: Comparison) -> str:
    return f"/compare/{made.token}/"


def _board(size: int) -> Board:
    made = boards.board_create(name="축구부 Football", owner=make_result(TYPES[0], score=61.0), nickname=NICKNAMES[0])
    for number in range(1, size):
        boards.member_add(
            token=made.token,
            classification=make_result(TYPES[number % len(TYPES)], score=5.0 + 37 * number % 90),
            nickname=NICKNAMES[number] if number < len(NICKNAMES) else f"Member {number}",
        )
    return made
