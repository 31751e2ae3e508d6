"""The new API, /api/v1/."""

from __future__ import annotations

import re
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views.decorators.cache import cache_control
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated, NotFound
from rest_framework.generics import ListAPIView
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import catalog.selectors
from catalog.models import CelebrityImage, FaceType
from classification import selectors, services
from classification.api.authentication import OwnerTokenAuthentication
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
from classification.problems import PROBLEM_MEDIA_TYPE
from inference.contracts import PHOTO_MEDIA_TYPES, PhotoLimits

SLOT = re.compile(r"[0-9]{1,9}")


def problems(descriptions: dict[int, str]) -> dict[tuple[int, str], OpenApiResponse]:
    """The problem answers of an operation, for the schema: by status, what its codes mean."""
    return {
        (status_code, PROBLEM_MEDIA_TYPE): OpenApiResponse(ProblemSerializer, description)
        for status_code, description in descriptions.items()
    }


NOT_OWNED = {
    401: "`not_authenticated`: no owner token was sent.",
    404: "`not_found`: no such result for this owner, or it is expired or deleted.",
}
NO_SUCH_TYPE = {404: "`not_found`: no such type."}
# An answer about one person is nobody else's, and no cache's.
no_store = method_decorator(cache_control(no_store=True, private=True), name="dispatch")


@no_store
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
            **problems(
                {
                    400: "`invalid`, `invalid_image`",
                    411: "`length_required`: a body of unknown length.",
                    413: "`photo_too_large`",
                    415: "`unsupported_image`, `unsupported_media_type`",
                    422: (
                        "The photo is refused: `no_face`, `multiple_faces`, `face_too_small`, `face_cut_off`, "
                        "`face_covered`, `face_turned_away`, `parts_not_found`, `too_dark`, `too_blurry`; or the "
                        "person: `under_age`; or the Idempotency-Key was used for another request: "
                        "`idempotency_conflict`."
                    ),
                    429: "`throttled`, with Retry-After",
                    503: "`busy`, with Retry-After; `storage_unavailable`; `catalogue_incomplete`",
                }
            ),
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


@no_store
class ClassificationDetailView(APIView):
    """Read or erase a result, as its owner."""

    authentication_classes = [OwnerTokenAuthentication]

    @extend_schema(
        operation_id="classifications_retrieve", responses={200: ClassificationSerializer, **problems(NOT_OWNED)}
    )
    def get(self, request: Request, classification_id: UUID) -> Response:
        answer = selectors.answer_for_owner(classification_id=classification_id, owner_token=_owner_token(request))
        return Response(ClassificationSerializer(answer, context={"request": request}).data)

    @extend_schema(
        operation_id="classifications_destroy",
        responses={204: None, **problems(NOT_OWNED | {503: "`storage_unavailable`: nothing was erased."})},
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
        responses={200: FaceTypeSerializer, **problems(NO_SUCH_TYPE)},
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

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        # The parent lets any text through to the database.
        if cursor is not None and cursor.position is not None and not SLOT.fullmatch(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor


@extend_schema_view(
    get=extend_schema(
        operation_id="types_celebrities_list",
        responses={200: CelebrityImageSerializer(many=True), **problems(NO_SUCH_TYPE)},
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


def _owner_token(request: Request) -> str:
    if not isinstance(request.auth, str):
        raise NotAuthenticated
    return request.auth
