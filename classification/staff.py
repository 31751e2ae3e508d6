"""What staff do with other people's results. Each of these leaves an entry in the audit log."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from catalog.models import FaceType
from catalog.services.audit import Action, audit_bulk
from classification import photos, services
from classification.models import Classification


def photo_view(classification: Classification) -> bytes:
    """The kept photo as JPEG. Raises StorageUnavailable; then nobody saw it."""
    photo = photos.photo_read(classification.photo_key)
    # Before anybody sees it: a view that could not be told of does not happen.
    audit_bulk(objects=[classification], action=Action.ACCESS, changes={"photo": ("", "viewed")})
    return photo


def classification_erase(classification: Classification) -> None:
    """Erase a record and its photo. Raises StorageUnavailable; then nothing is erased."""
    erased = Classification(pk=classification.pk)
    services.classification_delete(classification)
    audit_bulk(objects=[erased], action=Action.DELETE)


@transaction.atomic
def classification_correct(
    classification: Classification,
    *,
    face_type: FaceType | None = None,
    birth_date: date | None = None,
    mbti: str | None = None,
) -> Classification:
    """Correct what a record says; what is None stays. The log is told the type, and only that the others changed."""
    changes: dict[str, tuple[object, object]] = {}
    if face_type and face_type != classification.type:
        changes["type"] = (classification.type.code, face_type.code)
        classification.type = face_type
        # It lay between the model's type and another one; this one is neither's.
        classification.borderline_with = None
    if birth_date and birth_date != classification.birth_date:
        changes["birth_date"] = ("", "changed")
        classification.birth_date = birth_date
    if mbti is not None and mbti != classification.mbti:
        changes["mbti"] = ("", "changed")
        classification.mbti = mbti
    if changes:
        classification.save(update_fields=["type", "borderline_with", "birth_date", "mbti"])
        audit_bulk(objects=[classification], changes=changes)
    return classification
