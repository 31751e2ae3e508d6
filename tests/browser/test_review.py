"""The review page, as curators use it."""

from __future__ import annotations

import itertools
import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from PIL import Image
from playwright.sync_api import Page, Request, expect

from catalog.models import Celebrity, CelebrityImage, ImageLabel, ReviewEvent
from catalog.models.labels import LabelState
from catalog.portraits import draw_portrait
from catalog.services.autolabel import AutolabelWorker, autolabel_create, unlabelled_images
from catalog.services.images import image_add
from tests.browser.conftest import PHONE, OpenPage, take_screenshot
from tests.fakes import FakeBackend
from tests.images import draw_photo, encode

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1280, "height": 900}
# Images that one curator reviews without a pause.
SITTING = 60
# What a page says when a decision is refused, as these tests provoke.
REFUSED = re.compile(r"Failed to load resource: .* (403|409|422)|ERR_FAILED")

Review = Callable[..., Page]


def make_labels(count: int, *, as_portraits: bool = False) -> list[ImageLabel]:
    """Pictures labelled by the auto-labeller, none like another, the most doubtful first."""
    CelebrityImage.objects.all().delete()
    for number in range(count):
        picture = Image.new("RGB", (300, 400), (number * 37 % 256, number * 11 % 256, number))
        picture.paste(draw_photo(200, 260), (50, 70))
        content = draw_portrait(number) if as_portraits else encode(picture)
        someone = Celebrity.objects.create(name_ko=f"사람 {number:03}", name_en=f"Person {number:03}")
        image_add(celebrity=someone, content=content, source="the tests", licence="CC0-1.0")
    worker = AutolabelWorker(autolabel_create(images=unlabelled_images(), created_by=None))
    while worker.step():
        pass
    labels = list(ImageLabel.objects.order_by("pk"))
    for place, label in enumerate(labels):
        label.doubt = 1 - place / (count + 1)
    ImageLabel.objects.bulk_update(labels, ["doubt"])
    return labels


@pytest.fixture
def review(open_as_staff: OpenPage, catalogue: None, engine: FakeBackend) -> Review:
    """Open the review page as a curator of that name."""

    def open_(name: str = "ann", *, query: str = "", **options: Any) -> Page:
        user, _is_new = User.objects.get_or_create(username=name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="catalog"))
        path = f"{reverse('admin:catalog_review')}{query}"
        return open_as_staff(user, path, expected=REFUSED, **({"viewport": DESKTOP} | options))

    return open_


def shows(page: Page, label: ImageLabel) -> None:
    expect(page.locator("#review")).to_have_attribute("data-label", str(label.pk))
    expect(page.locator("#review-work")).to_be_visible()


def is_saved(page: Page) -> None:
    """All decisions have arrived."""
    expect(page.locator("#review")).to_have_attribute("data-unsaved", "0")


def state_of(label: ImageLabel) -> str:
    label.refresh_from_db()
    return label.state


def box_of(label: ImageLabel, part: str) -> tuple[float, float, float, float]:
    box = label.parts.get(part=part).box
    assert box
    return box.x0, box.y0, box.x1, box.y1


def test_twenty_images_are_reviewed_by_keys_alone(review: Review) -> None:
    labels = make_labels(20)
    page = review()
    loads: list[Request] = []
    page.on("request", lambda request: loads.append(request) if request.is_navigation_request() else None)
    keys = itertools.cycle(["a", "n", "Enter", "d"])

    for label, key in zip(labels, keys, strict=False):
        shows(page, label)
        if key == "a":
            # Whole face gamma, upper face alpha.
            page.keyboard.press("3")
            page.keyboard.press("w")
            page.keyboard.press("1")
        page.keyboard.press(key)

    expect(page.locator("#review-empty")).to_have_text("Nothing is left to review here.")
    expect(page.locator("#review-count")).to_have_text("20")
    is_saved(page)
    assert loads == []
    states = [state_of(label) for label in labels]
    assert states == ["accepted", "rejected", "accepted", "disputed"] * 5
    first, _second, third, *_ = labels
    assert dict(first.parts.values_list("part", "face_type__code")) == {
        "whole_face": "gamma",
        "upper_face": "alpha",
        "lower_face": "beta",
    }
    assert first.image.face_type.code == "gamma"
    assert dict(third.parts.values_list("part", "face_type__code")) == dict.fromkeys(
        ("whole_face", "upper_face", "lower_face"), "beta"
    )


def drag(page: Page, selector: str, dx: float, dy: float) -> None:
    grip = page.locator(selector).bounding_box()
    assert grip
    x, y = grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx / 2, y + dy / 2)
    page.mouse.move(x + dx, y + dy)
    page.mouse.up()


