"""What the rest of the product reads from the catalogue.

Nothing that is shown is cached but immutable picture bytes, so an edit shows in the next answer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Condition, Lock
from typing import Any

from cachetools import LRUCache, TTLCache, cached
from django.core.files.storage import storages
from django.db.models import FloatField, Q, QuerySet
from django.utils.translation import gettext as _

from catalog.errors import STORAGE_ERRORS, PictureUnavailable, UnknownType
from catalog.look_alikes import Candidate, most_alike
from catalog.models import Celebrity, CelebrityImage, FaceType, Guidance, ScoringPolicy
from catalog.statements import rows, written
from inference import scoring

IMAGE_CACHE_BYTES = 32 * 1024 * 1024
# Images that a face is compared with at most, and seconds for which it is the same ones of a larger gallery.
LOOK_ALIKE_SAMPLE = 256
LOOK_ALIKE_SECONDS = 10

# What an answer needs of each table's rows, in the order of their fields.
_TYPE = tuple(field.attname for field in FaceType._meta.concrete_fields)  # noqa: SLF001 - Django documents it
_POLICY = tuple(field.attname for field in ScoringPolicy._meta.concrete_fields if isinstance(field, FloatField))  # noqa: SLF001
_IMAGE = ("id", "celebrity_id", "file", "width", "height", "sha256", "attribution")
_CELEBRITY = ("id", "name_ko", "name_en")


@dataclass(frozen=True, slots=True)
class Gallery:
    """images: all different. look_alikes: so many, from the first, were chosen because they are most like a face."""

    images: list[CelebrityImage]
    look_alikes: int


def face_types() -> list[FaceType]:
    """All types, best first."""
    return [FaceType.from_db(None, _TYPE, row) for row in rows(_types_sql())]


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


def gallery_like(face_type: FaceType, count: int, *, embedding: Sequence[float], version: str) -> Gallery:
    """`count` published images of a type, first those whose faces are most like a face; fewer where it has fewer.

    embedding, version: the face's, and of the type model that made it; an image without an embedding of that version
    is as like as any other. Of a gallery larger than LOOK_ALIKE_SAMPLE a random sample is compared, drawn anew every
    LOOK_ALIKE_SECONDS, so that the cost stays the same however many images there are: the best of 256 is among the best
    1 % of all in 92 of 100 cases. One query, and for a sample another two every LOOK_ALIKE_SECONDS.
    """
    sample = gallery_sample(face_type.pk)
    compared = rows(_gallery_sql(), face_type.pk) if sample is None else sample
    images = {row[0]: row[:-2] for row in compared}
    # An empty vector: the models found no face there.
    candidates = [
        Candidate(pk, celebrity_id, bytes(vector))
        for pk, celebrity_id, *_, made_by, vector in compared
        if vector and made_by == version
    ]
    alike = most_alike(candidates, embedding, count)
    others = [pk for pk in images if pk not in alike]
    chosen = [*alike, *random.sample(others, min(len(others), count - len(alike)))]
    if sample is not None:
        # Some may have left the gallery since the sample was drawn.
        found = [image for image in images_by_ids(chosen) if image.face_type_id == face_type.pk]
        return Gallery(found, sum(image.pk in alike for image in found))
    return Gallery([_image(images[pk]) for pk in chosen], len(alike))


@cached(TTLCache(maxsize=16, ttl=LOOK_ALIKE_SECONDS), condition=Condition())
def gallery_sample(face_type_id: int) -> list[tuple[Any, ...]] | None:
    """LOOK_ALIKE_SAMPLE rows of a type's gallery at random, as _gallery_sql reads them; None where it has no more.

    They lie all over the tables, and take a while to be read: for one answer at a time, and not for each.
    """
    last_slot = rows(_last_slot_sql(), face_type_id)
    # Slots are dense from 0.
    places = last_slot[0][0] + 1 if last_slot else 0
    if places <= LOOK_ALIKE_SAMPLE:
        return None
    return rows(_gallery_sql(LOOK_ALIKE_SAMPLE), face_type_id, *random.sample(range(places), LOOK_ALIKE_SAMPLE))


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
    # At most one is active: a constraint sees to that.
    active = rows(_policy_sql())
    return _policy(active[0]) if active else scoring.DEFAULT_POLICY


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


# Every answer asks these questions.
@cache
def _types_sql() -> str:
    return written(FaceType.objects.best_first().values_list(*_TYPE))


@cache
def _policy_sql() -> str:
    return written(ScoringPolicy.objects.active().order_by().values_list(*_POLICY))


@cache
def _last_slot_sql() -> str:
    """Parameters: a type's id."""
    slots = CelebrityImage.objects.published().filter(face_type=0).order_by("-gallery_slot")
    return written(slots.values_list("gallery_slot")[:1])


@cache
def _gallery_sql(sampled: int | None = None) -> str:
    """Parameters: a type's id, and so many slots where not all of its images are asked for."""
    images = CelebrityImage.objects.published().filter(face_type=0).order_by()
    if sampled is not None:
        images = images.filter(gallery_slot__in=range(sampled))
    of_celebrity = (f"celebrity__{name}" for name in _CELEBRITY)
    columns = *_IMAGE, *of_celebrity, "embedding__version", "embedding__vector"
    return written(images.values_list(*columns))


@lru_cache(maxsize=16)
def _policy(columns: tuple[float, ...]) -> scoring.ScoringPolicy:
    """Of the columns of _POLICY: what they say is worked out, and checked, once."""
    return ScoringPolicy.from_db(None, _POLICY, columns).as_policy()


def _image(columns: Sequence[Any]) -> CelebrityImage:
    """Of the columns of _IMAGE and _CELEBRITY; another field is read when it is asked for."""
    image = CelebrityImage.from_db(None, _IMAGE, columns[: len(_IMAGE)])
    image.celebrity = Celebrity.from_db(None, _CELEBRITY, columns[len(_IMAGE) :])
    return image
