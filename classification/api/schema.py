"""The API's schema, for whoever asks."""

from __future__ import annotations

from typing import Any

from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

_HOUR = 60 * 60


# It changes with the code alone, and takes a good part of a second to make.
@method_decorator(cache_page(_HOUR), name="dispatch")
class SchemaView(SpectacularAPIView):
    """OpenAPI, in English as its examples are."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with translation.override("en"):
            response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return response
