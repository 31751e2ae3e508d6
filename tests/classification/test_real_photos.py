"""The whole way with the released models and real photos: nothing here is a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as HttpClient
from PIL import Image

from inference import client as inference_client
from inference.apps import build_backend
from tests.images import encode

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FACE = DATA / "faces" / "canada" / "008f.jpg"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the photos of ../shared/data are not here")

Classify = Callable[[bytes], Any]

STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture(scope="module")
def _models() -> Iterator[None]:
    """The released models, loaded once for all of these tests."""
    inference_client.configure(build_backend)
    inference_client.warm_up()
    yield
    inference_client.configure(build_backend)


@pytest.fixture
def classify(client: HttpClient, catalogue: None, _models: None) -> Classify:
    def post(photo: bytes) -> Any:
        upload = SimpleUploadedFile("photo.jpg", photo)
        return client.post("/api/v1/classifications/", {"photo": upload, "birth_date": "1996-05-04"})

    return post


def upright() -> Image.Image:
    return Image.open(FACE).convert("RGB")


def test_face_gets_a_type_with_its_parts_where_they_are(classify: Classify) -> None:
    response = classify(FACE.read_bytes())

    assert response.status_code == 201
    whole, upper, lower = (part["box"] for part in response.json()["parts"])
    # Canada's portraits are 480 x 640 with the face in the middle.
    assert whole[0] < 240 < whole[2]
    assert upper[0] == pytest.approx(whole[0], abs=25)
    assert lower[0] == pytest.approx(whole[0], abs=25)
    assert whole[1] < upper[1] < lower[1] < lower[3]
    assert lower[1] == pytest.approx(upper[3], abs=25)
    assert lower[3] == pytest.approx(whole[3], abs=25)
    assert 150 < whole[3] - whole[1] < 500


def test_different_people_get_different_answers(classify: Classify) -> None:
    faces = [DATA / "faces" / "omi" / f"{number}.jpg" for number in (1, 10, 100)]

    scores = [classify(face.read_bytes()).json()["score"] for face in faces]

    assert max(scores) - min(scores) > 10


@pytest.mark.parametrize("orientation", STORED_AS)
def test_orientation_changes_nothing(classify: Classify, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright().transpose(STORED_AS[orientation])

    as_stored = classify(encode(stored, "PNG", exif=exif)).json()
    as_upright = classify(encode(upright(), "PNG")).json()

    for answer in (as_stored, as_upright):
        for changing in ("id", "owner_token", "celebrities", "created_at", "expires_at"):
            del answer[changing]
    assert as_stored == as_upright


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG"), ("RGB", "WEBP")],
)
def test_every_colour_mode_is_classified(classify: Classify, mode: str, image_format: str) -> None:
    if mode == "I;16":
        image = upright().convert("L").point(lambda level: level * 257, "I").convert("I;16")
    else:
        image = upright().convert(mode)

    assert classify(encode(image, image_format)).status_code == 201


def test_camera_sized_photo_gets_the_same_type(classify: Classify) -> None:
    small = upright()
    large = small.resize((3000, 4000), Image.Resampling.BICUBIC)

    assert classify(encode(large)).json()["type"] == classify(encode(small)).json()["type"]


@pytest.mark.parametrize(
    "scene", ["azure/fork_1.jpg", "imagenet_sample/n01496331_electric_ray.jpg", "pets/cat.100.jpg"]
)
def test_scene_without_a_person_has_no_face(classify: Classify, scene: str) -> None:
    refusal = classify((DATA / "scenes" / scene).read_bytes())

    assert refusal.status_code == 422
    assert refusal.json()["code"] == "no_face"
