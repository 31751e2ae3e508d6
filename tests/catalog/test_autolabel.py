"""Labels proposed by the models."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import CelebrityImage, FaceType, ImageLabel
from catalog.models.labels import LabelSource, LabelState
from catalog.portraits import draw_portrait
from catalog.services.autolabel import labels_propose
from catalog.services.images import image_add
from catalog.services.labels import part_labels_set_types
from catalog.services.seed import catalog_seed
from inference import client
from inference.contracts import FaceType as TypeCode
from inference.contracts import PhotoRefused, RefusalReason
from tests.catalog.factories import make_celebrity, make_label, make_picture
from tests.fakes import FakeBackend

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _texts(db: None) -> None:
    make_celebrity()
    catalog_seed()


def add_image(content: bytes | None = None) -> CelebrityImage:
    return image_add(celebrity=make_celebrity(), content=content or make_picture(), source="here", licence="CC0")


def autolabel(*arguments: str) -> str:
    out = io.StringIO()
    call_command("autolabel", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_boxes_types_confidence_and_doubt_are_proposed(engine: FakeBackend) -> None:
    image = add_image()

    assert "1 images in" in autolabel()

    label = ImageLabel.objects.get()
    assert (label.image, label.state, label.refusal) == (image, LabelState.PROPOSED, "")
    # The fake is sure to 0.99 that it is a face, to 0.9 of the boxes, and to 0.8 of its type.
    assert label.doubt == pytest.approx(1 - 0.99 * 0.9 * 0.8)
    whole = label.parts.get(part="whole_face")
    assert whole.box
    assert (whole.box.x0, whole.box.y1) == pytest.approx((0.25 * image.width, 0.8 * image.height))
    assert (whole.face_type.code, whole.type_source, whole.confidence) == ("beta", LabelSource.MODEL, 0.8)
    assert (whole.box_source, whole.model_version) == (LabelSource.MODEL, "types-0")
    assert label.parts.count() == 3
    # Only a person's word moves an image in the app.
    image.refresh_from_db()
    assert image.face_type is None


def test_what_the_gate_refuses_goes_to_review_with_its_reason(engine: FakeBackend) -> None:
    image = add_image()
    engine.refuses_with = RefusalReason.NO_FACE

    said = autolabel()

    assert f"image {image.pk}: refused by the gate: We could not find a face in this photo." in said
    label = ImageLabel.objects.get()
    assert (label.state, label.refusal, label.doubt) == (LabelState.PROPOSED, "no_face", 1.0)
    assert not label.parts.exists()


def test_only_images_nobody_labelled_are_looked_at_unless_asked(engine: FakeBackend) -> None:
    reviewed = make_label(add_image(), state=LabelState.ACCEPTED)
    add_image()
    autolabel()
    assert engine.photos_analysed == 1
    autolabel()
    assert engine.photos_analysed == 1

    engine.sees = TypeCode.OMEGA
    assert "1 images in" in autolabel("--all")
    autolabel("--ids", str(reviewed.image_id))

    assert engine.photos_analysed == 2
    assert set(ImageLabel.objects.exclude(pk=reviewed.pk).values_list("parts__face_type__code", flat=True)) == {"omega"}


def test_what_people_and_surveys_said_stays(engine: FakeBackend) -> None:
    alpha = FaceType.objects.get(code="alpha")
    image = add_image()
    part_labels_set_types(changes={(image.pk, "whole_face"): alpha}, source=LabelSource.SURVEY)
    version = ImageLabel.objects.get().version

    autolabel()

    label = ImageLabel.objects.get()
    whole = label.parts.get(part="whole_face")
    assert (whole.face_type, whole.type_source, whole.box_source) == (alpha, LabelSource.SURVEY, LabelSource.MODEL)
    assert label.parts.get(part="upper_face").face_type.code == "beta"
    # The type is beyond doubt; what is left is whether this is a face, and where its parts are.
    assert label.doubt == pytest.approx(1 - 0.99 * 0.9)
    # Whoever has the label before them is told.
    assert label.version == version + 1


def test_a_label_reviewed_meanwhile_stays(engine: FakeBackend) -> None:
    label = make_label(add_image(), state=LabelState.ACCEPTED)

    assert labels_propose(answers={label.image_id: PhotoRefused(RefusalReason.NO_FACE)}) == set()

    label.refresh_from_db()
    assert (label.state, label.version, label.refusal) == (LabelState.ACCEPTED, 1, "")


def test_many_proposals_take_as_many_queries_as_few(engine: FakeBackend) -> None:
    def queries(count: int) -> int:
        images = [add_image() for _ in range(count)]
        answers = {image.pk: client.analyze(make_picture()) for image in images}
        with CaptureQueriesContext(connection) as captured:
            assert labels_propose(answers=answers) == set(answers)
        return len(captured)

    assert queries(2) == queries(15)


def test_drawn_portraits_are_labelled_by_the_real_models() -> None:
    images = [add_image(draw_portrait(number)) for number in range(3)]

    autolabel()

    labels = ImageLabel.objects.all()
    assert {label.image_id for label in labels} == {image.pk for image in images}
    for label in labels:
        whole, upper, lower = (label.parts.get(part=part).box for part in ("whole_face", "upper_face", "lower_face"))
        assert whole
        assert upper
        assert lower
        assert whole.y0 < upper.y0 < upper.y1 <= lower.y1
        assert 0 < label.doubt < 1
