"""The pages of a board: making one, joining it, seeing who is on it, and looking after it."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.generic import TemplateView

from classification import boards, selectors
from classification.board_page import BoardPage
from classification.comparing_forms import BoardForm, BoardJoinForm, BoardNameForm
from classification.errors import NicknameTaken
from classification.models import Board, BoardMember, Classification
from classification.models.comparing import BOARD_SEATS
from classification.ownership import owned_ids
from classification.pages.linked import LinkedView
from classification.pages.results import owned_classification
from classification.problems import problem_of


class BoardCreateView(LinkedView):
    """A new board with one result on it; the boards that it is on already."""

    def get(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        return self._page(owned_classification(request, classification_id), BoardForm())

    def post(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        classification = owned_classification(request, classification_id)
        form = BoardForm(request.POST)
        if not form.is_valid():
            return self._page(classification, form, status=HTTPStatus.BAD_REQUEST)
        board = boards.board_create(
            name=form.cleaned_data["name"],
            owner=classification,
            nickname=form.cleaned_data["nickname"],
            nonce=form.cleaned_data["nonce"],
        )
        return redirect("board", board.token)

    def _page(self, classification: Classification, form: BoardForm, *, status: int = HTTPStatus.OK) -> HttpResponse:
        context = {
            "classification": classification,
            "form": form,
            "boards": boards.boards_of(classification.pk),
            "seats": BOARD_SEATS,
        }
        return render(self.request, "classification/board_new.html", context, status=status)


class BoardView(LinkedView):
    """The board for its members, and for others who have the link the way to join it."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        board = boards.board_by_token(token)
        members = boards.members_of(board)
        if any(member.classification_id in owned_ids(request) for member in members):
            return self._board(board, members)
        return self._join_page(board, members, BoardJoinForm(results=self._own_results()))

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Join, with one of this browser's results."""
        board = boards.board_by_token(token)
        form = BoardJoinForm(request.POST, results=self._own_results())
        if form.is_valid():
            try:
                boards.member_add(token=token, classification=form.chosen, nickname=form.cleaned_data["nickname"])
            except NicknameTaken as error:
                form.add_error("nickname", problem_of(error).detail)
            else:
                return redirect("board", token)
        return self._join_page(board, boards.members_of(board), form, status=HTTPStatus.BAD_REQUEST)

    def _own_results(self) -> list[Classification]:
        owned = owned_ids(self.request)
        return selectors.classifications_alive(owned) if owned else []

    def _board(self, board: Board, members: list[BoardMember]) -> HttpResponse:
        on_it = {member.classification_id for member in members}
        # Friends may have used the same phone.
        others = [each for each in owned_ids(self.request) if each not in on_it]
        context = {
            "page": BoardPage.of(board, members, viewer=owned_ids(self.request)),
            "form": BoardNameForm(initial={"name": board.name}),
            "join_form": BoardJoinForm(results=selectors.classifications_alive(others) if others else []),
            "url": self._url(board),
        }
        return render(self.request, "classification/board.html", context)

    def _join_page(
        self, board: Board, members: list[BoardMember], form: BoardJoinForm, *, status: int = HTTPStatus.OK
    ) -> HttpResponse:
        context = {
            "board": board,
            "member_count": len(members),
            "seats": BOARD_SEATS,
            "is_full": len(members) >= BOARD_SEATS,
            "form": form,
            "url": self._url(board),
        }
        return render(self.request, "classification/board_join.html", context, status=status)

    def _url(self, board: Board) -> str:
        return self.request.build_absolute_uri(reverse("board", args=[board.token]))


class BoardChangeView(LinkedView):
    """What members do to a board, by POST alone."""

    def get(self, request: HttpRequest, token: str, **kwargs: object) -> HttpResponse:  # noqa: ARG002
        """Whoever reloads the address of an attempt lands where they can go on."""
        return redirect("board", token)


class BoardRenameView(BoardChangeView):
    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        form = BoardNameForm(request.POST)
        if form.is_valid():
            boards.board_rename(token=token, name=form.cleaned_data["name"], by=owned_ids(request))
        # An empty name changes nothing; the page shows the one that holds.
        return redirect("board", token)


class BoardCloseView(BoardChangeView):
    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        boards.board_close(token=token, by=owned_ids(request))
        return redirect("board-closed")


class BoardMemberRemoveView(BoardChangeView):
    """Leaving, or taking a member off one's board."""

    def post(self, request: HttpRequest, token: str, member_id: int) -> HttpResponse:
        owned = owned_ids(request)
        was_mine = boards.member_remove(token=token, member_id=member_id, by=owned)
        return redirect("board-left") if was_mine else redirect("board", token)


class BoardLeftView(TemplateView):
    template_name = "classification/board_left.html"


class BoardClosedView(TemplateView):
    template_name = "classification/board_closed.html"
