"""What the source system kept, in this system's terms; its staff endpoints and its import share this.

The source had no people behind its pictures: an image belonged to a type. Here each image shows somebody, so its
images are of one person nobody knows, until a curator says who it is.
"""

from __future__ import annotations

import base64
import binascii
import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from catalog.errors import InvalidPicture, InvalidText
from catalog.models import Celebrity, FaceType
from catalog.validators import SENTENCE_SEPARATOR

UNKNOWN_KO, UNKNOWN_EN = "이름 모름 (이전 시스템)", "Unknown (source system)"

_DATA_URI = re.compile(r"data:[\w/+.-]*;base64,", re.ASCII)


def unknown_person() -> Celebrity:
    """The celebrity that the source's images show until somebody knows better."""
    person, _created = Celebrity.objects.get_or_create(name_en=UNKNOWN_EN, defaults={"name_ko": UNKNOWN_KO})
    return person


def bytes_of(text: str) -> bytes:
    """What base64 text stands for, with or without a data URI's prefix and line breaks. Raises InvalidPicture."""
    bare = "".join(text.split())
    if prefix := _DATA_URI.match(bare):
        bare = bare[prefix.end() :]
    try:
        return base64.b64decode(bare, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidPicture(_("This is not base64.")) from error


def sentences_of(text: str) -> str:
    """The source's description, its points marked with “·”, as this system writes it: one sentence a line."""
    pieces = (piece.strip() for line in text.splitlines() for piece in line.split(SENTENCE_SEPARATOR))
    return "\n".join(piece for piece in pieces if piece)


def face_type_describe(*, face_type: FaceType, text: str) -> FaceType:
    """Give a type the source's description, which is Korean. Raises InvalidText where the mobile app could not show
    it."""
    face_type.description_ko = sentences_of(text)
    try:
        face_type.full_clean()
    except ValidationError as error:
        raise InvalidText(" ".join(error.messages)) from error
    face_type.save(update_fields=["description_ko"])
    return face_type
