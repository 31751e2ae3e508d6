"""Every write to the celebrities' images and to the galleries that the published ones form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from django.core.files.storage import storages
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from catalog.errors import STORAGE_ERRORS, CatalogError, DuplicateImage, IncompleteImage
from catalog.models import Celebrity, CelebrityImage, FaceType
from catalog.models.celebrities import HASH_BANDS, CelebrityImageQuerySet
from catalog.services.audit import audit_bulk
from catalog.services.pictures import Picture, picture_from_upload, picture_remove, picture_store

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """What became of a selection: newly published images, and those that lack a type, source or licence."""

    published: tuple[CelebrityImage, ...]
    incomplete: tuple[CelebrityImage, ...]


def image_verify(*, content: bytes) -> Picture:
    """The picture that image_add would store. Raises InvalidPicture, PictureTooLarge and DuplicateImage."""
    picture = picture_from_upload(content)
    if CelebrityImage.objects.filter(sha256=picture.sha256).exists():
        raise DuplicateImage(_("This picture is in the catalogue already."))
    return picture


def image_add(
    *,
    celebrity: Celebrity,
    content: bytes,
    face_type: FaceType | None = None,
    source: str = "",
    licence: str = "",
    attribution: str = "",
) -> CelebrityImage:
    """Add an unpublished image. Raises as image_verify does."""
    return image_add_picture(
        picture=image_verify(content=content),
        celebrity=celebrity,
        face_type=face_type,
        source=source,
        licence=licence,
        attribution=attribution,
    )


def image_add_picture(*, picture: Picture, **fields: Any) -> CelebrityImage:
    """image_add for a picture that is verified. Raises DuplicateImage."""
    image = image_of(picture, **fields)
    picture_store(picture)
    try:
        with transaction.atomic():
            image.save(force_insert=True)
    except IntegrityError as error:
        # The file belongs to the image that was added in between, so it stays.
        if CelebrityImage.objects.filter(sha256=image.sha256).exists():
            raise DuplicateImage(_("This picture is in the catalogue already.")) from error
        picture_remove(picture.key, picture.thumbnail_key)
        raise
    return image


def image_of(picture: Picture, **fields: Any) -> CelebrityImage:
    """An unsaved row for a picture."""
    return CelebrityImage(
        file=picture.key,
        thumbnail=picture.thumbnail_key,
        width=picture.width,
        height=picture.height,
        sha256=picture.sha256,
        hash_fine=picture.hash.fine,
        **dict(zip(HASH_BANDS, picture.hash.bands, strict=True)),
        **fields,
    )


def images_complete() -> int:
    """Give images stored before there were thumbnails and perceptual hashes theirs; how many there were.

    An image whose file cannot be read now is left for the next time.
    """
    count = 0
    for image in CelebrityImage.objects.filter(thumbnail="").order_by("pk").iterator(chunk_size=200):
        try:
            with storages["catalog"].open(image.file) as file:
                picture = picture_from_upload(file.read())
        except (*STORAGE_ERRORS, CatalogError) as error:
            logger.warning("picture_unreadable", image=image.pk, exc_info=error)
            continue
        picture_store(picture)
        known = image_of(picture)
        count += CelebrityImage.objects.filter(pk=image.pk).update(
            **{name: getattr(known, name) for name in ("thumbnail", "hash_fine", *HASH_BANDS)}
        )
    return count


@transaction.atomic
def image_update(
    *, image: CelebrityImage, celebrity: Celebrity, source: str, licence: str, attribution: str
) -> CelebrityImage:
    """Change what is known of an image. Raises IncompleteImage where a published one would lose what it needs."""
    lock_galleries()
    image.refresh_from_db(fields=["face_type", "gallery_slot"])
    image.celebrity = celebrity
    image.source = source
    image.licence = licence
    image.attribution = attribution
    if image.is_published and not image.is_publishable:
        raise IncompleteImage(_("A published image needs a face type, a source and a licence."))
    # Never the slot: another gallery change may have moved it since this image was read.
    image.save(update_fields=["celebrity", "source", "licence", "attribution", "updated_at"])
    return image


@transaction.atomic
def image_publish(*, images: Collection[CelebrityImage]) -> PublishOutcome:
    """Append the complete ones among `images` to their types' galleries; published ones stay as they are."""
    lock_galleries()
    unpublished = list(_reread(images).unpublished().select_related("celebrity").order_by("pk"))
    complete = [image for image in unpublished if image.is_publishable]
    incomplete = [image for image in unpublished if not image.is_publishable]
    sizes = _gallery_sizes()
    for image in complete:
        image.gallery_slot = sizes[image.face_type_id]
        sizes[image.face_type_id] += 1
    CelebrityImage.objects.bulk_update(complete, ["gallery_slot"], batch_size=200)
    audit_bulk(objects=complete, changes={"published": (False, True)})
    return PublishOutcome(published=tuple(complete), incomplete=tuple(incomplete))


