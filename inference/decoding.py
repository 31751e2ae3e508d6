"""From a photo's bytes to upright RGB pixels, once, and no larger than the models need.

Pillow reads the header (format, size) without decoding; OpenCV decodes. Both bounds are checked
before a pixel is allocated, so a small file that claims to be huge costs nothing.
"""

from __future__ import annotations

import ctypes
import io
import struct
import warnings
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from inference.contracts import InvalidImage, PhotoLimits, PhotoTooLarge, UnsupportedImage

# The models look at a few hundred pixels of the whole photo and at a face of a fourth of it or more.
WORKING_LONG_SIDE = 640
FORMATS = ("JPEG", "PNG", "WEBP")
_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_SIGNATURES = (_JPEG, _PNG, b"RIFF")
# A chunk's length and name come before its data, a checksum after it.
_CHUNK_HEAD = struct.Struct(">I4s")
_CHUNK_FRAME = 12
# Encoders write a few thousand for the largest photo.
_MAX_PNG_CHUNKS = 100_000
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}
# What Pillow's parsers raise on hostile headers; the fuzz tests keep this list honest.
_HEADER_ERRORS = (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, OverflowError, struct.error)


@dataclass(frozen=True, slots=True)
class DecodedPhoto:
    """An upright photo, possibly reduced.

    pixels: (H, W, 3) uint8 RGB, contiguous. width, height: of the upright photo at its full size.
    source: the bytes it came from, where it may be worth decoding closer.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    source: bytes = field(default=b"", repr=False)

    @property
    def scale(self) -> float:
        """Full-size pixels per decoded pixel, at least 1."""
        # By the longer side, whose rounding matters less.
        return max(self.width, self.height) / float(max(self.pixels.shape[:2]))


def _read_size(photo: bytes) -> tuple[int, int]:
    """Width and height as stored, from the first bytes alone."""
    if not photo:
        raise InvalidImage("the photo is empty")
    if not photo.startswith(_SIGNATURES):
        raise UnsupportedImage("not a JPEG, PNG or WebP")
    try:
        # Pillow warns of large photos, which our own limit is about, and of odd EXIF, which is nobody's concern.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(photo), formats=FORMATS) as image:
                return image.size
    except Image.DecompressionBombError as error:
        raise PhotoTooLarge("too many pixels") from error
    except UnidentifiedImageError as error:
        # RIFF also begins AVI and WAV files.
        if photo.startswith(b"RIFF") and photo[8:12] != b"WEBP":
            raise UnsupportedImage("not a JPEG, PNG or WebP") from error
        raise InvalidImage("the header is damaged") from error
    except _HEADER_ERRORS as error:
        raise InvalidImage("the header is damaged") from error


def _verify_chunks(png: bytes) -> None:
    """Raise InvalidImage where a chunk claims to be longer than the file.

    OpenCV allocates what a chunk claims: 4 GB for a file of a few bytes.
    """
    place = len(_PNG)
    for _ in range(_MAX_PNG_CHUNKS):
        if place + _CHUNK_FRAME > len(png):
            break
        length, kind = _CHUNK_HEAD.unpack_from(png, place)
        place += _CHUNK_FRAME + length
        if kind == b"IEND" and place <= len(png):
            return
    raise InvalidImage("the photo ends too early")


def _reduction(width: int, height: int) -> int:
    """The largest DCT reduction that leaves the working size, and a pixel of the shorter side."""
    long_side, short_side = max(width, height), min(width, height)
    return next((factor for factor in (8, 4, 2) if long_side / factor >= WORKING_LONG_SIDE and short_side >= factor), 1)


def decode(photo: bytes, limits: PhotoLimits | None = None) -> DecodedPhoto:
    """Decode a JPEG, PNG or WebP, with its EXIF orientation applied.

    CMYK, 16-bit, grayscale, palette and alpha images come out as 8-bit RGB.
    Raises UnsupportedImage, InvalidImage (also for truncated files), PhotoTooLarge and MemoryError.
    """
    limits = limits or PhotoLimits()
    if len(photo) > limits.max_bytes:
        raise PhotoTooLarge(f"{len(photo)} bytes, at most {limits.max_bytes}")
    width, height = _read_size(photo)
    if width * height > limits.max_pixels:
        raise PhotoTooLarge(f"{width} x {height} pixels, at most {limits.max_pixels}")
    if photo.startswith(_PNG):
        _verify_chunks(photo)
    return _decode(photo, width, height, _reduction(width, height))


def decode_closer(photo: DecodedPhoto, magnification: float) -> DecodedPhoto:
    """The photo decoded again with at least that many times its pixels a side, or with all that it has."""
    reduction = round(photo.scale)
    if magnification <= 1 or reduction <= 1 or not photo.source:
        return photo
    wanted = next((factor for factor in (4, 2) if factor * magnification <= reduction), 1)
    return _decode(photo.source, photo.width, photo.height, wanted)


def _decode(photo: bytes, width: int, height: int, reduction: int) -> DecodedPhoto:
    """width, height: of the photo at its full size, as stored or upright."""
    try:
        bgr = cv2.imdecode(np.frombuffer(photo, np.uint8), _REDUCED[reduction])
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError("there is no memory to decode the photo") from error
        raise InvalidImage("the photo cannot be decoded") from error
    if bgr is None:
        raise InvalidImage("the photo cannot be decoded")
    if reduction > 1 and not photo.startswith(_JPEG):
        # Only JPEGs are decoded reduced; the others took their full size first.
        _release_free_memory()
    # The decoder alone knows which orientation it found, and where: EXIF says it, and sometimes XMP.
    is_turned = (bgr.shape[1] > bgr.shape[0]) != (width > height)
    if is_turned:
        width, height = height, width
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    return DecodedPhoto(pixels=rgb, width=width, height=height, source=photo if reduction > 1 else b"")


def _release_free_memory() -> None:
    """Give freed memory back: glibc keeps it for each thread, a gigabyte after eight large PNGs at once."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def encode_jpeg(photo: DecodedPhoto) -> bytes:
    """The decoded pixels as a JPEG: upright and without any metadata."""
    encoded, data = cv2.imencode(".jpg", cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not encoded:
        raise InvalidImage("the photo cannot be encoded")
    return data.tobytes()
