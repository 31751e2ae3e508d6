"""The source system's other endpoints. They were open to anyone; here they need staff, and a role that may do it.

Paths and field names are the source's: `cft_result` is the type's code, `age` the birth date, `male_id` a type's id,
`dsc_text` its description, `url` an image in base64. What only that system had, such as its addresses in S3, is gone.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.utils.dateparse import parse_datetime
from django.utils.translation import get_language
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import catalog.selectors
from catalog.errors import CatalogError, InvalidPicture
from catalog.models import Celebrity, CelebrityImage, FaceType
from catalog.services import legacy
from catalog.services.images import image_add
from classification import services, staff
from classification.api import examples
from classification.api.authentication import StaffTokenAuthentication
from classification.api.documentation import PHOTO_REFUSED, RETRY_AFTER, answer, json_body, problems
from classification.api.legacy import LegacyJSONParser
from classification.api.private import PrivateView
from classification.api.serializers import TYPE_CHOICES, BirthDateField, FaceTypeSerializer, MbtiField
from classification.api.uploads import refuse_oversized
from classification.models import Classification, Client

VIEW_PERSON = "classification.view_photo"
MAX_IMAGES = 100

_STAFF_PROBLEMS = {
    "not_authenticated": "no staff session, and no staff token that is valid",
    "permission_denied": "the caller's role may not do this",
}
_INVALID = {"invalid": ""}
_NOT_FOUND = {"not_found": ""}
_PICTURE = dict.fromkeys(("invalid", "invalid_image", "duplicate_image", "photo_too_large", "storage_unavailable"), "")


class HasPermission(BasePermission):
    """The view's `permission`, for members of staff."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user and request.user.is_staff and request.user.has_perm(view.permission))


class StaffView(APIView):
    """For staff, by token or by the back office's session. permission: app_label.codename."""

    authentication_classes = [StaffTokenAuthentication, SessionAuthentication]
    permission_classes = [HasPermission]
    parser_classes = [LegacyJSONParser]
    permission: str

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        refuse_oversized(request._request)  # noqa: SLF001


class UserSerializer(serializers.Serializer[Classification]):
    """A row of the source's user_tbl. age, mbti: null for those who may not see whose photo it was."""

    id = serializers.UUIDField()
    cft_result = serializers.ChoiceField(TYPE_CHOICES, source="type.code")
    age = serializers.SerializerMethodField()
    mbti = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(source="client")

    def get_age(self, classification: Classification) -> str | None:
        return classification.birth_date.isoformat() if self._may_see_person() else None

    def get_mbti(self, classification: Classification) -> str | None:
        return classification.mbti if self._may_see_person() else None

    def _may_see_person(self) -> bool:
        return bool(self.context["request"].user.has_perm(VIEW_PERSON))


class CreatedUserSerializer(UserSerializer):
    owner_token = serializers.CharField(help_text="Lets its holder read and erase the record; shown only here.")


class Base64Field(serializers.CharField):
    """Bytes in base64."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> bytes:  # type: ignore[override]
        try:
            return legacy.bytes_of(super().to_internal_value(data))
        except InvalidPicture as error:
            raise ValidationError(str(error)) from error


class NewUserSerializer(serializers.Serializer[Any]):
    user_img = Base64Field()
    age = BirthDateField(help_text="The birth date.")
    mbti = MbtiField(required=False, allow_blank=True, default="")
    store_photo = serializers.BooleanField(default=False, help_text="The person agreed that the photo is kept.")


class CorrectionSerializer(serializers.Serializer[Any]):
    cft_result = serializers.ChoiceField(TYPE_CHOICES, required=False)
    age = BirthDateField(required=False)
    mbti = MbtiField(required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = set(self.initial_data) - set(self.fields)
        if unknown or not attrs:
            sentence = f"Only these change: {', '.join(self.fields)}."
            raise ValidationError({name: [sentence] for name in sorted(unknown) or ["cft_result"]})
        return attrs


class MaleSerializer(serializers.Serializer[Any]):
    male_id = serializers.IntegerField(min_value=1, max_value=5)
    male_type = serializers.ChoiceField(TYPE_CHOICES, required=False)
    dsc_text = serializers.CharField(help_text="Korean; at least three points, each after a “·” or on its own line.")


class RightsSerializer(serializers.Serializer[Any]):
    """Who is shown, and what allows to show it; a curator can add all of it later."""

    celebrity = serializers.PrimaryKeyRelatedField(queryset=Celebrity.objects.all(), required=False)
    # Serializer fields have an attribute of this name, which nothing here reads.
    source = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)  # type: ignore[assignment]
    licence = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    attribution = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class NewImageSerializer(RightsSerializer):
    male_id = serializers.IntegerField(min_value=1, max_value=5)
    url = Base64Field(help_text="The picture: JPEG, PNG or WebP.")


class NewImagesSerializer(RightsSerializer):
    images = serializers.ListField(child=serializers.CharField(), min_length=1, max_length=MAX_IMAGES)


class ImageSerializer(serializers.Serializer[CelebrityImage]):
    """A row of the source's img_tbl. It is shown to nobody before a curator publishes it."""

    id = serializers.IntegerField()
    male_id = serializers.IntegerField(source="face_type_id")
    created_at = serializers.DateTimeField()


