"""Types that surveys and curators give to parts of images."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import CelebrityImage, FaceType, ImageLabel, PartLabel
from catalog.models.labels import LabelSource, LabelState, Rejection
from catalog.services.images import image_publish, image_set_type
from catalog.services.labels import part_labels_restore, part_labels_set_types
from tests.catalog.factories import make_face_types, make_image, make_images, make_result_row

pytestmark = pytest.mark.django_db

WHOLE, UPPER = "whole_face", "upper_face"


@pytest.fixture
def types() -> list[FaceType]:
    return make_face_types()


def test_types_make_labels_and_move_published_images(types: list[FaceType]) -> None:
    alpha, beta, *_ = types
    image = make_image(alpha, published=True)

    before = part_labels_set_types(
        changes={(image.pk, WHOLE): beta, (image.pk, UPPER): alpha}, source=LabelSource.CURATOR
    )

    image.refresh_from_db()
    assert (image.face_type, image.gallery_slot) == (beta, 0)
    label = ImageLabel.objects.get()
    assert (label.state, label.doubt) == (LabelState.PROPOSED, 1.0)
    assert set(label.parts.values_list("part", "face_type", "type_source")) == {
        (WHOLE, beta.pk, "curator"),
        (UPPER, alpha.pk, "curator"),
    }
    assert before[image.pk, WHOLE] == {"part": None, "image_face_type": alpha.pk}


def test_a_surveys_types_are_taken_back(types: list[FaceType]) -> None:
    alpha, beta, gamma, *_ = types
    fresh, labelled = make_images(alpha, 2)
    part_labels_set_types(changes={(labelled.pk, WHOLE): gamma}, source=LabelSource.CURATOR)
    rows = {(image.pk, WHOLE): make_result_row(image).pk for image in (fresh, labelled)}

    states = part_labels_set_types(changes=dict.fromkeys(rows, beta), source=LabelSource.SURVEY, rows=rows)
    assert set(CelebrityImage.objects.values_list("face_type", "gallery_slot")) == {(beta.pk, 0), (beta.pk, 1)}
    left = part_labels_restore(states=states, rows=rows)

    assert left == set()
    assert set(CelebrityImage.objects.values_list("pk", "face_type")) == {
        (fresh.pk, alpha.pk),
        (labelled.pk, gamma.pk),
    }
    part = PartLabel.objects.get()
    assert (part.label.image, part.face_type, part.type_source, part.result_row) == (labelled, gamma, "curator", None)


def test_what_was_changed_since_is_not_taken_back(types: list[FaceType]) -> None:
    alpha, beta, gamma, *_ = types
    corrected, moved = make_images(alpha, 2)
    rows = {(image.pk, WHOLE): make_result_row(image).pk for image in (corrected, moved)}
    states = part_labels_set_types(changes=dict.fromkeys(rows, beta), source=LabelSource.SURVEY, rows=rows)
    part_labels_set_types(changes={(corrected.pk, WHOLE): gamma}, source=LabelSource.CURATOR)
    image_set_type(images=[moved], face_type=gamma)

    left = part_labels_restore(states=states, rows=rows)

    assert left == {(corrected.pk, WHOLE)}
    assert set(CelebrityImage.objects.values_list("face_type", flat=True)) == {gamma.pk}


def test_an_image_left_without_a_type_is_unpublished(types: list[FaceType]) -> None:
    image = make_image()
    rows = {(image.pk, WHOLE): make_result_row(image).pk}
    states = part_labels_set_types(changes=dict.fromkeys(rows, types[0]), source=LabelSource.SURVEY, rows=rows)
    image_publish(images=[image])

    part_labels_restore(states=states, rows=rows)

    image.refresh_from_db()
    assert (image.face_type, image.is_published) == (None, False)


def test_a_rejected_image_keeps_its_place(types: list[FaceType]) -> None:
    image = make_image(types[0])
    ImageLabel.objects.create(image=image, state=LabelState.REJECTED, rejection=Rejection.NOT_THIS_PERSON)

    part_labels_set_types(changes={(image.pk, WHOLE): types[1]}, source=LabelSource.SURVEY)

    image.refresh_from_db()
    assert image.face_type == types[0]
    assert PartLabel.objects.get().face_type == types[1]


def test_images_that_are_gone_are_left_out(types: list[FaceType]) -> None:
    assert part_labels_set_types(changes={(10**9, WHOLE): types[0]}, source=LabelSource.SURVEY) == {}
    assert not ImageLabel.objects.exists()


def test_many_take_as_many_queries_as_few(types: list[FaceType]) -> None:
    alpha, beta, *_ = types

    def queries(count: int) -> int:
        images = make_images(alpha, count)
        changes = {(image.pk, part): beta for image in images for part in (WHOLE, UPPER)}
        with CaptureQueriesContext(connection) as captured:
            part_labels_set_types(changes=changes, source=LabelSource.SURVEY)
        assert PartLabel.objects.filter(label__image__in=images, face_type=beta).count() == 2 * count
        return len(captured)

    # Few enough that SQLite, which binds less than PostgreSQL, needs no second batch.
    assert queries(25) == queries(3)
