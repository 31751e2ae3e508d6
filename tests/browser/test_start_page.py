"""The start page and its answer, as people use them."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, Request, expect

from classification.models import Classification
from inference.contracts import RefusalReason
from tests.browser.conftest import OpenPage
from tests.fakes import FakeBackend
from tests.images import encode, jpeg

pytestmark = pytest.mark.browser

WEIGHT_LIMIT = 150 * 1024
ORIENTATION = 0x0112
TURNED_RIGHT = 6


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg())
    return path


def fill_in(page: Page, photo: Path) -> None:
    page.locator("[name=photo]").set_input_files(photo)
    page.locator("[name=birth_date]").fill("1996-05-04")
    page.get_by_role("radio", name="INFJ").check()


def send(page: Page) -> None:
    page.locator(".panel [type=submit]").click()


def get_result(page: Page, photo: Path) -> None:
    fill_in(page, photo)
    send(page)
    expect(page.locator(".result")).to_be_visible()


def get_refusal(page: Page, photo: Path) -> None:
    fill_in(page, photo)
    send(page)
    expect(page.get_by_role("alert").first).to_be_visible()


def tab_to(page: Page, selector: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{selector} cannot be reached by keyboard")


def serious_violations(page: Page) -> list[str]:
    return [
        f"{violation['id']}: {node['html']}"
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def assert_fits_its_width(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


@pytest.mark.parametrize("has_javascript", [True, False])
def test_photo_gets_a_type_parts_and_four_celebrities(open_page: OpenPage, photo: Path, has_javascript: bool) -> None:
    page = open_page(java_script_enabled=has_javascript)

    get_result(page, photo)

    expect(page.get_by_role("heading", level=1)).to_have_text("Beta")
    expect(page.get_by_role("meter", name="Score")).to_have_attribute("aria-valuenow", re.compile(r"^\d+$"))
    expect(page.locator(".part")).to_have_count(3)
    pictures = page.locator(".celebrities img")
    expect(pictures).to_have_count(4)
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        expect(picture).not_to_have_js_property("naturalWidth", 0)


def test_parts_are_drawn_where_they_are_in_the_photo(open_page: OpenPage, photo: Path) -> None:
    page = open_page()

    get_result(page, photo)

    shown = page.locator(".portrait image").bounding_box()
    box = page.locator(".box.whole_face").bounding_box()
    assert shown
    assert box
    # The fake backend's boxes; outlines are drawn a little apart.
    assert (box["x"] - shown["x"]) / shown["width"] == pytest.approx(0.25, abs=0.02)
    assert (box["y"] - shown["y"]) / shown["height"] == pytest.approx(0.2, abs=0.02)
    assert box["width"] / shown["width"] == pytest.approx(0.5, abs=0.03)
    assert box["height"] / shown["height"] == pytest.approx(0.6, abs=0.03)


def test_everything_works_by_keyboard(open_page: OpenPage, photo: Path) -> None:
    page = open_page(viewport={"width": 1280, "height": 800})
    page.on("filechooser", lambda chooser: chooser.set_files(photo))

    tab_to(page, "[name=photo]")
    page.keyboard.press("Enter")
    expect(page.locator(".preview")).to_be_visible()
    tab_to(page, "[name=birth_date]")
    page.keyboard.type("05041996")
    tab_to(page, "[name=mbti]")
    page.keyboard.press("ArrowRight")
    tab_to(page, "[name=store_photo]")
    page.keyboard.press("Space")
    tab_to(page, ".panel [type=submit]")
    page.keyboard.press("Enter")

    expect(page.locator(".result")).to_be_visible()
    record = Classification.objects.get()
    assert (record.birth_date.isoformat(), record.mbti) == ("1996-05-04", "ESTJ")
    assert record.photo_key

    tab_to(page, "summary")
    page.keyboard.press("Enter")
    tab_to(page, ".danger")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your result has been erased")
    assert not Classification.objects.exists()


@pytest.mark.parametrize("has_javascript", [True, False])
def test_refusal_keeps_the_fields_and_takes_the_focus(
    open_page: OpenPage, engine: FakeBackend, photo: Path, has_javascript: bool
) -> None:
    engine.refuses_with = RefusalReason.FACE_COVERED
    page = open_page(java_script_enabled=has_javascript)

    get_refusal(page, photo)

    expect(page.get_by_role("alert").first).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("Part of the face is covered.")
    expect(page.locator("[name=birth_date]")).to_have_value("1996-05-04")
    expect(page.get_by_role("radio", name="INFJ")).to_be_checked()

    engine.refuses_with = None
    page.locator("[name=photo]").set_input_files(photo)
    send(page)
    expect(page.locator(".result")).to_be_visible()


def test_page_speaks_the_browsers_language_and_the_chosen_one(open_page: OpenPage, photo: Path) -> None:
    page = open_page(locale="ko-KR")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.locator(".drop-title")).to_have_text("사진 고르기")

    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(".drop-title")).to_have_text("Choose a photo")

    page.get_by_role("button", name="한국어").click()
    get_result(page, photo)
    expect(page.get_by_role("heading", level=1)).to_have_text("베타")


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_scrolls_sideways(
    open_page: OpenPage, engine: FakeBackend, photo: Path, width: int, locale: str
) -> None:
    page = open_page(viewport={"width": width, "height": 844}, locale=locale)
    assert_fits_its_width(page)

    engine.refuses_with = RefusalReason.TOO_DARK
    get_refusal(page, photo)
    assert_fits_its_width(page)

    engine.refuses_with = None
    get_result(page, photo)
    assert_fits_its_width(page)


def test_start_page_is_light(open_page: OpenPage) -> None:
    page = open_page()
    requests: list[Request] = []
    # Playwright would hand a built-in method its inner object.
    page.on("requestfinished", lambda request: requests.append(request))  # noqa: PLW0108

    page.reload(wait_until="networkidle")

    sizes = [request.sizes() for request in requests]
    assert len(sizes) > 5
    assert sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes) < WEIGHT_LIMIT


def test_axe_finds_nothing_serious(open_page: OpenPage, engine: FakeBackend, photo: Path) -> None:
    page = open_page()
    assert serious_violations(page) == []

    page.locator(".panel").evaluate("form => { form.noValidate = true; }")
    send(page)
    expect(page.get_by_role("alert").first).to_be_visible()
    assert serious_violations(page) == []

    engine.refuses_with = RefusalReason.NO_FACE
    get_refusal(page, photo)
    assert serious_violations(page) == []

    engine.refuses_with = None
    get_result(page, photo)
    page.locator("summary").click()
    assert serious_violations(page) == []

    page.get_by_role("button", name="Erase it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your result has been erased")
    assert serious_violations(page) == []


def test_large_photo_is_sent_smaller_and_upright(open_page: OpenPage, tmp_path: Path) -> None:
    turned = Image.frombytes("RGB", (2400, 1800), os.urandom(2400 * 1800 * 3))
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_RIGHT
    photo = tmp_path / "large.jpg"
    photo.write_bytes(encode(turned, quality=80, exif=exif))
    page = open_page()

    get_result(page, photo)

    record = Classification.objects.get()
    assert (record.photo_width, record.photo_height) == (1200, 1600)


def test_small_photo_is_sent_as_it_is(open_page: OpenPage, photo: Path) -> None:
    page = open_page()

    page.locator("[name=photo]").set_input_files(photo)

    expect(page.locator(".preview")).to_be_visible()
    sent = page.locator("[name=photo]").evaluate(
        "async input => [...new Uint8Array(await input.files[0].arrayBuffer())]"
    )
    assert bytes(sent) == photo.read_bytes()


def test_photo_can_be_dropped_anywhere_on_the_page(open_page: OpenPage, photo: Path) -> None:
    page = open_page()
    dropped = page.evaluate_handle(
        """base64 => {
            const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "photo.jpg", { type: "image/jpeg" }));
            return transfer;
        }""",
        base64.b64encode(photo.read_bytes()).decode(),
    )

    page.dispatch_event("h1", "drop", {"dataTransfer": dropped})

    expect(page.locator(".preview")).to_be_visible()
    page.locator("[name=birth_date]").fill("1996-05-04")
    send(page)
    expect(page.locator(".result")).to_be_visible()


def test_phone_offers_its_camera(open_page: OpenPage, photo: Path) -> None:
    assert open_page().get_by_role("button", name="Take a photo now").is_hidden()
    page = open_page(has_touch=True, is_mobile=True)
    page.on("filechooser", lambda chooser: chooser.set_files(photo))

    page.get_by_role("button", name="Take a photo now").tap()

    expect(page.locator(".preview")).to_be_visible()


def test_video_is_refused_before_it_is_sent(open_page: OpenPage, photo: Path) -> None:
    page = open_page()

    page.locator("[name=photo]").set_input_files({"name": "me.mp4", "mimeType": "video/mp4", "buffer": b"video"})

    expect(page.get_by_text("This is not a JPEG, PNG or WebP photo.")).to_be_visible()
    assert page.locator("[name=photo]").evaluate("input => input.files.length") == 0

    page.locator("[name=photo]").set_input_files(photo)
    expect(page.get_by_text("This is not a JPEG, PNG or WebP photo.")).to_be_hidden()


def test_form_sent_twice_is_answered_once(open_page: OpenPage, engine: FakeBackend, photo: Path) -> None:
    page = open_page()
    fill_in(page, photo)

    page.locator(".panel").evaluate("form => { form.requestSubmit(); form.requestSubmit(); }")

    expect(page.locator(".result")).to_be_visible()
    assert engine.photos_analysed == 1


def test_waiting_is_shown_until_the_answer_comes(open_page: OpenPage, photo: Path) -> None:
    page = open_page()
    fill_in(page, photo)
    expect(page.get_by_text("Your photo is being sent")).to_be_hidden()
    # An aborted navigation leaves the page as it was while it waited.
    page.route("**/", lambda route: route.abort("aborted"))

    send(page)

    expect(page.get_by_role("status")).to_contain_text("Your photo is being sent")
    expect(page.locator(".panel [type=submit]")).to_have_attribute("aria-disabled", "true")


def test_going_back_offers_the_form_again(open_page: OpenPage, photo: Path) -> None:
    page = open_page()
    get_result(page, photo)

    page.go_back()

    expect(page.locator("[name=birth_date]")).to_have_value("1996-05-04")
    expect(page.get_by_text("Your photo is being sent")).to_be_hidden()
    page.locator("[name=photo]").set_input_files(photo)
    send(page)
    expect(page.locator(".result")).to_be_visible()
    assert Classification.objects.count() == 2
