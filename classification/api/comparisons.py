"""Comparing in the new API: inviting, joining, reading both sides, ending it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from classification import comparisons, selectors
from classification.api import comparison_examples as examples
from classification.api.authentication import OwnerTokenAuthentication, owner_token_of
from classification.api.comparison_serializers import (
    ComparisonRequestSerializer,
    ComparisonSerializer,
    InvitationRequestSerializer,
    InvitationSerializer,
)
from classification.api.documentation import NOT_OWNED, answer, json_body, problems
from classification.api.private import PrivateView
from classification.comparisons import Participant
from classification.models import Comparison
from classification.pair_texts import pair_text
from classification.pairing import pairing_of
from inference.contracts import FaceType

_NOT_OF_THE_TWO = {
    "not_authenticated": "no owner token was sent",
    "comparison_not_found": "none, or not between a result of this owner and another one",
}
_TOO_LONG = {"nickname": ["Ensure this field has no more than 20 characters."]}


class InvitationCreateView(PrivateView):
    """Make a link by which one friend can compare with a result."""

    authentication_classes = [OwnerTokenAuthentication]

    @extend_schema(
        operation_id="invitations_create",
        request=json_body(InvitationRequestSerializer, examples.INVITATION_REQUEST),
        responses={
            201: answer(InvitationSerializer, "The link to send.", examples.INVITATION),
            **problems(NOT_OWNED | {"invalid": "", "too_many_comparisons": ""}, errors=_TOO_LONG),
        },
    )
    def post(self, request: Request, classification_id: UUID) -> Response:
        host = selectors.classification_for_owner(
            classification_id=classification_id, owner_token=owner_token_of(request)
        )
        body = InvitationRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        invitation = comparisons.invitation_create(host=Participant(host, body.validated_data["nickname"]))
        return Response(
            InvitationSerializer(invitation, context={"request": request}).data, status=status.HTTP_201_CREATED
        )


class InvitationDetailView(PrivateView):
    """Who invites, and whether the place is free; for whoever has the link."""

    @extend_schema(
        operation_id="invitations_retrieve",
        responses={
            200: answer(InvitationSerializer, "The invitation.", examples.INVITATION),
            **problems({"invitation_not_found": "never made, withdrawn, or gone with its result"}),
        },
        auth=[],
    )
    def get(self, request: Request, token: str) -> Response:
        invitation = comparisons.invitation_by_token(token)
        return Response(InvitationSerializer(invitation, context={"request": request}).data)


class ComparisonCreateView(PrivateView):
    """Compare two results: join an invitation, or compare two whose owners are both there."""

    @extend_schema(
        operation_id="comparisons_create",
        request=json_body(ComparisonRequestSerializer, examples.COMPARISON_REQUEST),
        responses={
            201: answer(
                ComparisonSerializer,
                "Both sides. Two results that are compared already get that comparison.",
                examples.COMPARISON,
            ),
            **problems(
                {
                    "invalid": "a field is missing or wrong; `errors` names it",
                    "not_found": "no such result for this owner token",
                    "invitation_not_found": "never made, withdrawn, or gone with its result",
                    "invitation_taken": "somebody else joined by it",
                    "same_result": "",
                    "too_many_comparisons": "",
                },
                errors={"invitation": ["Send either `invitation` or `other`."]},
            ),
        },
        auth=[],
    )
    def post(self, request: Request) -> Response:
        body = ComparisonRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        mine = _participant(body.validated_data["result"])
        if "invitation" in body.validated_data:
            comparison = comparisons.invitation_accept(token=body.validated_data["invitation"], guest=mine)
        else:
            comparison = comparisons.comparison_create(host=mine, guest=_participant(body.validated_data["other"]))
        return Response(_both_sides(comparison), status=status.HTTP_201_CREATED)


class ComparisonDetailView(PrivateView):
    """Read or end a comparison, as the owner of one of its results."""

    authentication_classes = [OwnerTokenAuthentication]

    @extend_schema(
        operation_id="comparisons_retrieve",
        responses={
            200: answer(ComparisonSerializer, "Both sides.", examples.COMPARISON),
            **problems(_NOT_OF_THE_TWO | {"comparison_not_found": "none of this owner's, or its guest has not joined"}),
        },
    )
    def get(self, request: Request, token: str) -> Response:
        owner_token = owner_token_of(request)
        return Response(_both_sides(comparisons.comparison_for_owner(token=token, owner_token=owner_token)))

    @extend_schema(
        operation_id="comparisons_destroy",
        responses={
            204: OpenApiResponse(
                description="The comparison has ended for both, or the invitation is withdrawn; the results stay."
            ),
            **problems(_NOT_OF_THE_TWO),
        },
    )
    def delete(self, request: Request, token: str) -> Response:
        comparison = comparisons.comparison_for_owner(
            token=token, owner_token=owner_token_of(request), may_be_open=True
        )
        comparisons.comparison_end(comparison)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _participant(result: dict[str, Any]) -> Participant:
    classification = selectors.classification_for_owner(
        classification_id=result["id"], owner_token=result["owner_token"]
    )
    return Participant(classification, result["nickname"])


def _both_sides(comparison: Comparison) -> Any:
    """A joined comparison as ComparisonSerializer shows it."""
    sides = list(comparisons.participants_of(comparison).values())
    host, guest = (side.classification for side in sides)
    pairing = pairing_of(host.parts, guest.parts)
    text = pair_text(pairing, (FaceType(host.type.code), FaceType(guest.type.code)), (host.pk, guest.pk))
    records = [{record["part"]: record for record in each.parts} for each in (host, guest)]
    return ComparisonSerializer(
        {
            "token": comparison.token,
            "headline": text.headline,
            "text": text.opening,
            "overlap": round(pairing.overlap, 4),
            "sides": [
                {"nickname": side.nickname, "type": side.classification.type, "score": side.classification.score}
                for side in sides
            ],
            "parts": [
                {
                    "part": pair.part,
                    "likeness": pair.likeness,
                    "overlap": round(pair.overlap, 4),
                    "text": text.parts[pair.part],
                    "sides": [each[pair.part] for each in records],
                }
                for pair in pairing.parts
            ],
            "created_at": comparison.created_at,
            "expires_at": min(host.expires_at, guest.expires_at),
        }
    ).data