def picture_scale(page: Page) -> float:
    """Pixels of the screen a pixel of the picture."""
    box = page.locator("#review-image").bounding_box()
    assert box
    return box["width"] / 300


def test_a_dragged_line_takes_along_the_boxes_that_share_it(review: Review) -> None:
    (label,) = make_labels(1)
    before = {part: box_of(label, part) for part in ("whole_face", "upper_face", "lower_face")}
    page = review()
    shows(page, label)

    drag(page, "[data-edge=left] .dot", -20 * picture_scale(page), 0)
    page.keyboard.press("w")
    drag(page, "[data-edge=bottom] .dot", 0, 12 * picture_scale(page))
    page.keyboard.press("a")
    is_saved(page)

    assert state_of(label) == LabelState.ACCEPTED
    for part, (x0, _y0, x1, _y1) in before.items():
        assert box_of(label, part)[0] == pytest.approx(x0 - 20, abs=0.6)
        assert box_of(label, part)[2] == x1
    # The base of the nose is the upper face's last line and the lower face's first.
    nose = before["upper_face"][3] + 12
    assert box_of(label, "upper_face")[3] == pytest.approx(nose, abs=0.6)
    assert box_of(label, "lower_face")[1] == box_of(label, "upper_face")[3]
    assert box_of(label, "whole_face")[3] == before["whole_face"][3]
    assert ReviewEvent.objects.get().action == ReviewEvent.Action.CORRECT


def test_an_edge_is_moved_alone_and_by_keys(review: Review) -> None:
    (label,) = make_labels(1)
    whole, upper = box_of(label, "whole_face"), box_of(label, "upper_face")
    page = review()
    shows(page, label)

    right = page.get_by_role("slider", name="whole face: right edge")
    right.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Alt+ArrowLeft")
    # Along the edge there is nowhere to go.
    page.keyboard.press("ArrowUp")
    expect(right).to_be_focused()
    expect(right).to_have_attribute("aria-valuenow", str(round(whole[2] + 10)))
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    is_saved(page)

    assert box_of(label, "whole_face") == pytest.approx((whole[0], whole[1], whole[2] + 10, whole[3] + 1), abs=0.05)
    assert box_of(label, "upper_face") == pytest.approx((upper[0], upper[1], upper[2] + 11, upper[3]), abs=0.05)


def test_a_finger_moves_an_edge(review: Review) -> None:
    (label,) = make_labels(1)
    before = box_of(label, "whole_face")
    page = review(viewport=PHONE, has_touch=True, is_mobile=True)
    shows(page, label)
    dot = page.locator("[data-edge=right] .dot").bounding_box()
    assert dot
    x, y = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
    moved = 24 / picture_scale(page)
    touches = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})

    touch("touchStart", (x, y))
    for step in range(1, 9):
        touch("touchMove", (x + 3 * step, y + step))
    touch("touchEnd")
    page.get_by_role("button", name="Accept").tap()
    is_saved(page)

    assert box_of(label, "whole_face")[2] == pytest.approx(before[2] + moved, abs=1)
    # The page stayed where it was under the finger.
    assert page.evaluate("window.scrollY") == 0


def test_a_step_is_undone_and_shown_again(review: Review) -> None:
    first, second = make_labels(2)
    before = box_of(first, "whole_face")
    page = review()
    shows(page, first)
    drag(page, "[data-edge=top] .dot", 0, -15)
    page.keyboard.press("4")
    page.keyboard.press("a")
    shows(page, second)

    page.keyboard.press("z")

    shows(page, first)
    expect(page.locator("#review-message")).to_contain_text("Undone.")
    expect(page.locator("[data-part=whole_face] [data-type=beta]")).to_have_attribute("aria-pressed", "true")
    is_saved(page)
    assert state_of(first) == LabelState.PROPOSED
    assert box_of(first, "whole_face") == before
    page.keyboard.press("a")
    shows(page, second)
    is_saved(page)
    assert state_of(first) == LabelState.ACCEPTED


def test_escape_forgets_what_was_dragged_and_b_draws_boxes(review: Review) -> None:
    (label,) = make_labels(1)
    page = review()
    shows(page, label)
    box = page.locator("[data-part=whole_face] .box")
    as_proposed = box.get_attribute("x")

    page.keyboard.press("b")
    expect(box).not_to_have_attribute("x", as_proposed or "")
    page.keyboard.press("Escape")
    expect(box).to_have_attribute("x", as_proposed or "")


