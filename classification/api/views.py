"""The new API, /api/v1/."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import get_language
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import catalog.selectors
from catalog.models import CelebrityImage, FaceType
from classification import selectors, services
from classification.api.serializers import (
    CelebrityImageSerializer,
    ClassificationSerializer,
    CreatedClassificationSerializer,
    FaceTypeSerializer,
    LimitsSerializer,
    PhotoUploadSerializer,
    ProblemSerializer,
)
from classification.api.uploads import refuse_oversized
from classification.models import Client

# An OpenAPI security requirement; drf-spectacular takes it as it is, though it declares strings.
OWNER: Any = [{"ownerToken": []}]


def problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description)


NOT_OWNED = {
    401: problem("`not_authenticated`: no owner token was sent."),
    404: problem("`not_found`: no such result for this owner, or it is expired or deleted."),
}


class ClassificationCreateView(APIView):
    """Classify one uploaded photo and keep a record of the answer."""

    parser_classes = [MultiPartParser]
    throttle_scope = "classify"

    @extend_schema(
        operation_id="classifications_create",
        request={"multipart/form-data": PhotoUploadSerializer},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="A request sent again under the same key gets the first one's answer.",
            )
        ],
        responses={
            201: CreatedClassificationSerializer,
            400: problem("`invalid`, `invalid_image`"),
            413: problem("`photo_too_large`"),
            415: problem("`unsupported_image`, `unsupported_media_type`"),
            422: problem(
                "The photo is refused: `no_face`, `multiple_faces`, `face_too_small`, `face_cut_off`, `face_covered`, "
                "`face_turned_away`, `parts_not_found`, `too_dark`, `too_blurry`; or the person: `under_age`; "
                "or the Idempotency-Key was used for another request: `idempotency_conflict`."
            ),
            429: problem("`throttled`, with Retry-After"),
            503: problem("`busy`, with Retry-After; `storage_unavailable`"),
        },
        auth=[],
    )
    def post(self, request: Request) -> Response:
        refuse_oversized(request._request)  # noqa: SLF001
        upload = PhotoUploadSerializer(data=request.data)
        upload.is_valid(raise_exception=True)
        # Domain errors (PhotoRefused, Busy) become problem details in alphaproject/errors.py.
        answer = services.classification_create(
            **upload.validated_data,
            client=Client.API,
            language=get_language(),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
        )
        return Response(
            CreatedClassificationSerializer(answer, context={"request": request}).data, status=status.HTTP_201_CREATED
        )


class ClassificationDetailView(APIView):
    """Read or erase a result, as its owner."""

    @extend_schema(
        operation_id="classifications_retrieve", responses={200: ClassificationSerializer, **NOT_OWNED}, auth=OWNER
    )
    def get(self, request: Request, classification_id: UUID) -> Response:
        answer = selectors.answer_for_owner(classification_id=classification_id, owner_token=_owner_token(request))
        return Response(ClassificationSerializer(answer, context={"request": request}).data)

    @extend_schema(
        operation_id="classifications_destroy",
        responses={204: None, **NOT_OWNED, 503: problem("`storage_unavailable`: nothing was erased.")},
        auth=OWNER,
    )
    def delete(self, request: Request, classification_id: UUID) -> Response:
        classification = selectors.classification_for_owner(
            classification_id=classification_id, owner_token=_owner_token(request)
        )
        services.classification_delete(classification)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(get=extend_schema(operation_id="types_list", auth=[]))
class TypeListView(ListAPIView[FaceType]):
    """The five types, best first."""

    serializer_class = FaceTypeSerializer
    pagination_class = None
    queryset = FaceType.objects.best_first()


class TypeDetailView(APIView):
    """One type."""

    @extend_schema(
        operation_id="types_retrieve",
        responses={200: FaceTypeSerializer, 404: problem("`not_found`: no such type.")},
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


@extend_schema_view(
    get=extend_schema(
        operation_id="types_celebrities_list",
        responses={200: CelebrityImageSerializer(many=True), 404: problem("`not_found`: no such type.")},
        auth=[],
    )
)
class TypeCelebritiesView(ListAPIView[CelebrityImage]):
    """The published celebrity images of a type, page by page."""

    serializer_class = CelebrityImageSerializer
    pagination_class = GalleryPagination
    # Only for the schema; get_queryset answers requests.
    queryset = CelebrityImage.objects.none()

    def get_queryset(self) -> QuerySet[CelebrityImage]:
        return catalog.selectors.published_images(catalog.selectors.face_type_by_code(self.kwargs["code"]))


class LimitsView(APIView):
    """What a photo and a person must satisfy here."""

    @extend_schema(operation_id="limits_retrieve", responses=LimitsSerializer, auth=[])
    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response(
            LimitsSerializer(
                {
                    "formats": ["image/jpeg", "image/png", "image/webp"],
                    "max_photo_bytes": settings.MAX_PHOTO_BYTES,
                    "max_photo_pixels": settings.MAX_PHOTO_PIXELS,
                    "min_face_pixels": settings.MIN_FACE_PIXELS,
                    "min_age": settings.MIN_AGE,
                    "retention_days": settings.RETENTION_DAYS,
                }
            ).data
        )


def _owner_token(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated
    return token.strip()
