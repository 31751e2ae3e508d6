"""What makes the site an app that can be installed: its manifest, its service worker and the page without a network."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

INK = "#0d0e13"


@require_safe
@cache_control(max_age=3600)
@vary_on_headers("Accept-Language", "Cookie")
def manifest(_request: HttpRequest) -> JsonResponse:
    """The web app manifest, in the viewer's language (https://www.w3.org/TR/appmanifest/)."""
    start = reverse("start")
    content = {
        "id": start,
        "name": gettext("Alpha Project"),
        "short_name": gettext("Alpha"),
        "description": gettext("Which type do people see in your face?"),
        "lang": get_language(),
        "start_url": start,
        "scope": start,
        "display": "standalone",
        "background_color": INK,
        "theme_color": INK,
        "categories": ["entertainment"],
        "icons": [
            _icon("favicon.svg", "any", "any"),
            _icon("icon-192.png", "192x192", "any"),
            _icon("icon-512.png", "512x512", "any"),
            _icon("maskable-512.png", "512x512", "maskable"),
        ],
    }
    return JsonResponse(content, content_type="application/manifest+json")


def _icon(name: str, sizes: str, purpose: str) -> dict[str, str]:
    kind = "image/svg+xml" if name.endswith(".svg") else "image/png"
    return {"src": static(f"icons/{name}"), "sizes": sizes, "type": kind, "purpose": purpose}


@require_safe
@cache_control(no_cache=True)
def service_worker(request: HttpRequest) -> HttpResponse:
    """Served from the root, since a worker looks after no page above its own address."""
    return render(request, "service_worker.js", content_type="text/javascript")


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """What the service worker shows where there is no network."""
    return render(request, "offline.html")
