"""Every read of classifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

import catalog.selectors
from catalog.models import CelebrityImage
from classification.errors import ClassificationNotFound, LinkNotFound, LinkRevoked
from classification.models import Classification, ShareLink


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """One celebrity of an answer. look_alike: chosen because the face is most like this one."""

    image: CelebrityImage
    look_alike: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A classification with what its answer shows besides.

    preview: the upright photo as JPEG, where it was asked for.
    """

    classification: Classification
    celebrities: list[CelebrityImage]
    preview: bytes | None = None

    @property
    def gallery(self) -> list[GalleryEntry]:
        alike = self.classification.celebrity_images[: self.classification.look_alikes]
        return [GalleryEntry(image, image.pk in alike) for image in self.celebrities]


def classification_alive(classification_id: UUID) -> Classification:
    """The record, unless it is expired or deleted; raises ClassificationNotFound."""
    classification = (
        Classification.objects.alive().select_related("type", "borderline_with").filter(pk=classification_id).first()
    )
    if classification is None:
        raise ClassificationNotFound
    return classification


def classifications_alive(classification_ids: Sequence[UUID]) -> list[Classification]:
    """Those that are neither expired nor deleted, newest first, with their open share links."""
    return list(_alive_with_links(classification_ids))


def classifications_to_export(classification_ids: Sequence[UUID]) -> list[Classification]:
    """The same, with the comparisons and boards they take part in."""
    return list(
        _alive_with_links(classification_ids).prefetch_related(
            "hosted_comparisons", "joined_comparisons", "board_members__board"
        )
    )


def _alive_with_links(classification_ids: Sequence[UUID]) -> QuerySet[Classification]:
    return (
        Classification.objects.alive()
        .filter(pk__in=classification_ids)
        .select_related("type", "borderline_with")
        .prefetch_related(Prefetch("share_links", ShareLink.objects.filter(revoked_at=None), to_attr="open_links"))  # type: ignore[no-redef]
        .order_by("-created_at")
    )


def classification_for_owner(*, classification_id: UUID, owner_token: str) -> Classification:
    """The record whose owner holds `owner_token`; raises ClassificationNotFound for anybody else."""
    classification = classification_alive(classification_id)
    if not classification.is_owned_with(owner_token):
        raise ClassificationNotFound
    return classification


def answer_for_owner(*, classification_id: UUID, owner_token: str) -> Answer:
    """What the owner was answered."""
    return answer_of(classification_for_owner(classification_id=classification_id, owner_token=owner_token))


def answer_of(classification: Classification) -> Answer:
    """What was answered; a celebrity image that is no longer published is left out."""
    return Answer(classification, catalog.selectors.images_by_ids(classification.celebrity_images))


def share_link_of(classification: Classification) -> ShareLink | None:
    """The result's open link, if its owner made one."""
    return classification.share_links.filter(revoked_at=None).first()


def shared_link(token: str) -> ShareLink:
    """The open link with the result it shows; raises LinkRevoked and LinkNotFound."""
    link = (
        ShareLink.objects.filter(token=token, classification__expires_at__gt=timezone.now())
        .select_related("classification__type", "classification__borderline_with")
        .first()
    )
    if link is None:
        raise LinkNotFound
    if link.revoked_at:
        raise LinkRevoked
    return link
