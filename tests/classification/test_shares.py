"""Links to a result: made and withdrawn by its owner, opened by anybody."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client as HttpClient
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoAssertNumQueries, Settings

from classification.errors import ClassificationNotFound
from classification.models import Classification, ShareLink
from classification.share_links import share_link_open
from tests.classification.conftest import MakeResult, PostPhoto, text


def share(client: HttpClient, result: Classification, **fields: str) -> ShareLink:
    """As the result page's form does."""
    page = client.post(f"/results/{result.pk}/share/", fields)
    assert page.status_code == 302
    assert page["Location"] == f"/results/{result.pk}/#share"
    return result.share_links.get(revoked_at=None)


def revoke(client: HttpClient, result: Classification) -> None:
    assert client.post(f"/results/{result.pk}/share/revoke/").status_code == 302


def visit(link: ShareLink, rest: str = "", **headers: str) -> Any:
    """Without any cookie, as previews and friends come."""
    return HttpClient().get(f"/s/{link.token}/{rest}", headers=headers)


def properties(page: Any) -> dict[str, str]:
    pairs = re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)"', page.content.decode())
    return {name: unescape(value) for name, value in pairs}


def test_link_shows_the_result_and_nothing_else_of_its_owner(client: HttpClient, make_result: MakeResult) -> None:
    link = share(client, make_result(mbti="INFJ", store_photo="on"))

    page = visit(link)

    assert page.status_code == 200
    html = page.content.decode()
    assert "<h1>Beta</h1>" in html
    assert "Whole face Β Beta" in text(page)
    assert "Find out yours" in text(page)
    for secret in ("INFJ", "1996", str(link.classification_id), link.classification.owner_token, "photo.jpg"):
        assert secret not in html
    assert visit(link, "photo.jpg").status_code == 409
    assert properties(page)["robots"] == "noindex"


