"""Adding pictures: what is stored, and what is refused."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from catalog.errors import CatalogError, DuplicateImage, InvalidPicture, PictureTooLarge
from catalog.models import Celebrity, CelebrityImage
from catalog.services.images import image_add, image_delete
from catalog.services.pictures import MAX_SIDE, picture_from_upload
from tests.catalog.factories import make_celebrity, make_face_types, make_picture
from tests.images import draw_photo, encode

pytestmark = pytest.mark.django_db


@pytest.fixture
def celebrity() -> Celebrity:
    return make_celebrity()


def stored(image: CelebrityImage) -> bytes:
    with storages["catalog"].open(image.file) as file:
        content: bytes = file.read()
    return content


def files(settings: Settings) -> list[Path]:
    """Two for each image: its picture and its thumbnail."""
    folder = Path(settings.STORAGES["catalog"]["OPTIONS"]["location"])
    return [path for path in folder.rglob("*") if path.is_file()]


def huge_png(width: int, height: int) -> bytes:
    """A small file that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_fitting_jpeg_is_stored_byte_for_byte_under_its_hash(celebrity: Celebrity) -> None:
    content = make_picture(quality=80)

    image = image_add(celebrity=celebrity, content=content, source="here", licence="CC0-1.0")

    sha256 = hashlib.sha256(content).hexdigest()
    assert image.sha256 == sha256
    assert image.file == f"images/{sha256[:2]}/{sha256}.jpg"
    assert (image.width, image.height) == (200, 250)
    assert stored(image) == content
    assert not image.is_published


@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_other_formats_become_jpeg(celebrity: Celebrity, image_format: str) -> None:
    image = image_add(celebrity=celebrity, content=make_picture(image_format))

    assert Image.open(io.BytesIO(stored(image))).format == "JPEG"


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "1"])
def test_every_colour_mode_becomes_a_jpeg(mode: str) -> None:
    gray = Image.linear_gradient("L").resize((200, 200))
    image = Image.new(mode, gray.size, 0x8000) if mode == "I;16" else gray.convert(mode)

    picture = picture_from_upload(encode(image, "JPEG" if mode == "CMYK" else "PNG"))

    pixels = Image.open(io.BytesIO(picture.content)).convert("L")
    assert 90 < sum(pixels.get_flattened_data()) / (200 * 200) < 165


def test_transparency_turns_white() -> None:
    picture = picture_from_upload(encode(Image.new("RGBA", (200, 200), (0, 0, 0, 0)), "PNG"))

    assert Image.open(io.BytesIO(picture.content)).getpixel((100, 100)) == (255, 255, 255)


def test_a_large_picture_is_reduced_in_proportion() -> None:
    picture = picture_from_upload(make_picture(size=(3000, 1500)))

    assert (picture.width, picture.height) == (MAX_SIDE, MAX_SIDE // 2)
    assert Image.open(io.BytesIO(picture.content)).size == (picture.width, picture.height)


def test_metadata_goes_and_the_picture_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    exif[0x010F] = "A camera maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lying = draw_photo(300, 200)
    content = encode(lying, "JPEG", exif=exif, icc_profile=profile, comment=b"a secret comment", quality=95)

    picture = picture_from_upload(content)

    reopened = Image.open(io.BytesIO(picture.content))
    assert (picture.width, picture.height) == reopened.size == (200, 300)
    assert not reopened.getexif()
    assert "icc_profile" not in reopened.info
    assert b"secret" not in picture.content
    assert b"camera" not in picture.content


def test_what_follows_a_jpegs_end_is_dropped() -> None:
    content = make_picture()

    assert picture_from_upload(content).content == content
    assert b"stowaway" not in picture_from_upload(content + b"stowaway" + b"\xff\xd9").content


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", InvalidPicture),
        (b"not a picture", InvalidPicture),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", InvalidPicture),
        (encode(Image.new("P", (200, 200)), "GIF"), InvalidPicture),
        (encode(draw_photo(), "JPEG")[:2000], InvalidPicture),
        (encode(draw_photo(), "PNG")[:2000], InvalidPicture),
        (encode(Image.new("RGB", (99, 400)), "JPEG"), InvalidPicture),
        (huge_png(50_000, 50_000), PictureTooLarge),
        (huge_png(8_000, 8_000), PictureTooLarge),
        (huge_png(3_000, 3_000), InvalidPicture),
    ],
    ids=["empty", "text", "svg", "gif", "cut jpeg", "cut png", "too small", "bomb", "64 megapixels", "missing rows"],
)
def test_no_picture_leaves_nothing_behind(
    celebrity: Celebrity, settings: Settings, content: bytes, error: type[CatalogError]
) -> None:
    with pytest.raises(error):
        image_add(celebrity=celebrity, content=content)

    assert not CelebrityImage.objects.exists()
    assert files(settings) == []


def test_too_many_bytes_are_refused_before_they_are_read(celebrity: Celebrity, settings: Settings) -> None:
    content = make_picture()
    settings.MAX_PHOTO_BYTES = len(content) - 1

    with pytest.raises(PictureTooLarge):
        image_add(celebrity=celebrity, content=content)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_the_same_picture_is_refused_the_second_time(
    celebrity: Celebrity, settings: Settings, image_format: str
) -> None:
    content = make_picture(image_format)
    image = image_add(celebrity=celebrity, content=content)

    with pytest.raises(DuplicateImage):
        image_add(celebrity=make_celebrity(), content=content)
    # A picture taken from the catalogue is known as well.
    with pytest.raises(DuplicateImage):
        image_add(celebrity=celebrity, content=stored(image))

    assert CelebrityImage.objects.count() == 1
    assert len(files(settings)) == 2


def test_deleting_an_image_removes_its_file_after_the_commit(
    celebrity: Celebrity,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    face_type = make_face_types()[0]
    content = make_picture()
    image, other = (image_add(celebrity=celebrity, content=c, face_type=face_type) for c in (content, make_picture()))

    with django_capture_on_commit_callbacks() as callbacks:
        image_delete(images=[image])
    assert len(files(settings)) == 4

    # Added again before the callback ran: the file is in use once more.
    image_add(celebrity=celebrity, content=content)
    for callback in callbacks:
        callback()
    assert len(files(settings)) == 4

    with django_capture_on_commit_callbacks(execute=True):
        image_delete(images=[other])
    assert len(files(settings)) == 2


WHOLE_PICTURES = [encode(draw_photo(), image_format) for image_format in ("JPEG", "PNG", "WEBP")]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_pictures_are_read_or_refused_but_never_crash(data: Any) -> None:
    content = bytearray(data.draw(st.sampled_from(WHOLE_PICTURES)))
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20)):
        content[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        picture = picture_from_upload(bytes(content[:cut] if data.draw(st.booleans()) else content))
    except (InvalidPicture, PictureTooLarge):
        return
    assert Image.open(io.BytesIO(picture.content)).format == "JPEG"
