from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from catalog.admin.base import CatalogAdmin
from catalog.models import ScoringPolicy
from catalog.services.scoring import policy_activate, policy_delete


@admin.register(ScoringPolicy)
class ScoringPolicyAdmin(CatalogAdmin):
    list_display = ["name", "is_active", "updated_at"]
    readonly_fields = ["is_active", "created_at", "updated_at"]
    fieldsets = [
        (None, {"fields": ["name", "is_active"]}),
        (
            _("Weights"),
            {
                "fields": ["weight_whole_face", "weight_upper_face", "weight_lower_face"],
                "description": _("Points that each part of the face can give; together 100."),
            },
        ),
        (
            _("Factors"),
            {
                "fields": ["factor_alpha", "factor_beta", "factor_gamma", "factor_delta", "factor_omega"],
                "description": _("The share of its points, 0 to 1, that a part of each type earns."),
            },
        ),
        (
            _("Thresholds"),
            {
                "fields": ["threshold_alpha", "threshold_beta", "threshold_gamma", "threshold_delta"],
                "description": _("A score above a threshold is of that type; a score above none is Omega."),
            },
        ),
        (_("Times"), {"fields": ["created_at", "updated_at"]}),
    ]
    actions = ["activate"]

    def has_delete_permission(self, request: HttpRequest, obj: ScoringPolicy | None = None) -> bool:
        may_delete: bool = super().has_delete_permission(request, obj)
        return may_delete and not (obj and obj.is_active)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        # A selection may hold the active policy; each page says whether its own can go.
        actions.pop("delete_selected", None)
        return actions

    def delete_model(self, _request: HttpRequest, policy: ScoringPolicy) -> None:
        policy_delete(policies=[policy])

    @admin.action(description=_("Activate"), permissions=["change"])
    def activate(self, request: HttpRequest, policies: QuerySet[ScoringPolicy]) -> None:
        chosen = list(policies[:2])
        if len(chosen) != 1:
            messages.error(request, _("Select exactly one policy to activate."))
            return
        policy_activate(policy=chosen[0])
        messages.success(request, _("New photos are scored with “%(name)s” now.") % {"name": chosen[0].name})
