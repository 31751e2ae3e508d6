"""The audit log: who changed what, and who looked at whose photo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from auditlog.models import LogEntry
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from alphaproject.audit import TRACKED
from catalog.admin.base import ReadOnlyScreen, UncountedScreen

_LENGTH_SHOWN = 200
_ACTORS_OFFERED = 200

admin.site.unregister(LogEntry)


class ActorFilter(admin.SimpleListFilter):
    title = _("actor")
    parameter_name = "actor"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Iterator[tuple[str, Any]]:
        staff = User.objects.filter(is_staff=True).order_by("username")
        yield "none", _("nobody signed in")
        for pk, username in staff.values_list("pk", "username")[:_ACTORS_OFFERED]:
            yield str(pk), username

    def queryset(self, _request: HttpRequest, entries: QuerySet[LogEntry]) -> QuerySet[LogEntry] | None:
        if self.value() is None:
            return None
        if self.value() == "none":
            return entries.filter(actor=None)
        # Only those offered reach the database.
        known = {value for value, _label in self.lookup_choices}
        return entries.filter(actor=self.value()) if self.value() in known else entries.none()


class ModelFilter(admin.SimpleListFilter):
    title = _("what")
    parameter_name = "model"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Iterator[tuple[str, Any]]:
        for label in ["classification.Classification", *TRACKED]:
            yield label.lower(), apps.get_model(label)._meta.verbose_name  # noqa: SLF001 - Django's public name for it

    def queryset(self, _request: HttpRequest, entries: QuerySet[LogEntry]) -> QuerySet[LogEntry] | None:
        if self.value() is None:
            return None
        if self.value() not in {value for value, _label in self.lookup_choices}:
            return entries.none()
        return entries.filter(content_type=ContentType.objects.get_for_model(apps.get_model(str(self.value()))))


@admin.register(LogEntry)
class AuditLogScreen(UncountedScreen, ReadOnlyScreen):
    list_display = ["timestamp", "who", "action", "what", "object_repr", "fields_changed"]
    list_display_links = ["timestamp"]
    list_select_related = ["actor", "content_type"]
    list_filter = [ActorFilter, "action", ModelFilter, ("timestamp", admin.DateFieldListFilter)]
    search_fields = ["=object_pk"]
    search_help_text = _("The whole id of an object.")
    ordering = ["-timestamp", "-id"]
    sortable_by = ["timestamp"]
    fields = ["timestamp", "who", "action", "what", "object_repr", "object_pk", "change_table", "cid"]

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[LogEntry], search_term: str
    ) -> tuple[QuerySet[LogEntry], bool]:
        # Exactly as it is kept: Django's "=" ignores case, which no index serves.
        return (queryset.filter(object_pk=search_term.strip()) if search_term else queryset), False

    @admin.display(description=_("who"))
    def who(self, entry: LogEntry) -> str:
        return entry.actor.get_username() if entry.actor else "–"

    @admin.display(description=_("what"))
    def what(self, entry: LogEntry) -> str:
        return str(entry.content_type.name)

    @admin.display(description=_("fields"))
    def fields_changed(self, entry: LogEntry) -> str:
        return ", ".join(entry.changes or {})

    @admin.display(description=_("changes"))
    def change_table(self, entry: LogEntry) -> SafeString:
        rows = format_html_join(
            "",
            '<tr><th scope="row" style="padding:2px 24px 2px 0;text-align:left">{}</th>'
            '<td style="padding:2px 24px 2px 0">{}</td><td style="padding:2px 0">{}</td></tr>',
            ((field, *_before_and_after(change)) for field, change in (entry.changes or {}).items()),
        )
        head = format_html(
            '<tr><th scope="col">{}</th><th scope="col">{}</th><th scope="col">{}</th></tr>',
            _("field"),
            _("before"),
            _("after"),
        )
        return format_html('<div style="overflow-x:auto"><table>{}{}</table></div>', head, rows) if rows else rows


def _before_and_after(change: Any) -> tuple[str, str]:
    """A field's change as auditlog keeps it: a pair, or for many-to-many fields an operation on a list."""
    if isinstance(change, dict):
        objects = ", ".join(change["objects"])
        return ("", objects) if change["operation"] == "add" else (objects, "")
    before, after = (str(value)[:_LENGTH_SHOWN] for value in change)
    return before, after
