"""Every way a request can fail here: its code, its HTTP status and a sentence for the caller.

The codes are part of the API and never change. A refused photo's sentence and advice come from
the catalogue, where curators edit them.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

import catalog.selectors
from catalog.errors import CatalogError
from classification.errors import ClassificationError, UnderAge
from inference.contracts import Busy, InferenceError, InvalidImage, PhotoRefused, PhotoTooLarge, UnsupportedImage

PROBLEM_MEDIA_TYPE = "application/problem+json"

SENTENCES: dict[str, Promise] = {
    "busy": _("The server is busy. Please try again in a moment."),
    "catalogue_incomplete": _("The catalogue is not ready yet. Please try again later."),
    "error": _("Something went wrong on our side. Please try again later."),
    "idempotency_conflict": _("This Idempotency-Key was already used for another request."),
    "invalid": _("Some of the information is missing or not valid."),
    "invalid_image": _("This photo cannot be read. It may be damaged or incomplete."),
    "length_required": _("The request must say its length."),
    "method_not_allowed": _("This address does not answer that kind of request."),
    "not_acceptable": _("The requested format is not available."),
    "not_authenticated": _("This needs a token that was not sent or is not valid."),
    "not_found": _("There is nothing here, or it has been deleted."),
    "permission_denied": _("You are not allowed to do this."),
    "photo_too_large": _("This photo is too large."),
    "refused": _("This photo cannot be classified."),
    "storage_unavailable": _("Photos cannot be stored or erased at the moment. Please try again later."),
    "throttled": _("Too many requests. Please wait a little."),
    "unsupported_image": _("This is not a JPEG, PNG or WebP photo."),
    "unsupported_media_type": _("The request is not of the media type this address takes."),
}

_INFERENCE_STATUS: dict[type[InferenceError], HTTPStatus] = {
    InvalidImage: HTTPStatus.BAD_REQUEST,
    PhotoTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedImage: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    PhotoRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    Busy: HTTPStatus.SERVICE_UNAVAILABLE,
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
