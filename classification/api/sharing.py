"""Showing a result to others, from an app: the card and the link."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from classification import selectors
from classification.api import examples
from classification.api.authentication import OwnerTokenAuthentication, owner_token_of
from classification.api.documentation import NOT_OWNED, answer, json_body, problems
from classification.api.private import PrivateView
from classification.card.content import Card
from classification.card.response import OwnCardQuerySerializer, card_response, own_card_caching
from classification.models import Classification, ShareLink
from classification.share_links import share_link_open, share_link_revoke


class PictureNegotiation(BaseContentNegotiation):
    """The one format there is: `format` means another thing here than DRF takes it for."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Any,
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ShareRequestSerializer(serializers.Serializer[Any]):
    """What the link is to show."""

    photo = serializers.BooleanField(
        default=False, help_text="Show the stored photo to whoever has the link. It can be changed at any time."
    )


class ShareLinkSerializer(serializers.Serializer[ShareLink]):
    """The open link of a result."""

    url = serializers.SerializerMethodField()
    shows_photo = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(source="classification.expires_at")

    def get_url(self, link: ShareLink) -> str:
        return str(self.context["request"].build_absolute_uri(reverse("shared", args=[link.token])))


class ClassificationCardView(APIView):
    """The picture of a result, to share."""

    authentication_classes = [OwnerTokenAuthentication]
    content_negotiation_class = PictureNegotiation

    @extend_schema(
        operation_id="classifications_card",
        parameters=[
            OwnCardQuerySerializer,
            OpenApiParameter(
                "If-None-Match",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="The `ETag` of a card that the caller has.",
            ),
        ],
        responses={
            (200, "image/png"): OpenApiResponse(OpenApiTypes.BINARY, "The picture, with an `ETag`."),
            304: OpenApiResponse(description="The caller has it already."),
            **problems(
                NOT_OWNED
                | {
                    "invalid": "no such format or language; `errors` names it",
                    "photo_not_stored": "`photo` was asked for, and the owner did not let us keep it",
                    "storage_unavailable": "the stored photo cannot be read now",
                },
                errors={"format": ['"round" is not a valid choice.']},
            ),
        },
    )
    def get(self, request: Request, classification_id: UUID) -> HttpResponseBase:
        classification = _owned(request, classification_id)
        query = OwnCardQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        card = Card.of(classification, language=query.text_language, with_photo=query.validated_data["photo"])
        return card_response(request._request, card, query.shape, **own_card_caching(card))  # noqa: SLF001


class ClassificationShareView(PrivateView):
    """The link by which others see a result."""

    authentication_classes = [OwnerTokenAuthentication]

    @extend_schema(
        operation_id="classifications_share",
        request=json_body(ShareRequestSerializer, examples.SHARE_REQUEST),
        responses={
            201: answer(
                ShareLinkSerializer,
                "The link; the one there is already, where the result has one. `photo` holds for it from now on.",
                examples.SHARE_LINK,
            ),
            **problems(
                NOT_OWNED
                | {
                    "invalid": "`errors` names the field",
                    "unsupported_media_type": "",
                    "photo_not_stored": "`photo` was asked for, and the owner did not let us keep it",
                },
                errors={"photo": ["Must be a valid boolean."]},
            ),
        },
    )
    def post(self, request: Request, classification_id: UUID) -> Response:
        classification = _owned(request, classification_id)
        wanted = ShareRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        link = share_link_open(classification, shows_photo=wanted.validated_data["photo"])
        return Response(ShareLinkSerializer(link, context={"request": request}).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="classifications_unshare",
        responses={
            204: OpenApiResponse(description="The link is withdrawn, if there was one, and stops working."),
            **problems(NOT_OWNED),
        },
    )
    def delete(self, request: Request, classification_id: UUID) -> Response:
        share_link_revoke(_owned(request, classification_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _owned(request: Request, classification_id: UUID) -> Classification:
    return selectors.classification_for_owner(classification_id=classification_id, owner_token=owner_token_of(request))
