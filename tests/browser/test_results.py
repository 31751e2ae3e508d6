"""What people do with a result, in a real browser: keep it, share it, erase it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from classification.models import Classification, ShareLink
from classification.ownership import COOKIE_PREFIX
from tests.browser.conftest import OpenPage, wait_until
from tests.browser.public_pages import send_photo
from tests.images import jpeg

pytestmark = pytest.mark.browser

OpenResult = Callable[..., Page]
# A gone or withdrawn page answers 403, 404 or 410, and Chromium complains of each.
GONE = "Failed to load resource"
HAS_PHOTO = """async (id) => {
    const { loadPhoto } = await import("/static/js/photo_store.js");
    return Boolean(await loadPhoto(id));
}"""


def give_cookies(context: BrowserContext, live_server: LiveServer, client: Client) -> None:
    cookies = [{"name": name, "value": each.value, "url": live_server.url} for name, each in client.cookies.items()]
    context.add_cookies(cookies)  # type: ignore[arg-type]


def result_path() -> str:
    return f"/results/{Classification.objects.get().pk}/"


@pytest.fixture
def open_result(open_page: OpenPage, live_server: LiveServer) -> OpenResult:
    """Open the page of a fresh result as its owner; `photo` keeps its photo, the rest are the context's options."""

    def open_(*, photo: bool = True, expected: str | None = None, **options: object) -> Page:
        owner = Client()
        page = open_page("/results/", expected=expected, **options)
        send_photo(owner, **({"store_photo": "on"} if photo else {}))
        give_cookies(page.context, live_server, owner)
        page.goto(f"{live_server.url}{result_path()}")
        return page

    return open_


def send_from_start(page: Page, photo: Path) -> None:
    page.locator("[name=photo]").set_input_files(photo)
    page.locator("[name=birth_date]").fill("1996-05-04")
    page.locator("#capture [type=submit]").click()
    expect(page.locator(".result")).to_be_visible()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg())
    return path


