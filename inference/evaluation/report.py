"""What an evaluation found, as a table for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from inference.evaluation.cases import Case
from inference.evaluation.intervals import Interval, share_interval

QUOTED = "From the manifest: training's own cross-validation, of men left out"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number: what it is of how many cases, and what issue or reference asks for, where something does.

    interval: 95 %, where one was asked for.
    """

    metric: str
    value: float
    cases: int
    aim: str = ""
    interval: Interval | None = None


def share(metric: str, count: int, total: int, aim: str = "") -> Measurement:
    """How many cases of all; 0 where there are none."""
    return Measurement(metric, count / max(total, 1), total, aim, share_interval(count, total))


@dataclass(frozen=True, slots=True)
class Report:
    """model: name and version. failures: the cases worth looking at, with what happened to each.

    cases: what became of every file, for the HTML page. quoted: what the model's manifest says of its training.
    """

    model: str
    measurements: Sequence[Measurement]
    failures: Sequence[tuple[str, str]] = ()
    cases: Sequence[Case] = ()
    quoted: Sequence[Measurement] = ()

    def as_table(self) -> str:
        """The measurements, and below them what is quoted from the manifest."""
        quoted = _table(self.quoted) if self.quoted else []
        heading = ["", QUOTED] if quoted else []
        return "\n".join([self.model, *_table(self.measurements), *heading, *quoted])


def _table(measurements: Sequence[Measurement]) -> list[str]:
    rows = [("metric", "value", "cases", "aim", "95 % interval")]
    for row in measurements:
        interval = "{:.4f} to {:.4f}".format(*row.interval) if row.interval else ""
        rows.append((row.metric, f"{row.value:.4f}", str(row.cases), row.aim, interval))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, "<>><<", widths, strict=True)).rstrip()
        for row in rows
    ]


def write_json(reports: Sequence[Report], path: Path) -> None:
    """The numbers and the failures, without the cases."""
    values = [asdict(replace(report, cases=())) for report in reports]
    for value in values:
        del value["cases"]
    path.write_text(json.dumps(values, indent=2) + "\n")
