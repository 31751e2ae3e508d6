"""From bytes to upright pixels."""

from __future__ import annotations

import random
import resource
import struct
import subprocess
import sys
import warnings
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from inference.contracts import InferenceError, InvalidImage, PhotoLimits, PhotoTooLarge, UnsupportedImage
from inference.decoding import DecodedPhoto, decode, decode_closer, encode_jpeg
from tests.images import draw_photo, encode, jpeg

PIXELS = np.asarray(draw_photo())
# How the upright picture must be turned to be stored under each EXIF orientation.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_formats(image_format: str) -> None:
    decoded = decode(encode(draw_photo(), image_format))

    assert (decoded.width, decoded.height, decoded.scale) == (300, 400, 1.0)
    assert mean_difference(decoded.pixels, PIXELS) < 3


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_every_orientation_gives_the_same_upright_photo(orientation: int, image_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = STORED_AS[orientation]
    stored = draw_photo() if turn is None else draw_photo().transpose(turn)

    decoded = decode(encode(stored, image_format, exif=exif))

    assert (decoded.width, decoded.height) == (300, 400)
    assert mean_difference(decoded.pixels, PIXELS) < 3


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_jpeg_of_another_colour_space(mode: str) -> None:
    decoded = decode(encode(draw_photo().convert(mode)))

    expected = np.asarray(draw_photo().convert(mode).convert("RGB"))
    assert mean_difference(decoded.pixels, expected) < 3


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA"])
def test_png_of_another_mode(mode: str) -> None:
    image = draw_photo().convert(mode)

    decoded = decode(encode(image, "PNG"))

    assert mean_difference(decoded.pixels, np.asarray(image.convert("RGB"))) < 1


def test_sixteen_bit_png() -> None:
    wide = cv2.cvtColor(PIXELS, cv2.COLOR_RGB2BGR).astype(np.uint16) * 257

    decoded = decode(cv2.imencode(".png", wide)[1].tobytes())

    assert mean_difference(decoded.pixels, PIXELS) == 0


@pytest.mark.parametrize(
    ("size", "decoded_long_side"), [((600, 800), 800), ((960, 1280), 640), ((3000, 4000), 1000), ((6000, 8000), 1000)]
)
def test_large_jpeg_is_decoded_at_the_size_the_models_need(size: tuple[int, int], decoded_long_side: int) -> None:
    decoded = decode(encode(draw_photo(*size)))

    assert (decoded.width, decoded.height) == size
    assert max(decoded.pixels.shape) == decoded_long_side
    assert decoded.scale == pytest.approx(max(size) / decoded_long_side)


@pytest.mark.parametrize(
    ("magnification", "long_side"), [(0.5, 1000), (1.0, 1000), (1.5, 2000), (2.0, 2000), (2.1, 4000), (20, 4000)]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_reduced_photo_can_be_decoded_closer(magnification: float, long_side: int, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode(encode(draw_photo(3000, 4000), exif=exif))

    closer = decode_closer(photo, magnification)

    assert max(closer.pixels.shape) == long_side
    assert (closer.width, closer.height) == (photo.width, photo.height)
    again = cv2.resize(closer.pixels, photo.pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert mean_difference(again, photo.pixels) < 3


def test_a_photo_that_has_all_its_pixels_stays_as_it_is() -> None:
    photo = decode(encode(draw_photo(600, 800)))
    without_bytes = DecodedPhoto(photo.pixels, 2400, 3200)

    assert decode_closer(photo, 4) is photo
    assert decode_closer(without_bytes, 4) is without_bytes


@pytest.mark.parametrize(
    "content",
    [b"text", b"GIF89a", b"%PDF-1.7", b"BM", b"RIFF\x10\0\0\0WAVEfmt ", b"<svg/>", b"\0\0\0\x18ftypheic"],
)
def test_other_formats_are_unsupported(content: bytes) -> None:
    with pytest.raises(UnsupportedImage):
        decode(content + bytes(100))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 16_000), (16_000, 1)])
def test_extreme_shapes_keep_their_scale(size: tuple[int, int], image_format: str) -> None:
    decoded = decode(encode(draw_photo(300, 400).resize(size), image_format))

    assert (decoded.width, decoded.height) == size
    assert decoded.scale == max(size) / max(decoded.pixels.shape[:2])
    assert decoded.scale >= 1


@pytest.mark.parametrize(
    "directory",
    [
        # Points at itself; lies behind the end; claims more entries than there are; has a value of the wrong type.
        struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, 6, 8),
        struct.pack("<I", 0xFFFFFFF0),
        struct.pack("<IHHHII", 8, 0xFFFF, 0x0112, 3, 1, 6),
        struct.pack("<IHHHIf", 8, 1, 0x0112, 11, 1, 6.0),
    ],
)
def test_odd_exif_is_neither_believed_nor_told_in_the_log(directory: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode(encode(draw_photo(), exif=b"Exif\0\0II*\0" + directory))

    assert decoded.pixels.shape in {(400, 300, 3), (300, 400, 3)}


def test_a_photo_that_finds_no_memory_is_not_called_invalid() -> None:
    # In a process of its own: this one may hold memory that is free.
    outcome = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY],
        input=encode(Image.new("RGB", (5000, 5000), "red"), "PNG"),
        capture_output=True,
        check=True,
    )

    assert outcome.stdout.split() == [b"MemoryError", b"(5000,", b"5000)"]