class ImageOutcomeSerializer(serializers.Serializer[Any]):
    """What became of one of the images sent: its row, or why it was not added."""

    added = ImageSerializer(allow_null=True)
    code = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)


class UserPagination(CursorPagination):
    ordering = "-created_at"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        # The parent lets any text through to the database.
        if cursor is not None and cursor.position is not None and not _is_time(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor


class ReadUserView(PrivateView, StaffView, ListAPIView[Classification]):
    """The results, newest first."""

    permission = "classification.view_classification"
    serializer_class = UserSerializer
    pagination_class = UserPagination
    queryset = Classification.objects.select_related("type")

    @extend_schema(
        operation_id="staff_read_user",
        tags=["source system"],
        responses={
            200: answer(UserSerializer(many=True), "One page.", examples.STAFF_USER),
            **problems(_STAFF_PROBLEMS | {"not_found": "no such page"}),
        },
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class CreateUserView(PrivateView, StaffView):
    """Classify a photo for somebody."""

    permission = "classification.add_classification"
    throttle_scope = "classify"

    @extend_schema(
        operation_id="staff_create_user",
        tags=["source system"],
        request=json_body(NewUserSerializer, examples.STAFF_NEW_USER),
        parameters=[RETRY_AFTER],
        responses={
            201: answer(CreatedUserSerializer, "The new row.", examples.STAFF_CREATED_USER),
            **problems(
                _STAFF_PROBLEMS
                | dict.fromkeys(
                    (
                        "invalid",
                        "invalid_image",
                        "length_required",
                        "photo_too_large",
                        "unsupported_image",
                        *PHOTO_REFUSED,
                        "throttled",
                        "busy",
                        "storage_unavailable",
                        "catalogue_incomplete",
                    ),
                    "",
                ),
                errors={"age": ["This field is required."]},
            ),
        },
    )
    def post(self, request: Request) -> Response:
        user = _validated(NewUserSerializer(data=request.data))
        answer = services.classification_create(
            photo=user["user_img"],
            birth_date=user["age"],
            mbti=user["mbti"],
            store_photo=user["store_photo"],
            client=Client.API,
            language=get_language() or "en",
        )
        body = CreatedUserSerializer(answer.classification, context={"request": request}).data
        return Response(body, status=status.HTTP_201_CREATED)


class PatchUserView(PrivateView, StaffView):
    """Correct a result's record."""

    permission = "classification.change_classification"

    @extend_schema(
        operation_id="staff_patch_user",
        tags=["source system"],
        request=json_body(CorrectionSerializer, examples.STAFF_CORRECTION),
        responses={
            200: answer(UserSerializer, "The row as it is now.", examples.STAFF_USER),
            **problems(
                _STAFF_PROBLEMS | _INVALID | _NOT_FOUND,
                errors={"name": ["Only these change: cft_result, age, mbti."]},
            ),
        },
    )
    def patch(self, request: Request, classification_id: UUID) -> Response:
        correction = _validated(CorrectionSerializer(data=request.data))
        code = correction.get("cft_result")
        classification = staff.classification_correct(
            _classification(classification_id),
            face_type=catalog.selectors.face_type_by_code(code) if code else None,
            birth_date=correction.get("age"),
            mbti=correction.get("mbti"),
        )
        return Response(UserSerializer(classification, context={"request": request}).data)


class DeleteUserView(StaffView):
    """Erase a result, its record and its photo."""

    permission = "classification.delete_classification"

    @extend_schema(
        operation_id="staff_delete_user",
        tags=["source system"],
        responses={
            204: OpenApiResponse(description="Erased, with the photo where one was kept."),
            **problems(_STAFF_PROBLEMS | _NOT_FOUND | {"storage_unavailable": "nothing was erased"}),
        },
    )
    def delete(self, request: Request, classification_id: UUID) -> Response:  # noqa: ARG002
        staff.classification_erase(_classification(classification_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class CreateMaleView(StaffView):
    """Describe a type, in Korean. The five types themselves are there already."""

    permission = "catalog.change_facetype"

    @extend_schema(
        operation_id="staff_create_male",
        tags=["source system"],
        request=json_body(MaleSerializer, examples.STAFF_MALE),
        responses={
            200: answer(FaceTypeSerializer, "The type.", examples.BETA),
            **problems(_STAFF_PROBLEMS | _INVALID, errors={"male_type": ["2 is beta."]}),
        },
    )
    def post(self, request: Request) -> Response:
        male = _validated(MaleSerializer(data=request.data))
        face_type = _face_type(male["male_id"])
        if male.get("male_type", face_type.code) != face_type.code:
            raise ValidationError({"male_type": [f"{male['male_id']} is {face_type.code}."]})
        legacy.face_type_describe(face_type=face_type, text=male["dsc_text"])
        return Response(FaceTypeSerializer(face_type).data)


class CreateMaleImageView(StaffView):
    """Add an image of a type."""

    permission = "catalog.add_celebrityimage"

    @extend_schema(
        operation_id="staff_create_male_img",
        tags=["source system"],
        request=json_body(NewImageSerializer, examples.STAFF_NEW_IMAGE),
        responses={
            201: answer(ImageSerializer, "The new row.", examples.STAFF_IMAGE),
            **problems(_STAFF_PROBLEMS | _PICTURE, errors={"url": ["This is not base64."]}),
        },
    )
    def post(self, request: Request) -> Response:
        values = _validated(NewImageSerializer(data=request.data))
        face_type = _face_type(values.pop("male_id"))
        image = _add(values.pop("url"), face_type, values)
        return Response(ImageSerializer(image).data, status=status.HTTP_201_CREATED)


class CreateTypeMaleImagesView(StaffView):
    """Add images of one type; each is added or refused by itself.

    The source read them from a folder of its own server; here they are sent.
    """

    permission = "catalog.add_celebrityimage"

    @extend_schema(
        operation_id="staff_create_type_male_img",
        tags=["source system"],
        parameters=[OpenApiParameter("type", OpenApiTypes.STR, required=True, enum=[code for code, _ in TYPE_CHOICES])],
        request=json_body(NewImagesSerializer, examples.STAFF_NEW_IMAGES),
        responses={
            200: answer(ImageOutcomeSerializer(many=True), "One for each image sent.", examples.STAFF_IMAGE_OUTCOME),
            **problems(_STAFF_PROBLEMS | _PICTURE | _NOT_FOUND, errors={"images": ["This field is required."]}),
        },
    )
    def post(self, request: Request) -> Response:
        face_type = catalog.selectors.face_type_by_code(request.query_params.get("type", ""))
        values = _validated(NewImagesSerializer(data=request.data))
        images = values.pop("images")
        return Response([_outcome(text, face_type, values) for text in images])


def _outcome(text: str, face_type: FaceType, values: dict[str, Any]) -> dict[str, Any]:
    try:
        image = _add(legacy.bytes_of(text), face_type, values)
    except CatalogError as error:
        # The storage is everybody's problem, not this image's.
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return {"added": None, "code": error.code, "detail": str(error)}
    return {"added": ImageSerializer(image).data, "code": "", "detail": ""}


def _add(content: bytes, face_type: FaceType, values: dict[str, Any]) -> CelebrityImage:
    values = {"celebrity": legacy.unknown_person()} | values
    return image_add(content=content, face_type=face_type, **values)


def _face_type(male_id: int) -> FaceType:
    face_type = FaceType.objects.filter(pk=male_id).first()
    if face_type is None:
        raise Http404
    return face_type


def _classification(classification_id: UUID) -> Classification:
    classification: QuerySet[Classification] = Classification.objects.select_related("type", "borderline_with")
    found = classification.filter(pk=classification_id).first()
    if found is None:
        raise Http404
    return found


def _validated(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _is_time(text: str) -> bool:
    try:
        return parse_datetime(text) is not None
    except ValueError:
        return False
