"""What an evaluation found, as a table for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from inference.evaluation.cases import Case


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number: what it is of how many cases, and what issue or reference asks for, where something does."""

    metric: str
    value: float
    cases: int
    aim: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """model: name and version. failures: the cases worth looking at, with what happened to each.

    cases: what became of every file, for the HTML page.
    """

    model: str
    measurements: Sequence[Measurement]
    failures: Sequence[tuple[str, str]] = ()
    cases: Sequence[Case] = ()

    def as_table(self) -> str:
        rows = [("metric", "value", "cases", "aim")]
        rows += [(row.metric, f"{row.value:.4f}", str(row.cases), row.aim) for row in self.measurements]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows
        ]
        return "\n".join([self.model, *lines])


def write_json(reports: Sequence[Report], path: Path) -> None:
    """The numbers and the failures, without the cases."""
    values = [asdict(replace(report, cases=())) for report in reports]
    for value in values:
        del value["cases"]
    path.write_text(json.dumps(values, indent=2) + "\n")
