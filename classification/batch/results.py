"""One photo's row in a batch's output, and the columns it has in a table."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from classification.models import PartRecord
from classification.models.classification import part_record
from inference.contracts import FaceAnalysis, FacePart, FaceType, InferenceError, ModelVersions
from inference.scoring import ScoringPolicy, judge

_EDGES = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """What became of one photo: a type and what belongs to it, or the code it was refused with.

    source: path or URL. refusal: empty where there is a type. score, confidence, photo_width, photo_height: None
    where it is refused. models: whose answer it is.
    """

    source: str
    models: dict[str, str]
    type: str = ""
    score: float | None = None
    confidence: float | None = None
    borderline_with: str = ""
    parts: list[PartRecord] = field(default_factory=list)
    refusal: str = ""
    photo_width: int | None = None
    photo_height: int | None = None

    @classmethod
    def of(
        cls, source: str, answer: FaceAnalysis | InferenceError, policy: ScoringPolicy, versions: ModelVersions
    ) -> Self:
        models = asdict(versions)
        if isinstance(answer, InferenceError):
            return cls(source=source, models=models, refusal=answer.code)
        verdict = judge(answer.parts, answer.calibration, policy)
        return cls(
            source=source,
            models=models,
            type=verdict.type.value,
            score=round(verdict.score, 2),
            confidence=round(verdict.confidence, 4),
            borderline_with=verdict.borderline_with or "",
            parts=[part_record(part) for part in answer.parts],
            photo_width=answer.photo_width,
            photo_height=answer.photo_height,
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def cells(self) -> list[Any]:
        """In the order of COLUMNS."""
        parts = {record["part"]: record for record in self.parts}
        cells: list[Any] = [self.source, self.type, self.score, self.confidence, self.borderline_with, self.refusal]
        for part in FacePart:
            record = parts.get(part)
            cells += [record["type"], *record["box"], *record["probabilities"]] if record else ["", *[None] * 9]
        return [*cells, self.photo_width, self.photo_height, *self.models.values()]


def _columns() -> Iterator[tuple[str, type]]:
    yield from [("source", str), ("type", str), ("score", float), ("confidence", float)]
    yield from [("borderline_with", str), ("refusal", str)]
    for part in FacePart:
        yield f"{part}_type", str
        for edge in _EDGES:
            yield f"{part}_{edge}", float
        for face_type in FaceType:
            yield f"{part}_{face_type}", float
    yield from [("photo_width", int), ("photo_height", int)]
    yield from [("gate_version", str), ("parts_version", str), ("types_version", str)]


# Every column of a table, by name, with what its cells are; number cells may be empty.
COLUMNS: dict[str, type] = dict(_columns())


def fingerprint(versions: ModelVersions, policy: ScoringPolicy) -> str:
    """What answers depend on besides the photo: 64 hexadecimal digits that change with the models and the policy."""
    return hashlib.sha256(json.dumps([asdict(versions), asdict(policy)]).encode()).hexdigest()


def text_of(name: str) -> str:
    """A name that every table and terminal can hold: bytes of a path that are no UTF-8 come out as \\x.."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
