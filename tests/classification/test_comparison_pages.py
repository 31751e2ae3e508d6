"""Comparing with a friend, as the two of them see it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client as HttpClient
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from classification import comparisons, services
from classification.comparisons import MAX_PER_RESULT, Participant
from classification.models import Classification, Comparison
from tests.catalog.factories import make_face_types
from tests.classification.people import browser_of, expire, form_of, make_result, text_of

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"[:20]


@pytest.fixture(autouse=True)
def _types(db: None) -> None:
    make_face_types()


@pytest.fixture
def host() -> Classification:
    return make_result("gamma", "beta", "delta")


@pytest.fixture
def guest() -> Classification:
    return make_result("gamma", "gamma", "alpha", mbti="INFP")


def invite(browser: HttpClient, result: Classification, **fields: str) -> str:
    """Make an invitation as its page does; returns the address it leads to."""
    path = f"/results/{result.pk}/invite/"
    form = form_of(browser.get(path))
    response = browser.post(path, form | {"nickname": "Minsu"} | fields)
    assert response.status_code == 302
    return str(response["Location"])


def join(browser: HttpClient, url: str, result: Classification, **fields: str) -> Any:
    return browser.post(url, {"result": str(result.pk), "nickname": "Junho"} | fields)


@pytest.fixture
def compared(host: Classification, guest: Classification) -> str:
    """The address of a comparison of the two."""
    url = invite(browser_of(host), host)
    assert join(browser_of(guest), url, guest).status_code == 302
    return url


# --- Inviting ---


def test_friend_is_told_who_asks_and_who_will_see_what_before_joining(host: Classification) -> None:
    url = invite(browser_of(host), host)

    page = HttpClient().get(url)

    assert page.status_code == 200
    said = text_of(page)
    assert "Minsu would like to compare with you" in said
    assert "You will see your friend’s type, score and three parts." in said
    assert "Not your birth date, not your MBTI, and not your photo unless you choose so." in said
    # The host's result stays the host's until the friend joins.
    assert str(host.pk) not in page.content.decode()
    assert "57" not in said


def test_invitation_without_a_nickname_names_nobody(host: Classification) -> None:
    url = invite(browser_of(host), host, nickname="  \u200b ")

    assert "A friend would like to compare with you" in text_of(HttpClient().get(url))


def test_link_preview_says_nothing_about_anybody(host: Classification) -> None:
    page = HttpClient().get(invite(browser_of(host), host)).content.decode()
    head = page.split("</head>")[0]

    assert 'property="og:title"' in head
    assert 'property="og:image" content="http://testserver/static/' in head
    assert "Minsu" not in head


def test_form_sent_twice_makes_one_invitation(host: Classification) -> None:
    browser = browser_of(host)
    path = f"/results/{host.pk}/invite/"
    form = form_of(browser.get(path))

    first, again = browser.post(path, form), browser.post(path, form)

    assert first["Location"] == again["Location"]
    assert Comparison.objects.count() == 1
    browser.post(path, form_of(browser.get(path)))
    assert Comparison.objects.count() == 2


def test_nickname_is_shown_as_it_is_and_never_as_markup(host: Classification) -> None:
    page = HttpClient().get(invite(browser_of(host), host, nickname=HOSTILE)).content.decode()

    assert HOSTILE not in page
    assert "<bdi>&lt;script&gt;" in page


def test_too_long_a_nickname_is_refused_with_what_was_typed(host: Classification) -> None:
    browser = browser_of(host)

    refused = browser.post(f"/results/{host.pk}/invite/", {"nickname": "x" * 21})

    assert refused.status_code == 400
    assert 'value="' + "x" * 21 + '"' in refused.content.decode()
    assert not Comparison.objects.exists()


def test_only_the_owner_of_a_result_invites(host: Classification, guest: Classification) -> None:
    path = f"/results/{host.pk}/invite/"

    for browser in (HttpClient(), browser_of(guest)):
        assert browser.get(path).status_code == 404
        assert browser.post(path, {"nickname": "x"}).status_code == 404
    assert not Comparison.objects.exists()


def test_result_can_take_part_in_so_many_comparisons_and_no_more(host: Classification) -> None:
    for _ in range(MAX_PER_RESULT):
        comparisons.invitation_create(host=Participant(host))
    browser = browser_of(host)

    refused = browser.post(f"/results/{host.pk}/invite/", {"nickname": ""})

    assert refused.status_code == 422
    assert "there is no room for more" in text_of(refused)
    Comparison.objects.first().delete()  # type: ignore[union-attr]
    assert browser.post(f"/results/{host.pk}/invite/", {"nickname": ""}).status_code == 302


def test_own_invitation_shows_its_link_and_how_to_withdraw_it(host: Classification) -> None:
    browser = browser_of(host)
    url = invite(browser, host)

    page = browser.get(url)

    assert f'value="http://testserver{url}"' in page.content.decode()
    assert "Withdraw" in text_of(page)
    assert 'name="result"' not in page.content.decode()


def test_withdrawn_invitation_says_so(host: Classification, guest: Classification) -> None:
    url = invite(browser_of(host), host)

    assert browser_of(guest).post(f"{url}end/").status_code == 404
    ended = browser_of(host).post(f"{url}end/", follow=True)

    assert "nothing of the comparison is left with us" in text_of(ended)
    gone = browser_of(guest).get(url)
    assert gone.status_code == 404
    assert "This invitation is not valid any more" in text_of(gone)
    # A tab that was open before.
    assert join(browser_of(guest), url, guest).status_code == 404


# --- Joining ---


def test_friend_without_a_result_is_led_to_one_and_back(host: Classification) -> None:
    url = invite(browser_of(host), host)

    page = HttpClient().get(url)

    assert f'href="/?next={url}"' in page.content.decode()
    assert 'name="result"' not in page.content.decode()


def test_both_see_both_results_part_by_part(compared: str, host: Classification, guest: Classification) -> None:
    for mine in (host, guest):
        page = browser_of(mine).get(compared)
        assert page.status_code == 200
        said = text_of(page)
        assert "Minsu" in said
        assert "Junho" in said
        shown = page.context["page"]
        assert [side.is_mine for side in shown.sides] == [mine == host, mine == guest]
        assert [part.likeness.value for part in shown.parts] == ["alike", "close", "different"]
        assert [row.percents for row in shown.parts[0].rows] == [
            (5, 5),
            (5, 5),
            (80, 80),
            (5, 5),
            (5, 5),
        ]
        # 1, 0.25 and 0.25.
        assert "Your impressions overlap by 50%" in said
        for secret in (str(host.birth_date), host.mbti, guest.mbti, host.owner_token, guest.owner_token):
            assert secret not in page.content.decode()


def test_others_do_not_see_a_comparison(compared: str, host: Classification, guest: Classification) -> None:
    stranger = make_result()
    for browser in (HttpClient(), browser_of(stranger)):
        page = browser.get(compared)
        assert page.status_code == 409
        assert "Somebody has already joined" in text_of(page)
        assert "Junho" not in text_of(page)
    assert browser_of(stranger).post(f"{compared}end/").status_code == 404
    assert join(browser_of(stranger), compared, stranger).status_code == 409
    assert Comparison.objects.get().guest == guest


def test_joining_twice_is_joining_once(compared: str, guest: Classification) -> None:
    again = join(browser_of(guest), compared, guest, nickname="Other")

    assert again["Location"] == compared
    assert Comparison.objects.get().guest_nickname == "Junho"


def test_pair_that_is_compared_already_gets_that_comparison(
    compared: str, host: Classification, guest: Classification
) -> None:
    second = invite(browser_of(host), host)
    back = invite(browser_of(guest), guest)

    assert join(browser_of(guest), second, guest)["Location"] == compared
    assert join(browser_of(host), back, host)["Location"] == compared
    assert Comparison.objects.filter(guest=None).count() == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        Comparison.objects.create(token="x", host=guest, guest=host, joined_at=timezone.now())


def test_only_own_results_join(host: Classification, guest: Classification) -> None:
    url = invite(browser_of(host), host)
    browser = browser_of(guest)

    for chosen in ("", "nonsense", str(make_result().pk), str(host.pk)):
        refused = browser.post(url, {"result": chosen, "nickname": ""})
        assert refused.status_code == 400
        assert "Please choose one of your results." in text_of(refused)
    assert Comparison.objects.get().guest is None


def test_two_people_at_one_phone_compare_by_it(host: Classification, guest: Classification) -> None:
    phone = browser_of(host, guest)
    url = invite(phone, host)
    page = phone.get(url)
    assert str(guest.pk) in page.content.decode()
    assert str(host.pk) not in [option.value for option in page.context["form"].options]

    assert join(phone, url, guest)["Location"] == url
    assert [side.is_mine for side in phone.get(url).context["page"].sides] == [True, True]


def test_newest_result_is_chosen_beforehand(host: Classification, guest: Classification) -> None:
    newest = make_result("omega", created_at=timezone.now() + timedelta(seconds=1))
    page = browser_of(guest, newest).get(invite(browser_of(host), host))

    assert [(option.value, option.is_checked) for option in page.context["form"].options] == [
        (str(newest.pk), True),
        (str(guest.pk), False),
    ]


def test_nameless_people_are_called_you_and_your_friend(host: Classification, guest: Classification) -> None:
    url = invite(browser_of(host), host, nickname="")
    join(browser_of(guest), url, guest, nickname="")

    assert [side.name for side in browser_of(host).get(url).context["page"].sides] == ["You", "Your friend"]
    assert [side.name for side in browser_of(guest).get(url).context["page"].sides] == ["Your friend", "You"]


def test_browser_without_cookies_is_told_what_is_missing(host: Classification) -> None:
    url = invite(browser_of(host), host)

    assert "Allow cookies for this site" in text_of(HttpClient().get(url))
    assert HttpClient(enforce_csrf_checks=True).post(url, {}).status_code == 403


# --- Photos ---


def test_photo_is_shown_only_where_its_owner_chose_so_and_only_to_the_other_one() -> None:
    host, guest = make_result(has_photo=True), make_result(has_photo=True)
    url = invite(browser_of(host), host, shows_photo="on")
    assert "three parts and photo" in text_of(HttpClient().get(url))
    # Not to everybody with the link.
    assert HttpClient().get(f"{url}photo/host/").status_code == 404
    join(browser_of(guest), url, guest)

    for browser in (browser_of(host), browser_of(guest)):
        photo = browser.get(f"{url}photo/host/")
        assert photo["Content-Type"] == "image/jpeg"
        assert "no-store" in photo["Cache-Control"]
        assert browser.get(f"{url}photo/guest/").status_code == 404
        assert browser.get(f"{url}photo/nobody/").status_code == 404
    assert HttpClient().get(f"{url}photo/host/").status_code == 404
    assert browser_of(make_result()).get(f"{url}photo/host/").status_code == 404


def test_photo_can_be_hidden_and_shown_again_by_its_owner_alone() -> None:
    host, guest = make_result(has_photo=True), make_result()
    url = invite(browser_of(host), host, shows_photo="on")
    join(browser_of(guest), url, guest)

    assert browser_of(guest).post(f"{url}photo/", {"side": "host"}).status_code == 404
    assert browser_of(guest).get(f"{url}photo/host/").status_code == 200
    browser_of(host).post(f"{url}photo/", {"side": "host"})
    assert browser_of(guest).get(f"{url}photo/host/").status_code == 404
    assert "photo/host/" not in browser_of(guest).get(url).content.decode()
    browser_of(host).post(f"{url}photo/", {"side": "host", "is_shown": "1"})
    assert f"{url}photo/host/" in browser_of(guest).get(url).content.decode()


def test_photo_that_was_not_kept_is_never_promised(host: Classification, guest: Classification) -> None:
    url = invite(browser_of(host), host, shows_photo="on")

    assert not Comparison.objects.get().host_shows_photo
    assert "shows_photo" not in browser_of(guest).get(url).content.decode()


# --- Ending ---


@pytest.mark.parametrize("by_host", [True, False])
def test_either_ends_it_for_both(compared: str, host: Classification, guest: Classification, by_host: bool) -> None:
    leaving, left = (host, guest) if by_host else (guest, host)

    browser_of(leaving).post(f"{compared}end/")

    assert not Comparison.objects.exists()
    assert browser_of(left).get(compared).status_code == 404
    assert Classification.objects.count() == 2


@pytest.mark.parametrize("erased", ["host", "guest"])
def test_comparison_goes_with_either_result(
    compared: str, host: Classification, guest: Classification, erased: str
) -> None:
    gone, left = (host, guest) if erased == "host" else (guest, host)

    services.classification_delete(gone)

    assert not Comparison.objects.exists()
    page = browser_of(left).get(compared)
    assert page.status_code == 404
    assert "a result was erased" in text_of(page)


def test_comparison_with_an_expired_result_is_gone_before_and_after_it_is_purged(
    compared: str, host: Classification, guest: Classification
) -> None:
    expire(guest)

    assert browser_of(host).get(compared).status_code == 404
    assert browser_of(host).post(f"{compared}end/").status_code == 404
    call_command("purge_expired", verbosity=0)
    assert not Comparison.objects.exists()
    assert Classification.objects.get() == host


def test_expired_host_invites_nobody(host: Classification, guest: Classification) -> None:
    url = invite(browser_of(host), host)
    expire(host)

    assert browser_of(guest).get(url).status_code == 404
    assert join(browser_of(guest), url, guest).status_code == 404


# --- All of them ---


def test_pages_are_cached_and_indexed_nowhere(compared: str, host: Classification) -> None:
    browser = browser_of(host)
    for path in (compared, f"/results/{host.pk}/invite/", "/compare/unknown/"):
        response = browser.get(path)
        assert "no-store" in response["Cache-Control"]
        assert response["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize("what", ["end", "photo"])
def test_reloading_an_attempt_leads_back(compared: str, host: Classification, what: str) -> None:
    assert browser_of(host).get(f"{compared}{what}/")["Location"] == compared


def test_list_of_comparisons_takes_as_many_queries_for_many_as_for_few(
    compared: str, host: Classification, guest: Classification
) -> None:
    browser = browser_of(host)
    path = f"/results/{host.pk}/invite/"
    with CaptureQueriesContext(connection) as few:
        assert "You and Junho" in text_of(browser.get(path))
    for number in range(10):
        comparisons.comparison_create(host=Participant(make_result(), f"friend {number}"), guest=Participant(host))

    with CaptureQueriesContext(connection) as many:
        assert "You and friend 7" in text_of(browser.get(path))

    assert len(many) == len(few) <= 2
    with CaptureQueriesContext(connection) as page:
        browser.get(compared)
    assert len(page) <= 2
