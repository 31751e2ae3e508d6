"""The API's reference, as developers use it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

WAIT_MILLISECONDS = 60_000


def test_reference_shows_operations_and_their_examples_and_asks_nobody_else(
    open_page: OpenPage, live_server: LiveServer
) -> None:
    page = open_page(viewport={"width": 1280, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{live_server.url}/api/v1/docs/reference/", timeout=WAIT_MILLISECONDS)
    operation = page.locator("#operations-v1-classifications_create")
    expect(operation).to_be_visible(timeout=WAIT_MILLISECONDS)
    operation.locator("button").first.click()

    expect(operation.get_by_text("multiple_faces").first).to_be_attached(timeout=WAIT_MILLISECONDS)
    assert asked
    assert [url for url in asked if not url.startswith((live_server.url, "data:", "blob:"))] == []
