"""The review page's address and the three it talks to while somebody reviews one image after another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from catalog.errors import CatalogError, InvalidLabel, LabelChanged
from catalog.models import FaceType, ImageLabel
from catalog.models.labels import PART_CHOICES, LabelState, Rejection
from catalog.services.analysis import refusal_sentence
from catalog.services.review import (
    PartDecision,
    label_accept,
    label_dispute,
    label_reject,
    labels_hold,
    review_undo,
    reviewable_labels,
)
from inference.contracts import Box, FacePart, RefusalReason

_PERMISSION = "catalog.change_imagelabel"
_LABELS_AT_ONCE = 10
# A longer queue is shown as "more than".
_COUNTED_AT_MOST = 1000
_QUEUES = (LabelState.PROPOSED, LabelState.DISPUTED)

JsonView = Callable[..., dict[str, Any]]


def review_urls() -> list[URLPattern]:
    return [
        path("review/", admin.site.admin_view(review_page), name="catalog_review"),
        path("review/queue/", review_queue, name="catalog_review_queue"),
        path("review/<int:label_id>/", review_decide, name="catalog_review_decide"),
        path("review/undo/<int:event_id>/", review_undo_step, name="catalog_review_undo"),
    ]


@require_safe
def review_page(request: HttpRequest) -> HttpResponse:
    """The page; it asks for its images itself. label: the id of one to look at first."""
    if not request.user.has_perm(_PERMISSION):
        raise PermissionDenied
    configuration = {
        "queue_url": reverse("admin:catalog_review_queue"),
        "decide_url": reverse("admin:catalog_review_decide", args=[0]),
        "undo_url": reverse("admin:catalog_review_undo", args=[0]),
        "first": _number(request.GET.get("label")),
        "state": request.GET.get("state") if request.GET.get("state") in _QUEUES else LabelState.PROPOSED,
        "parts": dict(PART_CHOICES),
        "types": [{"code": face_type.code, "name": str(face_type)} for face_type in FaceType.objects.best_first()],
        "texts": _texts(),
    }
    context = {
        **admin.site.each_context(request),
        "title": _("Review labels"),
        "configuration": configuration,
        "rejections": Rejection.choices,
    }
    return TemplateResponse(request, "admin/catalog/review.html", context)


def _json_view(view: JsonView) -> Callable[..., HttpResponse]:
    """POST JSON, answer JSON: what the view returns, or a problem with a stable code and a sentence."""

    @require_POST
    @wraps(view)
    def answer(request: HttpRequest, **ids: int) -> HttpResponse:
        # Not a redirect to the login page, which a script would take for an answer.
        if not (request.user.is_active and request.user.is_staff):
            return _problem(401, "not_authenticated", _("You are signed out. Sign in again in another tab."))
        if not request.user.has_perm(_PERMISSION):
            return _problem(403, "permission_denied", _("You may not review labels."))
        try:
            body = json.loads(request.body)
        # RecursionError: brackets in brackets without end.
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return _problem(400, "invalid", _("The request is not JSON of the expected form."))
        try:
            return JsonResponse(view(request.user, body, **ids))
        except CatalogError as error:
            label = reviewable_labels().filter(pk=ids.get("label_id")).first()
            more = {"label": _label_json(label)} if isinstance(error, LabelChanged) and label else {}
            return _problem(error.status, error.code, str(error), **more)

    return answer


@_json_view
def review_queue(reviewer: User, body: dict[str, Any]) -> dict[str, Any]:
    """The next images of a queue, which this reviewer then holds. first: a label to begin with, whatever its state."""
    state = body.get("state")
    if state not in _QUEUES:
        raise InvalidLabel(_("There is no such queue."))
    beside = body.get("beside") or []
    if not isinstance(beside, list):
        raise InvalidLabel(_("The request is not JSON of the expected form."))
    ids = [pk for value in beside[:_COUNTED_AT_MOST] if (pk := _number(value))]
    first = _number(body.get("first"))
    labels = list(reviewable_labels().filter(pk=first)) if first else []
    held = labels_hold(
        reviewer=reviewer, state=LabelState(state), count=_LABELS_AT_ONCE, beside=[*ids, *(x.pk for x in labels)]
    )
    return {"labels": _labels_json([*labels, *held]), "open": {queue.value: _open_count(queue) for queue in _QUEUES}}


@_json_view
def review_decide(reviewer: User, body: dict[str, Any], *, label_id: int) -> dict[str, Any]:
    step: dict[str, Any] = {"label_id": label_id, "version": _number(body.get("version")) or 0, "reviewer": reviewer}
    match body.get("action"):
        case "accept":
            event = label_accept(parts=_decisions(body), **step)
        case "dispute":
            event = label_dispute(parts=_decisions(body), **step)
        case "reject":
            if body.get("rejection") not in Rejection.values:
                raise InvalidLabel(_("A rejection needs one of the known reasons."))
            event = label_reject(rejection=Rejection(body["rejection"]), **step)
        case _:
            raise InvalidLabel(_("There is no such action."))
    return {"event": event.pk, "version": event.after["version"]}


@_json_view
def review_undo_step(reviewer: User, _body: dict[str, Any], *, event_id: int) -> dict[str, Any]:
    return {"label": _label_json(review_undo(event_id=event_id, reviewer=reviewer))}


def _problem(status: int, code: str, detail: str, **more: Any) -> JsonResponse:
    return JsonResponse({"status": status, "code": code, "detail": detail, **more}, status=status)


def _decisions(body: dict[str, Any]) -> list[PartDecision]:
    parts = body.get("parts")
    if not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
        raise InvalidLabel(_("The parts are not of the expected form."))
    return [_decision(part, parts[part.value]) for part in FacePart if part.value in parts]


def _decision(part: FacePart, values: dict[str, Any]) -> PartDecision:
    box, face_type = values.get("box"), values.get("type")
    if face_type is not None and not isinstance(face_type, str):
        raise InvalidLabel(_("A face type is named by its code."))
    if box is None:
        return PartDecision(part, None, face_type)
    is_box = isinstance(box, list) and len(box) == 4
    if not is_box or not all(isinstance(side, int | float) and not isinstance(side, bool) for side in box):
        raise InvalidLabel(_("A box must be made of numbers."))
    try:
        return PartDecision(part, Box(*map(float, box)), face_type)
    except OverflowError as error:
        raise InvalidLabel(_("A box must be made of numbers.")) from error


def _labels_json(labels: Iterable[ImageLabel]) -> list[dict[str, Any]]:
    known = list(labels)
    sentences = {code: refusal_sentence(RefusalReason(code)) for code in {x.refusal for x in known if x.refusal}}
    return [_label_json(label, sentences) for label in known]


def _label_json(label: ImageLabel, sentences: dict[str, str] | None = None) -> dict[str, Any]:
    image = label.image
    refusal = ""
    if label.refusal:
        refusal = (sentences or {}).get(label.refusal) or refusal_sentence(RefusalReason(label.refusal))
    return {
        "id": label.pk,
        "version": label.version,
        "state": label.state,
        "state_name": label.get_state_display(),
        "rejection": label.get_rejection_display(),
        "refusal": refusal,
        "doubt": round(label.doubt, 2),
        "reviewed_by": str(label.reviewed_by or ""),
        "celebrity": str(image.celebrity),
        "image": {"id": image.pk, "url": image.url, "width": image.width, "height": image.height},
        "page": reverse("admin:catalog_imagelabel_change", args=[label.pk]),
        "parts": {
            part.part: {
                "box": [part.box.x0, part.box.y0, part.box.x1, part.box.y1] if part.box else None,
                "type": part.face_type.code if part.face_type else None,
                "type_source": part.get_type_source_display(),
                "confidence": part.confidence,
            }
            for part in label.parts.all()
        },
    }


def _open_count(state: LabelState) -> str:
    """From an index, and never more of it than is shown."""
    ids = ImageLabel.objects.filter(state=state).order_by("state", "-doubt", "pk").values("pk")
    count = len(ids[: _COUNTED_AT_MOST + 1])
    return f"{_COUNTED_AT_MOST:,}+" if count > _COUNTED_AT_MOST else str(count)


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return int(value) if str(value).isdecimal() and len(str(value)) < 19 else None


def _texts() -> dict[str, str]:
    """What the page's script says."""
    return {
        "confidence": _("sure to {percent} %"),
        "doubt": _("doubt {percent} %"),
        "disputed": _("Disputed by {name}: a second opinion, please."),
        "reviewed": _("{state}, by {name}."),
        "no_boxes": _("No boxes yet. Press B to draw them, or reject the image."),
        "left": _("left edge"),
        "top": _("top edge"),
        "right": _("right edge"),
        "bottom": _("bottom edge"),
        "empty": _("Nothing is left to review here."),
        "waiting": _("Loading…"),
        "unsaved": _("{count} not saved yet. Trying again…"),
        "restore": _("Put my changes back"),
        "nothing_to_undo": _("There is nothing to undo."),
        "undone": _("Undone."),
        "unknown": _("unknown"),
        "broken": _("The picture cannot be shown. Reject it, or look again later."),
        "leave": _("Some decisions are not saved yet."),
    }
