"""Which results a browser owns, by its cookies."""

from __future__ import annotations

from datetime import timedelta
from http.cookies import SimpleCookie
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from classification.ownership import COOKIE_PREFIX, MAX_RESULTS, forget, is_owner, owned_ids, remember


class Browser:
    """Keeps cookies between requests as a browser does."""

    def __init__(self) -> None:
        self.cookies: SimpleCookie = SimpleCookie()

    def request(self) -> HttpRequest:
        request = RequestFactory().get("/")
        request.COOKIES = {name: morsel.value for name, morsel in self.cookies.items()}
        return request

    def take(self, response: HttpResponse) -> None:
        for name, morsel in response.cookies.items():
            if morsel["max-age"] == 0:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value

    def make_result(self, classification_id: UUID | None = None) -> UUID:
        made, response = classification_id or uuid4(), HttpResponse()
        remember(self.request(), response, made)
        self.take(response)
        return made

    def forget(self, *classification_ids: UUID) -> None:
        response = HttpResponse()
        forget(self.request(), response, classification_ids)
        self.take(response)


@pytest.fixture
def browser() -> Browser:
    return Browser()


def test_results_are_remembered_newest_first(browser: Browser) -> None:
    first, second, third = (browser.make_result() for _ in range(3))

    assert owned_ids(browser.request()) == [third, second, first]
    assert is_owner(browser.request(), second)


def test_repeated_result_is_one(browser: Browser) -> None:
    first, second = browser.make_result(), browser.make_result()
    browser.make_result(first)

    assert owned_ids(browser.request()) == [first, second]


def test_two_tabs_that_send_at_once_keep_both_results(browser: Browser) -> None:
    # Both requests left before either answer came.
    requests = [browser.request(), browser.request()]
    made = [uuid4(), uuid4()]
    for request, classification_id in zip(requests, made, strict=True):
        response = HttpResponse()
        remember(request, response, classification_id)
        browser.take(response)

    assert owned_ids(browser.request()) == made[::-1]


def test_oldest_result_leaves_where_there_are_too_many(browser: Browser) -> None:
    made = [browser.make_result() for _ in range(MAX_RESULTS + 2)]

    assert owned_ids(browser.request()) == made[:1:-1]
    assert len(browser.cookies) == MAX_RESULTS
    # Gunicorn accepts 8190 bytes in one header, and other cookies need room.
    assert len("; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())) < 6_000


def test_forgotten_result_is_owned_no_longer(browser: Browser) -> None:
    gone, kept = browser.make_result(), browser.make_result()

    browser.forget(gone, uuid4())

    assert owned_ids(browser.request()) == [kept]
    assert not is_owner(browser.request(), gone)


def test_cookie_that_was_tampered_with_owns_nothing(browser: Browser) -> None:
    mine, stranger = browser.make_result(), uuid4()
    name, morsel = next(iter(browser.cookies.items()))
    value = morsel.value

    def owned_with(name: str, value: str) -> list[UUID]:
        other = Browser()
        other.cookies[name] = value
        return owned_ids(other.request())

    assert owned_with(name, value) == [mine]
    # A signature holds for the result it was made for alone.
    assert owned_with(f"{COOKIE_PREFIX}{stranger.hex}", value) == []
    for broken in (value[:-1], value + "A", value.replace(":", "."), "", ":::", "\x00", "9" * 5000, "é"):
        assert owned_with(name, broken) == []
    for odd in ("result_", "result_x", f"result_{mine}", f"result_{mine.hex.upper()}", "result_" + "f" * 33):
        assert owned_with(odd, value) == []


def test_cookie_is_for_this_site_alone_and_lives_as_long_as_the_result(browser: Browser) -> None:
    response = HttpResponse()
    remember(browser.request(), response, uuid4())

    (morsel,) = response.cookies.values()
    assert morsel["httponly"]
    assert morsel["samesite"] == "Lax"
    assert morsel["max-age"] == timedelta(days=settings.RETENTION_DAYS).total_seconds()
    assert morsel["path"] == "/"
