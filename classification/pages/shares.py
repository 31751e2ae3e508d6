"""Showing a result to others: the owner's card and link, and what visitors of the link see."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import cache_control

from classification import photos, selectors
from classification.card.content import Card
from classification.card.drawing import SIZES, CardShape
from classification.card.response import CardQuerySerializer, OwnCardQuerySerializer, card_response, own_card_caching
from classification.errors import ClassificationError, PhotoNotStored
from classification.pages.results import gone, owned_classification, private
from classification.problems import problem_of
from classification.result_page import ResultPage
from classification.share_links import share_link_open, share_link_revoke

# Seconds that caches may show what a link showed: a revoked link is gone everywhere soon after.
MAX_AGE = 300


@private
class ShareView(View):
    """Make the link of one's result, or change whether it shows the photo."""

    def get(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:  # noqa: ARG002
        """Whoever reloads the address of an attempt that failed lands where they can go on."""
        return redirect("result", classification_id)

    def post(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        try:
            classification = owned_classification(request, classification_id)
            share_link_open(classification, shows_photo="photo" in request.POST)
        except ClassificationError as error:
            return gone(request, error)
        return redirect(reverse("result", args=[classification_id]) + "#share")


@private
class ShareRevokeView(View):
    def get(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:  # noqa: ARG002
        return redirect("result", classification_id)

    def post(self, request: HttpRequest, classification_id: UUID) -> HttpResponse:
        try:
            share_link_revoke(owned_classification(request, classification_id))
        except ClassificationError as error:
            return gone(request, error)
        return redirect(reverse("result", args=[classification_id]) + "#share")


class ResultCardView(View):
    """The card of one's own result; with `download`, as a file to save."""

    def get(self, request: HttpRequest, classification_id: UUID) -> HttpResponseBase:
        query = OwnCardQuerySerializer(data=request.GET)
        if not query.is_valid():
            raise BadRequest("no such card")
        try:
            classification = owned_classification(request, classification_id)
            card = Card.of(classification, language=query.text_language, with_photo=query.validated_data["photo"])
            response = card_response(request, card, query.shape, **own_card_caching(card))
        except ClassificationError as error:
            return gone(request, error)
        if "download" in request.GET:
            file_name = f"alpha-project-{card.type_code}-{query.shape}.png"
            response["Content-Disposition"] = f'attachment; filename="{file_name}"'
        return response


class SharedView(View):
    """The result behind a link, for anybody."""

    @method_decorator(cache_control(private=True, no_cache=True))
    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            link = selectors.shared_link(token)
        except ClassificationError as error:
            return link_gone(request, error)
        if not _has_asked_for_a_language(request):
            # The machines that make previews: the people they are for mostly speak what the owner speaks.
            translation.activate(link.classification.language)
        photo_url = reverse("shared-photo", args=[token]) if link.shows_photo else ""
        width, height = SIZES[CardShape.WIDE]
        card_url = reverse("shared-card", args=[token])
        context = {
            "result": ResultPage.of(selectors.answer_of(link.classification), photo_url=photo_url),
            "page_url": request.build_absolute_uri(request.path),
            "card_url": request.build_absolute_uri(f"{card_url}?format=wide&language={get_language()}"),
            "card_width": width,
            "card_height": height,
        }
        return render(request, "classification/shared.html", context)


class SharedPhotoView(View):
    """The stored photo, where the owner chose that this link shows it."""

    @method_decorator(cache_control(private=True, max_age=MAX_AGE))
    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            link = selectors.shared_link(token)
            if not link.shows_photo:
                raise PhotoNotStored
            photo = photos.photo_read(link.classification.photo_key)
        except ClassificationError as error:
            return link_gone(request, error)
        return HttpResponse(photo, content_type="image/jpeg", headers={"X-Robots-Tag": "noindex"})


class SharedCardView(View):
    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        query = CardQuerySerializer(data=request.GET)
        if not query.is_valid():
            raise BadRequest("no such card")
        try:
            link = selectors.shared_link(token)
            card = Card.of(link.classification, language=query.text_language, with_photo=link.shows_photo)
            response = card_response(request, card, query.shape, public=True, max_age=MAX_AGE)
        except ClassificationError as error:
            return link_gone(request, error)
        response["X-Robots-Tag"] = "noindex"
        return response


@cache_control(no_store=True)
def link_gone(request: HttpRequest, error: ClassificationError) -> HttpResponse:
    """The page in place of what a link showed."""
    problem = problem_of(error)
    response = render(request, "classification/shared_gone.html", {"problem": problem}, status=problem.status)
    response["X-Robots-Tag"] = "noindex"
    return response


def _has_asked_for_a_language(request: HttpRequest) -> bool:
    return bool(request.headers.get("Accept-Language")) or settings.LANGUAGE_COOKIE_NAME in request.COOKIES
