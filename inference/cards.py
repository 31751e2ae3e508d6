"""What a released model's manifest says, for readers that have no torch. registry.Manifest writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from inference.weights import PACKAGED_WEIGHTS


@dataclass(frozen=True, slots=True)
class Number:
    """One metric. cases: of how many; low, high: its 95 % interval. Either is None where it was not recorded."""

    value: float
    cases: int | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """sets: the licence and source of each set it learned from, by name; teachers: what else taught it, by name."""

    name: str
    version: str
    licence: str
    limits: str
    files: int
    sets: Mapping[str, str]
    teachers: Mapping[str, str]
    numbers: Mapping[str, Number]


@cache
def packaged_card(name: str) -> ModelCard:
    """Of the weights that ship with the code, and change with it alone."""
    return card_of(json.loads((PACKAGED_WEIGHTS / f"{name}.json").read_text()))


def card_of(manifest: Mapping[str, Any]) -> ModelCard:
    """cases and intervals are missing in manifests of older releases."""
    training, cases, intervals = manifest["training"], manifest.get("cases", {}), manifest.get("intervals", {})
    return ModelCard(
        name=manifest["name"],
        version=manifest["version"],
        licence=manifest["licence"],
        limits=manifest["limits"],
        files=training["files"],
        sets=training["sets"],
        teachers=training["teachers"],
        numbers={
            metric: Number(value, cases.get(metric), *intervals.get(metric, (None, None)))
            for metric, value in manifest["metrics"].items()
        },
    )
