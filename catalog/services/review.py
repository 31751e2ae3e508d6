"""What people say of labels: accepted, corrected, rejected, disputed; and taking it back."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from catalog.errors import InvalidLabel, LabelChanged, NothingToUndo, SecondReviewerNeeded
from catalog.models import CelebrityImage, FaceType, ImageLabel, PartLabel, ReviewEvent, SurveyResultRow
from catalog.models.labels import LabelSource, LabelState, Rejection
from catalog.services.images import image_publish, image_set_type, image_unpublish, lock_galleries
from inference.contracts import Box, FacePart

# Longer than anybody looks at one image, and soon enough over for whoever comes next.
HOLD = timedelta(minutes=10)
# Pages round boxes; a smaller move is none.
_MOVED_PIXELS = 0.5
_SMALLEST_BOX = 4.0


@dataclass(frozen=True, slots=True)
class PartDecision:
    """What a reviewer says of one part. box: in pixels of the stored picture. face_type: a code; None: unknown."""

    part: FacePart
    box: Box | None
    face_type: str | None


@transaction.atomic
def labels_hold(
    *, reviewer: AbstractBaseUser, state: LabelState, count: int, beside: Collection[int] = ()
) -> list[ImageLabel]:
    """Hand `count` labels in a state to a reviewer, the most doubtful first, and to nobody else for a while.

    beside: the ids of labels the reviewer has already. Disputed labels go to another reviewer than the one who
    disputed them. Three queries, whatever the number of labels.
    """
    now = timezone.now()
    free = Q(held_until=None) | Q(held_until__lt=now) | Q(held_by=reviewer.pk)
    labels = ImageLabel.objects.filter(free, state=state).exclude(pk__in=beside)
    if state == LabelState.DISPUTED:
        labels = labels.exclude(reviewed_by=reviewer.pk)
    chosen = labels.order_by("-doubt", "pk").select_for_update(skip_locked=True)[:count]
    ids = list(chosen.values_list("pk", flat=True))
    ImageLabel.objects.filter(pk__in=ids).update(held_by=reviewer.pk, held_until=now + HOLD)
    by_id = reviewable_labels().in_bulk(ids)
    return [by_id[pk] for pk in ids]


def reviewable_labels() -> Any:
    """Labels with all that a review page shows of them."""
    return ImageLabel.objects.select_related("image__celebrity", "image__face_type", "reviewed_by").prefetch_related(
        "parts__face_type"
    )


@transaction.atomic
def label_accept(
    *, label_id: int, version: int, reviewer: AbstractBaseUser, parts: Collection[PartDecision]
) -> ReviewEvent:
    """Accept a label with its parts as the reviewer left them; the image gets its whole face's type in the app.

    Raises LabelChanged, SecondReviewerNeeded and InvalidLabel.
    """
    step = _Step(label_id, version, reviewer)
    if {decision.part for decision in parts if decision.box} != set(FacePart):
        raise InvalidLabel(_("An accepted label needs a box for each part."))
    is_corrected = step.save_parts(parts)
    _check_lines(step.parts)
    action = ReviewEvent.Action.CORRECT if is_corrected else ReviewEvent.Action.ACCEPT
    event = step.finish(action, LabelState.ACCEPTED)
    whole = step.parts[FacePart.WHOLE_FACE].face_type
    if whole and whole.pk != step.image.face_type_id:
        image_set_type(images=[step.image], face_type=whole)
    return event


@transaction.atomic
def label_reject(*, label_id: int, version: int, reviewer: AbstractBaseUser, rejection: Rejection) -> ReviewEvent:
    """Keep an image out of training and out of the app. Raises LabelChanged and SecondReviewerNeeded."""
    step = _Step(label_id, version, reviewer)
    event = step.finish(ReviewEvent.Action.REJECT, LabelState.REJECTED, rejection)
    image_unpublish(images=[step.image])
    return event


@transaction.atomic
def label_dispute(
    *, label_id: int, version: int, reviewer: AbstractBaseUser, parts: Collection[PartDecision] = ()
) -> ReviewEvent:
    """Leave a label, as it is before this reviewer, to a second one. Raises LabelChanged and SecondReviewerNeeded."""
    step = _Step(label_id, version, reviewer)
    step.save_parts(parts)
    return step.finish(ReviewEvent.Action.DISPUTE, LabelState.DISPUTED)


@transaction.atomic
def review_undo(*, event_id: int, reviewer: AbstractBaseUser) -> ImageLabel:
    """Bring a label back to what it was before a reviewer's own last step. Raises NothingToUndo."""
    lock_galleries()
    event = ReviewEvent.objects.filter(pk=event_id, reviewer=reviewer.pk, undone_at=None).first()
    label = _locked(event.label_id) if event else None
    if event is None or label is None or label.version != event.after["version"]:
        raise NothingToUndo(_("This step cannot be undone: it was undone already, or others followed it."))
    before = event.before
    label.state = before["state"]
    label.rejection = before["rejection"]
    label.reviewed_by = get_user_model().objects.filter(pk=before["reviewed_by"]).first()
    label.reviewed_at = parse_datetime(before["reviewed_at"]) if before["reviewed_at"] else None
    label.version += 1
    label.held_by_id, label.held_until = reviewer.pk, timezone.now() + HOLD
    label.save()
    label.parts.all().delete()
    # A survey's result may have been deleted since.
    rows = SurveyResultRow.objects.in_bulk([state["result_row"] for state in before["parts"] if state["result_row"]])
    PartLabel.objects.bulk_create([_part_from(label, state, rows) for state in before["parts"]])
    event.undone_at = timezone.now()
    event.save(update_fields=["undone_at"])
    _restore_image(label.image, before)
    return reviewable_labels().get(pk=label.pk)  # type: ignore[no-any-return]


