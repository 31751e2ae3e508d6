"""One command, one recipe: train a model and write it with its cards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inference.dataset import DataError, face_files, open_data, scene_files
from inference.nets.gate import GateNet
from inference.nets.parts import PartsNet
from inference.nets.types import TypesNet
from inference.registry import MODELS, Manifest
from inference.training.gate import THRESHOLDS as GATE_THRESHOLDS
from inference.training.gate import train_gate
from inference.training.loop import RunOptions
from inference.training.parts import train_parts
from inference.training.recognition import recognition_weights
from inference.training.release import Trained, release_model
from inference.training.samples import label_sources
from inference.training.types import train_types

# What the released models were trained for.
EPOCHS = {"gate": 20, "parts": 7, "types": 36}


def train(name: str, run: RunOptions) -> Manifest:
    """Train and write one model into the run's folder. The type model needs a released part finder."""
    return release_model(name, _TRAIN[name](run), run.out)


def _train_gate(run: RunOptions) -> Trained[GateNet]:
    if not scene_files(run.data):
        raise DataError(f"{run.data} has no pictures without a face: put some under scenes/")
    files = [file for file in face_files(run.data) + scene_files(run.data) if not file.is_held_out]
    return Trained(train_gate(run), files, label_sources(run.data, []), GATE_THRESHOLDS)


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
    "gate": _train_gate,
    "parts": train_parts,
    "types": _train_types,
}
