"""How callers are known: the owner of a result by the token that came with it, staff by theirs or by their session."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from classification.staff_tokens import InvalidStaffToken, user_of


class OwnerTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <owner_token>`; which result it opens is for the selector to say."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, str] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return (AnonymousUser(), token.strip()) if scheme.lower() == "bearer" and token.strip() else None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return "Bearer"


def owner_token_of(request: Request) -> str:
    """The token that came with the request; raises NotAuthenticated where none did."""
    if not isinstance(request.auth, str):
        raise NotAuthenticated
    return request.auth


class OwnerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The same, for the schema."""

    target_class = OwnerTokenAuthentication
    name = "ownerToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer", "description": "The `owner_token` that came with the result."}


class StaffTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <staff token>`, made by `manage.py create_staff_token`."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, None] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            return user_of(token.strip()), None
        except InvalidStaffToken as error:
            raise AuthenticationFailed from error

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return "Bearer"


class StaffTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The same, for the schema."""

    target_class = StaffTokenAuthentication
    name = "staffToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer", "description": "From `manage.py create_staff_token`."}
