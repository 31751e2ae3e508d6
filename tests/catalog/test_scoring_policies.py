"""The policies that curators keep, against the rule in inference.scoring."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import selectors
from catalog.errors import PolicyInUse
from catalog.models import ScoringPolicy
from catalog.services.scoring import policy_activate, policy_delete
from inference import scoring

pytestmark = pytest.mark.django_db

DEFAULTS: dict[str, Any] = {
    "name": "Default",
    "weight_whole_face": 50,
    "weight_upper_face": 40,
    "weight_lower_face": 10,
    "factor_alpha": 1.0,
    "factor_beta": 0.8,
    "factor_gamma": 0.6,
    "factor_delta": 0.4,
    "factor_omega": 0.2,
    "threshold_alpha": 85,
    "threshold_beta": 68,
    "threshold_gamma": 48,
    "threshold_delta": 20,
}


def make_policy(**fields: Any) -> ScoringPolicy:
    return ScoringPolicy.objects.create(**(DEFAULTS | fields))


def test_a_policy_scores_as_written() -> None:
    assert make_policy().as_policy() == scoring.DEFAULT_POLICY


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"weight_whole_face": 60}, "add up to 100"),
        ({"weight_whole_face": 110, "weight_upper_face": -20}, "cannot be negative"),
        ({"factor_beta": 0.5}, "must not rise"),
        ({"factor_alpha": 1.2}, "must not rise"),
        ({"factor_omega": -0.1}, "must not rise"),
        ({"threshold_beta": 85}, "lower than the one before"),
        ({"threshold_alpha": 100}, "lower than the one before"),
        ({"threshold_delta": 0}, "lower than the one before"),
    ],
)
def test_a_bad_value_is_refused_in_words_and_by_the_database(fields: dict[str, Any], words: str) -> None:
    ScoringPolicy(**DEFAULTS).full_clean()

    with pytest.raises(ValidationError, match=words):
        ScoringPolicy(**(DEFAULTS | fields)).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        make_policy(**fields)
    with pytest.raises(ValueError, match="must"):
        ScoringPolicy(**(DEFAULTS | fields)).as_policy()


# Values on and around every bound.
near = st.sampled_from([-1.0, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5])
points = st.sampled_from([-10.0, 0.0, 10.0, 20.0, 40.0, 48.0, 50.0, 68.0, 85.0, 100.0, 110.0])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changed=st.dictionaries(
        st.sampled_from([name for name in DEFAULTS if name != "name"]), st.one_of(near, points), max_size=3
    )
)
def test_the_database_accepts_what_scoring_accepts(db: None, changed: dict[str, float]) -> None:
    policy = ScoringPolicy(**(DEFAULTS | changed))
    try:
        policy.as_policy()
        is_valid = True
    except ValueError:
        is_valid = False

    with transaction.atomic():
        if is_valid:
            policy.save()
        else:
            with pytest.raises(IntegrityError), transaction.atomic():
                policy.save()
        transaction.set_rollback(True)


def test_one_policy_is_active() -> None:
    first, second = make_policy(is_active=True), make_policy(name="Other", threshold_alpha=90)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_policy(is_active=True)

    policy_activate(policy=second)

    assert [policy.name for policy in ScoringPolicy.objects.active()] == ["Other"]
    assert selectors.active_policy().thresholds[0] == 90
    policy_activate(policy=first)
    assert selectors.active_policy() == scoring.DEFAULT_POLICY


def test_the_active_policy_cannot_be_deleted() -> None:
    active, idle = make_policy(is_active=True), make_policy()

    with pytest.raises(PolicyInUse):
        policy_delete(policies=[idle, active])
    assert ScoringPolicy.objects.count() == 2

    policy_delete(policies=[idle])
    assert list(ScoringPolicy.objects.all()) == [active]
