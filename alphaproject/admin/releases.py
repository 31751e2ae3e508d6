"""The models that answer."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from catalog.admin.base import ReadOnlyScreen
from inference.models import ModelRelease, NotInUse

_NOT_MEASURED = _("not measured")


@admin.register(ModelRelease)
class ModelReleaseAdmin(ReadOnlyScreen):
    """Releases come from `manage.py release`; here they are looked at, put to use and withdrawn."""

    list_display = ["name", "version", "is_active", "activated_at", "primary_metrics", "released_at"]
    list_display_links = ["name", "version"]
    list_filter = ["name", "is_active"]
    search_fields = ["version", "sha256"]
    fieldsets = [
        (None, {"fields": ["name", "version", "is_active", "activated_at", "released_at"]}),
        (_("Card"), {"fields": ["intended_use", "limits", "licence"]}),
        (_("Numbers"), {"fields": ["metrics", "measured_with"]}),
        (_("Training data"), {"fields": ["training_sets", "training_files", "training_hash", "teachers"]}),
        (_("Weights"), {"fields": ["sha256", "weights_key", "thresholds"]}),
    ]
    actions = ["activate", "roll_back"]

    def has_activate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("inference.activate_modelrelease")

    @admin.action(description=_("Activate"), permissions=["activate"])
    def activate(self, request: HttpRequest, releases: QuerySet[ModelRelease]) -> None:
        if (release := self._only_one(request, releases)) is None:
            return
        release.activate()
        self.log_change(request, release, "Activated.")
        messages.success(request, _("Servers switch to %(release)s within seconds.") % {"release": release})

    @admin.action(description=_("Roll back to the previous one"), permissions=["activate"])
    def roll_back(self, request: HttpRequest, releases: QuerySet[ModelRelease]) -> None:
        if (release := self._only_one(request, releases)) is None:
            return
        try:
            previous = release.roll_back()
        except NotInUse:
            messages.error(request, _("%(release)s is not in use. Select the one that is.") % {"release": release})
            return
        self.log_change(request, release, "Rolled back.")
        messages.success(
            request,
            _("%(release)s is withdrawn. Servers switch to %(previous)s within seconds.")
            % {"release": release, "previous": previous or _("the packaged weights")},
        )

    @admin.display(description=_("primary metrics"))
    def primary_metrics(self, release: ModelRelease) -> str:
        lines = ((f"{metric} {value:.4f}",) for metric, value in release.primary_metrics.items())
        return format_html_join(SafeString("<br>"), "{}", lines) or str(_NOT_MEASURED)

    @admin.display(description=_("metrics"))
    def metrics(self, release: ModelRelease) -> str:
        return _table((name, f"{value:.4f}") for name, value in release.metrics.items()) or str(_NOT_MEASURED)

    @admin.display(description=_("measured with"), empty_value="–")
    def measured_with(self, release: ModelRelease) -> str:
        return str(release.manifest["measured_with"])

    @admin.display(description=_("intended use"))
    def intended_use(self, release: ModelRelease) -> str:
        return str(release.manifest["intended_use"])

    @admin.display(description=_("limits"))
    def limits(self, release: ModelRelease) -> str:
        return str(release.manifest["limits"])

    @admin.display(description=_("licence"))
    def licence(self, release: ModelRelease) -> str:
        return str(release.manifest["licence"])

    @admin.display(description=_("sets and their licences"))
    def training_sets(self, release: ModelRelease) -> SafeString:
        return _table(release.manifest["training"]["sets"].items())

    @admin.display(description=_("files"))
    def training_files(self, release: ModelRelease) -> int:
        return int(release.manifest["training"]["files"])

    @admin.display(description=_("SHA-256 of the files"))
    def training_hash(self, release: ModelRelease) -> str:
        return str(release.manifest["training"]["sha256"])

    @admin.display(description=_("teachers"))
    def teachers(self, release: ModelRelease) -> SafeString:
        return _table(release.manifest["training"]["teachers"].items())

    @admin.display(description=_("thresholds"))
    def thresholds(self, release: ModelRelease) -> SafeString:
        return _table(release.manifest["thresholds"].items())

    def _only_one(self, request: HttpRequest, releases: QuerySet[ModelRelease]) -> ModelRelease | None:
        chosen = list(releases[:2])
        if len(chosen) == 1:
            return chosen[0]
        messages.error(request, _("Select exactly one release."))
        return None


def _table(rows: Iterable[tuple[str, object]]) -> SafeString:
    body = format_html_join(
        "", '<tr><td style="padding:2px 24px 2px 0">{}</td><td style="padding:2px 0">{}</td></tr>', rows
    )
    return format_html("<table>{}</table>", body) if body else body
