"""What the new API takes and gives."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

from django.http import HttpRequest
from django.utils.translation import get_language
from rest_framework import serializers

from catalog.models import CelebrityImage, FaceType
from classification.models import MBTI_CODES
from classification.selectors import Answer, GalleryEntry
from classification.validators import validate_birth_date
from inference.contracts import FacePart
from inference.contracts import FaceType as TypeCode

TYPE_CHOICES = [(code.value, code.value) for code in TypeCode]
PART_CHOICES = [(part.value, part.value) for part in FacePart]


class MbtiField(serializers.ChoiceField):
    """One of the sixteen codes, in any case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=MBTI_CODES, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data.upper() if isinstance(data, str) else data)


class BirthDateField(serializers.DateField):
    """YYYY-MM-DD, a day of the past."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d"], validators=[validate_birth_date], **kwargs)


class PhotoUploadSerializer(serializers.Serializer[Any]):
    """A photo with what goes with it."""

    # An empty file is left to the decoder, whose answer says more.
    photo = serializers.FileField(allow_empty_file=True, help_text="JPEG, PNG or WebP.")
    birth_date = BirthDateField()
    mbti = MbtiField(required=False, allow_blank=True, default="")
    store_photo = serializers.BooleanField(
        required=False, default=False, help_text="Consent: keep the photo, encrypted, until the result expires."
    )

    def validate_photo(self, upload: Any) -> bytes:
        content: bytes = upload.read()
        return content


# One for all: a serializer keeps nothing of what it validates, and copying its fields costs as much as using them.
_PHOTO_UPLOAD = PhotoUploadSerializer()


def photo_upload(data: Any) -> dict[str, Any]:
    """What a form says. Raises rest_framework's ValidationError."""
    validated: dict[str, Any] = _PHOTO_UPLOAD.run_validation(data)
    return validated


class FaceTypeSerializer(serializers.Serializer[FaceType]):
    """One of the five types, in the caller's language."""

    code = serializers.ChoiceField(choices=TYPE_CHOICES)
    letter = serializers.CharField(help_text="Greek capital letter.")
    rank = serializers.IntegerField(min_value=1, max_value=5)
    name = serializers.CharField()
    description = serializers.CharField()

    # Field by field an answer took REST framework twice as long.
    def to_representation(self, instance: FaceType) -> dict[str, Any]:
        language = _language()
        return {
            "code": instance.code,
            "letter": instance.letter,
            "rank": instance.rank,
            "name": instance.name(language),
            "description": instance.description(language),
        }


class CelebrityImageSerializer(serializers.Serializer[CelebrityImage]):
    """A celebrity's picture with its credit. Its context needs the `origin_of` the request."""

    name = serializers.CharField()
    image_url = serializers.URLField()
    attribution = serializers.CharField()

    def to_representation(self, instance: CelebrityImage) -> dict[str, Any]:
        origin: str = self.context["origin"]
        return {
            "name": instance.celebrity.name(_language()),
            "image_url": urljoin(origin, instance.url),
            "attribution": instance.attribution,
        }


class GalleryEntrySerializer(CelebrityImageSerializer):
    """A celebrity of a result; the most alike come first."""

    look_alike = serializers.BooleanField(
        help_text="True: chosen because the face is most like this one. False: one of the type at random."
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        entry: GalleryEntry = instance
        return {**super().to_representation(entry.image), "look_alike": entry.look_alike}


class PartSerializer(serializers.Serializer[Any]):
    """One part of the face. box: x0, y0, x1, y1 in pixels of the upright photo."""

    part = serializers.ChoiceField(choices=PART_CHOICES)
    box = serializers.ListField(child=serializers.FloatField(), min_length=4, max_length=4)
    type = serializers.ChoiceField(choices=TYPE_CHOICES)
    probabilities = serializers.ListField(
        child=serializers.FloatField(), min_length=5, max_length=5, help_text="Best type first; they sum to 1."
    )


class ModelsSerializer(serializers.Serializer[Any]):
    """The versions of the models that made a result."""

    gate = serializers.CharField()
    parts = serializers.CharField()
    types = serializers.CharField()


class ClassificationSerializer(serializers.Serializer[Answer]):
    """A selectors.Answer as its owner sees it. Its context needs the `origin_of` the request."""

    id = serializers.UUIDField()
    type = FaceTypeSerializer()
    score = serializers.FloatField(min_value=0, max_value=100)
    confidence = serializers.FloatField(min_value=0, max_value=1)
    borderline_with = FaceTypeSerializer(allow_null=True)
    parts = PartSerializer(many=True)
    celebrities = GalleryEntrySerializer(many=True)
    model = ModelsSerializer()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()

    def to_representation(self, instance: Answer) -> dict[str, Any]:
        record, show = instance.classification, self.fields
        other = record.borderline_with
        return {
            "id": str(record.id),
            "type": show["type"].to_representation(record.type),
            "score": record.score,
            "confidence": record.confidence,
            "borderline_with": show["borderline_with"].to_representation(other) if other else None,
            # classification.models.part_record made them what the API shows.
            "parts": record.parts,
            "celebrities": show["celebrities"].to_representation(instance.gallery),
            "model": {"gate": record.gate_version, "parts": record.parts_version, "types": record.types_version},
            "created_at": show["created_at"].to_representation(record.created_at),
            "expires_at": show["expires_at"].to_representation(record.expires_at),
        }


class CreatedClassificationSerializer(ClassificationSerializer):
    """A fresh result, with the token that reads and deletes it; it is shown only here."""

    owner_token = serializers.CharField()

    def to_representation(self, instance: Answer) -> dict[str, Any]:
        return {**super().to_representation(instance), "owner_token": instance.classification.owner_token}


class LimitsSerializer(serializers.Serializer[Any]):
    """What a photo and a person must satisfy."""

    formats = serializers.ListField(child=serializers.CharField())
    max_photo_bytes = serializers.IntegerField()
    max_photo_pixels = serializers.IntegerField()
    min_face_pixels = serializers.IntegerField(
        help_text="Longer side of the face, in pixels of the photo; less in a picture narrower than 480 pixels."
    )
    min_face_share = serializers.FloatField(
        help_text="Longer side of the face over that of the photo; smaller faces are often not found."
    )
    min_age = serializers.IntegerField(help_text="Years.")
    retention_days = serializers.IntegerField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details (RFC 9457) with a stable code."""

    type = serializers.CharField(default="about:blank")
    title = serializers.CharField(help_text="The HTTP status in words.")
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable; for programs.")
    detail = serializers.CharField(help_text="A sentence for people, in the caller's language.")
    advice = serializers.CharField(required=False, help_text="What to do about a refused photo.")
    # Serializer has a property of this name, which nothing here reads.
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()), required=False, help_text="By field."
    )


def origin_of(request: HttpRequest) -> str:
    """The scheme and host by which the client reached us, as an address."""
    return request.build_absolute_uri("/")


def represented(kind: type[ClassificationSerializer], answer: Answer, request: HttpRequest) -> dict[str, Any]:
    """An answer as a serializer of this kind shows it."""
    return _shared(kind, origin_of(request)).to_representation(answer)


@lru_cache(maxsize=32)
def _shared(kind: type[ClassificationSerializer], origin: str) -> ClassificationSerializer:
    return kind(context={"origin": origin})


def _language() -> str:
    return get_language() or "en"
