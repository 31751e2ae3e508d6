"""Embeddings of the catalogue's pictures, by which a result shows the celebrities most like a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from django.core.files.storage import storages
from django.db.models import Exists, OuterRef

from catalog.errors import STORAGE_ERRORS
from catalog.look_alikes import vector_of
from catalog.models import CelebrityImage, ImageEmbedding
from catalog.models.celebrities import CelebrityImageQuerySet
from catalog.services.analysis import analyse_many
from inference import client
from inference.contracts import FaceAnalysis, InferenceError, PhotoRefused

logger = structlog.get_logger(__name__)

_IMAGES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Step:
    """last: id of the last image of the step; None where none was left. failed: ids, to be tried another time."""

    last: int | None
    embedded: int = 0
    faceless: int = 0
    failed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Embedding:
    """vector: (128,) of length 1; empty where the models find no usable face. version: of the type model."""

    vector: Sequence[float]
    version: str


def images_to_embed() -> CelebrityImageQuerySet:
    """Images that the type model in use has not looked at."""
    up_to_date = ImageEmbedding.objects.filter(image=OuterRef("pk"), version=client.versions().types)
    return CelebrityImage.objects.exclude(Exists(up_to_date))


def embeddings_set(embeddings: Mapping[int, Embedding]) -> None:
    """Keep what the models saw in images, by their ids; of an image that is deleted by now nothing is kept."""
    known = CelebrityImage.objects.filter(pk__in=embeddings).values_list("pk", flat=True)
    ImageEmbedding.objects.bulk_create(
        [
            ImageEmbedding(image_id=pk, vector=vector_of(embeddings[pk].vector), version=embeddings[pk].version)
            for pk in known
        ],
        update_conflicts=True,
        unique_fields=["image"],
        update_fields=["vector", "version"],
    )


def embedding_of(answer: FaceAnalysis | PhotoRefused) -> Embedding:
    if isinstance(answer, FaceAnalysis):
        return Embedding(answer.embedding, answer.models.types)
    return Embedding((), client.versions().types)


def images_embed(*, after: int) -> Step:
    """Embed the next images whose ids are greater than `after`; repeat with the step's `last` until it is None."""
    images = list(images_to_embed().filter(pk__gt=after).order_by("pk")[:_IMAGES_AT_ONCE])
    if not images:
        return Step(last=None)
    contents = {image.pk: content for image in images if (content := _content_of(image)) is not None}
    analysed = dict(zip(contents, analyse_many(list(contents.values())), strict=True))
    answers = {pk: answer for pk, answer in analysed.items() if isinstance(answer, FaceAnalysis | PhotoRefused)}
    embeddings_set({pk: embedding_of(answer) for pk, answer in answers.items()})
    faceless = sum(isinstance(answer, InferenceError) for answer in answers.values())
    return Step(
        last=images[-1].pk,
        embedded=len(answers) - faceless,
        faceless=faceless,
        failed=tuple(image.pk for image in images if image.pk not in answers),
    )


def _content_of(image: CelebrityImage) -> bytes | None:
    try:
        with storages["catalog"].open(image.file) as file:
            content: bytes = file.read()
    except STORAGE_ERRORS as error:
        logger.warning("picture_unreadable", image=image.pk, exc_info=error)
        return None
    return content
