"""The scoring policy that curators edit; inference.scoring gives it its meaning."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils.translation import gettext_lazy as _

from inference import scoring
from inference.contracts import FacePart

# inference.scoring allows this rounding error.
_TOLERANCE = 1e-6
_SUM_OF_WEIGHTS = F("weight_whole_face") + F("weight_upper_face") + F("weight_lower_face")


class ScoringPolicyQuerySet(models.QuerySet["ScoringPolicy"]):
    def active(self) -> Self:
        return self.filter(is_active=True)


class ScoringPolicy(models.Model):
    """How parts make a score and a score makes a type. At most one policy is active."""

    name = models.CharField(_("name"), max_length=60)
    is_active = models.BooleanField(_("active"), default=False, editable=False)
    weight_whole_face = models.FloatField(_("whole face"))
    weight_upper_face = models.FloatField(_("upper face"))
    weight_lower_face = models.FloatField(_("lower face"))
    factor_alpha = models.FloatField(_("Alpha"))
    factor_beta = models.FloatField(_("Beta"))
    factor_gamma = models.FloatField(_("Gamma"))
    factor_delta = models.FloatField(_("Delta"))
    factor_omega = models.FloatField(_("Omega"))
    threshold_alpha = models.FloatField(_("Alpha above"))
    threshold_beta = models.FloatField(_("Beta above"))
    threshold_gamma = models.FloatField(_("Gamma above"))
    threshold_delta = models.FloatField(_("Delta above"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = ScoringPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("scoring policy")
        verbose_name_plural = _("scoring policies")
        ordering = ["-is_active", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["is_active"], condition=Q(is_active=True), name="scoringpolicy_one_active"),
            models.CheckConstraint(
                condition=Q(weight_whole_face__gte=0) & Q(weight_upper_face__gte=0) & Q(weight_lower_face__gte=0),
                name="scoringpolicy_weights_not_negative",
                violation_error_message=_("A part's weight cannot be negative."),
            ),
            models.CheckConstraint(
                condition=Q(GreaterThanOrEqual(_SUM_OF_WEIGHTS, 100 - _TOLERANCE))
                & Q(LessThanOrEqual(_SUM_OF_WEIGHTS, 100 + _TOLERANCE)),
                name="scoringpolicy_weights_sum_to_100",
                violation_error_message=_("The three weights must add up to 100."),
            ),
            models.CheckConstraint(
                condition=Q(factor_alpha__lte=1)
                & Q(factor_beta__lte=F("factor_alpha"))
                & Q(factor_gamma__lte=F("factor_beta"))
                & Q(factor_delta__lte=F("factor_gamma"))
                & Q(factor_omega__lte=F("factor_delta"))
                & Q(factor_omega__gte=0),
                name="scoringpolicy_factors_descend",
                violation_error_message=_("The factors must not rise from Alpha to Omega, and stay within 0 and 1."),
            ),
            models.CheckConstraint(
                condition=Q(threshold_alpha__lt=100)
                & Q(threshold_beta__lt=F("threshold_alpha"))
                & Q(threshold_gamma__lt=F("threshold_beta"))
                & Q(threshold_delta__lt=F("threshold_gamma"))
                & Q(threshold_delta__gt=0),
                name="scoringpolicy_thresholds_descend",
                violation_error_message=_(
                    "Each threshold must be lower than the one before it, all above 0 and below 100."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def as_policy(self) -> scoring.ScoringPolicy:
        return scoring.ScoringPolicy(
            weights={
                FacePart.WHOLE_FACE: self.weight_whole_face,
                FacePart.UPPER_FACE: self.weight_upper_face,
                FacePart.LOWER_FACE: self.weight_lower_face,
            },
            factors=(self.factor_alpha, self.factor_beta, self.factor_gamma, self.factor_delta, self.factor_omega),
            thresholds=(self.threshold_alpha, self.threshold_beta, self.threshold_gamma, self.threshold_delta),
        )
