"""What the rest of the product reads from the catalogue.

Pages show an edit at once. Answers to photos, of which there may be hundreds a second, read what they need of the
catalogue every CATALOGUE_SECONDS; picture bytes, which never change, are read once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from cachetools import LRUCache, TTLCache, cached
from django.core.files.storage import storages
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from catalog.errors import STORAGE_ERRORS, PictureUnavailable, UnknownType
from catalog.look_alikes import Candidate, most_alike
from catalog.models import CelebrityImage, FaceType, Guidance, ImageEmbedding, ScoringPolicy
from inference import scoring

IMAGE_CACHE_BYTES = 32 * 1024 * 1024
# Images that a face is compared with at most.
LOOK_ALIKE_SAMPLE = 256
CATALOGUE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Rules:
    """What makes a type of a face: the active policy, and the types by their codes, which may not all be there."""

    policy: scoring.ScoringPolicy
    types: dict[str, FaceType]


@dataclass(frozen=True, slots=True)
class ComparedImages:
    """What faces are compared with: images by their ids, and those with a face, by the version that embedded it."""

    images: dict[int, CelebrityImage]
    candidates: dict[str, list[Candidate]]


@dataclass(frozen=True, slots=True)
class Gallery:
    """images: all different. look_alikes: so many, from the first, were chosen because they are most like a face."""

    images: list[CelebrityImage]
    look_alikes: int


def face_types() -> list[FaceType]:
    """All types, best first."""
    return list(FaceType.objects.best_first())


def face_type_by_code(code: str) -> FaceType:
    """Raises UnknownType."""
    try:
        return FaceType.objects.get(code=code)
    except FaceType.DoesNotExist as error:
        raise UnknownType(_("There is no such face type.")) from error


def random_images(face_type: FaceType, count: int, *, fill_from_neighbours: bool = False) -> list[CelebrityImage]:
    """`count` different published images of a type, uniformly at random; fewer where it has fewer.

    With fill_from_neighbours a type with too few is followed by images of the nearest types by rank,
    the better one first where two are as near. Two queries, whatever the number of images.
    """
    types = FaceType.objects.with_published_count()
    if not fill_from_neighbours:
        types = types.filter(pk=face_type.pk)
    chosen: list[tuple[int, int]] = []
    wanted = Q()
    for candidate in sorted(types, key=lambda other: (abs(other.rank - face_type.rank), other.rank)):
        share = min(count - len(chosen), candidate.published_count)
        if share > 0:
            slots = random.sample(range(candidate.published_count), share)
            chosen += [(candidate.pk, slot) for slot in slots]
            wanted |= Q(face_type=candidate, gallery_slot__in=slots)
    if not chosen:
        return []
    images = CelebrityImage.objects.published().filter(wanted).select_related("celebrity")
    by_place = {(image.face_type_id, image.gallery_slot): image for image in images}
    # An image unpublished between the two queries leaves its place empty.
    return [by_place[place] for place in chosen if place in by_place]


# Several may read at once what is kept: one after the other, all would wait for a database that does not answer.
@cached(TTLCache(maxsize=1, ttl=CATALOGUE_SECONDS), lock=Lock())
def rules() -> Rules:
    """Those of the last CATALOGUE_SECONDS."""
    return Rules(active_policy(), {face_type.code: face_type for face_type in face_types()})


def gallery_like(face_type: FaceType, count: int, *, embedding: Sequence[float], version: str) -> Gallery:
    """`count` published images of a type, first those whose faces are most like a face; fewer where it has fewer.

    embedding, version: the face's, and of the type model that made it; an image without an embedding of that version
    is as like as any other. Of a gallery larger than LOOK_ALIKE_SAMPLE a random sample is compared, so that the cost
    stays the same however many images there are: the best of 256 is among the best 1 % of all in 92 of 100 cases.
    Some may have left in the last CATALOGUE_SECONDS; see gallery_left.
    """
    compared = compared_images(face_type.pk)
    alike = most_alike(compared.candidates.get(version, []), embedding, count)
    others = [pk for pk in compared.images if pk not in alike]
    chosen = [*alike, *random.sample(others, min(len(others), count - len(alike)))]
    return Gallery([compared.images[pk] for pk in chosen], len(alike))


def gallery_left(gallery: Gallery) -> Gallery:
    """What of it is published now, as whoever reads the pictures must know: of other images they may be gone."""
    alike = {image.pk for image in gallery.images[: gallery.look_alikes]}
    images = images_by_ids([image.pk for image in gallery.images])
    return Gallery(images, sum(image.pk in alike for image in images))


@cached(TTLCache(maxsize=16, ttl=CATALOGUE_SECONDS), lock=Lock())
def compared_images(face_type_id: int) -> ComparedImages:
    """A type's gallery by ids; LOOK_ALIKE_SAMPLE of it at random, anew every CATALOGUE_SECONDS, where it has more."""
    gallery = CelebrityImage.objects.published().filter(face_type=face_type_id).order_by()
    last_slot = gallery.order_by("-gallery_slot").values_list("gallery_slot", flat=True).first()
    # Slots are dense from 0.
    places = 0 if last_slot is None else last_slot + 1
    if places > LOOK_ALIKE_SAMPLE:
        gallery = gallery.filter(gallery_slot__in=random.sample(range(places), LOOK_ALIKE_SAMPLE))
    images = {image.pk: image for image in gallery.select_related("celebrity")}
    candidates: dict[str, list[Candidate]] = {}
    # An empty vector: the models found no face there.
    for embedding in ImageEmbedding.objects.filter(pk__in=images).exclude(vector=b""):
        image = images[embedding.pk]
        candidates.setdefault(embedding.version, []).append(
            Candidate(image.pk, image.celebrity_id, bytes(embedding.vector))
        )
    return ComparedImages(images, candidates)


