"""Comparing with friends in real browsers, from the first link to the last goodbye."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from classification.models import Board, Comparison
from inference.contracts import FaceType
from tests.browser.conftest import OpenPage, serious_violations
from tests.fakes import FakeBackend
from tests.images import jpeg

pytestmark = pytest.mark.browser

# Chromium complains of a page that answers with an error status.
REFUSED = "Failed to load resource"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg())
    return path


def send_photo(page: Page, photo: Path) -> None:
    page.locator("[name=photo]").set_input_files(photo)
    page.locator("[name=birth_date]").fill("1996-05-04")
    page.locator("#capture [type=submit]").click()


def get_result(page: Page, photo: Path) -> None:
    send_photo(page, photo)
    expect(page.locator(".result")).to_be_visible()


def link_on(page: Page) -> str:
    return page.get_by_label("The link").input_value()


@pytest.mark.parametrize("has_javascript", [True, False])
def test_two_friends_compare_from_photo_to_goodbye(
    open_page: OpenPage, engine: FakeBackend, photo: Path, has_javascript: bool
) -> None:
    host = open_page(java_script_enabled=has_javascript, expected=REFUSED)
    get_result(host, photo)
    host.get_by_role("link", name="Compare with a friend").click()
    host.get_by_label("Your nickname").fill("Minsu")
    host.get_by_role("button", name="Make the link").click()
    link = link_on(host)

    engine.sees = FaceType.OMEGA
    friend = open_page(java_script_enabled=has_javascript)
    friend.goto(link)
    expect(friend.get_by_role("heading", level=1)).to_have_text("Minsu would like to compare with you")
    friend.get_by_role("link", name="Get my result").click()
    send_photo(friend, photo)
    expect(friend).to_have_url(link)
    friend.get_by_label("Your nickname").fill("Junho")
    friend.get_by_role("button", name="Join and compare").click()

    host.get_by_role("link", name="Has my friend joined?").click()
    for page in (host, friend):
        expect(page.locator(".side h2")).to_contain_text(["Minsu", "Junho"])
        expect(page.locator(".side-type")).to_have_text(["Beta", "Omega"])
        expect(page.locator(".butterfly")).to_have_count(3)
        assert page.locator("h1").inner_text() == host.locator("h1").inner_text()

    friend.get_by_text("End this comparison").click()
    friend.get_by_role("button", name="End it").click()
    expect(friend.get_by_role("heading", level=1)).to_have_text("It has ended")
    host.reload()
    expect(host.get_by_role("heading", level=1)).to_contain_text("not valid any more")
    assert not Comparison.objects.exists()


def test_group_meets_on_a_board_and_its_link_is_copied(open_page: OpenPage, photo: Path) -> None:
    owner = open_page(permissions=["clipboard-read", "clipboard-write"])
    get_result(owner, photo)
    owner.get_by_role("link", name="Start a group board").click()
    owner.get_by_label("Name of the board").fill("Football")
    owner.get_by_label("Your nickname").fill("Minsu")
    owner.get_by_role("button", name="Make the board").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Football")
    owner.get_by_role("button", name="Copy").click()
    expect(owner.get_by_role("button", name="Copied")).to_be_visible()
    link = owner.evaluate("navigator.clipboard.readText()")
    assert link == link_on(owner) == owner.url

    friend = open_page(expected=REFUSED)
    get_result(friend, photo)
    friend.goto(link)
    friend.get_by_label("Your nickname").fill("minsu")
    friend.get_by_role("button", name="Join the board").click()
    expect(friend.locator(".field-errors")).to_contain_text("already goes by that nickname")
    friend.get_by_label("Your nickname").fill("Junho")
    friend.get_by_role("button", name="Join the board").click()
    expect(friend.locator(".member h3")).to_contain_text(["Minsu", "Junho"])

    owner.reload()
    owner.get_by_text("Remove Junho").click()
    assert serious_violations(owner) == []
    owner.get_by_role("button", name="Remove from the board").click()
    expect(owner.locator(".member")).to_have_count(1)
    owner.get_by_text("Leave").first.click()
    owner.get_by_role("button", name="Leave the board").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("You have left the board")
    assert not Board.objects.exists()


def test_link_is_sent_by_the_phones_own_sheet_where_there_is_one(open_page: OpenPage, photo: Path) -> None:
    page = open_page()
    page.add_init_script(
        "window.sent = []; navigator.canShare = () => true;"
        "navigator.share = async (link) => { window.sent.push(link.url); };"
    )
    get_result(page, photo)
    page.get_by_role("link", name="Compare with a friend").click()
    page.get_by_role("button", name="Make the link").click()

    page.get_by_role("button", name="Send the link").click()

    assert page.evaluate("window.sent") == [link_on(page)]
