"""The new API, /api/v1/."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiExample, OpenApiRequest, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import catalog.selectors
from catalog.models import CelebrityImage, FaceType
from classification import selectors, services
from classification.api import examples
from classification.api.authentication import OwnerTokenAuthentication, owner_token_of
from classification.api.documentation import (
    IDEMPOTENCY_KEY,
    NOT_OWNED,
    PHOTO_REFUSED,
    RETRY_AFTER,
    answer,
    problems,
)
from classification.api.private import PrivateView
from classification.api.serializers import (
    CelebrityImageSerializer,
    ClassificationSerializer,
    CreatedClassificationSerializer,
    FaceTypeSerializer,
    LimitsSerializer,
    PhotoUploadSerializer,
    origin_of,
    photo_upload,
    represented,
)
from classification.api.uploads import refuse_oversized, uploaded_form
from classification.models import Client
from inference.contracts import PHOTO_MEDIA_TYPES, PhotoLimits

SLOT = re.compile(r"[0-9]{1,9}")


NO_SUCH_TYPE = {"not_found": "no such type"}


class ClassificationCreateView(PrivateView):
    """Classify one uploaded photo and keep a record of the answer."""

    throttle_scope = "classify"

    @extend_schema(
        operation_id="classifications_create",
        request={
            "multipart/form-data": OpenApiRequest(
                PhotoUploadSerializer, examples=[OpenApiExample("form", examples.PHOTO_UPLOAD)]
            )
        },
        parameters=[IDEMPOTENCY_KEY, RETRY_AFTER],
        responses={
            201: answer(CreatedClassificationSerializer, "The type, and why.", examples.CREATED_CLASSIFICATION),
            **problems(
                {
                    "invalid": "a field is missing or wrong; `errors` names it",
                    "invalid_image": "the photo cannot be decoded",
                    "length_required": "a body of unknown length",
                    "upload_timeout": "the body came too slowly",
                    "photo_too_large": "too many bytes or pixels; see `limits/`",
                    "unsupported_image": "the photo is of another format; see `limits/`",
                    "unsupported_media_type": "the body is no form",
                    **PHOTO_REFUSED,
                    "idempotency_conflict": "the key was used for another request",
                    "throttled": "",
                    "busy": "send it again, under the same key",
                    "storage_unavailable": "the photo could not be kept; nothing was",
                    "catalogue_incomplete": "a curator has to complete the catalogue first",
                },
                errors={"birth_date": ["This field is required."]},
            ),
        },
        auth=[],
    )
    def post(self, request: Request) -> Response:
        refuse_oversized(request._request)  # noqa: SLF001
        # Domain errors (PhotoRefused, Busy) become problem details in alphaproject/errors.py.
        answer = services.classification_create(
            **photo_upload(uploaded_form(request._request)),  # noqa: SLF001
            client=Client.API,
            language=get_language(),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
        )
        return Response(represented(CreatedClassificationSerializer, answer, request), status=status.HTTP_201_CREATED)


class ClassificationDetailView(PrivateView):
    """Read or erase a result, as its owner."""

    authentication_classes = [OwnerTokenAuthentication]

    @extend_schema(
        operation_id="classifications_retrieve",
        responses={
            200: answer(ClassificationSerializer, "The result as it was given.", examples.CLASSIFICATION),
            **problems(NOT_OWNED),
        },
    )
    def get(self, request: Request, classification_id: UUID) -> Response:
        answer = selectors.answer_for_owner(classification_id=classification_id, owner_token=owner_token_of(request))
        return Response(represented(ClassificationSerializer, answer, request))

    @extend_schema(
        operation_id="classifications_destroy",
        responses={
            204: OpenApiResponse(description="The result is erased, and its photo where one was kept."),
            **problems(NOT_OWNED | {"storage_unavailable": "nothing was erased; try again later"}),
        },
    )
    def delete(self, request: Request, classification_id: UUID) -> Response:
        classification = selectors.classification_for_owner(
            classification_id=classification_id, owner_token=owner_token_of(request)
        )
        services.classification_delete(classification)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(
    get=extend_schema(
        operation_id="types_list",
        responses=answer(FaceTypeSerializer(many=True), "All five, best first.", examples.ALPHA),
        auth=[],
    )
)
class TypeListView(ListAPIView[FaceType]):
    """The five types, best first."""

    serializer_class = FaceTypeSerializer
    pagination_class = None
    queryset = FaceType.objects.best_first()


class TypeDetailView(APIView):
    """One type."""

    @extend_schema(
        operation_id="types_retrieve",
        responses={200: answer(FaceTypeSerializer, "The type.", examples.ALPHA), **problems(NO_SUCH_TYPE)},
        auth=[],
    )
    def get(self, request: Request, code: str) -> Response:  # noqa: ARG002
        return Response(FaceTypeSerializer(catalog.selectors.face_type_by_code(code)).data)


class GalleryPagination(CursorPagination):
    """Pages by position, so that the last page costs what the first does."""

    ordering = "gallery_slot"
    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described: dict[str, Any] = super().get_paginated_response_schema(schema)
        # The parent's examples are of a made-up address.
        page = "https://alpha.example/api/v1/types/alpha/celebrities/?cursor="
        described["properties"]["next"]["example"] = f"{page}cD0zOQ%3D%3D"
        described["properties"]["previous"]["example"] = f"{page}cj0xJnA9MjA%3D"
        return described

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        # The parent lets any text through to the database.
        if cursor is not None and cursor.position is not None and not SLOT.fullmatch(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor


@extend_schema_view(
    get=extend_schema(
        operation_id="types_celebrities_list",
        responses={
            200: answer(CelebrityImageSerializer(many=True), "One page.", examples.CELEBRITY),
            **problems({"not_found": "no such type, or no such page"}),
        },
        auth=[],
    )
)
class TypeCelebritiesView(ListAPIView[CelebrityImage]):
    """The published celebrity images of a type, page by page."""

    serializer_class = CelebrityImageSerializer
    pagination_class = GalleryPagination
    # Only for the schema; get_queryset answers requests.
    queryset = CelebrityImage.objects.none()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "origin": origin_of(self.request)}

    def get_queryset(self) -> QuerySet[CelebrityImage]:
        return catalog.selectors.published_images(catalog.selectors.face_type_by_code(self.kwargs["code"]))


class LimitsView(APIView):
    """What a photo and a person must satisfy here."""

    @extend_schema(
        operation_id="limits_retrieve",
        responses=answer(LimitsSerializer, "What holds here.", examples.LIMITS),
        auth=[],
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response(
            LimitsSerializer(
                {
                    "formats": PHOTO_MEDIA_TYPES,
                    "max_photo_bytes": settings.MAX_PHOTO_BYTES,
                    "max_photo_pixels": settings.MAX_PHOTO_PIXELS,
                    "min_face_pixels": settings.MIN_FACE_PIXELS,
                    "min_face_share": PhotoLimits.min_face_share,
                    "min_age": settings.MIN_AGE,
                    "retention_days": settings.RETENTION_DAYS,
                }
            ).data
        )
