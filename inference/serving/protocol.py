"""What the web tier and the inference tier say to each other over HTTP.

`POST /analyze` takes a photo's bytes and answers with a FaceAnalysis as JSON; `GET /models` answers with ModelVersions.
A photo that gets no analysis is answered by the InferenceError's code and its status. Every request and every
answer names the protocol's version. Nothing here needs torch, Django or Ray.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, TypeVar

import msgspec

from inference.contracts import (
    Busy,
    FaceAnalysis,
    InferenceError,
    InvalidImage,
    ModelVersions,
    PhotoRefused,
    PhotoTooLarge,
    RefusalReason,
    UnsupportedImage,
)

# Raised with every change that the other tier would misread; a test holds the messages to it.
PROTOCOL_VERSION: Final = 1
VERSION_HEADER: Final = "Inference-Protocol"
# Seconds, from when the request was sent, until nobody waits for the answer.
TIME_LIMIT_HEADER: Final = "Inference-Time-Limit"
ANALYZE_PATH: Final = "/analyze"
MODELS_PATH: Final = "/models"

STATUS: dict[type[InferenceError], HTTPStatus] = {
    InvalidImage: HTTPStatus.BAD_REQUEST,
    PhotoTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedImage: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    PhotoRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    Busy: HTTPStatus.SERVICE_UNAVAILABLE,
}
Message = TypeVar("Message")

_PLAIN = {error.code: error for error in (InvalidImage, PhotoTooLarge, UnsupportedImage)}


class MessageError(Exception):
    """An answer that is not of this protocol."""


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is no analysis. code: of the InferenceError. retry_after: seconds, where the tier is busy."""

    code: str
    retry_after: int = 0


def encode(message: FaceAnalysis | ModelVersions | Failure) -> bytes:
    """As JSON; the photo in base64."""
    return msgspec.json.encode(message)


def decode_analysis(body: bytes) -> FaceAnalysis:
    """Raises MessageError."""
    return _decode(body, FaceAnalysis)


def decode_versions(body: bytes) -> ModelVersions:
    """Raises MessageError."""
    return _decode(body, ModelVersions)


def failure_of(error: InferenceError) -> Failure:
    return Failure(error.code, error.retry_after if isinstance(error, Busy) else 0)


def decode_error(body: bytes) -> InferenceError:
    """The error that the other tier answered with. Raises MessageError."""
    failure = _decode(body, Failure)
    if failure.code == Busy.code:
        return Busy(max(failure.retry_after, 1))
    if failure.code in _PLAIN:
        return _PLAIN[failure.code](failure.code)
    try:
        return PhotoRefused(RefusalReason(failure.code))
    except ValueError as error:
        raise MessageError(f"no error has the code {failure.code[:40]!r}") from error


def _decode(body: bytes, kind: type[Message]) -> Message:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise MessageError(f"not a {kind.__name__}: {error}") from error
