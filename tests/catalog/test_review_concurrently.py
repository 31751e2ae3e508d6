"""Curators who review at the same time."""

from __future__ import annotations

import contextlib

import pytest
from django.contrib.auth.models import User
from django.db import connection

from catalog.errors import LabelChanged
from catalog.models import CelebrityImage, FaceType, ImageLabel, ReviewEvent
from catalog.models.labels import LabelSource, LabelState, Rejection
from catalog.services.images import image_publish
from catalog.services.labels import part_labels_set_types
from catalog.services.review import label_reject, labels_hold
from tests.catalog.factories import make_face_types, make_images, make_label
from tests.catalog.test_galleries_concurrently import run_at_once, slots

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time"),
]


def test_images_are_handed_out_once() -> None:
    face_type: FaceType = make_face_types()[0]
    for _ in range(12):
        make_label(face_type=face_type)
    reviewers = [User.objects.create_user(f"reviewer {number}") for number in range(3)]
    handed: list[int] = []

    def ask(reviewer: User) -> None:
        held = labels_hold(reviewer=reviewer, state=LabelState.PROPOSED, count=4)
        handed.extend(label.pk for label in held)

    run_at_once(*(lambda reviewer=reviewer: ask(reviewer) for reviewer in reviewers))

    assert len(handed) == len(set(handed)) >= 4


def test_one_of_two_decisions_wins_and_the_other_is_told() -> None:
    label = make_label(face_type=make_face_types()[0])
    reviewers = [User.objects.create_user(f"reviewer {number}") for number in range(4)]
    told: list[User] = []

    def reject(reviewer: User) -> None:
        try:
            label_reject(label_id=label.pk, version=1, reviewer=reviewer, rejection=Rejection.UNUSABLE)
        except LabelChanged:
            told.append(reviewer)

    run_at_once(*(lambda reviewer=reviewer: reject(reviewer) for reviewer in reviewers))

    assert len(told) == 3
    assert ReviewEvent.objects.get().reviewer not in told
    assert ImageLabel.objects.get().version == 2


def test_reviewing_publishing_and_a_surveys_types_do_not_wait_for_each_other_for_ever() -> None:
    alpha, *_, omega = make_face_types()
    images = make_images(alpha, 8)
    labels = [make_label(image, alpha) for image in images]
    reviewer = User.objects.create_user("reviewer")

    def reject(label: ImageLabel) -> None:
        # The survey may be there first.
        with contextlib.suppress(LabelChanged):
            label_reject(label_id=label.pk, version=1, reviewer=reviewer, rejection=Rejection.UNUSABLE)

    run_at_once(
        *(lambda label=label: reject(label) for label in labels[:4]),
        lambda: part_labels_set_types(
            changes={(image.pk, "whole_face"): omega for image in reversed(images)}, source=LabelSource.SURVEY
        ),
        lambda: image_publish(images=images),
    )

    for face_type in (alpha, omega):
        assert slots(face_type) == list(range(len(slots(face_type))))
    rejected = CelebrityImage.objects.filter(label__state=LabelState.REJECTED)
    assert rejected.count() + CelebrityImage.objects.filter(face_type=omega).count() >= len(images)
