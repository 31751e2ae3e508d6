"""One command, one recipe: train a model and write it with its cards."""

from __future__ import annotations

from inference.comparison import CROSS_VALIDATED_R
from inference.dataset import face_files, scene_files
from inference.nets.parts import PartsNet
from inference.registry import MODELS, Manifest
from inference.training.gate import THRESHOLDS as GATE_THRESHOLDS
from inference.training.gate import train_gate
from inference.training.loop import RunOptions
from inference.training.parts import THRESHOLDS as PARTS_THRESHOLDS
from inference.training.parts import train_parts
from inference.training.release import release_model
from inference.training.types import train_types

# What the released models were trained for.
EPOCHS = {"gate": 20, "parts": 4, "types": 34}


def train(name: str, run: RunOptions) -> Manifest:
    """Train and write one model into the run's folder. The type model needs a released part finder."""
    faces = [file for file in face_files(run.data) if not file.is_held_out]
    if name == "gate":
        scenes = [file for file in scene_files(run.data) if not file.is_held_out]
        return release_model(name, train_gate(run), run.out, files=faces + scenes, thresholds=GATE_THRESHOLDS)
    if name == "parts":
        return release_model(name, train_parts(run), run.out, files=faces, thresholds=PARTS_THRESHOLDS)
    trained = train_types(run, MODELS.load("parts", PartsNet).net)
    return release_model(
        name,
        trained.net,
        run.out,
        files=faces,
        thresholds={},
        calibration=trained.calibration,
        metrics={CROSS_VALIDATED_R: trained.left_out_r},
    )
