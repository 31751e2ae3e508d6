"""What the API takes and gives where results are compared."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from classification.api.serializers import PART_CHOICES, TYPE_CHOICES, FaceTypeSerializer
from classification.models import Comparison
from classification.models.comparing import NICKNAME_LENGTH, TOKEN_LENGTH
from classification.nicknames import clean_name
from classification.pairing import Likeness

LIKENESS_CHOICES = [(likeness.value, likeness.value) for likeness in Likeness]


class NicknameField(serializers.CharField):
    """One line; characters that cannot be seen are left out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_blank=True, default="", max_length=NICKNAME_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        return clean_name(super().to_internal_value(data))


class InvitationRequestSerializer(serializers.Serializer[Any]):
    """What whoever opens the invitation reads of its host."""

    nickname = NicknameField(help_text="Shown to whoever opens the invitation.")


class InvitationSerializer(serializers.Serializer[Comparison]):
    """A link by which one friend can join."""

    token = serializers.CharField(max_length=TOKEN_LENGTH)
    url = serializers.SerializerMethodField(help_text="The page to send to the friend.")
    nickname = serializers.CharField(source="host_nickname", help_text="The host's; may be empty.")
    is_open = serializers.SerializerMethodField(help_text="Nobody has joined yet.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(source="host.expires_at")

    @extend_schema_field(serializers.URLField())
    def get_url(self, invitation: Comparison) -> str:
        path = reverse("comparison", args=[invitation.token])
        return str(self.context["request"].build_absolute_uri(path))

    def get_is_open(self, invitation: Comparison) -> bool:
        return invitation.guest_id is None


class OwnedResultSerializer(serializers.Serializer[Any]):
    """A result, with the token that came with it."""

    id = serializers.UUIDField()
    owner_token = serializers.CharField(max_length=200)
    nickname = NicknameField(help_text="Shown to the other one.")


class ComparisonRequestSerializer(serializers.Serializer[Any]):
    """A result, and either the invitation it joins by or the other result, whose owner agrees by sending its token."""

    result = OwnedResultSerializer()
    invitation = serializers.CharField(max_length=TOKEN_LENGTH, required=False, help_text="An invitation's token.")
    other = OwnedResultSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("invitation" in attrs) == ("other" in attrs):
            raise serializers.ValidationError({"invitation": ["Send either `invitation` or `other`."]})
        return attrs


class SideSerializer(serializers.Serializer[Any]):
    """One of the two results."""

    nickname = serializers.CharField(help_text="May be empty.")
    type = FaceTypeSerializer()
    score = serializers.FloatField(min_value=0, max_value=100)


class PartOfSideSerializer(serializers.Serializer[Any]):
    """One part of one of the two results."""

    type = serializers.ChoiceField(choices=TYPE_CHOICES)
    probabilities = serializers.ListField(
        child=serializers.FloatField(), min_length=5, max_length=5, help_text="Best type first; they sum to 1."
    )


class ComparedPartSerializer(serializers.Serializer[Any]):
    """One part of both results."""

    part = serializers.ChoiceField(choices=PART_CHOICES)
    likeness = serializers.ChoiceField(
        choices=LIKENESS_CHOICES, help_text="alike: the same type; close: neighbouring types; different: any others."
    )
    overlap = serializers.FloatField(
        min_value=0, max_value=1, help_text="How far the two rows of probabilities coincide."
    )
    text = serializers.CharField()
    sides = PartOfSideSerializer(many=True, help_text="Host, guest.")


class ComparisonSerializer(serializers.Serializer[Any]):
    """Two results side by side; whoever invited is the host."""

    token = serializers.CharField(max_length=TOKEN_LENGTH)
    headline = serializers.CharField()
    text = serializers.CharField()
    overlap = serializers.FloatField(min_value=0, max_value=1, help_text="The mean over the parts.")
    sides = SideSerializer(many=True, help_text="Host, guest.")
    parts = ComparedPartSerializer(many=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="When the first of the two results is erased.")
