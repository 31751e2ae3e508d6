"""Every page that anyone can come to, and how: test_public_pages.py visits them all, in both languages and two widths.

A new page is a line in PUBLIC_PAGES.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from uuid import UUID

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from classification.models import Classification, ShareLink
from inference.contracts import RefusalReason
from tests.browser import comparing
from tests.catalog.raters import published_result
from tests.images import jpeg

KILOBYTE = 1024


@dataclass(frozen=True, slots=True)
class PublicPage:
    """One page, or one state of a page, that people see.

    name: of its screenshots and of its row in the table.
    path: the page's own, or what sets the page up and returns its path. It gets the client whose cookies and
        language the browser will have, so whatever that client sent or was given is the visitor's.
    act: what the visitor does once the page is there; it must wait for what it waits for.
    status, act_status: what the server answers the visit with, and what the act.
    refuses_with: why the engine refuses the photos that the act sends, if it does.
    weight_limit: bytes over the network, without photos (whatever comes from /media/).
    """

    name: str
    path: str | Callable[[Client], str]
    act: Callable[[Page], None] | None = None
    status: int = HTTPStatus.OK
    act_status: int = HTTPStatus.OK
    refuses_with: RefusalReason | None = None
    weight_limit: int = 300 * KILOBYTE


def send_photo(client: Client, **fields: str) -> HttpResponse:
    """Send the start page's form with a drawn photo; the client's cookies then hold the result."""
    photo = SimpleUploadedFile("photo.jpg", jpeg())
    return client.post("/", {"photo": photo, "birth_date": "1996-05-04", "mbti": "INFJ"} | fields)


def choose_photo(page: Page) -> None:
    page.locator("[name=photo]").set_input_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": jpeg()})
    expect(page.locator(".preview")).to_be_visible()


def own_result(client: Client) -> str:
    """The page of a result whose photo is kept and which is shared by a link."""
    send_photo(client, store_photo="on")
    path = f"/results/{Classification.objects.latest('created_at').pk}/"
    client.post(f"{path}share/")
    return path


def own_results(client: Client) -> str:
    for _ in range(2):
        own_result(client)
    return "/results/"


def shared_result(client: Client, **fields: str) -> str:
    """What a friend sees who has the link, and no cookies."""
    owner = Client()
    path = own_result(owner)
    owner.post(f"{path}share/", fields)
    return f"/s/{ShareLink.objects.latest('created_at').token}/"


def withdrawn_result(client: Client) -> str:
    path = shared_result(client)
    ShareLink.objects.update(revoked_at=timezone.now())
    return path


def get_refusal(page: Page) -> None:
    choose_photo(page)
    page.locator("[name=birth_date]").fill("1996-05-04")
    page.locator(".panel [type=submit]").click()
    expect(page.locator(".refusal")).to_be_focused()


def published_survey(client: Client) -> str:
    published_result({"18_24": 14, "25_34": 12})
    return "/survey/about/"


PUBLIC_PAGES = [
    PublicPage("start", "/", weight_limit=150 * KILOBYTE),
    PublicPage("select", "/", act=choose_photo, weight_limit=150 * KILOBYTE),
    PublicPage("result", own_result),
    PublicPage("results", own_results),
    PublicPage("result-gone", f"/results/{UUID(int=1)}/", status=HTTPStatus.NOT_FOUND),
    PublicPage("shared", partial(shared_result, photo="true")),
    PublicPage("shared-withdrawn", withdrawn_result, status=HTTPStatus.GONE),
    PublicPage("refusal", "/", act=get_refusal, act_status=422, refuses_with=RefusalReason.FACE_COVERED),
    PublicPage("offline", "/offline/"),
    PublicPage("deleted", "/results/deleted/"),
    PublicPage("invitation-new", comparing.invitation_new),
    PublicPage("invitation-sent", comparing.invitation_sent),
    PublicPage("invitation", comparing.invitation_with_results),
    PublicPage("invitation-taken", comparing.invitation_taken, status=HTTPStatus.CONFLICT),
    PublicPage("comparison", comparing.comparison),
    PublicPage("comparison-ended", "/compare/ended/"),
    PublicPage("board-new", comparing.board_new),
    PublicPage("board-join", comparing.board_join),
    PublicPage("board", comparing.board),
    PublicPage("board-left", "/boards/left/"),
    PublicPage("board-closed", "/boards/closed/"),
    PublicPage("types", "/types/"),
    PublicPage("type", "/types/beta/"),
    PublicPage("survey-about", "/survey/about/"),
    PublicPage("survey-about-published", published_survey),
    PublicPage("models", "/models/"),
    PublicPage("privacy", "/privacy/"),
    PublicPage("developers", "/api/v1/docs/"),
    PublicPage("not-found", "/there-is-no-such-page/", status=HTTPStatus.NOT_FOUND),
]
