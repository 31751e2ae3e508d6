"""The review of labels: what curators decide, undo, and what they may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models import CelebrityImage, FaceType, ImageLabel, ReviewEvent
from catalog.models.labels import LabelSource, LabelState
from catalog.services.labels import part_labels_set_types
from catalog.services.review import HOLD, labels_hold
from catalog.services.seed import catalog_seed
from tests.catalog.factories import PART_BOXES, make_celebrity, make_image, make_images, make_label

pytestmark = pytest.mark.django_db

Post = Callable[..., Any]


@pytest.fixture
def alpha() -> FaceType:
    make_celebrity()
    catalog_seed()
    return FaceType.objects.get(code="alpha")


def sign_in(name: str, *codenames: str) -> Client:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ann() -> Client:
    return sign_in("ann", "change_imagelabel", "view_imagelabel")


@pytest.fixture
def bob() -> Client:
    return sign_in("bob", "change_imagelabel", "view_imagelabel")


def post(client: Client, name: str, *ids: int, **body: Any) -> Any:
    url = reverse(f"admin:catalog_review_{name}", args=ids)
    return client.post(url, json.dumps(body), content_type="application/json")


def decide(client: Client, label: ImageLabel, action: str, *, version: int | None = None, **body: Any) -> Any:
    current = ImageLabel.objects.get(pk=label.pk).version
    return post(client, "decide", label.pk, action=action, version=version or current, **body)


def parts(face_type: str | None = "alpha", **boxes: list[float]) -> dict[str, Any]:
    return {part: {"box": boxes.get(part, list(box)), "type": face_type} for part, box in PART_BOXES.items()}


def queue(client: Client, state: str = "proposed", **body: Any) -> list[int]:
    return [label["id"] for label in post(client, "queue", state=state, **body).json()["labels"]]


# --- The queue --------------------------------------------------------------------------------


def test_the_most_doubtful_come_first_with_all_that_is_shown(alpha: FaceType, ann: Client) -> None:
    sure, doubtful = make_label(doubt=0.1, face_type=alpha), make_label(doubt=0.9, refusal="too_dark")
    make_label(state=LabelState.ACCEPTED, doubt=1)

    answer = post(ann, "queue", state="proposed").json()

    assert [label["id"] for label in answer["labels"]] == [doubtful.pk, sure.pk]
    assert answer["open"] == {"proposed": "2", "disputed": "0"}
    first, second = answer["labels"]
    assert first["refusal"] == "This photo is too dark."
    assert second["parts"]["upper_face"] == {
        "box": list(PART_BOXES["upper_face"]),
        "type": "alpha",
        "type_source": "auto-labeller",
        "confidence": 0.5,
    }


def test_two_curators_are_not_handed_the_same_image(alpha: FaceType, ann: Client, bob: Client) -> None:
    labels = [make_label() for _ in range(15)]

    for_ann, for_bob = queue(ann), queue(bob)

    assert (len(for_ann), len(for_bob)) == (10, 5)
    assert {*for_ann, *for_bob} == {label.pk for label in labels}
    # Ann's page asks for more, and gets nothing twice; a page that was closed gets its images again.
    assert queue(ann, beside=for_ann) == []
    assert queue(ann) == for_ann


def test_held_images_are_free_again_after_a_while(alpha: FaceType, ann: Client, bob: Client) -> None:
    label = make_label()
    assert queue(ann) == [label.pk]
    assert queue(bob) == []

    ImageLabel.objects.update(held_until=timezone.now() - timedelta(seconds=1))

    assert queue(bob) == [label.pk]
    assert ImageLabel.objects.get().held_until > timezone.now() + HOLD / 2


def test_the_queue_takes_as_many_queries_for_many_labels_as_for_few(alpha: FaceType) -> None:
    reviewer = User.objects.create_user("reviewer")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            labels_hold(reviewer=reviewer, state=LabelState.PROPOSED, count=10)
        return len(captured)

    make_label(face_type=alpha)
    few = queries()
    for _ in range(12):
        make_label(face_type=alpha)

    assert queries() == few


# --- Decisions --------------------------------------------------------------------------------


def test_accepting_keeps_who_and_when_and_gives_the_image_its_type(alpha: FaceType, ann: Client) -> None:
    label = make_label(face_type=alpha)

    answer = decide(ann, label, "accept", parts=parts())

    assert answer.status_code == 200
    label.refresh_from_db()
    assert (label.state, label.reviewed_by.username, label.held_by) == (LabelState.ACCEPTED, "ann", None)
    assert label.reviewed_at > timezone.now() - timedelta(minutes=1)
    assert label.image.face_type == alpha
    event = ReviewEvent.objects.get()
    assert (event.action, event.reviewer.username) == (ReviewEvent.Action.ACCEPT, "ann")
    # Nothing was touched, so the auto-labeller's word stays its own.
    assert set(label.parts.values_list("box_source", "type_source", "confidence")) == {("model", "model", 0.5)}


def test_a_correction_is_the_curators_and_moves_a_published_image(alpha: FaceType, ann: Client) -> None:
    beta = FaceType.objects.get(code="beta")
    label = make_label(make_image(alpha, published=True), alpha)
    corrected = parts("alpha", upper_face=[110.5, 200, 360, 350])
    corrected["whole_face"]["type"] = "beta"

    assert decide(ann, label, "accept", parts=corrected).status_code == 200

    assert ReviewEvent.objects.get().action == ReviewEvent.Action.CORRECT
    by_part = {part.part: part for part in label.parts.all()}
    assert (by_part["upper_face"].x0, by_part["upper_face"].box_source) == (110.5, "curator")
    assert (by_part["whole_face"].type_source, by_part["whole_face"].confidence) == ("curator", None)
    assert (by_part["lower_face"].box_source, by_part["lower_face"].type_source) == ("model", "model")
    image = CelebrityImage.objects.get()
    assert (image.face_type, image.is_published) == (beta, True)


@pytest.mark.parametrize("rejection", ["not_a_face", "not_this_person", "unusable"])
def test_a_rejected_image_leaves_the_app(alpha: FaceType, ann: Client, rejection: str) -> None:
    label = make_label(make_image(alpha, published=True), alpha)

    assert decide(ann, label, "reject", rejection=rejection).status_code == 200

    label.refresh_from_db()
    assert (label.state, label.rejection) == (LabelState.REJECTED, rejection)
    assert not CelebrityImage.objects.get().is_published


def test_whoever_disputes_a_label_does_not_settle_it(alpha: FaceType, ann: Client, bob: Client) -> None:
    label = make_label(face_type=alpha)
    assert decide(ann, label, "dispute", parts=parts("beta")).status_code == 200

    assert (queue(ann, "disputed"), queue(ann), queue(bob)) == ([], [], [])
    own = decide(ann, label, "accept", parts=parts())
    assert (own.status_code, own.json()["code"]) == (403, "second_reviewer_needed")

    assert queue(bob, "disputed") == [label.pk]
    # Ann's opinion is there for Bob to see.
    assert set(label.parts.values_list("face_type__code", flat=True)) == {"beta"}
    assert decide(bob, label, "accept", parts=parts()).status_code == 200
    label.refresh_from_db()
    assert (label.state, label.reviewed_by.username) == (LabelState.ACCEPTED, "bob")


def test_the_second_of_two_curators_is_told_and_sees_the_label_as_it_is(
    alpha: FaceType, ann: Client, bob: Client
) -> None:
    label = make_label(face_type=alpha)
    version = label.version
    decide(ann, label, "accept", parts=parts("beta"))

    late = decide(bob, label, "accept", version=version, parts=parts("omega"))

    assert (late.status_code, late.json()["code"]) == (409, "label_changed")
    assert late.json()["label"]["parts"]["whole_face"]["type"] == "beta"
    assert late.json()["label"]["reviewed_by"] == "ann"
    assert ReviewEvent.objects.count() == 1
    assert decide(bob, label, "accept", version=late.json()["label"]["version"], parts=parts()).status_code == 200


def test_a_survey_that_publishes_meanwhile_is_noticed_too(alpha: FaceType, ann: Client) -> None:
    label = make_label(face_type=alpha)
    version = label.version
    part_labels_set_types(changes={(label.image_id, "whole_face"): alpha}, source=LabelSource.SURVEY)

    assert decide(ann, label, "accept", version=version, parts=parts()).json()["code"] == "label_changed"


WRONG_PARTS = {
    "no box of the lower face": {"lower_face": {"box": None, "type": "alpha"}},
    "a box outside the picture": {"whole_face": {"box": [-50, -50, -10, -10], "type": "alpha"}},
    "an empty box": {"whole_face": {"box": [100, 100, 100, 100], "type": "alpha"}},
    "a box inside out": {"whole_face": {"box": [300, 300, 100, 100], "type": "alpha"}},
    "no number": {"whole_face": {"box": [1, 2, 3, "4"], "type": "alpha"}},
    "not a number": {"whole_face": {"box": [float("nan"), 2, 300, 400], "type": "alpha"}},
    "a number beyond all": {"whole_face": {"box": [10**400, 2, 300, 400], "type": "alpha"}},
    "three numbers": {"whole_face": {"box": [1, 2, 3], "type": "alpha"}},
    "an unknown type": {"whole_face": {"box": [100, 100, 300, 500], "type": "sigma"}},
    "a type that is no text": {"whole_face": {"box": [100, 100, 300, 500], "type": 3}},
    "a nose below the chin": {"upper_face": {"box": [120, 200, 360, 500], "type": "alpha"}},
    "no part": {"whole_face": 7},
}


@pytest.mark.parametrize("wrong", WRONG_PARTS.values(), ids=WRONG_PARTS)
def test_wrong_parts_are_refused_and_change_nothing(alpha: FaceType, ann: Client, wrong: dict[str, Any]) -> None:
    label = make_label(face_type=alpha)

    refused = decide(ann, label, "accept", parts=parts() | wrong)

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_label")
    assert refused.json()["detail"]
    label.refresh_from_db()
    assert (label.state, label.version, ReviewEvent.objects.count()) == (LabelState.PROPOSED, 1, 0)
    assert label.parts.get(part="whole_face").box.x0 == PART_BOXES["whole_face"][0]
    assert decide(ann, label, "accept", parts=parts()).status_code == 200


def test_a_box_that_reaches_over_the_edge_is_cut_there(alpha: FaceType, ann: Client) -> None:
    label = make_label(face_type=alpha)

    decide(ann, label, "accept", parts=parts(whole_face=[-5, 100, 500, 480]))

    assert label.parts.get(part="whole_face").box.x0 == 0
    assert label.parts.get(part="whole_face").box.x1 == label.image.width


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "explode", "version": 1}, 422),
        ({"action": "reject", "version": 1, "rejection": "ugly"}, 422),
        ({"action": "reject", "version": 1}, 422),
        ({"action": "accept", "version": 1, "parts": []}, 422),
        ({"action": "accept", "version": "x", "parts": {}}, 409),
        ({}, 422),
        ([], 400),
        ("text", 400),
    ],
)
def test_a_request_that_makes_no_sense_is_answered(alpha: FaceType, ann: Client, body: Any, status: int) -> None:
    label = make_label(face_type=alpha)
    url = reverse("admin:catalog_review_decide", args=[label.pk])

    answer = ann.post(url, json.dumps(body), content_type="application/json")

    assert answer.status_code == status
    assert answer.json()["code"]
    assert ann.post(url, b"\xff{", content_type="application/json").status_code == 400
    assert ann.post(url, "[" * 100_000 + "]" * 100_000, content_type="application/json").status_code == 400
    assert ann.get(url).status_code == 405


def test_a_queue_is_asked_for_with_a_list_of_ids(alpha: FaceType, ann: Client) -> None:
    make_label(face_type=alpha)

    assert post(ann, "queue", state="proposed", beside=5).status_code == 422
    assert len(post(ann, "queue", state="proposed", beside=[10**30, -1, "x", None]).json()["labels"]) == 1


# --- Undo -------------------------------------------------------------------------------------


def test_undo_brings_back_label_boxes_types_and_the_image(alpha: FaceType, ann: Client) -> None:
    label = make_label(make_image(alpha, published=True), alpha)
    corrected = parts("beta", lower_face=[100, 340, 380, 480])
    event = decide(ann, label, "accept", parts=corrected).json()["event"]

    undone = post(ann, "undo", event)

    assert undone.status_code == 200
    assert undone.json()["label"]["parts"]["lower_face"]["box"] == list(PART_BOXES["lower_face"])
    label.refresh_from_db()
    assert (label.state, label.reviewed_by, label.reviewed_at) == (LabelState.PROPOSED, None, None)
    assert set(label.parts.values_list("face_type__code", "type_source", "confidence")) == {("alpha", "model", 0.5)}
    image = CelebrityImage.objects.get()
    assert (image.face_type, image.is_published) == (alpha, True)
    assert ReviewEvent.objects.get().undone_at


def test_undoing_a_rejection_publishes_the_image_again(alpha: FaceType, ann: Client) -> None:
    first, second = make_images(alpha, 2)
    event = decide(ann, make_label(first, alpha), "reject", rejection="unusable").json()["event"]

    post(ann, "undo", event)

    assert set(CelebrityImage.objects.values_list("pk", "gallery_slot")) == {(second.pk, 0), (first.pk, 1)}


def test_only_ones_own_last_step_is_undone_and_only_once(alpha: FaceType, ann: Client, bob: Client) -> None:
    label = make_label(face_type=alpha)
    dispute = decide(ann, label, "dispute", parts=parts()).json()["event"]
    accept = decide(bob, label, "accept", parts=parts()).json()["event"]

    codes = [post(ann, "undo", dispute).json(), post(ann, "undo", accept).json(), post(bob, "undo", 10**9).json()]
    assert [answer["code"] for answer in codes] == ["nothing_to_undo"] * 3

    assert post(bob, "undo", accept).status_code == 200
    assert post(bob, "undo", accept).status_code == 409
    label.refresh_from_db()
    assert label.state == LabelState.DISPUTED


# --- Who may ----------------------------------------------------------------------------------


def test_without_the_permission_nothing_is_shown_or_decided(alpha: FaceType) -> None:
    label = make_label(face_type=alpha)
    viewer = sign_in("viewer", "view_imagelabel")

    assert viewer.get(reverse("admin:catalog_review")).status_code == 403
    assert post(viewer, "queue", state="proposed").status_code == 403
    assert decide(viewer, label, "accept", parts=parts()).status_code == 403
    # A script must not take the login page for an answer.
    stranger = decide(Client(), label, "accept", parts=parts())
    assert (stranger.status_code, stranger.json()["code"]) == (401, "not_authenticated")
    assert ImageLabel.objects.get().version == 1


def test_decisions_need_the_pages_token(alpha: FaceType) -> None:
    sign_in("curator", "change_imagelabel")
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="curator"))

    assert decide(client, make_label(face_type=alpha), "accept", parts=parts()).status_code == 403
    assert ImageLabel.objects.get().state == LabelState.PROPOSED


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_opens(alpha: FaceType, ann: Client, language: str) -> None:
    page = ann.get(reverse("admin:catalog_review"), {"label": "x" * 30}, headers={"accept-language": language})

    assert page.status_code == 200
    assert page.context["configuration"]["first"] is None
