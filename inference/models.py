"""Model releases: which weights there are, and which are in use.

Whatever changes here reaches the serving processes by itself; see inference.serving.following.
"""

from __future__ import annotations

import hashlib
from typing import Any, Self

from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inference.cards import ModelCard, card_of, packaged_card
from inference.comparison import PRIMARY_METRICS


class ReleaseError(Exception):
    """A release cannot be made or changed as asked."""


class DuplicateRelease(ReleaseError):
    """The version, or the weights, are released already."""


class AlteredWeights(ReleaseError):
    """The weights are not the ones that their manifest describes."""


class NotInUse(ReleaseError):
    """Only the active release of a model can be rolled back."""


class ModelName(models.TextChoices):
    """The names of inference.registry.MODELS, known here without torch."""

    GATE = "gate", _("gate")
    PARTS = "parts", _("parts")
    TYPES = "types", _("types")


class ModelReleaseQuerySet(models.QuerySet["ModelRelease"]):
    def active(self) -> Self:
        return self.filter(is_active=True)

    def active_hashes(self) -> dict[str, str]:
        """The sha256 of the weights in use, by model name; a model that is missing runs the packaged weights."""
        return dict(self.active().values_list("name", "sha256"))

    def cards_in_use(self) -> dict[str, ModelCard]:
        """What is known of the models in use, by model name, in one query."""
        released = {release.name: card_of(release.manifest) for release in self.active().only("name", "manifest")}
        return {name: released.get(name) or packaged_card(name) for name in ModelName.values}

    def manifest_of(self, sha256: str) -> dict[str, Any]:
        manifest: dict[str, Any] = self.get(sha256=sha256).manifest
        return manifest

    def weights_of(self, sha256: str) -> bytes:
        """Raises AlteredWeights where the storage has other bytes than were released, and what it raises itself."""
        release = self.get(sha256=sha256)
        with storages["models"].open(release.weights_key) as file:
            weights: bytes = file.read()
        _verify(release, weights)
        return weights

    def release(self, *, manifest: dict[str, Any], weights: bytes) -> ModelRelease:
        """Store weights and register them; nothing runs them before they are activated.

        manifest: as inference.registry.Manifest writes it. Raises AlteredWeights and DuplicateRelease.
        """
        release = self.model(
            name=manifest["name"], version=manifest["version"], sha256=manifest["sha256"], manifest=manifest
        )
        _verify(release, weights)
        if self._is_known(release):
            raise DuplicateRelease(f"{release}: this version or these weights are released already")
        storage = storages["models"]
        release.weights_key = storage.save(f"{release.name}/{release.sha256}.safetensors", ContentFile(weights))
        try:
            with transaction.atomic():
                release.save(force_insert=True)
        except IntegrityError as error:
            storage.delete(release.weights_key)
            raise DuplicateRelease(f"{release}: somebody else released it just now") from error
        return release

    def _is_known(self, release: ModelRelease) -> bool:
        return self.filter(Q(sha256=release.sha256) | Q(name=release.name, version=release.version)).exists()


class ModelRelease(models.Model):
    """One version of one model. At most one of a model's releases is active; none: its packaged weights run.

    weights_key: of a file in the "models" storage.
    activated_at: when the release was last put to use; empty where it never was, or was rolled back.
    """

    name = models.CharField(_("model"), max_length=10, choices=ModelName.choices)
    version = models.CharField(_("version"), max_length=50)
    sha256 = models.CharField(_("SHA-256"), max_length=64, unique=True)
    manifest = models.JSONField(_("manifest"))
    weights_key = models.CharField(_("weights key"), max_length=200)
    released_at = models.DateTimeField(_("released"), auto_now_add=True)
    activated_at = models.DateTimeField(_("in use since"), null=True, editable=False)
    is_active = models.BooleanField(_("in use"), default=False, editable=False)

    objects = ModelReleaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("model release")
        verbose_name_plural = _("model releases")
        ordering = ["name", "-released_at", "-pk"]
        default_permissions = ["view"]
        permissions = [("activate_modelrelease", _("Can activate and roll back model releases"))]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="modelrelease_one_per_version"),
            models.UniqueConstraint(fields=["name"], condition=Q(is_active=True), name="modelrelease_one_active"),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(activated_at__isnull=False), name="modelrelease_active_since"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.manifest["metrics"])

    @property
    def primary_metrics(self) -> dict[str, float]:
        """Those of the metrics that decide whether another release is better."""
        return {metric: self.metrics[metric] for metric in PRIMARY_METRICS[self.name] if metric in self.metrics}

    @transaction.atomic
    def activate(self) -> None:
        """Put this release to use instead of the one that is."""
        self._lock_siblings()
        self.refresh_from_db()
        if self.is_active:
            return
        ModelRelease.objects.active().filter(name=self.name).update(is_active=False)
        self._put_to_use()

    @transaction.atomic
    def roll_back(self) -> ModelRelease | None:
        """Withdraw this release; the one in use before it runs again, or None: the packaged weights do.

        Raises NotInUse, so that a second click rolls nothing more back.
        """
        self._lock_siblings()
        self.refresh_from_db()
        if not self.is_active:
            raise NotInUse(f"{self} is not in use")
        self.is_active = False
        # Never to be rolled back to: what it was withdrawn for.
        self.activated_at = None
        self.save(update_fields=["is_active", "activated_at"])
        earlier = ModelRelease.objects.filter(name=self.name, activated_at__isnull=False)
        previous = earlier.order_by("-activated_at", "-pk").first()
        if previous:
            previous._put_to_use()  # noqa: SLF001 - of the same class
        return previous

    def _lock_siblings(self) -> None:
        # Two changes at once follow each other; all rows of the model, always in one order.
        siblings = ModelRelease.objects.filter(name=self.name).order_by("pk")
        list(siblings.select_for_update().values_list("pk"))

    def _put_to_use(self) -> None:
        self.is_active = True
        self.activated_at = timezone.now()
        self.save(update_fields=["is_active", "activated_at"])


def _verify(release: ModelRelease, weights: bytes) -> None:
    digest = hashlib.sha256(weights).hexdigest()
    if digest != release.sha256:
        raise AlteredWeights(f"{release}: the weights have sha256 {digest}, released were {release.sha256}")
