"""Every write to comparisons of two results, and every read."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from classification.errors import (
    ClassificationNotFound,
    ComparisonNotFound,
    InvitationNotFound,
    InvitationTaken,
    SameResult,
    TooManyComparisons,
)
from classification.models import Classification, Comparison
from classification.models.comparing import TOKEN_LENGTH

# Open invitations included; what a person can look through.
MAX_PER_RESULT = 50


@dataclass(frozen=True, slots=True)
class Participant:
    """A result that takes part. nickname: cleaned, may be empty. shows_photo: of no effect where none is stored."""

    classification: Classification
    nickname: str = ""
    shows_photo: bool = False

    @property
    def photo_is_shown(self) -> bool:
        return self.shows_photo and bool(self.classification.photo_key)


def token_of(*, purpose: str, owner: UUID, nonce: str) -> str:
    """A token that nobody can guess; the same for the same form sent again, which its `nonce` tells."""
    if not nonce:
        return secrets.token_hex(TOKEN_LENGTH // 2)
    return salted_hmac(f"classification.{purpose}", f"{owner}|{nonce}", algorithm="sha256").hexdigest()[:TOKEN_LENGTH]


def invitation_create(*, host: Participant, nonce: str = "") -> Comparison:
    """A comparison that waits for its guest. Raises TooManyComparisons."""
    _require_room(host.classification)
    invitation, _is_new = Comparison.objects.get_or_create(
        token=token_of(purpose="invitation", owner=host.classification.pk, nonce=nonce),
        defaults={
            "host": host.classification,
            "host_nickname": host.nickname,
            "host_shows_photo": host.photo_is_shown,
        },
    )
    return invitation


def invitation_accept(*, token: str, guest: Participant) -> Comparison:
    """Join the invitation, once for all; whoever sends it twice, or is compared with this host already, gets that.

    Raises InvitationNotFound, InvitationTaken, SameResult, TooManyComparisons, ClassificationNotFound.
    """
    invitation = invitation_by_token(token)
    if guest.classification.pk == invitation.host_id:
        raise SameResult
    if earlier := _comparison_of_pair(invitation.host_id, guest.classification.pk):
        return earlier
    if invitation.guest_id:
        raise InvitationTaken
    _require_room(guest.classification)
    try:
        with transaction.atomic():
            results_hold([invitation.host_id, guest.classification.pk])
            # Of two guests at the same moment one finds the seat taken.
            joined = Comparison.objects.filter(pk=invitation.pk, guest=None).update(
                guest=guest.classification,
                guest_nickname=guest.nickname,
                guest_shows_photo=guest.photo_is_shown,
                joined_at=timezone.now(),
            )
    except IntegrityError:
        # The pair joined by another invitation at this moment.
        joined = 0
    if joined:
        return comparison_by_token(token)
    if earlier := _comparison_of_pair(invitation.host_id, guest.classification.pk):
        return earlier
    raise InvitationTaken


def comparison_create(*, host: Participant, guest: Participant) -> Comparison:
    """Compare two results whose owners both agree, by their tokens; a pair that is compared already gets that.

    Raises SameResult, TooManyComparisons.
    """
    if host.classification.pk == guest.classification.pk:
        raise SameResult
    if earlier := _comparison_of_pair(host.classification.pk, guest.classification.pk):
        return earlier
    invitation = invitation_create(host=host)
    comparison = invitation_accept(token=invitation.token, guest=guest)
    if comparison.pk != invitation.pk:
        comparison_end(invitation)
    return comparison


def comparison_end(comparison: Comparison) -> None:
    """Revoke the invitation, or leave the comparison, for both: nothing of it stays."""
    comparison.delete()


def results_hold(ids: Collection[UUID]) -> None:
    """Keep these results from being erased until the transaction ends.

    Raises ClassificationNotFound where one is gone or has expired.
    """
    held = Classification.objects.alive().select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    if len(held.values_list("pk")) < len(set(ids)):
        raise ClassificationNotFound


def photo_set(*, comparison: Comparison, classification_id: UUID, is_shown: bool) -> None:
    """Show this side's stored photo to the other one, or no longer."""
    mine = Comparison.objects.filter(pk=comparison.pk)
    mine.filter(host=classification_id).update(host_shows_photo=is_shown)
    mine.filter(guest=classification_id).update(guest_shows_photo=is_shown)


def invitation_by_token(token: str) -> Comparison:
    """The invitation, joined or not. Raises InvitationNotFound: never made, revoked, or gone with a result."""
    invitation = Comparison.objects.alive().with_results().filter(token=token).first()
    if invitation is None:
        raise InvitationNotFound
    return invitation


def comparison_by_token(token: str) -> Comparison:
    """A comparison with both its results. Raises ComparisonNotFound, also while its guest has not joined."""
    comparison = Comparison.objects.alive().with_results().filter(token=token, guest__isnull=False).first()
    if comparison is None:
        raise ComparisonNotFound
    return comparison


def comparison_for_owner(*, token: str, owner_token: str, may_be_open: bool = False) -> Comparison:
    """The comparison in which the holder of `owner_token` takes part; also an invitation where it `may_be_open`.

    Raises ComparisonNotFound for anybody else.
    """
    comparison = Comparison.objects.alive().with_results().filter(token=token).first()
    if comparison is None or not (may_be_open or comparison.guest_id):
        raise ComparisonNotFound
    participants = participants_of(comparison).values()
    if not any(participant.classification.is_owned_with(owner_token) for participant in participants):
        raise ComparisonNotFound
    return comparison


def participants_of(comparison: Comparison) -> dict[str, Participant]:
    """By side: "host" and, once somebody has joined, "guest"."""
    sides = {"host": Participant(comparison.host, comparison.host_nickname, comparison.host_shows_photo)}
    if comparison.guest is not None:
        sides["guest"] = Participant(comparison.guest, comparison.guest_nickname, comparison.guest_shows_photo)
    return sides


def comparisons_of(classification_id: UUID) -> list[Comparison]:
    """Those this result takes part in, invitations included, newest first."""
    return list(
        Comparison.objects.alive()
        .with_results()
        .filter(Q(host=classification_id) | Q(guest=classification_id))
        .order_by("-created_at", "-pk")
    )


def _comparison_of_pair(one: UUID, other: UUID) -> Comparison | None:
    return Comparison.objects.alive().with_results().filter(Q(host=one, guest=other) | Q(host=other, guest=one)).first()


def _require_room(classification: Classification) -> None:
    if Comparison.objects.filter(Q(host=classification) | Q(guest=classification)).count() >= MAX_PER_RESULT:
        raise TooManyComparisons
