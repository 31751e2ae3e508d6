"""How two results go together: a small rule over their parts. Pure; it knows nothing of better and worse.

The same two results give the same answer whoever is named first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from classification.models import PartRecord
from inference.contracts import FacePart, FaceType


class Likeness(StrEnum):
    """How near the types of one part are to each other."""

    ALIKE = "alike"
    CLOSE = "close"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class PartPair:
    """One part of two faces. types: the first result's, the second's. overlap: 0 to 1, see overlap_of."""

    part: FacePart
    types: tuple[FaceType, FaceType]
    likeness: Likeness
    overlap: float


@dataclass(frozen=True, slots=True)
class Pairing:
    """parts: those that both results have, in the order of FacePart. overlap: 0 to 1, the mean over the parts."""

    parts: list[PartPair]
    overlap: float

    @property
    def alike(self) -> int:
        """How many parts have the same type in both results."""
        return sum(part.likeness == Likeness.ALIKE for part in self.parts)


def likeness_of(first: FaceType, second: FaceType) -> Likeness:
    """Alike: the same type. Close: neighbouring types. Different: any two others."""
    order = list(FaceType)
    match abs(order.index(first) - order.index(second)):
        case 0:
            return Likeness.ALIKE
        case 1:
            return Likeness.CLOSE
    return Likeness.DIFFERENT


def overlap_of(first: Sequence[float], second: Sequence[float]) -> float:
    """How far two distributions over the types coincide: 1 minus their total variation distance, 0 to 1."""
    return sum(map(min, first, second))


def pairing_of(first: Sequence[PartRecord], second: Sequence[PartRecord]) -> Pairing:
    by_part = {record["part"]: record for record in second}
    pairs = sorted(
        (_part_pair(record, by_part[record["part"]]) for record in first if record["part"] in by_part),
        key=lambda pair: list(FacePart).index(pair.part),
    )
    return Pairing(pairs, sum(pair.overlap for pair in pairs) / len(pairs) if pairs else 0.0)


def _part_pair(first: PartRecord, second: PartRecord) -> PartPair:
    types = FaceType(first["type"]), FaceType(second["type"])
    overlap = overlap_of(first["probabilities"], second["probabilities"])
    return PartPair(FacePart(first["part"]), types, likeness_of(*types), min(overlap, 1.0))
