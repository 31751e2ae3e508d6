"""Who may do what."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from alphaproject.roles import ROLES
from catalog.admin.base import Screen

# Django registers plain screens for both; these look like all others.
admin.site.unregister([User, Group])


@admin.register(User)
class UserScreen(UserAdmin, Screen):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "is_active", "is_staff", "is_superuser", "last_login"]

    # Whoever may edit users could otherwise make themselves a superuser, or take over one's account.

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else [*fields, "is_superuser", "user_permissions"]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may_change: bool = super().has_change_permission(request, obj)
        return may_change and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may_delete: bool = super().has_delete_permission(request, obj)
        return may_delete and _may_touch(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        # A selection may hold a superuser; each user's own page says whether they can go.
        actions.pop("delete_selected", None)
        return actions


@admin.register(Group)
class GroupScreen(GroupAdmin, Screen):
    """The roles are the product's own: `manage.py prepare` sets them, so nobody edits them here in vain."""

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        may_change: bool = super().has_change_permission(request, obj)
        return may_change and not _is_role(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        may_delete: bool = super().has_delete_permission(request, obj)
        return may_delete and not _is_role(obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    return user is None or request.user.is_superuser or not user.is_superuser


def _is_role(group: Group | None) -> bool:
    return group is not None and group.name in ROLES
