"""Tokens with which programs act for a member of staff.

They are signed and stored nowhere, so nothing that could leak lies in the database. A token ends with its time, with
its user's account or staff status, and with their password: changing that withdraws all of a user's tokens.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, User
from django.core import signing
from django.utils import timezone
from django.utils.crypto import constant_time_compare

_SALT = "classification.staff"
# Enough of the hash to tell one password from another.
_DIGITS = 32


class InvalidStaffToken(Exception):
    """Not a token of ours, one that ended, or one whose user may not come in."""


def create_token(user: User, *, lifetime: timedelta) -> str:
    ends = int((timezone.now() + lifetime).timestamp())
    return signing.dumps([user.pk, ends, _fingerprint(user)], salt=_SALT)


def user_of(token: str) -> AbstractBaseUser:
    """The member of staff whom a token stands for. Raises InvalidStaffToken."""
    try:
        pk, ends, fingerprint = signing.loads(token, salt=_SALT)
    except signing.BadSignature as error:
        raise InvalidStaffToken from error
    if ends <= timezone.now().timestamp():
        raise InvalidStaffToken
    user: Any = get_user_model().objects.filter(pk=pk, is_active=True, is_staff=True).first()
    if user is None or not constant_time_compare(_fingerprint(user), fingerprint):
        raise InvalidStaffToken
    return user  # type: ignore[no-any-return]


def _fingerprint(user: User) -> str:
    return str(user.get_session_auth_hash())[:_DIGITS]
