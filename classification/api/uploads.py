"""Guards on what a client uploads, before a byte of it is parsed."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

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
