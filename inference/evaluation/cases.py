"""What became of each held-out file; what an evaluation's numbers are made of."""

from __future__ import annotations

from dataclasses import dataclass

from inference.contracts import FaceType
from inference.dataset import ImageFile
from inference.preprocessing import Floats

TYPED = "typed"


@dataclass(frozen=True, slots=True)
class GateCase:
    """outcome: TYPED, or the refusal's code. score: 0 to 1, how much the photo's best candidate is a face.

    side: of the face's box, the longer one in the photo's pixels; 0 where the photo was refused.
    """

    file: ImageFile
    is_face: bool
    outcome: str
    score: float
    side: float = 0.0

    @property
    def is_typed(self) -> bool:
        return self.outcome == TYPED

    @property
    def is_right(self) -> bool:
        return self.is_typed == self.is_face


@dataclass(frozen=True, slots=True)
class PartsCase:
    """Boxes (3, 4) as x0, y0, x1, y1 in the file's pixels; found is None where the photo was refused.

    overlaps: (3,) IoU with the truth, 0 where the photo was refused.
    """

    file: ImageFile
    truth: Floats
    found: Floats | None
    overlaps: Floats


@dataclass(frozen=True, slots=True)
class TypesCase:
    """rating: the mean one, 0 to 100. survey: the type that the survey's shares give it."""

    file: ImageFile
    rating: float
    survey: FaceType
    given: FaceType
    score: float
    confidence: float


Case = GateCase | PartsCase | TypesCase
