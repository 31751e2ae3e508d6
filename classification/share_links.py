"""The writes to links by which people show their results."""

from __future__ import annotations

import secrets

from django.db import IntegrityError
from django.utils import timezone

from classification.errors import ClassificationNotFound, PhotoNotStored
from classification.models import Classification, ShareLink


def share_link_open(classification: Classification, *, shows_photo: bool) -> ShareLink:
    """The result's open link, made where it has none; `shows_photo` holds for it from now on.

    Raises PhotoNotStored, and ClassificationNotFound for a result that is erased at this moment.
    """
    if shows_photo and not classification.photo_key:
        raise PhotoNotStored
    # The database allows one open link a result, so a double click finds the first one's.
    try:
        link, _created = ShareLink.objects.update_or_create(
            classification=classification,
            revoked_at=None,
            defaults={"shows_photo": shows_photo},
            create_defaults={"shows_photo": shows_photo, "token": _new_token()},
        )
    except IntegrityError as error:
        raise ClassificationNotFound from error
    return link


def share_link_revoke(classification: Classification) -> None:
    """Close the result's open link for good; without one, nothing happens."""
    ShareLink.objects.filter(classification=classification, revoked_at=None).update(revoked_at=timezone.now())


def _new_token() -> str:
    """192 random bits, in characters that a URL takes as they are."""
    return secrets.token_urlsafe(24)
