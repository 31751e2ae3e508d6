"""One command, one recipe: train a model and write it with its cards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inference.dataset import open_data
from inference.nets.parts import PartsNet
from inference.nets.types import TypesNet
from inference.registry import MODELS, Manifest
from inference.training.gate import train_gate
from inference.training.loop import RunOptions
from inference.training.parts import train_parts
from inference.training.recognition import recognition_weights
from inference.training.release import Trained, release_model
from inference.training.samples import label_sources
from inference.training.types import train_types

# What the released models were trained for.
EPOCHS = {"gate": 32, "parts": 7, "types": 90}


def train(name: str, run: RunOptions) -> Manifest:
    """Train and write one model into the run's folder. The type model needs a released part finder."""
    return release_model(name, _TRAIN[name](run), run.out)


def _train_types(run: RunOptions) -> Trained[TypesNet]:
    parts = MODELS.load("parts", PartsNet)
    trained = train_types(run, parts.net)
    sources = label_sources(run.data, open_data(run.data).rating_tables)
    return Trained(
        trained.net,
        trained.files,
        sources if trained.trunk else [*sources, recognition_weights()],
        {},
        trained.calibration,
        trained.metrics,
        parts_version=parts.manifest.version,
        trunk=trained.trunk,
    )


_TRAIN: dict[str, Callable[[RunOptions], Trained[Any]]] = {
    "gate": train_gate,
    "parts": train_parts,
    "types": _train_types,
}
