"""What the API's schema says besides names and types: examples of answers, and refusals by their codes."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse
from rest_framework import serializers

from catalog.defaults import GUIDANCE_TEXTS
from catalog.models.guidance import REFUSAL_CODES
from classification.api.serializers import ProblemSerializer
from classification.problems import PROBLEM_MEDIA_TYPE, SENTENCES, Problem, status_of

_GUIDANCE = {text.code: text for text in GUIDANCE_TEXTS}

RETRY_AFTER = OpenApiParameter(
    "Retry-After", OpenApiTypes.INT, OpenApiParameter.HEADER, response=[429, 503], description="Seconds to wait."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Any text of your own. A request sent again under the same key gets the first one's answer.",
)
PHOTO_REFUSED = dict.fromkeys(REFUSAL_CODES, "")
NOT_OWNED = {
    "not_authenticated": "no owner token was sent",
    "not_found": "no such result for this owner, or it is expired or deleted",
}


def answer(
    serializer: type[serializers.BaseSerializer[Any]] | serializers.BaseSerializer[Any], description: str, example: Any
) -> OpenApiResponse:
    """A good answer, with an example of it; of one element where the answer is a list."""
    return OpenApiResponse(serializer, description, [OpenApiExample("answer", example)])


def json_body(serializer: type[serializers.BaseSerializer[Any]], example: Any) -> dict[str, OpenApiRequest]:
    """The body of a request, also where an operation reads JSON whatever the Content-Type says."""
    return {"application/json": OpenApiRequest(serializer, examples=[OpenApiExample("request", example)])}


def problems(
    remarks: Mapping[str, str], *, errors: Mapping[str, list[str]] | None = None
) -> dict[tuple[int, str], OpenApiResponse]:
    """The refusals of an operation, by status, with an example of each.

    remarks: by code, what it means there; empty where the code and its sentence say it. errors: of the example of
    `invalid`, by field.
    """
    by_status: dict[int, list[str]] = {}
    for code in remarks:
        by_status.setdefault(status_of(code), []).append(code)
    return {
        (status, PROBLEM_MEDIA_TYPE): OpenApiResponse(
            ProblemSerializer,
            "; ".join(f"`{code}`: {remarks[code]}" if remarks[code] else f"`{code}`" for code in codes),
            [OpenApiExample(code, example_of(code, errors)) for code in codes],
        )
        for status, codes in sorted(by_status.items())
    }


def example_of(code: str, errors: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """The body of a problem as a fresh catalogue words it, in English."""
    if text := _GUIDANCE.get(code):
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, code, text.message_en, text.advice_en).body()
    # A lazy sentence: whoever makes the schema chooses its language.
    body = Problem(status_of(code), code, SENTENCES[code]).body()  # type: ignore[arg-type]
    return body | {"errors": dict(errors)} if code == "invalid" and errors else body
