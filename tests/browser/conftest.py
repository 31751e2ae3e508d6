"""A real Chromium before a running server."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.fakes import FakeBackend

OpenPage = Callable[..., Page]

DESKTOP = {"width": 1360, "height": 1000}
PHONE = {"width": 390, "height": 844}
TIMEOUT_MILLISECONDS = 15_000
expect.set_options(timeout=TIMEOUT_MILLISECONDS)
# Where tests leave pictures of the pages they opened.
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", Path(__file__).resolve().parents[2] / "var" / "screenshots"))
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def take_screenshot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def wait_until(page: Page, script: str, argument: object = None) -> None:
    """Until the page answers true. Playwright's own waiting asks again by eval, which our pages forbid."""
    end = time.monotonic() + TIMEOUT_MILLISECONDS / 1000
    while not page.evaluate(script, argument):
        assert time.monotonic() < end, script
        page.wait_for_timeout(50)


def limit_uploads(page: Page, bytes_per_second: int) -> CDPSession:
    """Let the page send no faster than this, until the session that is returned is detached."""
    session = page.context.new_cdp_session(page)
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second},
    )
    return session


def serious_violations(page: Page) -> list[str]:
    return [
        f"{violation['id']}: {node['html']}"
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed, and CI tests the pages in it")
        pytest.skip("Chromium is not installed")
    with pytest.MonkeyPatch.context() as environment:
        # Playwright's synchronous interface keeps an event loop in this thread, in which Django would
        # refuse to touch the database; nothing here runs in that loop.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
            yield browser
            browser.close()


@pytest.fixture
def open_page(chromium: Browser, live_server: LiveServer, catalogue: None, engine: FakeBackend) -> Iterator[OpenPage]:
    """Open a page, the start page if no other is named, in a browser of its own.

    Keyword arguments are its context's options. The test fails for whatever the browser complains of (scripts, missing
    files, the content policy), but for what contains `expected`.
    """
    complaints: list[str] = []
    # How Playwright keeps a worker from a page.
    expectations = ["Service Worker registration blocked"]
    contexts = []

    def complain(message: ConsoleMessage) -> None:
        # Chromium also complains of a page that answers with an error status, as refusals do.
        is_page_status = message.text.startswith("Failed to load resource") and message.location["url"] == (
            f"{live_server.url}/"
        )
        if message.type in ("error", "warning") and not is_page_status:
            complaints.append(message.text)

    def open_(path: str = "/", *, expected: str | None = None, **options: Any) -> Page:
        defaults: dict[str, Any] = {
            "viewport": PHONE,
            "locale": "en-US",
            "reduced_motion": "reduce",
            # It would answer for the server, and goes on living after the page.
            "service_workers": "block",
        }
        context = chromium.new_context(**(defaults | options))
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{live_server.url}{path}")
        if expected:
            expectations.append(expected)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [each for each in complaints if not any(expected in each for expected in expectations)] == []


@pytest.fixture
def open_as_staff(chromium: Browser, live_server: LiveServer) -> Iterator[OpenPage]:
    """Open an address as a signed-in user, in a browser of its own; keyword arguments are its context's options.

    The test fails for whatever the browser complains of, but for what `expected` matches.
    """
    complaints: list[str] = []
    contexts = []

    def open_(user: User, path: str, *, expected: re.Pattern[str] | None = None, **options: Any) -> Page:
        def complain(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and not (expected and expected.search(message.text)):
                complaints.append(f"{message.text} {message.location['url']}")

        client = Client()
        client.force_login(user)
        defaults: dict[str, Any] = {"viewport": DESKTOP, "locale": "en-US", "reduced_motion": "reduce"}
        context = chromium.new_context(**(defaults | options))
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{live_server.url}{path}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
