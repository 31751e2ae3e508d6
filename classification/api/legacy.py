"""The protocol of the source system, for the mobile app that is in people's hands.

The app reads the body whatever the status, compares `human` with the string "True", and shows how
to take the photo when it is anything else. So every answer, errors too, has the shape it reads.
"""

from __future__ import annotations

import base64
import binascii
import json
from functools import partial
from typing import Any

from django.utils import translation
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

import catalog.selectors
from catalog.models import CelebrityImage, FaceType
from classification import services
from classification.api import examples
from classification.api.documentation import example_of, json_body
from classification.api.private import PrivateView
from classification.api.serializers import BirthDateField, MbtiField
from classification.api.uploads import refuse_oversized
from classification.errors import UnderAge
from classification.models import Client
from classification.problems import status_of
from inference.contracts import PhotoRefused

IMAGE_KEYS = ("img1", "img2", "img3", "img4")
# Where the app's protocol lives.
PATH_PREFIX = "/api/Register"
NO_RESULT: dict[str, Any] = {"human": "False", "male_type": "null", "dsc": "null"} | dict.fromkeys(IMAGE_KEYS, "null")
# The app splits the description at this and shows the pieces behind it.
BULLET = "·"
BULLET_COUNT = 3


def without_result(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem in the shape that the app reads."""
    return NO_RESULT | {"code": problem["code"], "detail": problem["detail"]}


class LegacyJSONParser(JSONParser):
    """JSON whatever the Content-Type says: the app misspells its charset parameter."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("nested too deeply") from error


class FirstUserSerializer(serializers.Serializer[Any]):
    """The app's fields, under the app's names: `age` is the birth date."""

    user_img = serializers.CharField(trim_whitespace=False, allow_blank=True)
    age = BirthDateField()
    mbti = MbtiField()

    def validate_user_img(self, value: str) -> bytes:
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValidationError(ErrorDetail("not base64", code="invalid")) from error


class RegisterRequestSerializer(serializers.Serializer[Any]):
    """The body of both endpoints. `result` comes back as it came where there is no face."""

    first_user = FirstUserSerializer()
    result = serializers.DictField(required=False, default=dict)

    def validate_result(self, value: dict[str, Any]) -> dict[str, Any]:
        # Half a surrogate pair is valid in JSON's escapes, and in no encoding that could send it back.
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValidationError("not text") from error
        return value


class RegisterResultSerializer(serializers.Serializer[Any]):
    """What the app reads."""

    human = serializers.CharField(help_text='"True" with a type, anything else without.')
    male_type = serializers.CharField()
    dsc = serializers.CharField()
    img1 = serializers.CharField(help_text="Base64 of a JPEG or PNG, as the other three.")
    img2 = serializers.CharField()
    img3 = serializers.CharField()
    img4 = serializers.CharField()
    code = serializers.CharField(required=False, help_text="Only with an error status.")
    detail = serializers.CharField(required=False, help_text="Only with an error status.")


class LegacyView(PrivateView):
    """Answer in the app's shape, in the app's language, whatever happens."""

    parser_classes = [LegacyJSONParser]
    throttle_scope = "classify"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # The app names no language; the people who have it read Korean.
        if "Accept-Language" not in request.headers:
            translation.activate("ko")
        super().initial(request, *args, **kwargs)
        refuse_oversized(request._request)  # noqa: SLF001

    def handle_exception(self, exc: Exception) -> Response:
        response: Any = super().handle_exception(exc)
        response.content = json.dumps(without_result(json.loads(response.content)))
        response["Content-Type"] = "application/json"
        return response  # type: ignore[no-any-return]


_PROBLEMS = (
    "invalid",
    "invalid_image",
    "length_required",
    "photo_too_large",
    "unsupported_image",
    "throttled",
    "busy",
    "storage_unavailable",
    "catalogue_incomplete",
)


def _mobile_problems() -> dict[tuple[int, str], OpenApiResponse]:
    """By status: the app reads the same keys whatever it is."""
    by_status: dict[int, list[str]] = {}
    for code in _PROBLEMS:
        by_status.setdefault(status_of(code), []).append(code)
    return {
        (status, "application/json"): OpenApiResponse(
            RegisterResultSerializer,
            ", ".join(f"`{code}`" for code in codes),
            [OpenApiExample(code, without_result(example_of(code))) for code in codes],
        )
        for status, codes in by_status.items()
    }


# Both endpoints take and give the same.
mobile_schema = partial(
    extend_schema,
    request=json_body(RegisterRequestSerializer, examples.MOBILE_REQUEST),
    responses={
        200: OpenApiResponse(
            RegisterResultSerializer,
            "A type; or, where no face could be judged, the request's own `result` with `human` false.",
            [
                OpenApiExample("type", examples.MOBILE_RESULT),
                OpenApiExample("no usable face", examples.MOBILE_NO_RESULT),
            ],
        ),
        **_mobile_problems(),
    },
    auth=[],
    tags=["mobile app"],
)


class RegisterResultView(LegacyView):
    """Classify the app's photo. Installing the app is the consent to keep it."""

    @mobile_schema(operation_id="legacy_register_result")
    def post(self, request: Request) -> Response:
        body = _validated(request)
        sender = body["first_user"]
        try:
            answer = services.classification_create(
                photo=sender["user_img"],
                birth_date=sender["age"],
                mbti=sender["mbti"],
                store_photo=True,
                client=Client.MOBILE,
                language=translation.get_language(),
            )
        except (PhotoRefused, UnderAge):
            return Response(_no_face(body))
        return Response(_result(answer.classification.type, answer.celebrities))


class RegisterUserImageSampleView(LegacyView):
    """The same without the models: the caller names the result code. For client development."""

    @mobile_schema(operation_id="legacy_register_sample")
    def post(self, request: Request) -> Response:
        body = _validated(request)
        # 1 to 5 are the types' ids; 0 is no human face, 6 parts not found.
        code = request.query_params.get("Model_rst", "")
        if code not in {"0", "1", "2", "3", "4", "5", "6"}:
            raise ValidationError({"Model_rst": ["0 to 6"]})
        face_types = {str(face_type.pk): face_type for face_type in catalog.selectors.face_types()}
        if code not in face_types:
            return Response(_no_face(body))
        face_type = face_types[code]
        return Response(_result(face_type, services.gallery_for(face_type, Client.MOBILE).images))


def _validated(request: Request) -> dict[str, Any]:
    serializer = RegisterRequestSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    validated: dict[str, Any] = serializer.validated_data
    return validated


def _no_face(body: dict[str, Any]) -> dict[str, Any]:
    return {**NO_RESULT, **body["result"], "human": "False"}


def _result(face_type: FaceType, images: list[CelebrityImage]) -> dict[str, Any]:
    sentences = face_type.sentences(translation.get_language())[:BULLET_COUNT]
    pictures = [base64.b64encode(catalog.selectors.image_bytes(image)).decode() for image in images]
    return {
        "human": "True",
        "male_type": face_type.code.capitalize(),
        "dsc": "".join(f"{BULLET}{sentence} " for sentence in sentences).rstrip(),
        **dict(zip(IMAGE_KEYS, pictures, strict=True)),
    }
