"""The five types, and the celebrities that each is shown by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from django.http import Http404
from django.utils.translation import get_language

import catalog.selectors
from catalog.models import CelebrityImage, FaceType
from classification.pages.about.page import AboutPage
from classification.result_page import CelebrityCard

CELEBRITIES_A_PAGE = 24
_SHOWN_IN_LIST = 3
# No gallery is as long; a larger number may be more than the database can be asked for.
_LAST_SLOT = 10**9


@dataclass(frozen=True, slots=True)
class TypeCard:
    """One type, with a few of its celebrities or a page of them."""

    code: str
    letter: str
    name: str
    sentences: list[str]
    celebrities: list[CelebrityCard]

    @classmethod
    def of(cls, face_type: FaceType, images: Sequence[CelebrityImage] = ()) -> Self:
        language = get_language() or ""
        return cls(
            code=face_type.code,
            letter=face_type.letter,
            name=face_type.name(language),
            sentences=face_type.sentences(language),
            celebrities=[CelebrityCard.of(image, language) for image in images],
        )

    @classmethod
    def in_list(cls, face_type: FaceType, images: Sequence[CelebrityImage]) -> Self:
        """With small pictures."""
        card = cls.of(face_type, images)
        small = [replace(shown, url=image.thumbnail_url) for shown, image in zip(card.celebrities, images, strict=True)]
        return replace(card, celebrities=small)


class TypesView(AboutPage):
    template_name = "about/types.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        types = catalog.selectors.face_types()
        first = catalog.selectors.first_images(types, _SHOWN_IN_LIST)
        cards = [TypeCard.in_list(face_type, first.get(face_type.pk, [])) for face_type in types]
        return super().get_context_data(types=cards, **kwargs)


class TypeView(AboutPage):
    """One type and a page of its celebrities: `?from=` is the gallery's place that the page begins at."""

    template_name = "about/type.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        types = catalog.selectors.face_types()
        place = next((place for place, each in enumerate(types) if each.code == kwargs["code"]), None)
        if place is None:
            raise Http404
        start = _start(self.request.GET.get("from", "0"))
        images = list(catalog.selectors.published_images(types[place], start=start)[: CELEBRITIES_A_PAGE + 1])
        if start and not images:
            raise Http404
        return super().get_context_data(
            type=TypeCard.of(types[place], images[:CELEBRITIES_A_PAGE]),
            types=[TypeCard.of(each) for each in types],
            start=start,
            previous_start=max(0, start - CELEBRITIES_A_PAGE) if start else None,
            next_start=start + CELEBRITIES_A_PAGE if len(images) > CELEBRITIES_A_PAGE else None,
            **kwargs,
        )


def _start(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= _LAST_SLOT):
        raise Http404
    return int(text)
