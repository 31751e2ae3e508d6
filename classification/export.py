"""A person's own results in a file to take away."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Generator, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import get_language

import catalog.selectors
from classification import photos
from classification.models import Classification

DOCUMENT_NAME = "results.json"


class _Drain(io.RawIOBase):
    """A file that only takes: what was written to it is handed on and forgotten."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any) -> int:
        self._written += chunk
        return len(chunk)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def document_of(classifications: Sequence[Classification]) -> bytes:
    """All that is kept about these results, as UTF-8 JSON; names in the reader's language.

    classifications: as selectors.classifications_to_export() gives them.
    """
    names = {
        image.pk: image.celebrity.name(_language())
        for image in catalog.selectors.images_by_ids(
            [image_id for classification in classifications for image_id in classification.celebrity_images]
        )
    }
    document = {"results": [_record(classification, names) for classification in classifications]}
    return json.dumps(document, ensure_ascii=False, indent=2).encode()


def archive_of(document: bytes, classifications: Sequence[Classification]) -> Generator[bytes]:
    """The pieces of a ZIP with the document and the stored photos, one photo in memory at a time.

    Raises StorageUnavailable before the first piece where the first photo cannot be read.
    """
    stored = [classification for classification in classifications if classification.photo_key]
    first = photos.photo_read(stored[0].photo_key) if stored else b""
    return _pieces(document, stored, first)


def _pieces(document: bytes, stored: Sequence[Classification], first: bytes) -> Generator[bytes]:
    drain = _Drain()
    with zipfile.ZipFile(drain, "w") as archive:
        archive.writestr(DOCUMENT_NAME, document, zipfile.ZIP_DEFLATED)
        yield drain.take()
        for number, classification in enumerate(stored):
            photo = photos.photo_read(classification.photo_key) if number else first
            archive.writestr(photo_name(classification), photo)
            yield drain.take()
    yield drain.take()


def photo_name(classification: Classification) -> str:
    return f"photos/{classification.pk}.jpg"


def _record(classification: Classification, celebrity_names: dict[int, str]) -> dict[str, Any]:
    language = _language()
    borderline_with = classification.borderline_with
    return {
        "id": str(classification.pk),
        "made_at": _moment(classification.created_at),
        "erased_at": _moment(classification.expires_at),
        "birth_date": classification.birth_date.isoformat(),
        "mbti": classification.mbti or None,
        "type": classification.type.name(language),
        "between_this_and": borderline_with.name(language) if borderline_with else None,
        "score": classification.score,
        "confidence": classification.confidence,
        "parts": classification.parts,
        "celebrities": _known(classification.celebrity_images, celebrity_names),
        "photo": photo_name(classification) if classification.photo_key else None,
        "photo_size": [classification.photo_width, classification.photo_height],
        "sent_from": classification.client,
        "language": classification.language,
        "models": {
            "gate": classification.gate_version,
            "parts": classification.parts_version,
            "types": classification.types_version,
        },
        "share_links": [
            {"made_at": _moment(link.created_at), "shows_photo": link.shows_photo} for link in classification.open_links
        ],
        "comparisons": [
            {"made_at": _moment(each.created_at), "nickname": each.host_nickname, "shows_photo": each.host_shows_photo}
            for each in classification.hosted_comparisons.all()
        ]
        + [
            {
                "made_at": _moment(each.created_at),
                "nickname": each.guest_nickname,
                "shows_photo": each.guest_shows_photo,
            }
            for each in classification.joined_comparisons.all()
        ],
        "boards": [
            {"name": member.board.name, "nickname": member.nickname} for member in classification.board_members.all()
        ],
    }


def _known(image_ids: Iterable[int], names: dict[int, str]) -> list[str]:
    """The names of those that are still published."""
    return [names[image_id] for image_id in image_ids if image_id in names]


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _language() -> str:
    return get_language() or "en"
