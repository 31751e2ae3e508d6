"""Writes to the scoring policies."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.utils.translation import gettext as _

from catalog.errors import PolicyInUse
from catalog.models import ScoringPolicy
from catalog.services.audit import audit_bulk


@transaction.atomic
def policy_activate(*, policy: ScoringPolicy) -> None:
    """Score with this policy from now on, instead of the active one."""
    # Locked, so that two activations at once follow each other.
    policies = {each.pk: each for each in ScoringPolicy.objects.order_by("pk").select_for_update()}
    if policies[policy.pk].is_active:
        return
    withdrawn = [each for each in policies.values() if each.is_active]
    ScoringPolicy.objects.active().update(is_active=False)
    ScoringPolicy.objects.filter(pk=policy.pk).update(is_active=True)
    audit_bulk(objects=withdrawn, changes={"is_active": (True, False)})
    audit_bulk(objects=[policies[policy.pk]], changes={"is_active": (False, True)})


@transaction.atomic
def policy_delete(*, policies: Collection[ScoringPolicy]) -> None:
    """Raises PolicyInUse where one of them is active."""
    doomed = ScoringPolicy.objects.filter(pk__in=[policy.pk for policy in policies])
    if any(policy.is_active for policy in doomed.select_for_update()):
        raise PolicyInUse(_("The active scoring policy cannot be deleted. Activate another one first."))
    doomed.delete()