@transaction.atomic
def image_unpublish(*, images: Collection[CelebrityImage]) -> int:
    """Take images out of their galleries; how many were in one."""
    lock_galleries()
    return _unpublish(images)


@transaction.atomic
def image_set_type(*, images: Collection[CelebrityImage], face_type: FaceType | None) -> None:
    """Give images another type; published ones move to its gallery.

    Raises IncompleteImage where a published image would be left without a type.
    """
    lock_galleries()
    published = list(_reread(images).published().exclude(face_type=face_type).order_by("pk"))
    if published and face_type is None:
        raise IncompleteImage(_("A published image needs a face type. Unpublish it first."))
    _unpublish(published)
    changed = list(_reread(images).exclude(face_type=face_type).select_related("celebrity", "face_type"))
    _reread(images).update(face_type=face_type)
    audit_bulk(objects=changed, changes=[{"face_type": (image.face_type, face_type)} for image in changed])
    image_publish(images=published)


@transaction.atomic
def image_delete(*, images: Collection[CelebrityImage]) -> int:
    """Delete images, and their files once that is certain; how many there were."""
    lock_galleries()
    _unpublish(images)
    doomed = list(_reread(images))
    CelebrityImage.objects.filter(pk__in=[image.pk for image in doomed]).delete()
    for image in doomed:
        transaction.on_commit(partial(_remove_unused_files, image))
    return len(doomed)


def lock_galleries() -> None:
    """Serialize changes to galleries until the transaction ends.

    All five rows, always in one order: a change of type concerns two galleries, and two changes in
    opposite directions would otherwise wait for each other for ever. no_key: new results, which only
    refer to a type, need not wait.
    """
    list(FaceType.objects.order_by("pk").select_for_update(no_key=True).values_list("pk"))


def _reread(images: Collection[CelebrityImage]) -> CelebrityImageQuerySet:
    return CelebrityImage.objects.filter(pk__in=[image.pk for image in images])


def _gallery_sizes() -> dict[int | None, int]:
    return {face_type.pk: face_type.published_count for face_type in FaceType.objects.with_published_count()}


def _unpublish(images: Collection[CelebrityImage]) -> int:
    leaving = list(_reread(images).published().select_related("celebrity"))
    sizes = _gallery_sizes()
    left: defaultdict[int | None, list[int]] = defaultdict(list)
    for image in leaving:
        if image.gallery_slot is not None:
            left[image.face_type_id].append(image.gallery_slot)
    _reread(leaving).update(gallery_slot=None)
    moved: list[CelebrityImage] = []
    for face_type_id, slots in left.items():
        remaining = sizes[face_type_id] - len(slots)
        holes = [slot for slot in slots if slot < remaining]
        last = CelebrityImage.objects.filter(face_type_id=face_type_id, gallery_slot__gte=remaining)
        for image, hole in zip(last, holes, strict=True):
            image.gallery_slot = hole
            moved.append(image)
    CelebrityImage.objects.bulk_update(moved, ["gallery_slot"], batch_size=200)
    audit_bulk(objects=leaving, changes={"published": (True, False)})
    return len(leaving)


def _remove_unused_files(image: CelebrityImage) -> None:
    # The same picture may have been added again since.
    if not CelebrityImage.objects.filter(file=image.file).exists():
        picture_remove(image.file, image.thumbnail)
