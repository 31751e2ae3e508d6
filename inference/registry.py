"""A model's name -> its net, weights, preprocessing, metrics, licence and hash.

A released model is two files in one folder: `<name>.safetensors`, and `<name>.json`, its manifest. The
manifest says what the weights are, what they were trained on and how good they are; the weights load
only if they are the ones it describes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from inference.contracts import ScoreCalibration
from inference.nets.gate import GateNet
from inference.nets.layers import fuse_batch_norms
from inference.nets.parts import PartsNet
from inference.nets.types import TypesNet
from inference.preprocessing import BRIGHTNESS, CROP_SIZE, CROP_TEMPLATE, DETECTOR_SIZE, SMOOTHING
from inference.weights import PACKAGED_WEIGHTS

Net = TypeVar("Net", bound=nn.Module)


class RegistryError(Exception):
    """The released models cannot be used as they are."""


class DuplicateModel(RegistryError):
    """Two nets or two manifests claim one name."""


class UnknownModel(RegistryError):
    """No net, or no manifest, has this name."""


class CorruptWeights(RegistryError):
    """The weights are not the ones the manifest describes."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a model learned from. files: how many images. sha256: over those, their labels and the teachers' weights.

    parts_version: of the part finder whose boxes a model learned from. trunk_version: of the type model whose trunk
    another one keeps; it learned from that one's data too, so sets and teachers name those as well.
    exports: sha256 of each labels.csv of the catalogue's that it learned from, by which its labels are found again.
    """

    sets: dict[str, str]
    files: int
    sha256: str
    teachers: dict[str, str]
    parts_version: str = ""
    trunk_version: str = ""
    exports: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A model's card in the form a machine reads; the other card, in Markdown, is for people.

    preprocessing: the numbers of inference.preprocessing the weights depend on.
    metrics: measured on data held out from training, by the command in measured_with.
    cases, intervals: of how many cases a metric is, and its 95 % interval [low, high]; of those that have them.
    thresholds: decision limits that belong to these weights.
    calibration: of the type model only.
    """

    name: str
    version: str
    sha256: str
    licence: str
    intended_use: str
    limits: str
    training: TrainingData
    preprocessing: dict[str, Any]
    thresholds: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    cases: dict[str, int] = field(default_factory=dict)
    intervals: dict[str, list[float]] = field(default_factory=dict)
    measured_with: str = ""
    calibration: ScoreCalibration | None = None

    @classmethod
    def read(cls, path: Path) -> Manifest:
        try:
            values = json.loads(path.read_text())
            values["training"] = TrainingData(**values["training"])
            if values.get("calibration"):
                knots = values["calibration"]
                scale = knots.pop("scale")
                values["calibration"] = ScoreCalibration(**{key: tuple(knots[key]) for key in knots}, scale=scale)
            return cls(**values)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RegistryError(f"{path.name} is not a manifest: {error}") from error

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class Model(Generic[Net]):
    """A net with its weights loaded, and its manifest."""

    net: Net
    manifest: Manifest


class Registry:
    """Which net a model's name stands for."""

    def __init__(self) -> None:
        self._builders: dict[str, Callable[[], nn.Module]] = {}

    def register(self, name: str, builder: Callable[[], nn.Module]) -> None:
        if name in self._builders:
            raise DuplicateModel(f"a net named {name!r} is registered already")
        self._builders[name] = builder

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._builders)

    def build(self, name: str) -> nn.Module:
        """A net with random weights."""
        try:
            return self._builders[name]()
        except KeyError as error:
            raise UnknownModel(f"no net is named {name!r}; there are {', '.join(self._builders)}") from error

    def load(self, name: str, kind: type[Net], folder: Path = PACKAGED_WEIGHTS) -> Model[Net]:
        """Read a released model. Raises RegistryError where anything does not fit."""
        model = self.load_to_train(name, kind, folder)
        return Model(_for_inference(model.net), model.manifest)

    def load_to_train(self, name: str, kind: type[Net], folder: Path = PACKAGED_WEIGHTS) -> Model[Net]:
        """A released model as it was trained, to be trained further. Raises as load() does."""
        manifest = find_manifest(name, folder)
        net = self.build(name)
        if not isinstance(net, kind):
            raise UnknownModel(f"{name!r} builds a {type(net).__name__}, expected {kind.__name__}")
        path = folder / f"{name}.safetensors"
        if not path.exists():
            raise CorruptWeights(f"{path.name} is missing")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != manifest.sha256:
            raise CorruptWeights(f"{path.name} has sha256 {digest}, its manifest says {manifest.sha256}")
        if manifest.preprocessing != preprocessing_of(name):
            raise RegistryError(f"{name} was trained with other preprocessing: {manifest.preprocessing}")
        try:
            net.load_state_dict({key: value.float() for key, value in load(content).items()})
        except (RuntimeError, SafetensorError) as error:
            raise CorruptWeights(f"{path.name} does not fit the net: {error}") from error
        return Model(net, manifest)


def find_manifest(name: str, folder: Path = PACKAGED_WEIGHTS) -> Manifest:
    """The one manifest in a folder that has this name."""
    manifests = [Manifest.read(path) for path in sorted(folder.glob("*.json"))]
    found = [manifest for manifest in manifests if manifest.name == name]
    if not found:
        raise UnknownModel(f"no manifest in {folder.name} has the name {name!r}")
    if len(found) > 1:
        raise DuplicateModel(f"{len(found)} manifests in {folder.name} have the name {name!r}")
    return found[0]


def pack_weights(net: nn.Module) -> tuple[bytes, str]:
    """A net's weights as safetensors in half precision, and their sha256."""
    halves = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    content = save(halves)
    return content, hashlib.sha256(content).hexdigest()


def preprocessing_of(name: str) -> dict[str, Any]:
    """The numbers that tie a model's weights to inference.preprocessing."""
    crop: dict[str, Any] = {"crop_size": CROP_SIZE, "crop_template": CROP_TEMPLATE.tolist()}
    own: dict[str, dict[str, Any]] = {
        "gate": {"detector_size": DETECTOR_SIZE},
        "types": {"brightness": BRIGHTNESS, "smoothing": SMOOTHING},
    }
    return own.get(name, {}) | crop


def _for_inference(net: Net) -> Net:
    net.eval().requires_grad_(False)
    fuse_batch_norms(net)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


MODELS = Registry()
MODELS.register("gate", GateNet)
MODELS.register("parts", PartsNet)
MODELS.register("types", TypesNet)
