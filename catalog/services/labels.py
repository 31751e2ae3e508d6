"""Types given to parts of many images at once, by a survey or a curator, and taken back again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypedDict

from auditlog.context import disable_auditlog
from django.db import transaction
from django.db.models import F

from catalog.models import CelebrityImage, FaceType, ImageLabel, PartLabel
from catalog.models.labels import LabelSource, LabelState
from catalog.services.audit import Action, audit_bulk
from catalog.services.images import image_set_type, image_unpublish, lock_galleries
from inference.contracts import FacePart

# An image's id and the value of a FacePart.
PartKey = tuple[int, str]

# Nobody knows where the parts are yet.
UNKNOWN_DOUBT = 1.0
_IMAGES_AT_ONCE = 1000
_TYPE_FIELDS = ["face_type", "type_source", "confidence", "result_row"]


class PartState(TypedDict):
    """What a part was before a change, as JSON. part: PartLabel.as_dict, or None where there was none.

    image_face_type: the type the image had in the app; for the whole face only.
    """

    part: dict[str, Any] | None
    image_face_type: int | None


@transaction.atomic
def part_labels_set_types(
    *,
    changes: Mapping[PartKey, FaceType | None],
    source: LabelSource,
    rows: Mapping[PartKey, int] | None = None,
) -> dict[PartKey, PartState]:
    """Give parts of images their types; labels that are missing are made, for review of their boxes.

    An image follows its whole face's type in the app at once, unless its label was rejected; one that
    loses its type is unpublished. Images that are gone are left out of the answer.

    rows: the ids of the SurveyResultRows that the types come from.
    Returns what each part was before, for part_labels_restore. A constant number of queries per thousand images.
    """
    lock_galleries()
    before: dict[PartKey, PartState] = {}
    for keys in _chunks(changes):
        before |= _set_types({key: changes[key] for key in keys}, source, rows or {})
    return before


@transaction.atomic
def part_labels_restore(*, states: Mapping[PartKey, PartState], rows: Mapping[PartKey, int]) -> set[PartKey]:
    """Take the types of a survey's result back, to what part_labels_set_types found before.

    rows: the ids of the SurveyResultRows whose types are taken back.
    Returns the parts left as they are, because somebody gave them another type since or they are gone.
    """
    lock_galleries()
    restored: set[PartKey] = set()
    for keys in _chunks(states):
        restored |= _restore({key: states[key] for key in keys}, rows)
    return set(states) - restored


def _set_types(
    changes: Mapping[PartKey, FaceType | None], source: LabelSource, rows: Mapping[PartKey, int]
) -> dict[PartKey, PartState]:
    images = CelebrityImage.objects.in_bulk({image_id for image_id, _part in changes})
    labels = _labels_of(images)
    missing = [ImageLabel(image_id=pk, doubt=UNKNOWN_DOUBT) for pk in images if pk not in labels]
    labels |= {label.image_id: label for label in ImageLabel.objects.bulk_create(missing)}
    parts = _parts_of(labels)
    before: dict[PartKey, PartState] = {}
    changed: list[PartLabel] = []
    earlier_types: list[int | None] = []
    for key, face_type in changes.items():
        image_id, part_name = key
        if image_id not in images:
            continue
        part = parts.get(key)
        before[key] = PartState(
            part=part.as_dict() if part else None,
            image_face_type=images[image_id].face_type_id if part_name == FacePart.WHOLE_FACE else None,
        )
        part = part or PartLabel(label=labels[image_id], part=part_name)
        earlier_types.append(part.face_type_id)
        part.face_type = face_type
        part.type_source = source if face_type else ""
        part.confidence = None
        part.result_row_id = rows.get(key)
        changed.append(part)
    _save_types(changed, earlier_types)
    _touch(labels.values())
    _move_images(
        images,
        {
            image_id: face_type.pk if face_type else None
            for (image_id, part_name), face_type in changes.items()
            if part_name == FacePart.WHOLE_FACE and image_id in images and labels[image_id].state != LabelState.REJECTED
        },
    )
    return before


def _restore(states: Mapping[PartKey, PartState], rows: Mapping[PartKey, int]) -> set[PartKey]:
    images = CelebrityImage.objects.in_bulk({image_id for image_id, _part in states})
    labels = _labels_of(images)
    parts = _parts_of(labels)
    unchanged = {key for key in states if key in parts and parts[key].result_row_id == rows.get(key)}
    moves: dict[int, int | None] = {}
    changed: list[PartLabel] = []
    earlier_types: list[int | None] = []
    doomed: list[PartLabel] = []
    for key in unchanged:
        image_id, part_name = key
        part, earlier = parts[key], states[key]["part"]
        # An image whose type was changed since keeps it.
        if part_name == FacePart.WHOLE_FACE and images[image_id].face_type_id == part.face_type_id:
            moves[image_id] = states[key]["image_face_type"]
        if earlier is None and part.box is None:
            doomed.append(part)
            continue
        earlier = earlier or {"face_type": None, "type_source": "", "confidence": None, "result_row": None}
        earlier_types.append(part.face_type_id)
        part.face_type_id = earlier["face_type"]
        part.type_source = earlier["type_source"]
        part.confidence = earlier["confidence"]
        part.result_row_id = earlier["result_row"]
        changed.append(part)
    _save_types(changed, earlier_types)
    audit_bulk(objects=doomed, action=Action.DELETE)
    touched = [labels[image_id] for image_id in {image_id for image_id, _part in unchanged}]
    _touch(touched)
    # The log follows deleted rows one by one, which would cost some queries for each.
    with disable_auditlog():
        PartLabel.objects.filter(pk__in=[part.pk for part in doomed]).delete()
        # Labels that were made for the types alone.
        ImageLabel.objects.filter(
            pk__in=[label.pk for label in touched],
            state=LabelState.PROPOSED,
            parts=None,
            events=None,
            analysed_at=None,
        ).delete()
    _move_images(images, moves)
    return unchanged


def _save_types(parts: list[PartLabel], earlier_types: list[int | None]) -> None:
    PartLabel.objects.bulk_create(
        parts,
        update_conflicts=True,
        unique_fields=["label", "part"],
        update_fields=_TYPE_FIELDS,
        batch_size=_IMAGES_AT_ONCE,
    )
    audit_bulk(
        objects=parts,
        changes=[{"face_type": (before, part.face_type_id)} for part, before in zip(parts, earlier_types, strict=True)],
    )


def _labels_of(images: Collection[int]) -> dict[int, ImageLabel]:
    labels = ImageLabel.objects.filter(image__in=list(images)).order_by("pk").select_for_update(of=("self",))
    return {label.image_id: label for label in labels}


def _parts_of(labels: Mapping[int, ImageLabel]) -> dict[PartKey, PartLabel]:
    image_ids = {label.pk: image_id for image_id, label in labels.items()}
    parts = PartLabel.objects.filter(label__in=list(image_ids))
    return {(image_ids[part.label_id], part.part): part for part in parts}


def _touch(labels: Iterable[ImageLabel]) -> None:
    """Tell whoever has the labels before them that they changed."""
    ImageLabel.objects.filter(pk__in=[label.pk for label in labels]).update(version=F("version") + 1)


def _move_images(images: Mapping[int, CelebrityImage], types: Mapping[int, int | None]) -> None:
    """Give images their new types in the app; `types`: type id by image id."""
    moving: defaultdict[int | None, list[CelebrityImage]] = defaultdict(list)
    for image_id, type_id in types.items():
        if images[image_id].face_type_id != type_id:
            moving[type_id].append(images[image_id])
    if None in moving:
        image_unpublish(images=moving[None])
    by_id: dict[int | None, FaceType | None] = {**FaceType.objects.in_bulk([pk for pk in moving if pk]), None: None}
    for type_id, moved in moving.items():
        image_set_type(images=moved, face_type=by_id[type_id])


def _chunks(keys: Iterable[PartKey]) -> Iterable[tuple[PartKey, ...]]:
    """All keys of an image stand in one chunk."""
    by_image: defaultdict[int, list[PartKey]] = defaultdict(list)
    for key in keys:
        by_image[key[0]].append(key)
    image_ids = sorted(by_image)
    for start in range(0, len(image_ids), _IMAGES_AT_ONCE):
        chunk = image_ids[start : start + _IMAGES_AT_ONCE]
        yield tuple(key for image_id in chunk for key in by_image[image_id])
