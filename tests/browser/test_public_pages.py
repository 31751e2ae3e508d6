"""Every public page in a real browser: how it looks, how accessible it is, what it weighs, how fast it paints."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import SCREENSHOTS, TIMEOUT_MILLISECONDS, serious_violations
from tests.browser.public_pages import PUBLIC_PAGES, PublicPage
from tests.fakes import FakeBackend

pytestmark = pytest.mark.browser

LANGUAGES = {"en": "en-US", "ko": "ko-KR"}
PHONE_WIDTH = 390
SIZES = {PHONE_WIDTH: 844, 1280: 900}
# Axe reads the same page each time: one width a language is enough.
AXE_AT = {("en", 1280), ("ko", PHONE_WIDTH)}
# Good, by the definition of the Core Web Vitals, is 0.1; nothing has to move here at all.
LAYOUT_SHIFT_LIMIT = 0.005

MEASURE = """async () => {
    const paint = await new Promise((resolve) => {
        const observer = new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime));
        observer.observe({ type: "largest-contentful-paint", buffered: true });
        setTimeout(resolve, 2000, null);
    });
    const shifts = await new Promise((resolve) => {
        new PerformanceObserver((list) => resolve(list.getEntries())).observe({ type: "layout-shift", buffered: true });
        setTimeout(resolve, 50, []);
    });
    const [page] = performance.getEntriesByType("navigation");
    const loaded = [page, ...performance.getEntriesByType("resource")];
    const bytes = (some) => some.reduce((sum, entry) => sum + entry.transferSize, 0);
    const isPhoto = (entry) => new URL(entry.name).pathname.startsWith("/media/");
    return {
        bytes: bytes(loaded.filter((entry) => !isPhoto(entry))),
        photo_bytes: bytes(loaded.filter(isPhoto)),
        requests: loaded.length,
        largest_paint_milliseconds: paint && Math.round(paint),
        layout_shift: shifts.filter((shift) => !shift.hadRecentInput).reduce((sum, shift) => sum + shift.value, 0),
    };
}"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Pictures further down would be missing from a picture of the whole page.
LOAD_PICTURES = """() => Promise.all([...document.images].map((image) => {
    image.loading = "eager";
    return image.decode().catch(() => {});
}))"""


@pytest.fixture
def record_row() -> Callable[[str, dict[str, Any]], None]:
    """Write one page's measurements into the table of them all, which several processes write."""

    def record(name: str, row: dict[str, Any]) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        with (SCREENSHOTS / "pages.json").open("a+") as table:
            fcntl.flock(table, fcntl.LOCK_EX)
            table.seek(0)
            rows = json.loads(table.read() or "{}") | {name: row}
            table.seek(0)
            table.truncate()
            json.dump(rows, table, indent=1, sort_keys=True)

    return record


@pytest.mark.parametrize("public_page", PUBLIC_PAGES, ids=lambda public_page: public_page.name)
def test_page_is_fit_to_be_seen(
    chromium: Browser,
    live_server: LiveServer,
    catalogue: None,
    engine: FakeBackend,
    record_row: Callable[[str, dict[str, Any]], None],
    public_page: PublicPage,
) -> None:
    engine.refuses_with = public_page.refuses_with
    faults: list[str] = []
    for language, locale in LANGUAGES.items():
        client = Client(headers={"Accept-Language": language})
        path = public_page.path if isinstance(public_page.path, str) else public_page.path(client)
        cookies = [
            {"name": name, "value": morsel.value, "url": live_server.url} for name, morsel in client.cookies.items()
        ]
        for width, height in SIZES.items():
            where = f"{public_page.name}-{width}-{language}"
            # A browser of its own each time: each visit is weighed as a first one.
            context = chromium.new_context(
                locale=locale,
                viewport={"width": width, "height": height},
                reduced_motion="reduce",
                has_touch=width == PHONE_WIDTH,
                is_mobile=width == PHONE_WIDTH,
                service_workers="block",
            )
            context.set_default_timeout(TIMEOUT_MILLISECONDS)
            context.add_cookies(cookies)
            page = context.new_page()
            found: list[str] = []
            page.on("console", lambda message, found=found: found.extend(_complaints(message, public_page)))
            page.on("pageerror", lambda error, found=found: found.append(str(error)))
            measured = _visit(page, f"{live_server.url}{path}", public_page, where)
            record_row(where, measured)
            found += _exceeded(measured, public_page)
            if (language, width) in AXE_AT:
                found += serious_violations(page)
            faults += [f"{where}: {fault}" for fault in found]
            context.close()

    assert faults == []


def _visit(page: Page, url: str, public_page: PublicPage, screenshot: str) -> dict[str, Any]:
    """Open the page, take its picture, and return what was measured."""
    response = page.goto(url)
    measured: dict[str, Any] = page.evaluate(MEASURE)
    measured["status"] = response.status if response else None
    if public_page.act:
        public_page.act(page)
    page.evaluate(LOAD_PICTURES)
    measured["overflow"] = page.evaluate(OVERFLOW)
    # As high as the page is. Playwright's own way to take all of a page takes a phone's touch screen from it.
    if page.viewport_size:
        height = max(page.viewport_size["height"], page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    page.screenshot(path=SCREENSHOTS / f"{screenshot}.png")
    return measured


def _exceeded(measured: dict[str, Any], public_page: PublicPage) -> list[str]:
    faults = []
    if measured["status"] != public_page.status:
        faults.append(f"answered {measured['status']}, not {public_page.status}")
    if measured["bytes"] > public_page.weight_limit:
        faults.append(f"weighs {measured['bytes']} bytes, more than {public_page.weight_limit}")
    if measured["layout_shift"] > LAYOUT_SHIFT_LIMIT:
        faults.append(f"moves what is on it by {measured['layout_shift']:.3f}")
    if measured["overflow"]:
        faults.append(f"is {measured['overflow']} pixels too wide")
    return faults


def _complaints(message: ConsoleMessage, public_page: PublicPage) -> list[str]:
    # Chromium also complains of answers with an error status, which some pages are there for.
    expected = [f"status of {status}" for status in (public_page.status, public_page.act_status)]
    is_expected = message.text.startswith("Failed to load resource") and any(each in message.text for each in expected)
    is_expected |= "Service Worker registration blocked" in message.text
    is_complaint = message.type in ("error", "warning") and not is_expected
    return [f"{message.text} {message.location['url']}"] if is_complaint else []
