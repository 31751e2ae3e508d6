"""From uploaded bytes to the JPEG and the thumbnail that the catalogue keeps."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from catalog.errors import InvalidPicture, PictureTooLarge
from catalog.similarity import PerceptualHash, perceptual_hash

FORMATS = ("JPEG", "PNG", "WEBP")
MIN_SIDE = 100
# Four pictures travel inside one answer to the mobile app.
MAX_SIDE = 800
# Lists show it at a quarter of that.
THUMBNAIL_SIDE = 240
_QUALITY = 88
_THUMBNAIL_QUALITY = 80
_END_OF_IMAGE = b"\xff\xd9"
# What Pillow's parsers raise on damaged or hostile files.
_PARSER_ERRORS = (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, OverflowError, struct.error)


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG without metadata, at most MAX_SIDE pixels long, and the same small, as a WebP."""

    content: bytes
    width: int
    height: int
    thumbnail: bytes
    hash: PerceptualHash

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def key(self) -> str:
        """Where the catalogue's storage keeps it; the folder level bounds a folder's size."""
        return f"images/{self.sha256[:2]}/{self.sha256}.jpg"

    @property
    def thumbnail_key(self) -> str:
        return f"thumbnails/{self.sha256[:2]}/{self.sha256}.webp"


def _has_nothing_to_strip(image: Image.Image, content: bytes) -> bool:
    """Whether a JPEG's bytes hold the picture and nothing else: no metadata, nothing after its end."""
    segments = getattr(image, "applist", [])
    return all(marker == "APP0" for marker, _data in segments) and content.find(_END_OF_IMAGE) == len(content) - 2


def _flattened(image: Image.Image) -> Image.Image:
    """RGB, with transparency over white."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    if image.mode.startswith("I;16"):
        # Pillow would clip 16 bits to 8 instead of scaling them.
        return image.convert("I").point(lambda level: level / 256).convert("L").convert("RGB")
    return image.convert("RGB")


def picture_from_upload(content: bytes) -> Picture:
    """Verify a JPEG, PNG or WebP and make it fit the catalogue; a fitting JPEG keeps its bytes.

    Raises InvalidPicture and PictureTooLarge.
    """
    if len(content) > settings.MAX_PHOTO_BYTES:
        raise PictureTooLarge(_("The file is too large."))
    try:
        # Pillow's own bomb check warns or raises, depending on the size; ours follows at once.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > settings.MAX_PHOTO_PIXELS:
            raise PictureTooLarge(_("The picture has too many pixels."))
        image.load()
        upright = ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(_("The picture has too many pixels.")) from error
    except UnidentifiedImageError as error:
        raise InvalidPicture(_("This is not a JPEG, PNG or WebP picture.")) from error
    except _PARSER_ERRORS as error:
        raise InvalidPicture(_("The picture is damaged.")) from error
    if min(upright.size) < MIN_SIDE:
        raise InvalidPicture(_("The picture must be at least %(side)d pixels wide and high.") % {"side": MIN_SIDE})
    if (
        image.format == "JPEG"
        and image.mode in ("RGB", "L")
        and max(image.size) <= MAX_SIDE
        and _has_nothing_to_strip(image, content)
    ):
        return _picture(content, image)
    fitted = _flattened(upright)
    fitted.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    # save() would carry the profile and the comment over.
    fitted.info.clear()
    encoded = io.BytesIO()
    fitted.save(encoded, "JPEG", quality=_QUALITY, optimize=True)
    return _picture(encoded.getvalue(), fitted)


def picture_store(picture: Picture) -> None:
    """Write both files unless they are there."""
    _store(picture.key, picture.content)
    _store(picture.thumbnail_key, picture.thumbnail)


def picture_remove(*keys: str) -> None:
    """Delete files; an empty key is none."""
    for key in filter(None, keys):
        storages["catalog"].delete(key)


def _picture(content: bytes, image: Image.Image) -> Picture:
    """image: what `content` shows."""
    small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=_THUMBNAIL_QUALITY)
    return Picture(
        content=content,
        width=image.width,
        height=image.height,
        thumbnail=encoded.getvalue(),
        hash=perceptual_hash(image),
    )


def _store(key: str, content: bytes) -> None:
    storage = storages["catalog"]
    if storage.exists(key):
        return
    name = storage.save(key, ContentFile(content))
    # Someone else stored the same bytes in between, and the storage chose another name.
    if name != key:
        storage.delete(name)
