"""Evaluations as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from inference.evaluation.report import QUOTED, Measurement


@dataclass(frozen=True, slots=True)
class Picture:
    """image: SVG where it is a plot, JPEG where it is a case."""

    image: bytes
    caption: str


@dataclass(frozen=True, slots=True)
class GroupTable:
    """measurements: of each group, all of the same metrics in the same order."""

    name: str
    note: str
    measurements: Mapping[str, Sequence[Measurement]]


@dataclass(frozen=True, slots=True)
class Page:
    """One model's evaluation. quoted: what its manifest says of its training."""

    title: str
    note: str
    measurements: Sequence[Measurement]
    plots: Sequence[Picture]
    groups: Sequence[GroupTable]
    worst: Sequence[Picture]
    quoted: Sequence[Measurement] = ()


def write_html(pages: Sequence[Page], path: Path) -> None:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    template = environment.from_string((Path(__file__).parent / "page.html").read_text())
    path.write_text(template.render(pages=pages, quoted_heading=QUOTED))
