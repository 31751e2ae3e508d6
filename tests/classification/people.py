"""Results without a photo's analysis, and the browsers that own them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from html import unescape
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.test import Client as HttpClient
from django.utils import timezone

from classification import photos
from classification.models import Classification, Client, PartRecord
from classification.ownership import remember
from inference.contracts import FacePart, FaceType
from tests.images import jpeg

_BOXES = ([75.0, 80.0, 225.0, 320.0], [75.0, 140.0, 225.0, 232.0], [75.0, 232.0, 225.0, 320.0])


def make_parts(*types: str) -> list[PartRecord]:
    """whole, upper and lower face of these types, each at 80 %; of one type where only one is given."""
    each = types if len(types) == len(FacePart) else types * len(FacePart)
    return [
        {
            "part": part.value,
            "box": box,
            "type": FaceType(code).value,
            "probabilities": [0.8 if code == other else 0.05 for other in FaceType],
        }
        for part, box, code in zip(FacePart, _BOXES, each, strict=True)
    ]


def make_result(*types: str, has_photo: bool = False, **fields: Any) -> Classification:
    """A result whose parts are of these types; its own type is the whole face's. The five types must be there."""
    parts = make_parts(*(types or ("gamma",)))
    now = timezone.now()
    values = {
        "birth_date": date(1996, 5, 4),
        "mbti": "ESTJ",
        "type_id": list(FaceType).index(FaceType(parts[0]["type"])) + 1,
        "score": 57.0,
        "confidence": 0.5,
        "parts": parts,
        "photo_width": 300,
        "photo_height": 400,
        "photo_key": photos.new_key() if has_photo else "",
        "client": Client.WEB,
        "language": "en",
        "created_at": now,
        "expires_at": now + timedelta(days=30),
    } | fields
    result = Classification.objects.create(**values)
    if has_photo:
        photos.photo_save(result.photo_key, jpeg())
    return result


def browser_of(*results: Classification) -> HttpClient:
    """A browser in which these results were made, the last one last."""
    browser = HttpClient()
    own(browser, *results)
    return browser


def own(browser: HttpClient, *results: Classification) -> None:
    """Let a browser have made these results, the last one last."""
    for result in results:
        response = HttpResponse()
        remember(HttpRequest(), response, result.pk)
        browser.cookies.update(response.cookies)


def expire(*results: Classification) -> None:
    now = timezone.now()
    Classification.objects.filter(pk__in=[result.pk for result in results]).update(
        created_at=now - timedelta(days=40), expires_at=now - timedelta(seconds=1)
    )


def text_of(response: Any) -> str:
    """What a page says, without its markup."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def form_of(response: Any, names: Sequence[str] = ("nonce",)) -> dict[str, str]:
    """The hidden fields that a page's form would send."""
    form = response.context["form"]
    return {name: form[name].value() for name in names}
