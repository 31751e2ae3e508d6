"""The back office's screens for what the whole installation shares."""

from alphaproject.admin.access import GroupScreen, UserScreen
from alphaproject.admin.audit import AuditLogScreen
from alphaproject.admin.releases import ModelReleaseAdmin
from alphaproject.admin.tasks import TaskScreen

__all__ = ["AuditLogScreen", "GroupScreen", "ModelReleaseAdmin", "TaskScreen", "UserScreen"]
