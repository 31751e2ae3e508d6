"""A visit as the pages and their script are given it."""

from __future__ import annotations

import re
from typing import TypedDict

from django.urls import reverse

from catalog.services.rating import AskedPart, Visit, VisitKey

_KEY = re.compile(r"([0-9]{1,18})\.([01])")


class PartJSON(TypedDict):
    """box: x0, y0, x1, y1 in pixels of the picture."""

    part: str
    box: list[float] | None
    answer: float | None


class VisitJSON(TypedDict):
    key: str
    image: int
    round: int
    url: str
    width: int
    height: int
    parts: list[PartJSON]


def key_text(key: VisitKey) -> str:
    return f"{key.survey_image_id}.{key.round}"


def key_from_text(text: str) -> VisitKey | None:
    match = _KEY.fullmatch(text)
    return VisitKey(int(match[1]), int(match[2])) if match else None


def visit_json(visit: Visit, link_token: str) -> VisitJSON:
    return {
        "key": key_text(visit.key),
        "image": visit.key.survey_image_id,
        "round": visit.key.round,
        "url": reverse("survey-picture", args=[link_token, visit.key.survey_image_id]),
        "width": visit.width,
        "height": visit.height,
        "parts": [_part_json(visit, asked) for asked in visit.parts],
    }


def _part_json(visit: Visit, asked: AskedPart) -> PartJSON:
    box = None
    if asked.box:
        # A part may reach beyond the picture; what is drawn may not.
        corners = (
            max(asked.box.x0, 0.0),
            max(asked.box.y0, 0.0),
            min(asked.box.x1, float(visit.width)),
            min(asked.box.y1, float(visit.height)),
        )
        box = [round(corner, 1) for corner in corners]
    return {"part": asked.part, "box": box, "answer": asked.answer}
