"""The site as an app: without a network, and what it leaves behind on the device."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, serious_violations, wait_until
from tests.browser.public_pages import choose_photo

pytestmark = pytest.mark.browser

CACHED = """async () => {
    const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
    const requests = await Promise.all(caches_.map((cache) => cache.keys()));
    return requests.flat().map((request) => new URL(request.url).pathname);
}"""


def open_with_worker(open_page: OpenPage, **options: Any) -> Page:
    page = open_page(service_workers="allow", expected="net::ERR_INTERNET_DISCONNECTED", **options)
    page.evaluate("navigator.serviceWorker.ready")
    wait_until(page, "navigator.serviceWorker.controller !== null")
    return page


def test_page_without_a_network_speaks_the_chosen_language(open_page: OpenPage) -> None:
    page = open_with_worker(open_page, locale="en-US")
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    wait_until(page, "caches.match('/offline/').then((page) => page.text()).then((text) => /lang=.ko/.test(text))")
    page.context.set_offline(True)

    page.goto(re.sub(r"/$", "/types/", page.url))

    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.locator(".message img")).not_to_have_js_property("naturalWidth", 0)
    assert serious_violations(page) == []

    # It is the page that was asked for, as soon as it can be.
    page.context.set_offline(False)
    expect(page).to_have_url(re.compile(r"/types/$"))
    expect(page.get_by_role("button", name="한국어")).to_be_visible()


def test_neither_answers_nor_photos_are_kept_for_later(open_page: OpenPage) -> None:
    page = open_with_worker(open_page)
    choose_photo(page)
    page.locator("[name=birth_date]").fill("1996-05-04")
    page.locator(".panel [type=submit]").click()
    expect(page.locator(".result")).to_be_visible()

    kept = page.evaluate(CACHED)

    assert "/offline/" in kept
    assert all(path == "/offline/" or path.startswith("/static/") for path in kept)
