"""Which results were made in this browser: people have no accounts.

Each result has a signed cookie of its own, which lives as long as the result. One cookie for all of them would be
overwritten, and a result lost, whenever two tabs send a photo at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

# A browser sends them with every request, and servers refuse request lines beyond some kilobytes.
MAX_RESULTS = 40
COOKIE_PREFIX = "result_"
_SALT = "classification.ownership"


def owned_ids(request: HttpRequest) -> list[UUID]:
    """The results of this browser, newest first; whether they still exist is for the database to say."""
    made = {
        classification_id: moment
        for name in request.COOKIES
        if (classification_id := _id_in(name)) and (moment := _made_at(request, classification_id))
    }
    return sorted(made, key=made.__getitem__, reverse=True)[:MAX_RESULTS]


def is_owner(request: HttpRequest, classification_id: UUID) -> bool:
    """Whether this browser made the result."""
    return _made_at(request, classification_id) > 0


def remember(request: HttpRequest, response: HttpResponseBase, classification_id: UUID) -> None:
    """Let the browser own the result from now on; the oldest one leaves where there are too many."""
    others = [each for each in owned_ids(request) if each != classification_id]
    forget(request, response, others[MAX_RESULTS - 1 :])
    response.set_signed_cookie(
        _name_of(classification_id),
        str(time.time_ns()),
        salt=_SALT,
        max_age=timedelta(days=settings.RETENTION_DAYS),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def forget(request: HttpRequest, response: HttpResponseBase, classification_ids: Iterable[UUID]) -> None:
    """Let the browser own these results no longer."""
    for classification_id in classification_ids:
        if _name_of(classification_id) in request.COOKIES:
            response.delete_cookie(_name_of(classification_id), samesite="Lax")


def _name_of(classification_id: UUID) -> str:
    return f"{COOKIE_PREFIX}{classification_id.hex}"


def _id_in(name: str) -> UUID | None:
    """The id that a cookie's name speaks of."""
    if not name.startswith(COOKIE_PREFIX):
        return None
    try:
        classification_id = UUID(name.removeprefix(COOKIE_PREFIX))
    except ValueError:
        return None
    # UUID() takes other spellings too, under which we set no cookie.
    return classification_id if _name_of(classification_id) == name else None


def _made_at(request: HttpRequest, classification_id: UUID) -> int:
    """Nanoseconds since the epoch; 0 without a cookie that we signed."""
    value = request.get_signed_cookie(
        _name_of(classification_id),
        default=None,
        salt=_SALT,
        max_age=timedelta(days=settings.RETENTION_DAYS),
    )
    return int(value or 0)
