"""What search engines and link previews may read."""

from __future__ import annotations

from django.contrib.sitemaps import Sitemap
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from inference.contracts import FaceType

# Behind secret links, or about one person, or for programs and staff.
PRIVATE_PREFIXES = ("/admin/", "/api/", "/boards/", "/compare/", "/results/", "/survey/")
SHARED_PREFIX = "/s/"
# Their robots draw the preview of a link that somebody sent; they list nothing.
PREVIEW_ROBOTS = (
    "Discordbot",
    "facebookexternalhit",
    "kakaotalk-scrap",
    "LinkedInBot",
    "Slackbot-LinkExpanding",
    "TelegramBot",
    "Twitterbot",
    "WhatsApp",
)
_DAY = 24 * 60 * 60


class PublicPages(Sitemap[str]):
    """The pages that say the same to everybody, by path."""

    def items(self) -> list[str]:
        types = [reverse("about-type", args=[code.value]) for code in FaceType]
        names = ("start", "about-types", "about-survey", "about-models", "about-privacy", "api:docs")
        return [*(reverse(name) for name in names), *types]

    def location(self, item: str) -> str:
        return item


@require_safe
@cache_control(public=True, max_age=_DAY)
def robots(request: HttpRequest) -> HttpResponse:
    allowed = [f"Allow: {reverse(name)}" for name in ("about-survey", "api:docs")]
    closed = [f"Disallow: {prefix}" for prefix in PRIVATE_PREFIXES]
    lines = [
        *(f"User-agent: {name}" for name in PREVIEW_ROBOTS),
        *allowed,
        *closed,
        "",
        "User-agent: *",
        *allowed,
        *closed,
        f"Disallow: {SHARED_PREFIX}",
        "",
        f"Sitemap: {request.build_absolute_uri(reverse('sitemap'))}",
    ]
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")
