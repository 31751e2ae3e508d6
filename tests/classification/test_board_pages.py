"""Boards, as their members see them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client as HttpClient
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from classification import boards, services
from classification.board_page import BoardPage
from classification.errors import BoardFull
from classification.models import Board, BoardMember, Classification
from classification.models.comparing import BOARD_SEATS
from tests.catalog.factories import make_face_types
from tests.classification.people import browser_of, expire, form_of, make_result, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _types(db: None) -> None:
    make_face_types()


@pytest.fixture
def owner() -> Classification:
    return make_result("beta")


@pytest.fixture
def friend() -> Classification:
    return make_result("omega", mbti="INFP")


@pytest.fixture
def board(owner: Classification) -> Board:
    return boards.board_create(name="Football", owner=owner, nickname="Minsu")


def url_of(board: Board) -> str:
    return f"/boards/{board.token}/"


def join(board: Board, result: Classification, nickname: str = "Junho") -> Any:
    return browser_of(result).post(url_of(board), {"result": str(result.pk), "nickname": nickname})


def leave(board: Board, result: Classification, *, by: Classification | None = None) -> Any:
    member = BoardMember.objects.get(board=board, classification=result)
    return browser_of(by or result).post(f"{url_of(board)}members/{member.pk}/remove/")


def fill(board: Board) -> None:
    for number in range(board.members.count(), BOARD_SEATS):
        boards.member_add(token=board.token, classification=make_result(), nickname=f"Member {number}")


# --- Making and joining ---


def test_owner_makes_a_board_once_however_often_the_form_is_sent(owner: Classification) -> None:
    browser = browser_of(owner)
    path = f"/results/{owner.pk}/board/"
    form = form_of(browser.get(path)) | {"name": " Foot\u200bball ", "nickname": "Minsu"}

    first, again = browser.post(path, form), browser.post(path, form)

    assert first["Location"] == again["Location"]
    assert Board.objects.get().name == "Football"
    assert "Football" in text_of(browser.get(path))


@pytest.mark.parametrize("fields", [{"name": "", "nickname": "x"}, {"name": "x", "nickname": " \u3164"}])
def test_board_needs_a_name_and_its_owner_a_nickname(owner: Classification, fields: dict[str, str]) -> None:
    assert browser_of(owner).post(f"/results/{owner.pk}/board/", fields).status_code == 400
    assert not Board.objects.exists()


def test_only_the_owner_of_a_result_puts_it_on_a_board(owner: Classification, friend: Classification) -> None:
    path = f"/results/{owner.pk}/board/"
    assert browser_of(friend).post(path, {"name": "x", "nickname": "y"}).status_code == 404

    board = boards.board_create(name="Football", owner=friend, nickname="Junho")
    refused = browser_of(make_result()).post(url_of(board), {"result": str(owner.pk), "nickname": "Minsu"})

    assert refused.status_code == 400
    assert "Please choose one of your results." in text_of(refused)
    assert board.members.count() == 1


def test_whoever_has_the_link_sees_only_the_name_and_the_room_before_joining(board: Board) -> None:
    for browser in (HttpClient(), browser_of(make_result())):
        said = text_of(browser.get(url_of(board)))
        assert "Football" in said
        assert "1 of 20 places are taken." in said
        assert "your nickname, type and score, and so will all who join later" in said
        assert "Minsu" not in said
        assert "Beta" not in said
    assert f'href="/?next={url_of(board)}"' in HttpClient().get(url_of(board)).content.decode()
    head = HttpClient().get(url_of(board)).content.decode().split("</head>")[0]
    assert "og:title" in head
    assert "Football" not in head


def test_members_see_each_other(board: Board, owner: Classification, friend: Classification) -> None:
    assert join(board, friend)["Location"] == url_of(board)

    for member in (owner, friend):
        page = browser_of(member).get(url_of(board))
        said = text_of(page)
        assert "Minsu" in said
        assert "Beta, score 57" in said
        assert "Junho" in said
        assert "Omega, score 57" in said
        for secret in (str(owner.birth_date), owner.mbti, friend.mbti, str(owner.pk), owner.owner_token):
            assert secret not in page.content.decode()


def test_result_joins_a_board_once(board: Board, friend: Classification) -> None:
    join(board, friend)

    assert join(board, friend, "Another").status_code == 302
    assert list(board.members.values_list("nickname", flat=True)) == ["Minsu", "Junho"]
    with pytest.raises(IntegrityError), transaction.atomic():
        BoardMember.objects.create(board=board, classification=friend, nickname="Another", seat=9)


@pytest.mark.parametrize("nickname", ["Minsu", "minsu", " MINSU\u200b"])
def test_nickname_on_a_board_is_one_persons(board: Board, friend: Classification, nickname: str) -> None:
    refused = join(board, friend, nickname)

    assert refused.status_code == 400
    assert "already goes by that nickname" in text_of(refused)
    assert board.members.count() == 1


def test_nicknames_are_shown_as_they_are_and_never_as_markup(board: Board, friend: Classification) -> None:
    join(board, friend, "<b>&'\"</b>")
    page = browser_of(friend).get(url_of(board)).content.decode()

    assert "<bdi>&lt;b&gt;&amp;" in page
    assert "<b>" not in page


def test_twenty_first_is_refused_politely(board: Board, friend: Classification) -> None:
    fill(board)

    page = browser_of(friend).get(url_of(board))
    assert "This board is full" in text_of(page)
    assert 'name="result"' not in page.content.decode()
    # The form was opened before the last place was taken.
    refused = join(board, friend)
    assert refused.status_code == 409
    assert "all its places are taken" in text_of(refused)
    with pytest.raises(BoardFull):
        boards.member_add(token=board.token, classification=friend, nickname="x")
    with pytest.raises(IntegrityError), transaction.atomic():
        BoardMember.objects.create(board=board, classification=friend, nickname="x", seat=BOARD_SEATS + 1)

    leave(board, BoardMember.objects.last().classification)  # type: ignore[union-attr]
    assert join(board, friend).status_code == 302


# --- Leaving and looking after it ---


def test_member_leaves(board: Board, owner: Classification, friend: Classification) -> None:
    join(board, friend)

    assert "You have left the board" in text_of(browser_of(friend).get(leave(board, friend)["Location"]))

    assert "Junho" not in text_of(browser_of(owner).get(url_of(board)))
    assert Classification.objects.filter(pk=friend.pk).exists()


def test_owner_removes_a_member_and_nobody_else_does(
    board: Board, owner: Classification, friend: Classification
) -> None:
    third = make_result()
    join(board, friend)
    join(board, third, "Theo")

    for stranger in (third, make_result()):
        refused = leave(board, friend, by=stranger)
        assert refused.status_code == 403
    assert leave(board, friend, by=owner)["Location"] == url_of(board)
    assert list(board.members.values_list("nickname", flat=True)) == ["Minsu", "Theo"]


def test_leaving_twice_is_leaving_once(board: Board, owner: Classification, friend: Classification) -> None:
    join(board, friend)
    member = BoardMember.objects.get(classification=friend)
    path = f"{url_of(board)}members/{member.pk}/remove/"

    assert browser_of(friend).post(path).status_code == 302
    assert browser_of(friend).post(path)["Location"] == url_of(board)
    assert browser_of(owner).post(f"{url_of(board)}members/{2**70}/remove/").status_code == 302


def test_whoever_joined_next_looks_after_it_when_the_owner_leaves(
    board: Board, owner: Classification, friend: Classification
) -> None:
    join(board, friend)
    assert "Junho looks after it from then on" in text_of(browser_of(owner).get(url_of(board)))
    assert "Rename or close" not in text_of(browser_of(friend).get(url_of(board)))

    leave(board, owner)

    assert "Rename or close" in text_of(browser_of(friend).get(url_of(board)))


def test_owner_renames_and_closes_it_and_nobody_else_does(
    board: Board, owner: Classification, friend: Classification
) -> None:
    join(board, friend)
    for what, fields in (("rename", {"name": "Chess"}), ("close", {})):
        assert browser_of(friend).post(f"{url_of(board)}{what}/", fields).status_code == 403
    browser_of(owner).post(f"{url_of(board)}rename/", {"name": "  "})
    board.refresh_from_db()
    assert board.name == "Football"

    browser_of(owner).post(f"{url_of(board)}rename/", {"name": "Chess"})
    board.refresh_from_db()
    assert board.name == "Chess"
    closed = browser_of(owner).post(f"{url_of(board)}close/", follow=True)
    assert "The board is closed" in text_of(closed)
    assert not Board.objects.exists()
    assert browser_of(friend).get(url_of(board)).status_code == 404
    assert Classification.objects.count() == 2


def test_last_member_takes_the_board_along(board: Board, owner: Classification) -> None:
    assert "You are the last one here" in text_of(browser_of(owner).get(url_of(board)))

    leave(board, owner)

    assert not Board.objects.exists()


def test_board_goes_with_the_last_result_on_it(board: Board, owner: Classification, friend: Classification) -> None:
    join(board, friend)

    services.classification_delete(owner)
    assert "Junho" in text_of(browser_of(friend).get(url_of(board)))
    services.classification_delete(friend)

    assert not Board.objects.exists()


def test_expired_results_are_off_the_board_before_and_after_they_are_purged(
    board: Board, owner: Classification, friend: Classification
) -> None:
    join(board, friend)
    expire(owner)

    said = text_of(browser_of(friend).get(url_of(board)))
    assert "Minsu" not in said
    assert "Rename or close" in said
    expire(friend)
    assert HttpClient().get(url_of(board)).status_code == 404
    call_command("purge_expired", verbosity=0)
    assert not Board.objects.exists()


def test_board_is_kept_as_long_as_a_result_is(board: Board, owner: Classification, settings: Settings) -> None:
    assert board.expires_at - board.created_at == pytest.approx(
        timedelta(days=settings.RETENTION_DAYS), abs=timedelta(minutes=1)
    )
    Board.objects.update(expires_at=timezone.now())

    gone = browser_of(owner).get(url_of(board))
    assert gone.status_code == 404
    assert "This board is closed" in text_of(gone)
    call_command("purge_expired", verbosity=0)
    assert not Board.objects.exists()
    assert Classification.objects.exists()


@pytest.mark.parametrize("what", ["rename", "close", "members/1/remove"])
def test_reloading_an_attempt_leads_back(board: Board, what: str) -> None:
    assert HttpClient().get(f"{url_of(board)}{what}/")["Location"] == url_of(board)


# --- What it shows ---


def page_of(board: Board) -> BoardPage:
    return BoardPage.of(board, boards.members_of(board), viewer=[])


def test_members_stand_in_the_order_in_which_they_joined_whatever_their_scores(board: Board) -> None:
    for nickname, score in (("low", 3.0), ("high", 99.0), ("middle", 50.0)):
        boards.member_add(token=board.token, classification=make_result(score=score), nickname=nickname)

    assert [member.nickname for member in page_of(board).members] == ["Minsu", "low", "high", "middle"]


def test_summary_has_a_friendly_word_for_every_mix(board: Board) -> None:
    assert page_of(board).summary == "So far it is only one of you. Send the link and see who joins."
    add = ("beta", "gamma", "alpha", "delta", "omega")
    summaries = []
    for code in add:
        boards.member_add(token=board.token, classification=make_result(code), nickname=code)
        summaries.append(page_of(board).summary)

    assert summaries == [
        "All of you make the same kind of impression: a board in perfect tune.",
        "2 of the five types meet here: a good mix.",
        "3 of the five types meet here: a good mix.",
        "4 of the five types meet here: a good mix.",
        "All five types on one board: nothing is missing here.",
    ]
    assert [(each.code, each.nicknames) for each in page_of(board).types] == [
        ("alpha", ["alpha"]),
        ("beta", ["Minsu", "beta"]),
        ("gamma", ["gamma"]),
        ("delta", ["delta"]),
        ("omega", ["omega"]),
    ]


def test_closest_pair_is_the_one_that_coincides_most(board: Board) -> None:
    assert page_of(board).closest is None
    for nickname, types in (("far", ("omega",)), ("near", ("beta", "beta", "alpha"))):
        boards.member_add(token=board.token, classification=make_result(*types), nickname=nickname)

    closest = page_of(board).closest

    assert closest
    # Two parts of three wholly, the third by a quarter.
    assert (closest.nicknames, closest.percent) == (("Minsu", "near"), "75%")


def test_page_takes_as_many_queries_for_twenty_as_for_one(board: Board, owner: Classification) -> None:
    browser = browser_of(owner)
    with CaptureQueriesContext(connection) as one:
        browser.get(url_of(board))
    fill(board)

    with CaptureQueriesContext(connection) as twenty:
        browser.get(url_of(board))

    assert len(twenty) == len(one) <= 3


def test_page_is_cached_and_indexed_nowhere(board: Board, owner: Classification) -> None:
    for browser in (browser_of(owner), HttpClient()):
        response = browser.get(url_of(board))
        assert "no-store" in response["Cache-Control"]
        assert response["X-Robots-Tag"] == "noindex"