def published_images(face_type: FaceType, *, start: int = 0) -> QuerySet[CelebrityImage]:
    """A type's gallery from the place `start` on, in a stable order to page through."""
    gallery = CelebrityImage.objects.published().of_type(face_type).filter(gallery_slot__gte=start)
    return gallery.select_related("celebrity").order_by("gallery_slot")


def first_images(face_types: Sequence[FaceType], count: int) -> dict[int | None, list[CelebrityImage]]:
    """The first `count` images of each type's gallery, by the type's id."""
    # Every place is named, so that the index of types and places finds each by one look-up.
    places = CelebrityImage.objects.filter(face_type__in=face_types, gallery_slot__in=range(count))
    by_type: dict[int | None, list[CelebrityImage]] = {}
    for image in places.select_related("celebrity").order_by("face_type", "gallery_slot"):
        by_type.setdefault(image.face_type_id, []).append(image)
    return by_type


def images_by_ids(ids: Sequence[int]) -> list[CelebrityImage]:
    """Those of the images that are published, in the order of `ids`."""
    published = CelebrityImage.objects.published().filter(pk__in=ids).select_related("celebrity").order_by()
    images = {image.pk: image for image in published}
    return [images[image_id] for image_id in ids if image_id in images]


def active_policy() -> scoring.ScoringPolicy:
    """The policy that curators activated; the default one where there is none."""
    active = ScoringPolicy.objects.active().first()
    return active.as_policy() if active else scoring.DEFAULT_POLICY


def guidance(code: str) -> Guidance | None:
    return Guidance.objects.filter(code=code).first()


@cached(LRUCache(maxsize=IMAGE_CACHE_BYTES, getsizeof=len), key=lambda image: image.sha256, lock=Lock())
def image_bytes(image: CelebrityImage) -> bytes:
    """The JPEG, from memory where it was read before: its key is its hash, so it never goes stale.

    Raises PictureUnavailable.
    """
    try:
        with storages["catalog"].open(image.file) as file:
            content: bytes = file.read()
    except STORAGE_ERRORS as error:
        raise PictureUnavailable(_("The pictures cannot be read at the moment. Please try again later.")) from error
    return content
