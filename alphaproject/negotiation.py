"""Which format an API answer has."""

from __future__ import annotations

from collections.abc import Iterable

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class LenientNegotiation(DefaultContentNegotiation):
    """What the client asks for where we have it, else our first format: an answer beats a 406."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        available = list(renderers)
        if request.headers.get("Accept", "*/*") == "*/*" and not request.META["QUERY_STRING"]:
            # It asks for nothing in particular, as most do.
            return available[0], available[0].media_type
        try:
            chosen: tuple[BaseRenderer, str] = super().select_renderer(request, available, format_suffix)
        except NotAcceptable:
            return available[0], available[0].media_type
        return chosen
