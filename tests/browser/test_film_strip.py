"""From a photo to the page that a friend sees, with the released models: one picture of the whole way."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from catalog.models import Celebrity, CelebrityImage, FaceType
from catalog.portraits import draw_portrait
from catalog.services.images import image_add, image_publish
from classification.services import CELEBRITY_COUNT
from inference import client
from inference.apps import build_backend
from tests.browser.conftest import SCREENSHOTS, OpenPage, limit_uploads, wait_until

PHOTO = Path(__file__).resolve().parents[3] / "shared" / "data" / "faces" / "canada" / "095m.jpg"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not PHOTO.exists(), reason="the photos of ../shared/data are not here"),
]

GAP = 24
INK = "#0d0e13"


@pytest.fixture
def portraits(catalogue: None) -> None:
    """Drawn celebrities, as many as a result shows, for whichever type the models see."""
    CelebrityImage.objects.all().delete()
    someone = Celebrity.objects.create(name_ko="그린 얼굴", name_en="A drawn face")
    types = list(FaceType.objects.all())
    images = [
        image_add(
            celebrity=someone,
            content=draw_portrait(number),
            face_type=types[number % len(types)],
            source="the tests",
            licence="CC0-1.0",
            attribution="drawn by our own code",
        )
        for number in range(CELEBRITY_COUNT * len(types))
    ]
    image_publish(images=images)


@pytest.fixture
def models(engine: object) -> Iterator[None]:
    """The released models instead of the engine that sees what it is told to."""
    client.configure(build_backend)
    client.warm_up()
    yield
    client.configure(build_backend)


def test_photo_becomes_a_page_that_friends_see(open_page: OpenPage, portraits: None, models: None) -> None:
    frames: list[bytes] = []
    page = open_page()
    frames.append(page.screenshot())

    page.locator("[name=photo]").set_input_files(PHOTO)
    expect(page.locator(".preview")).to_be_visible()
    frames.append(page.screenshot())

    page.locator("[name=birth_date]").fill("1996-05-04")
    page.get_by_role("radio", name="INFJ").check()
    limit = limit_uploads(page, 25_000)
    page.locator("#capture [type=submit]").click()
    expect(page.locator(".percent")).to_contain_text("%")
    frames.append(page.screenshot())
    limit.detach()

    expect(page.locator(".result")).to_be_visible()
    frames += [page.screenshot(), _screenshot_of(page, ".portrait"), _screenshot_of(page, ".celebrities")]

    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#share a.quiet").get_attribute("href")
    assert link
    friend = open_page()
    friend.goto(link)
    expect(friend.get_by_role("heading", level=1)).to_have_text(page.get_by_role("heading", level=1).inner_text())
    frames.append(friend.screenshot())

    card = friend.locator("meta[property='og:image']").get_attribute("content")
    assert card
    frames.append(friend.request.get(card).body())
    _film_strip(frames).save(SCREENSHOTS / "film-strip.png")


def _screenshot_of(page: Page, selector: str) -> bytes:
    page.locator(selector).evaluate("element => element.scrollIntoView({ block: 'start' })")
    wait_until(page, "[...document.images].every((image) => image.complete || image.loading === 'lazy')")
    return page.screenshot()


def _film_strip(frames: list[bytes]) -> Image.Image:
    """The frames side by side, each as wide as the first."""
    pictures = [Image.open(io.BytesIO(frame)).convert("RGB") for frame in frames]
    width, height = pictures[0].size
    strip = Image.new("RGB", (len(pictures) * (width + GAP) + GAP, height + 2 * GAP), INK)
    for place, picture in enumerate(pictures):
        fitted = picture.resize((width, round(picture.height * width / picture.width)))
        strip.paste(fitted, (GAP + place * (width + GAP), GAP + max(0, (height - fitted.height) // 2)))
    return strip