def size_of(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


# --- Keeping ---


def test_photo_that_only_the_device_has_is_shown_until_the_result_is_erased(open_page: OpenPage, photo: Path) -> None:
    page = open_page(expected=GONE)
    send_from_start(page, photo)
    address = page.url
    classification_id = str(Classification.objects.get().pk)
    assert classification_id in address

    expect(page.locator(".portrait image")).to_have_attribute("href", re.compile("^blob:"))
    page.reload()
    expect(page.locator(".portrait image")).to_have_attribute("href", re.compile("^blob:"))
    assert page.evaluate(HAS_PHOTO, classification_id)

    page.get_by_text("Erase my result").click()
    page.get_by_role("button", name="Erase it now").click()
    expect(page.get_by_role("heading", name="It has been erased")).to_be_visible()
    wait_until(page, f"async (id) => !(await ({HAS_PHOTO})(id))", classification_id)
    page.go_back()
    expect(page.get_by_role("heading", name="This result is not here")).to_be_visible()
    assert not Classification.objects.exists()


def test_result_works_without_javascript(open_page: OpenPage, photo: Path) -> None:
    page = open_page(java_script_enabled=False)
    send_from_start(page, photo)
    expect(page.locator(".portrait image")).to_have_attribute("href", re.compile("^data:image/jpeg"))

    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#link")).to_have_value(re.compile(r"/s/[\w-]{32}/$"))
    expect(page.locator(".portrait .figure")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the picture").click()
    assert size_of(download.value.path().read_bytes()) == (1200, 630)

    page.get_by_role("link", name="My results").first.click()
    expect(page.locator(".result-card")).to_have_count(1)
    page.locator(".result-card").get_by_text("Erase", exact=True).click()
    page.get_by_role("button", name="Erase this result now").click()
    expect(page.get_by_role("heading", name="It has been erased")).to_be_visible()


def test_two_tabs_that_send_at_once_both_keep_their_results(open_page: OpenPage, photo: Path) -> None:
    first = open_page()
    second = first.context.new_page()
    second.goto(first.url)
    for page in (first, second):
        page.locator("[name=photo]").set_input_files(photo)
        page.locator("[name=birth_date]").fill("1996-05-04")

    # Both requests leave before either is answered.
    for page in (first, second):
        page.evaluate("document.querySelector('#capture [type=submit]').click()")

    for page in (first, second):
        expect(page.locator(".result")).to_be_visible()
    assert first.url != second.url
    first.goto(first.url.partition("/results/")[0] + "/results/")
    expect(first.locator(".result-card")).to_have_count(2)


def test_result_erased_in_one_tab_is_gone_in_the_other(open_result: OpenResult) -> None:
    page = open_result(expected=GONE)
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_text("Erase my result").click()
    other.get_by_role("button", name="Erase it now").click()
    expect(other.get_by_role("heading", name="It has been erased")).to_be_visible()

    page.get_by_role("button", name="Make a link").click()

    expect(page.get_by_role("heading", name="This result is not here")).to_be_visible()
    page.get_by_role("link", name="Try a photo").click()
    expect(page.locator("#capture")).to_be_visible()


def test_cookie_that_was_tampered_with_opens_nothing(open_result: OpenResult, live_server: LiveServer) -> None:
    page = open_result(expected=GONE)
    (cookie,) = [each for each in page.context.cookies() if each["name"].startswith(COOKIE_PREFIX)]

    page.context.add_cookies(
        [{"name": cookie["name"], "value": cookie["value"][:-3] + "abc", "url": live_server.url}]  # type: ignore[list-item]
    )
    page.reload()

    expect(page.get_by_role("heading", name="This result is not here")).to_be_visible()


def test_browser_without_cookies_is_told_what_to_do(open_result: OpenResult) -> None:
    page = open_result(expected=GONE)
    page.context.clear_cookies()

    page.get_by_role("button", name="Make a link").click()

    expect(page.get_by_role("heading", name="This form could not be accepted")).to_be_visible()
    assert not ShareLink.objects.exists()


# --- Sharing ---


def test_link_is_made_copied_opened_and_withdrawn(open_result: OpenResult, open_page: OpenPage) -> None:
    page = open_result(expected=GONE, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("Show my photo there, too").check()
    page.get_by_role("button", name="Make a link").dblclick()
    expect(page.locator("#link")).to_be_visible()
    assert ShareLink.objects.count() == 1
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    address = page.evaluate("navigator.clipboard.readText()")

    visitor = open_page(address.partition("/s/")[2].join(("/s/", "")), locale="ko-KR", expected=GONE)
    expect(visitor.get_by_role("heading", level=1)).to_have_text("베타")
    expect(visitor.locator(".portrait image")).to_have_attribute("href", re.compile(r"/s/.+/photo\.jpg$"))
    card = visitor.locator("meta[property='og:image']").get_attribute("content")
    assert card
    assert size_of(visitor.request.get(card).body()) == (1200, 630)

    page.get_by_role("button", name="Take my photo off that page").click()
    expect(page.get_by_text("and no photo")).to_be_visible()
    visitor.reload()
    expect(visitor.locator(".portrait")).to_have_count(0)

    page.get_by_role("button", name="Withdraw the link").click()
    expect(page.get_by_role("button", name="Make a link")).to_be_visible()
    visitor.reload()
    expect(visitor.locator("h1")).not_to_have_text("베타")
    assert visitor.request.get(card).status == 410


def test_picture_is_chosen_seen_saved_and_sent(open_result: OpenResult) -> None:
    page = open_result()
    preview = page.locator(".card-preview")
    preview.scroll_into_view_if_needed()
    expect(preview).to_have_js_property("naturalWidth", 1200)

    page.get_by_role("radio", name="Tall, for stories").check()
    expect(preview).to_have_js_property("naturalWidth", 1080)
    page.get_by_label("With my photo").check()
    expect(preview).to_have_attribute("src", re.compile(r"photo=true"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the picture").click()
    assert download.value.suggested_filename == "alpha-project-beta-tall.png"
    assert size_of(download.value.path().read_bytes()) == (1080, 1920)

    # This Chromium has nobody to send anything to.
    expect(page.get_by_role("button", name="Send the picture")).to_be_hidden()
    page.add_init_script(
        "navigator.canShare = () => true; navigator.share = async ({ files }) => { window.sent = files?.[0]; };"
    )
    page.reload()
    page.get_by_role("button", name="Send the picture").click()
    wait_until(page, "window.sent?.type === 'image/png' && window.sent.size > 10000")
