"""Is a model better than another? Only its primary metrics decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inference.contracts import FacePart

FACES_ACCEPTED = "held-out faces that get a type"
SCENES_ACCEPTED = "held-out scenes that get a type"
RIGHT_REASONS = "unusable photos refused for the right reason"
# What training finds by leaving men out; how many men they were.
CROSS_VALIDATED = "5-fold"
CROSS_VALIDATED_MEN = f"{CROSS_VALIDATED} men left out"
# Over all men of the training part, each scored without his own rating: held-out men alone are too few to compare by.
CROSS_VALIDATED_R = "5-fold r of men left out with the mean rating"


def part_iou(part: FacePart) -> str:
    return f"{part} mean IoU"


# By model: each primary metric, and whether more of it is better.
PRIMARY_METRICS: dict[str, dict[str, bool]] = {
    "gate": {FACES_ACCEPTED: True, SCENES_ACCEPTED: False, RIGHT_REASONS: True},
    "parts": {part_iou(part): True for part in FacePart},
    "types": {CROSS_VALIDATED_R: True},
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One primary metric of a candidate and of the model in use; None where it was not measured."""

    metric: str
    more_is_better: bool
    candidate: float | None
    in_use: float | None

    @property
    def objection(self) -> str:
        """What speaks against the candidate, or nothing. A model in use without numbers objects to none."""
        if self.candidate is None:
            return "not measured"
        if self.in_use is None or self.candidate == self.in_use:
            return ""
        return "" if (self.candidate > self.in_use) == self.more_is_better else "worse"

    def __str__(self) -> str:
        aim = "more" if self.more_is_better else "less"
        line = f"{self.metric}: {_shown(self.candidate)}, in use {_shown(self.in_use)} ({aim} is better)"
        return f"{line}: {self.objection}" if self.objection else line


def compare(name: str, candidate: Mapping[str, float], in_use: Mapping[str, float]) -> list[Comparison]:
    """Metrics of two versions of the model `name`, as their manifests hold them."""
    return [
        Comparison(metric, more_is_better, candidate.get(metric), in_use.get(metric))
        for metric, more_is_better in PRIMARY_METRICS[name].items()
    ]


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
