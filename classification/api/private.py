"""What the API's answers about people have in common."""

from __future__ import annotations

from typing import Any

from django.utils.cache import patch_cache_control
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class PrivateView(APIView):
    """A view whose answers are about one person: nobody else's, and no cache's."""

    # Django's decorator of classes would wrap the method anew for each request, which takes longer than the header.
    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_cache_control(response, no_store=True, private=True)
        return response