def test_a_disputed_image_goes_to_a_second_reviewer(review: Review) -> None:
    (label,) = make_labels(1)
    ann = review("ann")
    shows(ann, label)
    ann.keyboard.press("d")
    expect(ann.locator("#review-empty")).to_be_visible()
    is_saved(ann)
    ann.get_by_role("tab", name="Disputed").click()
    expect(ann.locator("#review-empty")).to_have_text("Nothing is left to review here.")

    bob = review("bob", query="?state=disputed")
    shows(bob, label)
    expect(bob.locator("#review-facts")).to_have_text("Disputed by ann: a second opinion, please.")
    bob.keyboard.press("m")
    is_saved(bob)

    label.refresh_from_db()
    assert (label.state, label.rejection, label.reviewed_by.username) == ("rejected", "not_this_person", "bob")


def test_the_second_of_two_curators_is_told_and_loses_nothing(review: Review) -> None:
    (label,) = make_labels(1)
    ann, bob = review("ann"), review("bob", query=f"?label={label.pk}")
    shows(ann, label)
    shows(bob, label)
    ann.keyboard.press("5")
    ann.keyboard.press("a")
    is_saved(ann)

    bob.keyboard.press("1")
    bob.keyboard.press("a")

    message = bob.locator("#review-message")
    expect(message).to_contain_text("Somebody else changed this label meanwhile.")
    shows(bob, label)
    expect(bob.locator("#review-facts")).to_have_text("accepted, by ann.")
    expect(bob.locator("[data-part=whole_face] [data-type=omega]")).to_have_attribute("aria-pressed", "true")
    take_screenshot(bob, "review-conflict")
    message.get_by_role("button", name="Put my changes back").click()
    expect(bob.locator("[data-part=whole_face] [data-type=alpha]")).to_have_attribute("aria-pressed", "true")
    assert label.parts.get(part="whole_face").face_type.code == "omega"
    bob.keyboard.press("a")
    is_saved(bob)
    assert label.parts.get(part="whole_face").face_type.code == "alpha"
    assert ReviewEvent.objects.count() == 2


def test_decisions_wait_for_the_network_and_arrive(review: Review) -> None:
    labels = make_labels(3)
    page = review()
    shows(page, labels[0])
    page.route("**/review/*/", lambda route: route.abort())

    page.keyboard.press("a")
    page.keyboard.press("n")

    shows(page, labels[2])
    expect(page.locator("#review-unsaved")).to_contain_text("2 not saved yet. Trying again…")
    assert state_of(labels[0]) == LabelState.PROPOSED
    page.unroute("**/review/*/")
    expect(page.locator("#review-unsaved")).to_be_hidden()
    is_saved(page)
    assert [state_of(label) for label in labels] == ["accepted", "rejected", "proposed"]


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_page_fits_and_axe_finds_nothing_serious(review: Review, viewport: dict[str, int], locale: str) -> None:
    first, *_ = make_labels(2, as_portraits=True)
    page = review(viewport=viewport, locale=locale)
    shows(page, first)
    expect(page.locator("#review-image")).to_have_js_property("complete", True)

    take_screenshot(page, f"review-{'phone' if viewport is PHONE else 'desktop'}-{locale[:2]}")

    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    violations = Axe().run(page, context="#review").response["violations"]
    serious = [
        f"{violation['id']}: {node['html']}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert serious == []


def test_images_are_reviewed_in_one_sitting_without_a_page_reload(review: Review) -> None:
    # Several queues, each of which is fetched while the one before is worked off.
    labels = make_labels(SITTING)
    page = review()
    shows(page, labels[0])
    page.wait_for_load_state("networkidle")
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - Playwright's inner object
    seconds: list[float] = []
    keys = itertools.cycle(["a", "a", "a", "n", "d"])

    for label, following in zip(labels, [*labels[1:], None], strict=True):
        assert page.get_attribute("#review", "data-label") == str(label.pk)
        started = time.perf_counter()
        page.keyboard.press(next(keys))
        if following is None:
            expect(page.locator("#review-empty")).to_be_visible()
        else:
            # On the screen: the next image is there, decoded, with its boxes.
            page.wait_for_function(
                "id => document.getElementById('review').dataset.label === id"
                " && document.getElementById('review-image').complete"
                " && document.querySelectorAll('#review-boxes rect').length === 6",
                arg=str(following.pk),
                polling="raf",
            )
        seconds.append(time.perf_counter() - started)

    is_saved(page)
    assert not ImageLabel.objects.filter(state=LabelState.PROPOSED).exists()
    assert ReviewEvent.objects.count() == SITTING
    assert not [request for request in requests if request.is_navigation_request()]
    # A picture, a decision, and a tenth of a queue.
    assert len(requests) / SITTING < 2.3
    assert statistics.median(seconds) < 1
