"""The gate's recipe: a detector on composed pictures, a verifier on aligned crops, thresholds on validation files.

Labels come from the teacher detector on the portraits; everything hard is made by augmentation, and the scenes
give the negatives: above all what the detector, once trained, takes for faces on them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tqdm import tqdm

from inference.contracts import PhotoLimits
from inference.dataset import DataError, Subset, data_hash, face_files, scene_files
from inference.gate import Gate
from inference.nets.gate import GateNet
from inference.training.detector import DetectorSamples, detector_loss
from inference.training.loop import EPOCH_SAMPLES, FitSettings, RunOptions, fit
from inference.training.operating_point import choose_thresholds
from inference.training.release import Trained
from inference.training.samples import label_sources, labelled_portraits
from inference.training.teachers import LabelledImage, load_labelled
from inference.training.verifier import (
    HARD_SCORE,
    FalseAlarm,
    VerifierSamples,
    made_pictures,
    own_alarms,
    teacher_alarms,
    verifier_loss,
)
from inference.yunet import YuNet

# From which the detector's probability makes a candidate, whatever the rest of the thresholds turn out to be.
_DETECTION = 0.15
_DETECTOR_BATCH, _VERIFIER_BATCH = 16, 32
_VALIDATED = 512


def train_gate(run: RunOptions) -> Trained[GateNet]:
    """Train the detector, then the verifier on what that detector proposes, then choose the thresholds.

    Raises DataError where the data folder has no scenes.
    """
    torch.manual_seed(run.seed)
    scenes, other_scenes = (_labelled_scenes(run, subset) for subset in (Subset.TRAINING, Subset.VALIDATION))
    portraits, others = (
        labelled_portraits(run.data, [file for file in face_files(run.data) if file.subset is subset])
        for subset in (Subset.TRAINING, Subset.VALIDATION)
    )
    files = [image.file for image in (*portraits, *scenes, *others, *other_scenes)]
    sources = label_sources(run.data, [])
    inputs = data_hash(files, sources)
    net = GateNet()
    count = run.epochs * EPOCH_SAMPLES
    fitted = fit(
        net.detector,
        DetectorSamples(portraits, scenes, count, run.seed),
        detector_loss,
        _settings(run, "detector", count // _DETECTOR_BATCH, _DETECTOR_BATCH, inputs),
        "detector",
        DetectorSamples(others, other_scenes, _VALIDATED, run.seed),
    )
    net.detector.load_state_dict(fitted.state_dict())
    fitted = fit(
        net.verifier,
        VerifierSamples(portraits, scenes, _find_alarms(net, scenes, run), count, run.seed + 1),
        verifier_loss,
        _settings(run, "verifier", count // _VERIFIER_BATCH, _VERIFIER_BATCH, inputs),
        "verifier",
        VerifierSamples(others, other_scenes, _find_alarms(net, other_scenes, run), _VALIDATED, run.seed),
    )
    net.verifier.load_state_dict(fitted.state_dict())
    thresholds = {"detection": _DETECTION} | choose_thresholds(_gate(net, run), others, other_scenes, run.seed)
    return Trained(net.eval(), files, sources, thresholds)


def _labelled_scenes(run: RunOptions, subset: Subset) -> list[LabelledImage]:
    files = [file for file in scene_files(run.data) if file.subset is subset]
    if not files:
        raise DataError(f"{run.data / 'scenes'} has no {subset} files: a gate learns from pictures without a face too")
    return load_labelled(files, run.data, HARD_SCORE, f"label {subset} scenes")


def _settings(run: RunOptions, name: str, steps: int, batch: int, inputs: str) -> FitSettings:
    checkpoint = run.out / f"{name}.pt"
    return FitSettings(steps, batch, 1.5e-3, checkpoint, device=run.device, seed=run.seed, inputs=inputs)


def _gate(net: GateNet, run: RunOptions) -> Gate:
    return Gate(net.eval(), {"detection": _DETECTION}, PhotoLimits(), torch.device(run.device))


def _find_alarms(net: GateNet, scenes: Sequence[LabelledImage], run: RunOptions) -> list[FalseAlarm]:
    """What teacher and detector take for faces where there are none."""
    pixels = [scene.pixels for scene in scenes]
    pictures = [*pixels, *made_pictures(pixels, len(pixels) // 3, run.seed)]
    gate = _gate(net, run)
    return [
        *teacher_alarms(scenes, YuNet(run.data, HARD_SCORE)),
        *own_alarms(gate, tqdm(pictures, desc="find false alarms", unit="picture", mininterval=5)),
    ]
