"""Answering with a card: what may be asked for, and what caches may keep."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Any

from cachetools import LRUCache
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.http.response import HttpResponse
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.translation import get_language
from rest_framework import serializers

from classification import photos
from classification.card.content import Card
from classification.card.drawing import CardShape, draw

# Drawn cards that many people ask for at once: those behind links. None of them shows a photo.
_CACHE_BYTES = 16 * 1024 * 1024
_drawn: LRUCache[Hashable, bytes] = LRUCache(_CACHE_BYTES, getsizeof=len)
_lock = Lock()


class CardQuerySerializer(serializers.Serializer[Any]):
    """What the card of a result is to be."""

    format = serializers.ChoiceField(
        choices=[(shape.value, shape.value) for shape in CardShape],
        default=CardShape.WIDE.value,
        help_text="`wide`: 1200 × 630 pixels, for link previews. `tall`: 1080 × 1920, for stories.",
    )
    language = serializers.ChoiceField(
        choices=[(code, code) for code, _name in settings.LANGUAGES],
        required=False,
        help_text="Of the card's texts; the caller's by default.",
    )

    @property
    def shape(self) -> CardShape:
        return CardShape(self.validated_data["format"])

    @property
    def text_language(self) -> str:
        return self.validated_data.get("language") or get_language() or settings.LANGUAGE_CODE


class OwnCardQuerySerializer(CardQuerySerializer):
    """The same, of one's own result."""

    photo = serializers.BooleanField(default=False, help_text="Show the stored photo.")


def card_response(request: HttpRequest, card: Card, shape: CardShape, **cache_control: Any) -> HttpResponseBase:
    """The PNG, or 304 where the caller has it; drawn anew only where nobody has asked for it lately.

    Raises StorageUnavailable.
    """
    etag = f'"{card.fingerprint}-{shape}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        response = HttpResponse(_png_of(card, shape), content_type="image/png")
    response["ETag"] = etag
    patch_cache_control(response, **cache_control)
    return response


def own_card_caching(card: Card) -> dict[str, bool]:
    """What the owner's browser or app may keep, to ask whether it is still good: anything but the photo."""
    return {"private": True, "no_store": True} if card.photo else {"private": True, "no_cache": True}


def _png_of(card: Card, shape: CardShape) -> bytes:
    if card.photo:
        return draw(card, shape, photos.photo_read(card.photo.key))
    key = (card.fingerprint, shape)
    with _lock:
        known = _drawn.get(key)
    if known is None:
        known = draw(card, shape)
        with _lock:
            _drawn[key] = known
    return known
