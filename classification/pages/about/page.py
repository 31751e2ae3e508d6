"""What the pages about the product have in common."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_cache_control
from django.views.generic import TemplateView

# How long a browser may show a page again, in seconds. No shared cache may: each page carries its visitor's CSRF token.
_FRESH = 300


class AboutPage(TemplateView):
    """A page that says the same to everybody, in their language."""

    http_method_names = ["get", "head", "options"]

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        patch_cache_control(response, private=True, max_age=_FRESH)
        return response
