"""What a client uploads: guards before a byte of it is parsed, and the parsing."""

from __future__ import annotations

from typing import Any

import multipart
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from classification.errors import LengthRequired
from inference.contracts import PhotoTooLarge

_CHUNK = 64 * 1024
# A client that is answered before it has sent everything often sees a broken connection instead of
# the answer, so a body somewhat too large is read and thrown away first.
_DRAINED_AT_MOST = 64 * 1024 * 1024


def refuse_oversized(request: HttpRequest) -> None:
    """Raise PhotoTooLarge for a body larger than any acceptable one, LengthRequired for one of unknown length."""
    if "chunked" in request.headers.get("Transfer-Encoding", ""):
        raise LengthRequired
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return
    drained = 0
    while drained < min(length, _DRAINED_AT_MOST) and (chunk := request.read(_CHUNK)):
        drained += len(chunk)
    raise PhotoTooLarge(f"{length} bytes sent, at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE}")


def uploaded_form(request: HttpRequest) -> MultiValueDict[str, Any]:
    """The fields and files of a multipart/form-data body that memory holds; of an empty body none.

    Django's own parser takes eight times as long, and REST framework half of that again to find it and to copy.
    Raises ParseError and UnsupportedMediaType.
    """
    form: MultiValueDict[str, Any] = MultiValueDict()
    if not request.body:
        return form
    media_type, options = multipart.parse_options_header(request.headers.get("Content-Type", ""))
    if media_type != "multipart/form-data":
        raise UnsupportedMediaType(media_type)
    most_parts = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    try:
        with multipart.PushMultipartParser(options.get("boundary", ""), max_segment_count=most_parts) as parser:
            pieces: list[bytes] = []
            for event in parser.parse(request.body):
                if isinstance(event, multipart.MultipartSegment):
                    part = event
                elif event is not None:
                    pieces.append(event)
                else:
                    # A file that was left out comes without a name.
                    if part.filename != "":
                        form.appendlist(part.name, _value(part, b"".join(pieces)))
                    pieces.clear()
    except multipart.MultipartError as error:
        raise ParseError(str(error)) from error
    return form


def _value(part: multipart.MultipartSegment, content: bytes) -> SimpleUploadedFile | str:
    if part.filename:
        return SimpleUploadedFile(part.filename, content, part.content_type)
    return content.decode(errors="replace")