class _Step:
    """One change of a label, under its lock: what it was, what it becomes."""

    def __init__(self, label_id: int, version: int, reviewer: AbstractBaseUser) -> None:
        # Galleries before labels, always: a change of both would otherwise wait for another for ever.
        lock_galleries()
        label = _locked(label_id)
        if label is None or label.version != version:
            raise LabelChanged(_("Somebody else changed this label meanwhile. Look at it again."))
        if label.state == LabelState.DISPUTED and label.reviewed_by_id == reviewer.pk:
            raise SecondReviewerNeeded(_("You disputed this label yourself. Somebody else must settle it."))
        self.label = label
        self.image: CelebrityImage = label.image
        self.parts = {part.part: part for part in label.parts.select_related("face_type")}
        self._reviewer = reviewer
        self._before = _snapshot(label, self.parts)

    def save_parts(self, decisions: Collection[PartDecision]) -> bool:
        """Whether they changed anything."""
        types = {face_type.code: face_type for face_type in FaceType.objects.all()}
        changed = [self._change(decision, types) for decision in decisions]
        return any(changed)

    def finish(self, action: ReviewEvent.Action, state: LabelState, rejection: str = "") -> ReviewEvent:
        label = self.label
        label.state, label.rejection = state, rejection
        label.reviewed_by_id, label.reviewed_at = self._reviewer.pk, timezone.now()
        label.held_by, label.held_until = None, None
        label.version += 1
        label.save()
        return ReviewEvent.objects.create(
            label=label,
            action=action,
            reviewer_id=self._reviewer.pk,
            before=self._before,
            after=_snapshot(label, self.parts),
        )

    def _change(self, decision: PartDecision, types: Mapping[str, FaceType]) -> bool:
        part = self.parts.setdefault(decision.part, PartLabel(label=self.label, part=decision.part.value))
        is_moved = decision.box is not None and not _is_same(part.box, decision.box)
        if decision.box and is_moved:
            box = _within(decision.box, self.image)
            part.x0, part.y0, part.x1, part.y1 = box.x0, box.y0, box.x1, box.y1
            part.box_source = LabelSource.CURATOR
        if decision.face_type is not None and decision.face_type not in types:
            raise InvalidLabel(_("There is no face type “%(type)s”.") % {"type": decision.face_type[:50]})
        face_type = types[decision.face_type] if decision.face_type else None
        is_retyped = face_type != part.face_type
        if is_retyped:
            part.face_type = face_type
            part.type_source = LabelSource.CURATOR if face_type else ""
            part.confidence = None
            part.result_row_id = None
        if is_moved or is_retyped:
            part.save()
        return is_moved or is_retyped


def _check_lines(parts: Mapping[str, PartLabel]) -> None:
    """Training reads the lines of a face from its boxes, so these must be those of one face."""
    whole, upper = parts[FacePart.WHOLE_FACE].box, parts[FacePart.UPPER_FACE].box
    if whole and upper and not (whole.y0 < upper.y1 < whole.y1):
        raise InvalidLabel(_("The upper face must end inside the whole face, at the base of the nose."))


def _locked(label_id: int) -> ImageLabel | None:
    return ImageLabel.objects.select_for_update(of=("self",)).select_related("image").filter(pk=label_id).first()


def _is_same(known: Box | None, box: Box) -> bool:
    if known is None:
        return False
    sides = ("x0", "y0", "x1", "y1")
    return all(abs(getattr(known, side) - getattr(box, side)) < _MOVED_PIXELS for side in sides)


def _within(box: Box, image: CelebrityImage) -> Box:
    """The part of a box that lies in the picture. Raises InvalidLabel where hardly anything does."""
    if not all(math.isfinite(side) for side in (box.x0, box.y0, box.x1, box.y1)):
        raise InvalidLabel(_("A box must be made of numbers."))
    inside = Box(max(box.x0, 0.0), max(box.y0, 0.0), min(box.x1, image.width), min(box.y1, image.height))
    if inside.width < _SMALLEST_BOX or inside.height < _SMALLEST_BOX:
        raise InvalidLabel(_("A box must lie in the picture and have a size."))
    return inside


def _snapshot(label: ImageLabel, parts: Mapping[str, PartLabel]) -> dict[str, Any]:
    """As JSON; what review_undo brings back."""
    return {
        "version": label.version,
        "state": label.state,
        "rejection": label.rejection,
        "reviewed_by": label.reviewed_by_id,
        "reviewed_at": label.reviewed_at.isoformat() if label.reviewed_at else None,
        "parts": [part.as_dict() for part in parts.values()],
        "image_face_type": label.image.face_type_id,
        "is_published": label.image.is_published,
    }


def _part_from(label: ImageLabel, state: dict[str, Any], rows: Mapping[int, SurveyResultRow]) -> PartLabel:
    values = {name: value for name, value in state.items() if name not in ("face_type", "result_row")}
    return PartLabel(
        label=label, face_type_id=state["face_type"], result_row=rows.get(state["result_row"] or 0), **values
    )


def _restore_image(image: CelebrityImage, before: Mapping[str, Any]) -> None:
    image.refresh_from_db()
    if image.face_type_id != before["image_face_type"]:
        if before["image_face_type"] is None:
            image_unpublish(images=[image])
        earlier = FaceType.objects.filter(pk=before["image_face_type"]).first()
        image_set_type(images=[image], face_type=earlier)
    if before["is_published"]:
        image_publish(images=[image])
