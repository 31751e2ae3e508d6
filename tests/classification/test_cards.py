"""The picture of a result: what is on it, how it is asked for, what caches may do."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client as HttpClient
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops

from catalog.models import FaceType
from classification.card.content import Card
from classification.card.drawing import ACCENTS, SIZES, CardShape, draw
from classification.card.typefaces import FONTS, is_drawable
from classification.models import Classification
from inference.contracts import FaceType as TypeCode
from tests.classification.conftest import MakeResult, PostPhoto
from tests.fakes import FakeBackend


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return image


def differs(first: Image.Image, second: Image.Image) -> tuple[int, int, int, int] | None:
    """The box within which two pictures differ."""
    return ImageChops.difference(first, second).getbbox()


@pytest.fixture
def card_address(post_photo: PostPhoto) -> tuple[str, dict[str, str]]:
    created = post_photo(store_photo="true").json()
    return f"/api/v1/classifications/{created['id']}/card.png", {"Authorization": f"Bearer {created['owner_token']}"}


# --- Drawing ---


@pytest.mark.parametrize("shape", CardShape)
@pytest.mark.parametrize("code", TypeCode)
def test_card_has_its_size_and_its_types_colour(
    make_result: MakeResult, engine: FakeBackend, code: TypeCode, shape: CardShape
) -> None:
    engine.sees = code
    card = Card.of(make_result(), language="en")

    image = opened(draw(card, shape))

    assert image.size == SIZES[shape]
    colours = {colour for _count, colour in image.getcolors(maxcolors=1 << 24) or []}
    assert ACCENTS[code] in colours


@pytest.mark.parametrize("language", ["en", "ko"])
def test_card_says_the_result_in_its_language(make_result: MakeResult, language: str) -> None:
    card = Card.of(make_result(), language=language)

    face_type = FaceType.objects.get(code="beta")
    assert (card.letter, card.score) == ("Β", 79)
    assert card.type_name == face_type.name(language)
    assert [(part.letter, part.type_name) for part in card.parts] == [("Β", face_type.name(language))] * 3


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_text_of_a_card_can_be_drawn(make_result: MakeResult, language: str) -> None:
    card = Card.of(make_result(), language=language)

    texts = [card.eyebrow, card.out_of, card.brand, card.question, card.caution, *(part.name for part in card.parts)]
    assert [each for each in texts if not is_drawable(each)] == []


def test_each_thing_a_card_says_is_drawn(make_result: MakeResult) -> None:
    card = Card.of(make_result(), language="en")
    plain = opened(draw(card, CardShape.WIDE))

    changes: dict[str, Any] = {
        "letter": "Γ",
        "type_name": "Gamma",
        "score": 12,
        "eyebrow": "Something else",
        "out_of": "of some",
        "between": "Between Alpha and Beta",
        "parts": [replace(part, type_name="Omega") for part in card.parts],
        "brand": "Another",
        "caution": "Careful",
    }
    for name, value in changes.items():
        assert differs(plain, opened(draw(replace(card, **{name: value}), CardShape.WIDE))), name


@pytest.mark.parametrize("shape", CardShape)
def test_long_names_stay_on_the_card(make_result: MakeResult, shape: CardShape) -> None:
    card = Card.of(make_result(), language="en")
    longest = replace(
        card, type_name="W" * 40, between="W" * 80, parts=[replace(each, type_name="W" * 40) for each in card.parts]
    )

    image = opened(draw(longest, shape))

    # The margin on the right is as it is without any name.
    width, height = SIZES[shape]
    margin = (width - 30, 0, width, height)
    assert differs(image.crop(margin), opened(draw(card, shape)).crop(margin)) is None


def test_name_in_characters_the_card_lacks_is_said_in_english(make_result: MakeResult) -> None:
    result = make_result()
    FaceType.objects.filter(code="beta").update(name_ko="뷁쀍漢字")
    result.refresh_from_db()

    assert Card.of(result, language="ko").type_name == "Beta"

    FaceType.objects.filter(code="beta").update(name_en="漢字")
    result.refresh_from_db()
    assert Card.of(result, language="ko").type_name == "Beta"


def test_faces_have_the_characters_they_are_said_to_have() -> None:
    in_file = set(TTFont(FONTS / "card-sans.otf").getBestCmap())
    every = [chr(code) for code in range(0x20, 0xD7A4)]

    said = {ord(character) for character in every if is_drawable(character)}

    assert said <= in_file
    assert len(said) > 2700
    greek = set(TTFont(FONTS / "card-letters.ttf").getBestCmap())
    assert {ord(letter) for letter in "ΑΒΓΔΩ"} <= greek


def test_files_of_faces_are_small_and_licensed() -> None:
    assert sum(path.stat().st_size for path in FONTS.iterdir()) < 400 * 1024
    for path in [*FONTS.glob("*.otf"), *FONTS.glob("*.ttf")]:
        assert "SIL OPEN FONT LICENSE" in path.with_suffix(".OFL.txt").read_text().upper()


# --- Asked for by an app ---


def test_owner_gets_the_card(client: HttpClient, card_address: tuple[str, dict[str, str]]) -> None:
    address, owner = card_address

    wide = client.get(address, headers=owner)
    tall = client.get(f"{address}?format=tall&language=ko", headers=owner)

    assert wide["Content-Type"] == tall["Content-Type"] == "image/png"
    assert opened(wide.content).size == (1200, 630)
    assert opened(tall.content).size == (1080, 1920)
    assert "private" in wide["Cache-Control"]


def test_card_is_in_the_callers_language(client: HttpClient, card_address: tuple[str, dict[str, str]]) -> None:
    address, owner = card_address

    by_browser = client.get(address, headers=owner | {"Accept-Language": "ko"})
    by_choice = client.get(f"{address}?language=ko", headers=owner | {"Accept-Language": "en"})
    english = client.get(address, headers=owner | {"Accept-Language": "en"})

    assert by_browser.content == by_choice.content != english.content


def test_photo_is_on_the_card_only_when_asked_for(client: HttpClient, card_address: tuple[str, dict[str, str]]) -> None:
    address, owner = card_address

    with_photo = client.get(f"{address}?photo=true", headers=owner)
    without = client.get(f"{address}?photo=false", headers=owner)

    assert differs(opened(with_photo.content), opened(without.content))
    assert without.content == client.get(address, headers=owner).content
    assert "no-store" in with_photo["Cache-Control"]


def test_card_that_the_caller_has_is_not_sent_again(
    client: HttpClient, card_address: tuple[str, dict[str, str]]
) -> None:
    address, owner = card_address
    etag = client.get(address, headers=owner)["ETag"]

    again = client.get(address, headers=owner | {"If-None-Match": etag})
    other = client.get(f"{address}?format=tall", headers=owner | {"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == etag
    assert other.status_code == 200


def test_edited_type_makes_another_card(client: HttpClient, card_address: tuple[str, dict[str, str]]) -> None:
    address, owner = card_address
    etag = client.get(address, headers=owner)["ETag"]
    FaceType.objects.filter(code="beta").update(name_en="Better")

    assert client.get(address, headers=owner | {"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("query", ["format=round", "language=fr", "photo=perhaps"])
def test_bad_parameters_are_named(client: HttpClient, card_address: tuple[str, dict[str, str]], query: str) -> None:
    address, owner = card_address

    refusal = client.get(f"{address}?{query}", headers=owner)

    assert refusal.status_code == 400
    assert refusal["Content-Type"] == "application/problem+json"
    assert refusal.json()["code"] == "invalid"
    assert list(refusal.json()["errors"]) == [query.partition("=")[0]]


def test_card_with_a_photo_that_was_not_kept_is_refused(client: HttpClient, post_photo: PostPhoto) -> None:
    created = post_photo().json()

    refusal = client.get(
        f"/api/v1/classifications/{created['id']}/card.png?photo=true",
        headers={"Authorization": f"Bearer {created['owner_token']}"},
    )

    assert refusal.status_code == 409
    assert refusal.json()["code"] == "photo_not_stored"


def test_nobody_else_gets_the_card(client: HttpClient, card_address: tuple[str, dict[str, str]]) -> None:
    address, _owner = card_address

    assert client.get(address).status_code == 401
    refusal = client.get(address, headers={"Authorization": "Bearer wrong"})
    assert refusal.status_code == 404
    assert refusal.json()["code"] == "not_found"


# --- Asked for by the result page ---


def test_result_page_offers_the_card_as_a_file(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result(store_photo="on")
    (address,) = set(
        re.findall(r'action="(/results/[^"]+/card.png)"', client.get(f"/results/{result.pk}/").content.decode())
    )

    answer = client.get(address, {"format": "tall", "language": "ko", "photo": "true", "download": "1"})

    assert opened(answer.content).size == (1080, 1920)
    assert answer["Content-Disposition"] == 'attachment; filename="alpha-project-beta-tall.png"'


def test_result_without_photo_has_no_card_with_one(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result()

    assert client.get(f"/results/{result.pk}/card.png?photo=true").status_code == 409
    assert client.get(f"/results/{result.pk}/card.png?format=round").status_code == 400
    assert Classification.objects.exists()
