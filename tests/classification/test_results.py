"""/results/: what a browser's owner does with the results that were made in it."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.storage import storages
from django.test import Client as HttpClient
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from classification import photos
from classification.comparisons import Participant, invitation_accept, invitation_create
from classification.models import Classification
from classification.ownership import COOKIE_PREFIX, owned_ids
from tests.classification.conftest import MakeResult, text


def url_of(result: Classification, rest: str = "") -> str:
    return f"/results/{result.pk}/{rest}"


def expire(result: Classification) -> None:
    now = timezone.now()
    Classification.objects.filter(pk=result.pk).update(created_at=now - timedelta(days=2), expires_at=now)


def cookie_of(result: Classification) -> str:
    return f"{COOKIE_PREFIX}{result.pk.hex}"


# --- One result ---


def test_result_has_a_page_of_its_own_that_needs_only_the_database(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result(mbti="INFJ")

    page = client.get(url_of(result))

    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    html = page.content.decode()
    assert "<h1>Beta</h1>" in html
    for words in ("Part by part", "Whole face Β Beta", "Upper face Β Beta", "Lower face Β Beta", "quite sure"):
        assert words in text(page)
    assert len(re.findall(r"<small>beta \d</small>", html)) == 4
    # No photo was kept: a drawn face stands there until this device's own copy is found.
    assert f'data-device-photo="{result.pk}"' in html
    assert "A drawn face in place of the photo" in html
    assert '<meta name="robots" content="noindex">' in html


def test_result_page_shows_the_stored_photo(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result(store_photo="on")

    html = client.get(url_of(result)).content.decode()
    photo = client.get(url_of(result, "photo.jpg"))

    assert f'href="{url_of(result, "photo.jpg")}"' in html
    assert "data-device-photo" not in html
    assert photo["Content-Type"] == "image/jpeg"
    assert "no-store" in photo["Cache-Control"]
    assert Image.open(io.BytesIO(photo.content)).size == (result.photo_width, result.photo_height)


def test_photo_that_was_not_kept_is_not_there(client: HttpClient, make_result: MakeResult) -> None:
    assert client.get(url_of(make_result(), "photo.jpg")).status_code == 409


def test_photo_that_cannot_be_read_is_no_error_of_ours(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result(store_photo="on")
    photos.photo_delete(result.photo_key)

    assert client.get(url_of(result, "photo.jpg")).status_code == 503
    assert client.get(url_of(result)).status_code == 200


@pytest.mark.parametrize("rest", ["", "photo.jpg", "card.png"])
def test_nobody_else_sees_a_result(make_result: MakeResult, rest: str) -> None:
    result = make_result(store_photo="on")

    page = HttpClient().get(url_of(result, rest))

    assert page.status_code == 404
    assert "This result is not here" in text(page)
    assert 'href="/"' in page.content.decode()


@pytest.mark.parametrize("path", ["delete/", "share/", "share/revoke/"])
def test_nobody_else_changes_a_result(client: HttpClient, make_result: MakeResult, path: str) -> None:
    result = make_result()
    client.post(url_of(result, "share/"))
    stranger = HttpClient()
    # Whoever owns another result owns no more than that.
    other = make_result(browser=stranger)

    assert stranger.post(url_of(result, path)).status_code == 404

    assert set(Classification.objects.values_list("pk", flat=True)) == {result.pk, other.pk}
    assert result.share_links.filter(revoked_at=None).count() == 1


def test_cookie_for_one_result_opens_no_other(client: HttpClient, make_result: MakeResult) -> None:
    mine, theirs = make_result(), make_result(browser=HttpClient())
    client.cookies[cookie_of(theirs)] = client.cookies[cookie_of(mine)].value

    assert client.get(url_of(theirs)).status_code == 404
    assert client.get(url_of(mine)).status_code == 200


def test_expired_result_leaves_the_browser(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result()
    expire(result)

    page = client.get(url_of(result))

    assert page.status_code == 404
    assert client.cookies[cookie_of(result)]["max-age"] == 0


def test_result_page_takes_a_fixed_number_of_queries(
    client: HttpClient, make_result: MakeResult, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    result = make_result(store_photo="on")
    client.post(url_of(result, "share/"))

    # The result, its link, its celebrities, the types.
    with django_assert_num_queries(4):
        client.get(url_of(result))


def test_page_is_in_the_readers_language(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result()

    page = client.get(url_of(result), headers={"Accept-Language": "ko"})

    assert "<h1>베타</h1>" in page.content.decode()


# --- All of them ---


def test_list_shows_own_results_newest_first(client: HttpClient, make_result: MakeResult) -> None:
    first, second = make_result(), make_result(store_photo="on")
    make_result(browser=HttpClient())
    client.post(url_of(second, "share/"))

    page = client.get("/results/")

    assert "no-store" in page["Cache-Control"]
    assert re.findall(r'href="/results/([0-9a-f-]{36})/"', page.content.decode()) == [str(second.pk), str(first.pk)]
    assert "Photo kept Shared by a link" in text(page)
    assert "Photo not kept" in text(page)


def test_list_of_nothing_leads_to_the_start(client: HttpClient, db: None) -> None:
    page = client.get("/results/")

    assert page.status_code == 200
    assert "Nothing was made in this browser yet" in text(page)
    assert "Erase it all" not in text(page)


def test_list_forgets_results_that_are_gone(client: HttpClient, make_result: MakeResult) -> None:
    kept, expired, erased = make_result(), make_result(), make_result()
    expire(expired)
    erased.delete()

    client.get("/results/")

    request = client.get("/results/").wsgi_request
    assert owned_ids(request) == [kept.pk]


def test_list_takes_a_fixed_number_of_queries(
    client: HttpClient, make_result: MakeResult, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        client.post(url_of(make_result(store_photo="on"), "share/"))

    # The results with their types; their links.
    with django_assert_num_queries(2):
        client.get("/results/")


# --- Erasing ---


def test_owner_erases_result_photo_and_link(client: HttpClient, make_result: MakeResult) -> None:
    kept, result = make_result(store_photo="on"), make_result(store_photo="on")
    client.post(url_of(result, "share/"))

    page = client.post(url_of(result, "delete/"))

    assert page.status_code == 302
    told = client.get(page["Location"])
    assert "It has been erased" in text(told)
    # What the device may keep of its own copies.
    assert f'data-kept="{kept.pk} "' in told.content.decode()
    assert Classification.objects.get() == kept
    assert not storages["photos"].exists(result.photo_key)
    assert storages["photos"].exists(kept.photo_key)
    assert not result.share_links.exists()
    assert client.cookies[cookie_of(result)]["max-age"] == 0


def test_erasing_twice_says_that_nothing_is_left(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result()
    client.post(url_of(result, "delete/"))

    again = client.post(url_of(result, "delete/"))

    assert again.status_code == 404
    assert client.get(url_of(result)).status_code == 404


def test_double_click_erases_once_and_says_so(client: HttpClient, make_result: MakeResult) -> None:
    result = make_result()
    # Both requests carry the cookie: the second left before the first was answered.
    cookie = client.cookies[cookie_of(result)].value

    client.post(url_of(result, "delete/"))
    client.cookies[cookie_of(result)] = cookie
    second = client.post(url_of(result, "delete/"))

    assert second.status_code == 302
    assert second["Location"] == "/results/deleted/"


def test_owner_erases_all_results_and_nobody_elses(client: HttpClient, make_result: MakeResult) -> None:
    for _ in range(2):
        make_result(store_photo="on")
    theirs = make_result(browser=HttpClient(), store_photo="on")

    page = client.post("/results/delete/")

    assert page.status_code == 302
    assert Classification.objects.get() == theirs
    assert storages["photos"].exists(theirs.photo_key)
    assert owned_ids(client.get("/results/").wsgi_request) == []


def test_failed_erasing_can_be_tried_again(
    client: HttpClient, make_result: MakeResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = make_result(store_photo="on")

    def fail(name: str) -> None:
        raise OSError("read-only")

    for address in (url_of(result, "delete/"), "/results/delete/"):
        with monkeypatch.context() as broken:
            broken.setattr(storages["photos"], "delete", fail)
            page = client.post(address)

        assert page.status_code == 503
        assert Classification.objects.exists()
        assert f'action="{address}"' in page.content.decode()
    assert client.post(url_of(result, "delete/")).status_code == 302


@pytest.mark.parametrize("path", ["/results/delete/", f"/results/{UUID(int=1)}/delete/"])
def test_reloading_the_address_of_an_erasure_leads_to_the_list(client: HttpClient, db: None, path: str) -> None:
    page = client.get(path)

    assert page.status_code == 302
    assert page["Location"] == "/results/"


@pytest.mark.parametrize("path", ["delete/", "share/", "share/revoke/"])
def test_change_is_made_only_because_it_has_the_csrf_token(make_result: MakeResult, path: str) -> None:
    owner = HttpClient()
    result = make_result(browser=owner)
    careful = HttpClient(enforce_csrf_checks=True)
    careful.cookies = owner.cookies

    assert careful.post(url_of(result, path)).status_code == 403
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', careful.get(url_of(result)).content.decode())[0]
    assert careful.post(url_of(result, path), {"csrfmiddlewaretoken": token}).status_code == 302


# --- Taking away ---


def test_results_can_be_taken_away_as_one_file(client: HttpClient, make_result: MakeResult) -> None:
    make_result(browser=HttpClient())
    result = make_result(mbti="INFJ", store_photo="on")
    client.post(url_of(result, "share/"))
    guest = HttpClient()
    invitation = invitation_create(host=Participant(result, "Bear", shows_photo=False))
    friend = Participant(make_result(browser=guest, store_photo="on"), "Fox", shows_photo=True)
    invitation_accept(token=invitation.token, guest=friend)

    answer = client.get("/results/export.json")

    assert answer["Content-Type"] == "application/json"
    assert answer["Content-Disposition"] == 'attachment; filename="alpha-project-results.json"'
    assert "no-store" in answer["Cache-Control"]
    (record,) = json.loads(answer.content)["results"]
    expected: dict[str, Any] = {
        "id": str(result.pk),
        "birth_date": "1996-05-04",
        "mbti": "INFJ",
        "type": "Beta",
        "score": result.score,
        "parts": result.parts,
        "celebrities": ["Someone"] * 4,
        "photo": f"photos/{result.pk}.jpg",
    }
    assert {name: record[name] for name in expected} == expected
    assert [link["shows_photo"] for link in record["share_links"]] == [False]
    assert [(each["nickname"], each["shows_photo"]) for each in record["comparisons"]] == [("Bear", False)]
    (theirs,) = json.loads(guest.get("/results/export.json").content)["results"]
    assert [(each["nickname"], each["shows_photo"]) for each in theirs["comparisons"]] == [("Fox", True)]


def test_export_takes_a_fixed_number_of_queries(
    client: HttpClient, make_result: MakeResult, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        client.post(url_of(make_result(), "share/"))

    # The results, their links, both kinds of comparisons, boards, the celebrities with their names.
    with django_assert_num_queries(6):
        client.get("/results/export.json")


def test_export_with_photos_has_each_stored_one(client: HttpClient, make_result: MakeResult) -> None:
    with_photo, without, also = make_result(store_photo="on"), make_result(), make_result(store_photo="on")

    answer = client.get("/results/export.zip")

    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer)))
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == sorted(
        ["results.json", f"photos/{with_photo.pk}.jpg", f"photos/{also.pk}.jpg"]
    )
    assert archive.read(f"photos/{also.pk}.jpg") == photos.photo_read(also.photo_key)
    records = json.loads(archive.read("results.json"))["results"]
    assert [record["id"] for record in records] == [str(each.pk) for each in (also, without, with_photo)]


def test_export_says_so_where_photos_cannot_be_read(client: HttpClient, make_result: MakeResult) -> None:
    photos.photo_delete(make_result(store_photo="on").photo_key)

    page = client.get("/results/export.zip")

    assert page.status_code == 503
    assert "Photos cannot be stored or erased" in text(page)


def test_export_of_nothing_is_an_empty_list(client: HttpClient, db: None) -> None:
    assert json.loads(client.get("/results/export.json").content) == {"results": []}
    archive = zipfile.ZipFile(io.BytesIO(b"".join(client.get("/results/export.zip"))))
    assert archive.namelist() == ["results.json"]


def test_unknown_result_is_not_there(client: HttpClient, db: None) -> None:
    assert client.get(f"/results/{uuid4()}/").status_code == 404
    assert client.get("/results/not-an-id/").status_code == 404