SHORT_OF_MEMORY = """
import resource, sys
from inference.decoding import decode

photo = sys.stdin.buffer.read()
pages = int(open("/proc/self/statm").read().split()[0])
before = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 30_000_000, before[1]))
try:
    decode(photo)
except Exception as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_AS, before)
decoded = decode(photo)
print((decoded.width, decoded.height))
"""


@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_of_an_animation_the_first_picture_counts(image_format: str) -> None:
    others = [Image.new("RGB", (300, 400), colour) for colour in ("red", "green")]

    decoded = decode(encode(draw_photo(), image_format, save_all=True, append_images=others))

    assert mean_difference(decoded.pixels, PIXELS) < 3


def test_compressed_notes_in_a_photo_are_not_unpacked_without_end() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "0" * 100_000_000, zip=True)

    with pytest.raises(InvalidImage):
        decode(encode(draw_photo(), "PNG", pnginfo=notes))


@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt", b"IHDR"])
def test_a_chunk_that_claims_gigabytes_allocates_none(kind: bytes) -> None:
    content = bytearray(encode(draw_photo(), "PNG"))
    # After the signature and the header; one byte of data follows.
    content[33:33] = struct.pack(">I4sBI", 0xF0000000, kind, 0, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(InvalidImage):
        decode(bytes(content))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_flood_of_empty_chunks_is_refused_at_once() -> None:
    content = encode(draw_photo(), "PNG")
    empty = struct.pack(">I4sI", 0, b"teXt", zlib.crc32(b"teXt"))

    with pytest.raises(InvalidImage):
        decode(content[:33] + empty * 200_000 + content[33:])


def test_nothing_is_invalid() -> None:
    with pytest.raises(InvalidImage):
        decode(b"")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_truncated_file_is_invalid(image_format: str, share: float) -> None:
    content = encode(draw_photo(), image_format)

    with pytest.raises(InvalidImage):
        decode(content[: int(len(content) * share)])


def test_limits_hold_to_the_byte_and_the_pixel() -> None:
    content = jpeg(300, 400)

    decode(content, PhotoLimits(max_bytes=len(content), max_pixels=120_000))
    with pytest.raises(PhotoTooLarge):
        decode(content, PhotoLimits(max_bytes=len(content) - 1))
    with pytest.raises(PhotoTooLarge):
        decode(content, PhotoLimits(max_pixels=119_999))


def test_bomb_is_refused_by_its_header() -> None:
    bomb = encode(Image.new("1", (50_000, 50_000)), "PNG")
    assert len(bomb) < 400_000

    with pytest.raises(PhotoTooLarge):
        decode(bomb)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_damaged_file_is_decoded_or_refused_and_nothing_else(image_format: str, seed: int) -> None:
    damage = random.Random(seed)
    content = bytearray(encode(draw_photo(60, 80), image_format))
    for _ in range(damage.randint(1, 8)):
        content[damage.randrange(len(content))] = damage.randrange(256)
    limits = PhotoLimits(max_pixels=1_000_000)

    try:
        decoded = decode(bytes(content), limits)
    except InferenceError:
        return
    assert decoded.width * decoded.height <= limits.max_pixels
    assert decoded.pixels.dtype == np.uint8


def test_kept_photo_is_upright_and_without_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0110] = "a telling camera model"
    content = encode(draw_photo().transpose(STORED_AS[6]), "JPEG", exif=exif)
    assert b"telling" in content

    kept = encode_jpeg(decode(content))

    assert b"telling" not in kept
    assert b"Exif" not in kept
    again = decode(kept)
    assert (again.width, again.height) == (300, 400)
    assert mean_difference(again.pixels, PIXELS) < 4