def test_link_shows_the_photo_only_because_its_owner_chose_so(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result(store_photo="on")
    link = share(client, result, photo="true")

    assert f'href="/s/{link.token}/photo.jpg"' in visit(link).content.decode()
    photo = visit(link, "photo.jpg")
    assert Image.open(io.BytesIO(photo.content)).size == (result.photo_width, result.photo_height)
    with_photo = visit(link, "card.png").content

    # The same link, without the photo from now on.
    assert share(client, result) == link
    assert "photo.jpg" not in visit(link).content.decode()
    assert visit(link, "photo.jpg").status_code == 409
    assert visit(link, "card.png").content != with_photo


def test_photo_that_was_not_kept_cannot_be_shown(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result()

    page = client.post(f"/results/{result.pk}/share/", {"photo": "true"})

    assert page.status_code == 409
    assert "was not kept" in text(page)
    assert not ShareLink.objects.exists()


def test_double_click_makes_one_link(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result()

    assert share(client, result) == share(client, result)
    with pytest.raises(IntegrityError):
        ShareLink.objects.create(classification=result, token="another")


@pytest.mark.django_db(transaction=True)
def test_result_that_is_erased_at_this_moment_is_not_shared(make_result: MakeResult) -> None:
    result = make_result()
    Classification.objects.filter(pk=result.pk).delete()

    with pytest.raises(ClassificationNotFound):
        share_link_open(result, shows_photo=False)


def test_token_cannot_be_guessed(client: HttpClient, make_result: MakeResult) -> None:
    tokens = {share(client, make_result()).token for _ in range(3)}

    assert len(tokens) == 3
    # 24 random bytes.
    assert all(re.fullmatch(r"[\w-]{32}", token) for token in tokens)
    assert HttpClient().get("/s/AAAA/").status_code == 404


def test_owner_sees_the_link_and_withdraws_it(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result()
    link = share(client, result)
    own_page = client.get(f"/results/{result.pk}/").content.decode()
    assert f'value="http://testserver/s/{link.token}/"' in own_page

    revoke(client, result)
    revoke(client, result)

    page = visit(link)
    assert page.status_code == 410
    assert "withdrawn" in text(page)
    assert 'href="/"' in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert visit(link, "card.png").status_code == 410
    assert visit(link, "photo.jpg").status_code == 410
    assert link.token not in client.get(f"/results/{result.pk}/").content.decode()
    # A link made later is another one.
    again = share(client, result)
    assert again.token != link.token
    assert visit(again).status_code == 200
    assert visit(link).status_code == 410


@pytest.mark.parametrize("end", ["erased", "expired"])
def test_link_ends_with_its_result(client: HttpClient, make_result: MakeResult, end: str) -> None:
    result = make_result()
    link = share(client, result)
    if end == "erased":
        client.post(f"/results/{result.pk}/delete/")
    else:
        now = timezone.now()
        Classification.objects.update(created_at=now - timedelta(days=2), expires_at=now)

    for rest in ("", "card.png", "photo.jpg"):
        assert visit(link, rest).status_code == 404
    assert "Find out yours" in text(visit(link))


def test_caches_let_go_of_a_withdrawn_link_within_minutes(client: HttpClient, make_result: MakeResult) -> None:
    link = share(client, make_result(store_photo="on"), photo="true")

    assert visit(link, "card.png")["Cache-Control"] == "public, max-age=300"
    assert visit(link, "photo.jpg")["Cache-Control"] == "private, max-age=300"
    assert "no-cache" in visit(link)["Cache-Control"]


# --- Previews ---


def test_preview_names_the_card_by_its_full_address(client: HttpClient, make_result: MakeResult) -> None:
    link = share(client, make_result())

    page = visit(link)

    meta = properties(page)
    assert meta["og:title"] == "Beta (Β), 79 out of 100"
    assert meta["og:url"] == f"http://testserver/s/{link.token}/"
    assert meta["og:image"] == f"http://testserver/s/{link.token}/card.png?format=wide&language=en"
    assert meta["twitter:card"] == "summary_large_image"
    card = HttpClient().get(meta["og:image"].removeprefix("http://testserver"))
    assert card["Content-Type"] == meta["og:image:type"] == "image/png"
    assert Image.open(io.BytesIO(card.content)).size == (int(meta["og:image:width"]), int(meta["og:image:height"]))


def test_addresses_are_right_behind_a_proxy(client: HttpClient, make_result: MakeResult, settings: Settings) -> None:
    link = share(client, make_result())
    # What settings.py makes of PROXY_COUNT=1.
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = ["alpha.example"]

    page = visit(link, **{"X-Forwarded-Proto": "https", "Host": "alpha.example"})

    assert properties(page)["og:image"].startswith(f"https://alpha.example/s/{link.token}/card.png?")
    assert properties(page)["og:url"] == f"https://alpha.example/s/{link.token}/"


def test_page_speaks_the_visitors_language(client: HttpClient, make_result: MakeResult) -> None:
    link = share(client, make_result())

    page = visit(link, **{"Accept-Language": "ko"})

    assert "<h1>베타</h1>" in page.content.decode()
    assert properties(page)["og:locale"] == "ko_KR"
    assert "language=ko" in properties(page)["og:image"]


def test_preview_machine_without_a_language_gets_the_owners(make_result: MakeResult) -> None:
    owner = HttpClient(headers={"Accept-Language": "ko"})
    link = share(owner, make_result(browser=owner))

    assert '<html lang="ko">' in visit(link).content.decode()
    assert '<html lang="en">' in visit(link, **{"Accept-Language": "en"}).content.decode()


def test_shared_page_takes_a_fixed_number_of_queries(
    client: HttpClient, make_result: MakeResult, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    link = share(client, make_result())

    # The link with its result, the celebrities, the types.
    with django_assert_num_queries(3):
        visit(link)


@pytest.mark.parametrize("query", ["format=round", "language=fr"])
def test_card_of_a_link_refuses_what_there_is_not(client: HttpClient, make_result: MakeResult, query: str) -> None:
    link = share(client, make_result())

    assert visit(link, f"card.png?{query}").status_code == 400


# --- From an app ---


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_app_makes_and_withdraws_a_link(client: HttpClient, post_photo: PostPhoto) -> None:
    created = post_photo(store_photo="true").json()
    address, owner = f"/api/v1/classifications/{created['id']}/share/", bearer(created["owner_token"])

    made = client.post(address, {"photo": True}, content_type="application/json", headers=owner)
    again = client.post(address, {}, content_type="application/json", headers=owner)

    assert made.status_code == again.status_code == 201
    assert made.json()["shows_photo"] is True
    assert again.json() == made.json() | {"shows_photo": False}
    assert made.json()["expires_at"] == created["expires_at"]
    assert "no-store" in made["Cache-Control"]
    path = made.json()["url"].removeprefix("http://testserver")
    assert HttpClient().get(path).status_code == 200

    assert client.delete(address, headers=owner).status_code == 204
    assert client.delete(address, headers=owner).status_code == 204
    assert HttpClient().get(path).status_code == 410


@pytest.mark.parametrize("method", ["post", "delete"])
def test_app_shares_only_what_its_user_owns(client: HttpClient, post_photo: PostPhoto, method: str) -> None:
    mine, theirs = post_photo().json(), post_photo().json()
    address = f"/api/v1/classifications/{mine['id']}/share/"
    send = getattr(client, method)

    assert send(address).status_code == 401
    assert send(address, headers=bearer(theirs["owner_token"])).json()["code"] == "not_found"
    assert not ShareLink.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"), [({"photo": "perhaps"}, 400, "invalid"), ({"photo": True}, 409, "photo_not_stored")]
)
def test_app_is_told_what_cannot_be_shared(
    client: HttpClient, post_photo: PostPhoto, body: dict[str, Any], status: int, code: str
) -> None:
    created = post_photo().json()

    refusal = client.post(
        f"/api/v1/classifications/{created['id']}/share/",
        body,
        content_type="application/json",
        headers=bearer(created["owner_token"]),
    )

    assert refusal.status_code == status
    assert refusal.json()["code"] == code
