"""The roles of the back office: groups that `manage.py prepare` makes, and brings back to what stands here.

They are the product's own, so that what a role may not do is known, and tested, on every installation. Whoever
needs something else makes a group of their own, which nothing here touches.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from django.contrib.auth.models import Group, Permission
from django.db import transaction

_VIEWER = ("catalog.view_*", "classification.view_classification", "inference.view_modelrelease")
_TASKS = "django_tasks_database.view_dbtaskresult"

# Role -> patterns of app_label.codename.
ROLES: dict[str, tuple[str, ...]] = {
    # Looks at content, labels, surveys and results; at no photo, birth date or MBTI of anybody.
    "viewer": _VIEWER,
    # Edits everything in the catalogue.
    "curator": (*_VIEWER, "catalog.*", _TASKS),
    # Takes labels out and puts models to use.
    "ml_engineer": (*_VIEWER, "catalog.add_labelexport", "inference.*", _TASKS),
    # All of these, other people's results and photos, users and their roles, and the audit log.
    "administrator": (
        "catalog.*",
        "classification.*",
        "inference.*",
        "auth.*_user",
        "auth.*_group",
        "auditlog.view_logentry",
        _TASKS,
    ),
}


@transaction.atomic
def roles_update() -> None:
    """Make the groups, and give each exactly its permissions. Other groups, and who is in which, stay as they are."""
    permissions = Permission.objects.select_related("content_type")
    names = {f"{each.content_type.app_label}.{each.codename}": each for each in permissions}
    for role, patterns in ROLES.items():
        group, _created = Group.objects.get_or_create(name=role)
        group.permissions.set(
            permission for name, permission in names.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
        )
