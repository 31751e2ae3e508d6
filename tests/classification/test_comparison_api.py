"""Comparing by the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as HttpClient
from django.urls import reverse

from classification import comparisons
from classification.api import comparison_examples as examples
from classification.api.comparison_serializers import (
    ComparisonRequestSerializer,
    ComparisonSerializer,
    InvitationRequestSerializer,
    InvitationSerializer,
)
from classification.comparisons import Participant
from classification.models import Classification, Comparison
from classification.pairing import pairing_of
from tests.catalog.factories import make_face_types
from tests.classification.people import browser_of, expire, make_result, text_of
from tests.classification.test_retrieve_and_delete import bearer

pytestmark = pytest.mark.django_db

URL = "/api/v1/comparisons/"


@pytest.fixture(autouse=True)
def _types(db: None) -> None:
    make_face_types()


@pytest.fixture
def host() -> Classification:
    return make_result("gamma", "beta", "delta", score=51.5)


@pytest.fixture
def guest() -> Classification:
    return make_result("beta", "beta", "alpha")


def owned(result: Classification, **fields: str) -> dict[str, str]:
    return {"id": str(result.pk), "owner_token": result.owner_token} | fields


def send(client: HttpClient, body: Any, path: str = URL, **headers: Any) -> Any:
    return client.post(path, body, content_type="application/json", **headers)


def invite(client: HttpClient, host: Classification, **fields: str) -> Any:
    path = f"/api/v1/classifications/{host.pk}/invitations/"
    return send(client, fields, path, headers=bearer(host.owner_token))


def test_guest_joins_an_invitation_and_both_read_both_sides(
    client: HttpClient, host: Classification, guest: Classification
) -> None:
    invitation = invite(client, host, nickname=" Min\u200bsu ")
    assert invitation.status_code == 201
    token = invitation.json()["token"]
    assert invitation.json()["url"] == f"http://testserver/compare/{token}/"
    assert (invitation.json()["nickname"], invitation.json()["is_open"]) == ("Minsu", True)

    joined = send(client, {"result": owned(guest, nickname="Junho"), "invitation": token})

    assert joined.status_code == 201
    body = joined.json()
    assert [side["nickname"] for side in body["sides"]] == ["Minsu", "Junho"]
    assert [side["type"]["code"] for side in body["sides"]] == ["gamma", "beta"]
    assert [side["score"] for side in body["sides"]] == [51.5, 57.0]
    assert [part["likeness"] for part in body["parts"]] == ["close", "alike", "different"]
    assert [[side["type"] for side in part["sides"]] for part in body["parts"]] == [
        ["gamma", "beta"],
        ["beta", "beta"],
        ["delta", "alpha"],
    ]
    assert body["parts"][0]["sides"][1]["probabilities"] == guest.parts[0]["probabilities"]
    assert body["overlap"] == pytest.approx(0.5)
    assert body["headline"]
    assert body["text"]
    assert "no-store" in joined["Cache-Control"]
    for each in (host, guest):
        assert client.get(f"{URL}{token}/", headers=bearer(each.owner_token)).json() == body
    assert client.get(f"/api/v1/invitations/{token}/").json()["is_open"] is False
    # The same comparison on the page.
    assert body["headline"] in text_of(browser_of(host).get(f"/compare/{token}/"))


def test_two_results_whose_tokens_are_both_there_are_compared_at_once(
    client: HttpClient, host: Classification, guest: Classification
) -> None:
    first = send(client, {"result": owned(host, nickname="Minsu"), "other": owned(guest)})
    again = send(client, {"result": owned(guest), "other": owned(host)})

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert Comparison.objects.count() == 1


def test_answer_is_in_the_callers_language(client: HttpClient, host: Classification, guest: Classification) -> None:
    body = {"result": owned(host), "other": owned(guest)}

    korean = client.post(URL, body, content_type="application/json", headers={"Accept-Language": "ko"})

    assert korean["Content-Language"] == "ko"
    assert korean.json()["sides"][0]["type"]["name"] == "gamma (ko)"


def test_nobody_compares_with_somebody_elses_result(
    client: HttpClient, host: Classification, guest: Classification
) -> None:
    theirs = {"id": str(host.pk), "owner_token": guest.owner_token}

    for body in ({"result": owned(guest), "other": theirs}, {"result": theirs, "other": owned(guest)}):
        refused = send(client, body)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert not Comparison.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        {"result": "x", "invitation": "x"},
        {"result": {"id": "x", "owner_token": "x"}, "invitation": "x"},
        {"result": {"id": "7b0a4d3e-52d8-4c1e-9c7f-0f6f6a1f4b52"}, "invitation": "x"},
        {"result": examples.COMPARISON_REQUEST["result"]},
        {"result": examples.COMPARISON_REQUEST["result"], "invitation": None},
        {"result": examples.COMPARISON_REQUEST["result"], "invitation": "x" * 33},
        {"result": examples.COMPARISON_REQUEST["result"] | {"nickname": "x" * 21}, "invitation": "x"},
        examples.COMPARISON_REQUEST | {"other": examples.COMPARISON_REQUEST["result"]},
    ],
)
def test_incomplete_or_ambiguous_request_is_invalid(client: HttpClient, body: Any) -> None:
    refused = send(client, body)

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")


def test_invitations_and_comparisons_are_refused_for_their_reason(
    client: HttpClient, host: Classification, guest: Classification
) -> None:
    token = invite(client, host).json()["token"]
    third = make_result()

    def code_of(response: Any) -> tuple[int, str]:
        return response.status_code, response.json()["code"]

    assert code_of(send(client, {"result": owned(guest), "invitation": "x"})) == (404, "invitation_not_found")
    assert code_of(send(client, {"result": owned(host), "invitation": token})) == (422, "same_result")
    assert code_of(send(client, {"result": owned(host), "other": owned(host)})) == (422, "same_result")
    # The guest has not joined yet.
    detail = f"{URL}{token}/"
    assert code_of(client.get(detail, headers=bearer(host.owner_token))) == (404, "comparison_not_found")
    assert send(client, {"result": owned(guest), "invitation": token}).status_code == 201
    assert code_of(send(client, {"result": owned(third), "invitation": token})) == (409, "invitation_taken")
    for method in (client.get, client.delete):
        assert code_of(method(detail)) == (401, "not_authenticated")
        assert code_of(method(detail, headers=bearer(third.owner_token))) == (404, "comparison_not_found")
    expire(guest)
    assert code_of(client.get(detail, headers=bearer(host.owner_token))) == (404, "comparison_not_found")
    assert code_of(client.get(f"/api/v1/invitations/{token}/")) == (404, "invitation_not_found")


def test_only_a_results_owner_invites(client: HttpClient, host: Classification, guest: Classification) -> None:
    path = f"/api/v1/classifications/{host.pk}/invitations/"

    assert send(client, {}, path).status_code == 401
    assert send(client, {}, path, headers=bearer(guest.owner_token)).status_code == 404
    assert invite(client, host, nickname="x" * 21).json()["errors"]["nickname"]
    assert not Comparison.objects.exists()


@pytest.mark.parametrize("is_joined", [True, False])
def test_invitation_is_withdrawn_and_comparison_ended_by_the_same_request(
    client: HttpClient, host: Classification, guest: Classification, is_joined: bool
) -> None:
    token = invite(client, host).json()["token"]
    if is_joined:
        comparisons.invitation_accept(token=token, guest=Participant(guest))
    leaving = guest if is_joined else host

    ended = client.delete(f"{URL}{token}/", headers=bearer(leaving.owner_token))

    assert ended.status_code == 204
    assert not Comparison.objects.exists()
    assert Classification.objects.count() == 2


def test_examples_are_what_the_api_takes_and_gives(
    client: HttpClient, host: Classification, guest: Classification
) -> None:
    def keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: keys(each) for name, each in value.items()}
        return [keys(each) for each in value[:1]] if isinstance(value, list) and value[:1] != [] else None

    invitation = invite(client, host, nickname="Minsu").json()
    comparison = send(client, {"result": owned(guest), "invitation": invitation["token"]}).json()

    assert keys(examples.INVITATION) == keys(invitation)
    assert keys(examples.COMPARISON) == keys(comparison)
    assert set(InvitationSerializer().fields) == set(examples.INVITATION)
    assert set(ComparisonSerializer().fields) == set(examples.COMPARISON)
    assert InvitationRequestSerializer(data=examples.INVITATION_REQUEST).is_valid()
    assert ComparisonRequestSerializer(data=examples.COMPARISON_REQUEST).is_valid()
    assert reverse("api:comparison-list") == URL


def test_example_follows_the_rule() -> None:
    """Its overlaps and likenesses are those of its own probabilities."""

    def records(side: int) -> Any:
        return [part["sides"][side] | {"part": part["part"], "box": []} for part in examples.COMPARISON["parts"]]

    pairing = pairing_of(records(0), records(1))

    assert [pair.likeness for pair in pairing.parts] == [part["likeness"] for part in examples.COMPARISON["parts"]]
    assert [pair.overlap for pair in pairing.parts] == pytest.approx(
        [part["overlap"] for part in examples.COMPARISON["parts"]], abs=1e-4
    )
    assert pairing.overlap == pytest.approx(examples.COMPARISON["overlap"], abs=1e-4)
