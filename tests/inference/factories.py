"""Plain builders for trained models and their releases."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.numpy import load, save

from inference.comparison import PRIMARY_METRICS
from inference.models import ModelRelease
from inference.weights import PACKAGED_WEIGHTS


def make_candidate(folder: Path, *, name: str = "types", version: str = "9.0", **fields: Any) -> Path:
    """A folder as training leaves it: the packaged model, with weights of its own for each version."""
    weights = load((PACKAGED_WEIGHTS / f"{name}.safetensors").read_bytes())
    convolution = min(key for key, value in weights.items() if value.ndim == 4)
    weights[convolution].flat[0] = float(version) / 100
    content = save(weights)
    manifest = json.loads((PACKAGED_WEIGHTS / f"{name}.json").read_text())
    manifest |= {"version": version, "sha256": hashlib.sha256(content).hexdigest()}
    manifest |= {"metrics": make_metrics(name)} | fields
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.safetensors").write_bytes(content)
    (folder / f"{name}.json").write_text(json.dumps(manifest))
    return folder


def make_metrics(name: str = "types", value: float = 0.95) -> dict[str, float]:
    return dict.fromkeys(PRIMARY_METRICS[name], value)


def make_release(tmp_path: Path, *, name: str = "types", version: str = "9.0", **fields: Any) -> ModelRelease:
    folder = make_candidate(tmp_path / f"{name}-{version}", name=name, version=version, **fields)
    return ModelRelease.objects.release(
        manifest=json.loads((folder / f"{name}.json").read_text()),
        weights=(folder / f"{name}.safetensors").read_bytes(),
    )
