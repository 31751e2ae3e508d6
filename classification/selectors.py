"""Every read of classifications."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import catalog.selectors
from catalog.models import CelebrityImage
from classification.errors import ClassificationNotFound
from classification.models import Classification


@dataclass(frozen=True, slots=True)
class Answer:
    """A classification with what its answer shows besides.

    preview: the upright photo as JPEG, where it was asked for.
    """

    classification: Classification
    celebrities: list[CelebrityImage]
    preview: bytes | None = None


def classification_for_owner(*, classification_id: UUID, owner_token: str) -> Classification:
    """The record whose owner holds `owner_token`; raises ClassificationNotFound for anybody else."""
    classification = (
        Classification.objects.alive().select_related("type", "borderline_with").filter(pk=classification_id).first()
    )
    if classification is None or not classification.is_owned_with(owner_token):
        raise ClassificationNotFound
    return classification


def answer_for_owner(*, classification_id: UUID, owner_token: str) -> Answer:
    """What the owner was answered; a celebrity image that is no longer published is left out."""
    classification = classification_for_owner(classification_id=classification_id, owner_token=owner_token)
    return Answer(classification, catalog.selectors.images_by_ids(classification.celebrity_images))
