"""How a browser shows which rater it belongs to: a signed cookie, of one survey alone, with the rater's secret."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.errors import RaterUnknown
from catalog.models import Rater, Survey
from catalog.services.rating import rater_by_secret

COOKIE = "rater"
_LIFE = timedelta(days=365)


def secret_in(request: HttpRequest, survey: Survey) -> str:
    """The secret in this browser's cookie; empty where it has none that we signed for this survey."""
    return request.get_signed_cookie(COOKIE, default="", salt=_salt(survey), max_age=_LIFE) or ""


def rater_in(request: HttpRequest, survey: Survey) -> Rater:
    """Raises RaterUnknown."""
    if not (secret := secret_in(request, survey)):
        raise RaterUnknown(_("This browser does not take part in this survey yet, or its cookies were cleared."))
    return rater_by_secret(survey=survey, secret=secret)


def remember_rater(response: HttpResponseBase, survey: Survey, secret: str) -> None:
    response.set_signed_cookie(
        COOKIE,
        secret,
        salt=_salt(survey),
        max_age=_LIFE,
        path=reverse("survey-welcome", args=[survey.link_token]),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _salt(survey: Survey) -> str:
    return f"catalog.survey.{survey.pk}"
