"""Every way a request can fail here: its code, its HTTP status and a sentence for the caller.

The codes are part of the API and never change. A refused photo's sentence and advice come from
the catalogue, where curators edit them.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

import catalog.selectors
from catalog.errors import CatalogError
from classification.errors import ClassificationError, UnderAge
from inference.contracts import (
    Busy,
    InferenceError,
    InvalidImage,
    PhotoRefused,
    PhotoTooLarge,
    RefusalReason,
    UnsupportedImage,
)

PROBLEM_MEDIA_TYPE = "application/problem+json"

SENTENCES: dict[str, Promise] = {
    "board_full": _("This board is full: all its places are taken."),
    "board_not_found": _("This board is closed, or the link is incomplete."),
    "busy": _("The server is busy. Please try again in a moment."),
    "catalogue_incomplete": _("The catalogue is not ready yet. Please try again later."),
    "comparison_not_found": _("There is no such comparison for you: it has ended, or it is between other people."),
    "duplicate_image": _("This picture is in the catalogue already."),
    "error": _("Something went wrong on our side. Please try again later."),
    "idempotency_conflict": _("This Idempotency-Key was already used for another request."),
    "invalid": _("Some of the information is missing or not valid."),
    "invalid_image": _("This photo cannot be read. It may be damaged or incomplete."),
    "invitation_not_found": _("This invitation is not valid any more, or the link is incomplete."),
    "invitation_taken": _("Somebody has already joined by this invitation, and it is for one person."),
    "length_required": _("The request must say its length."),
    "link_not_found": _("This link is incomplete, or the result it showed is gone."),
    "link_revoked": _("The owner of this result has withdrawn the link."),
    "method_not_allowed": _("This address does not answer that kind of request."),
    "nickname_taken": _("Somebody on this board already goes by that nickname. Please choose another one."),
    "not_acceptable": _("The requested format is not available."),
    "not_authenticated": _("This needs a token that was not sent or is not valid."),
    "not_found": _("There is nothing here, or it has been deleted."),
    "permission_denied": _("You are not allowed to do this."),
    "photo_not_stored": _("The photo of this result was not kept, so it cannot be shown."),
    "photo_too_large": _("This photo is too large."),
    "refused": _("This photo cannot be classified."),
    "same_result": _("A result cannot be compared with itself."),
    "storage_unavailable": _("Photos cannot be stored or erased at the moment. Please try again later."),
    "throttled": _("Too many requests. Please wait a little."),
    "too_many_comparisons": _("This result is part of so many comparisons and boards that there is no room for more."),
    "unsupported_image": _("This is not a JPEG, PNG or WebP photo."),
    "upload_timeout": _("Your upload came too slowly. Please try again with a better connection."),
    "unsupported_media_type": _("The request is not of the media type this address takes."),
}

_INFERENCE_STATUS: dict[type[InferenceError], HTTPStatus] = {
    InvalidImage: HTTPStatus.BAD_REQUEST,
    PhotoTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedImage: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    PhotoRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    Busy: HTTPStatus.SERVICE_UNAVAILABLE,
}

# What DRF itself refuses.
_FRAMEWORK_STATUS = {
    "invalid": HTTPStatus.BAD_REQUEST,
    "not_authenticated": HTTPStatus.UNAUTHORIZED,
    "permission_denied": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "upload_timeout": HTTPStatus.REQUEST_TIMEOUT,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "throttled": HTTPStatus.TOO_MANY_REQUESTS,
    "error": HTTPStatus.INTERNAL_SERVER_ERROR,
}

DomainError = InferenceError | CatalogError | ClassificationError


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure, in the caller's language.

    advice: what to do about it, for refused photos. retry_after: seconds.
    """

    status: int
    code: str
    detail: str
    advice: str = ""
    retry_after: int | None = None

    def body(self) -> dict[str, Any]:
        """As problem details (RFC 9457)."""
        known = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": int(self.status),
            "code": self.code,
            "detail": self.detail,
        }
        return known | ({"advice": self.advice} if self.advice else {})


def status_of(code: str) -> int:
    """The HTTP status that goes with a code. Raises KeyError for a code that nothing here answers with."""
    errors: list[type[CatalogError | ClassificationError]] = [
        *CatalogError.__subclasses__(),
        *ClassificationError.__subclasses__(),
    ]
    statuses: dict[str, int] = {
        **{error.code: error.status for error in errors},
        **{error.code: status for error, status in _INFERENCE_STATUS.items() if error is not PhotoRefused},
        **{reason.value: HTTPStatus.UNPROCESSABLE_ENTITY for reason in RefusalReason},
        **_FRAMEWORK_STATUS,
    }
    return int(statuses[code])


def problem_of(error: DomainError) -> Problem:
    if isinstance(error, PhotoRefused | UnderAge):
        return _refusal(error.code)
    if isinstance(error, InferenceError):
        retry_after = error.retry_after if isinstance(error, Busy) else None
        return Problem(_INFERENCE_STATUS[type(error)], error.code, str(SENTENCES[error.code]), retry_after=retry_after)
    # The catalogue's errors say their sentence themselves.
    return Problem(error.status, error.code, str(error) or str(SENTENCES[error.code]))


def _refusal(code: str) -> Problem:
    guidance = catalog.selectors.guidance(code)
    language = get_language() or "en"
    if guidance is None:
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, code, str(SENTENCES["refused"]))
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        code,
        detail=guidance.message(language),
        advice=guidance.advice(language),
    )
