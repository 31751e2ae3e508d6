"""Background tasks: what waits, what runs, and what failed and where."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django_tasks_db.models import DBTaskResult

from catalog.admin.base import ReadOnlyScreen

# django-tasks has no translations.
STATUSES = {
    "READY": _("waiting"),
    "RUNNING": _("running"),
    "FAILED": _("failed"),
    "SUCCESSFUL": _("done"),
}

admin.site.unregister(DBTaskResult)


@admin.register(DBTaskResult)
class TaskScreen(ReadOnlyScreen):
    list_display = ["name", "shown_status", "enqueued_at", "started_at", "finished_at"]
    list_display_links = ["name"]
    list_filter = ["status", ("enqueued_at", admin.DateFieldListFilter)]
    ordering = ["-enqueued_at"]
    # Neither arguments nor return values, which may hold what people typed, nor messages of exceptions.
    fields = ["id", "name", "shown_status", "enqueued_at", "started_at", "finished_at", "exception_class_path"]

    @admin.display(description=_("task"), ordering="task_path")
    def name(self, task: Any) -> str:
        return str(task.task_path).rsplit(".", 1)[-1]

    @admin.display(description=_("status"), ordering="status")
    def shown_status(self, task: Any) -> Any:
        return STATUSES[task.status]
