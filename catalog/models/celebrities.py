"""The people whose pictures stand for the types, and the galleries that published pictures form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.core.files.storage import storages
from django.db import models
from django.db.models.functions import Coalesce, Length
from django.db.models.lookups import Exact
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from catalog.languages import in_language
from catalog.similarity import SAME_PICTURE_DISTANCE, PerceptualHash

if TYPE_CHECKING:
    from catalog.models.face_types import FaceType


HASH_BANDS = ("hash_a", "hash_b", "hash_c", "hash_d")


class CelebrityQuerySet(models.QuerySet["Celebrity"]):
    def with_image_count(self) -> Self:
        """Set `image_count` on each celebrity; only the rows of a page are counted, not the whole table."""
        counts = (
            CelebrityImage.objects.filter(celebrity=models.OuterRef("pk"))
            .order_by()
            .values("celebrity")
            .annotate(count=models.Count("pk"))
            .values("count")
        )
        return self.annotate(image_count=Coalesce(models.Subquery(counts), 0))


class Celebrity(models.Model):
    name_ko = models.CharField(_("name (Korean)"), max_length=80)
    name_en = models.CharField(_("name (English)"), max_length=80)
    is_sample = models.BooleanField(
        _("sample"), default=False, editable=False, help_text=_("An imaginary person, drawn for a fresh catalogue.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    # Present on rows of with_image_count().
    image_count: int

    objects = CelebrityQuerySet.as_manager()

    class Meta:
        verbose_name = _("celebrity")
        verbose_name_plural = _("celebrities")
        ordering = ["name_en", "pk"]
        # Imports look people up by both names.
        indexes = [models.Index(fields=["name_ko", "name_en"], name="celebrity_names")]

    def __str__(self) -> str:
        return self.name(get_language() or "")

    def name(self, language: str) -> str:
        return in_language(language, korean=self.name_ko, english=self.name_en)


class CelebrityImageQuerySet(models.QuerySet["CelebrityImage"]):
    def published(self) -> Self:
        return self.filter(gallery_slot__isnull=False)

    def unpublished(self) -> Self:
        return self.filter(gallery_slot__isnull=True)

    def of_type(self, face_type: FaceType) -> Self:
        return self.filter(face_type=face_type)

    def similar_to(self, wanted: PerceptualHash) -> list[int]:
        """Ids of images that show the same picture, by index lookups; the oldest first."""
        shares_a_band = models.Q()
        for name, band in zip(HASH_BANDS, wanted.bands, strict=True):
            shares_a_band |= models.Q(**{name: band})
        candidates = self.filter(shares_a_band).order_by().values_list("pk", "hash_fine")
        return sorted(pk for pk, fine in candidates if fine and wanted.distance(fine) <= SAME_PICTURE_DISTANCE)


class CelebrityImage(models.Model):
    """One picture.

    It is published exactly when it has a `gallery_slot`. The slots of a type's published images are
    dense, 0 to n - 1, so that n is known and random images are found by index lookups alone. Only
    services/images.py writes `gallery_slot` and `face_type`.
    """

    celebrity = models.ForeignKey(
        Celebrity, verbose_name=_("celebrity"), on_delete=models.PROTECT, related_name="images"
    )
    face_type = models.ForeignKey(
        "catalog.FaceType",
        verbose_name=_("face type"),
        on_delete=models.PROTECT,
        related_name="images",
        null=True,
        blank=True,
    )
    file = models.CharField(_("file"), max_length=100, editable=False, help_text=_("Key in the catalogue's storage."))
    width = models.PositiveIntegerField(_("width"), editable=False)
    height = models.PositiveIntegerField(_("height"), editable=False)
    sha256 = models.CharField(
        _("SHA-256"), max_length=64, unique=True, editable=False, help_text=_("Of the stored bytes.")
    )
    thumbnail = models.CharField(_("thumbnail"), max_length=100, blank=True, editable=False)
    # The perceptual hash; see catalog/similarity.py.
    hash_a = models.PositiveIntegerField(null=True, editable=False)
    hash_b = models.PositiveIntegerField(null=True, editable=False)
    hash_c = models.PositiveIntegerField(null=True, editable=False)
    hash_d = models.PositiveIntegerField(null=True, editable=False)
    hash_fine = models.CharField(max_length=64, blank=True, editable=False)
    source = models.CharField(
        _("source"), max_length=300, blank=True, help_text=_("Where the picture comes from: an address or a sentence.")
    )
    licence = models.CharField(
        _("licence"), max_length=100, blank=True, help_text=_("The licence's short name, such as CC-BY-4.0.")
    )
    attribution = models.CharField(
        _("attribution"), max_length=300, blank=True, help_text=_("The credit line shown with the picture.")
    )
    gallery_slot = models.PositiveIntegerField(_("gallery slot"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = CelebrityImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["face_type", "gallery_slot"], name="celebrityimage_slot_unique"),
            models.CheckConstraint(
                condition=models.Q(gallery_slot__isnull=True)
                | (models.Q(face_type__isnull=False) & ~models.Q(source="") & ~models.Q(licence="")),
                name="celebrityimage_published_complete",
                violation_error_message=_("A published image needs a face type, a source and a licence."),
            ),
            models.CheckConstraint(condition=Exact(Length("sha256"), 64), name="celebrityimage_sha256_length"),
        ]
        indexes = [models.Index(fields=[name], name=f"celebrityimage_{name}") for name in HASH_BANDS]

    def __str__(self) -> str:
        return f"{self.celebrity} #{self.pk}"

    @property
    def is_published(self) -> bool:
        return self.gallery_slot is not None

    @property
    def is_publishable(self) -> bool:
        """Whether type, source and licence are there, as a published image needs."""
        return self.face_type_id is not None and bool(self.source) and bool(self.licence)

    @cached_property
    def url(self) -> str:
        return storages["catalog"].url(self.file)

    @property
    def thumbnail_url(self) -> str:
        """Of the small picture; of the picture itself where none was made."""
        return storages["catalog"].url(self.thumbnail or self.file)
