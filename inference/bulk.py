"""Many photos at once, without a server between: what batch work asks of the inference tier.

Nothing here needs torch: what runs the models is imported when work begins.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from inference.contracts import FaceAnalysis, InferenceError, ModelVersions, PhotoLimits
from inference.weights import PACKAGED_WEIGHTS, read_models

# Where the photos are analysed: in processes of this machine, or in a Ray cluster.
ENGINES = {"local": "inference.serving.processes", "ray": "inference.serving.ray_data"}

# Photos that are analysed together. More gain nothing on a CPU, and cost memory.
CHUNK = 16
# One reads and decodes while the other one's photos are on the GPU.
WORKERS_A_GPU = 2

# What became of a photo. OSError: its bytes could not be had; the photo itself is not at fault.
Answer = FaceAnalysis | InferenceError | OSError


class EngineUnavailable(Exception):
    """The engine that was asked for cannot run here."""


class Crashed(InferenceError):
    """The process that analysed the photo died of it, twice, or had no memory for it alone. It says which."""

    code = "error"


class Releases(Protocol):
    """Which releases are in use, and what they are made of."""

    def active_hashes(self) -> Mapping[str, str]: ...

    def manifest_of(self, sha256: str) -> Mapping[str, object]: ...

    def weights_of(self, sha256: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class BulkJob:
    """What every worker needs, wherever it runs; all of it can be pickled.

    read: a photo's bytes by its name; raises OSError. models: the files of every model, by file name. cores: that
    workers on this machine may take.
    """

    read: Callable[[str], bytes]
    limits: PhotoLimits
    models: Mapping[str, bytes]
    cores: int = 1

    @property
    def versions(self) -> ModelVersions:
        return ModelVersions(
            *(str(json.loads(self.models[f"{name}.json"])["version"]) for name in ("gate", "parts", "types"))
        )


class BulkEngine(Protocol):
    """A module of ENGINES."""

    def analyze_photos(self, names: Iterable[str], job: BulkJob, workers: int | None) -> Generator[tuple[str, Answer]]:
        """Each name with its answer, in the order in which they are ready; `names` is drawn as workers take them.

        workers: with an engine each; None: WORKERS_A_GPU, or without a GPU one for each core. Raises
        EngineUnavailable. Closing the generator ends the workers.
        """


def bulk_engine(name: str) -> BulkEngine:
    """One of ENGINES. Raises EngineUnavailable where what it needs is not installed."""
    try:
        return cast("BulkEngine", import_module(ENGINES[name]))
    except ModuleNotFoundError as error:
        raise EngineUnavailable(f"The engine “{name}” needs {error.name}, which is not installed.") from error


def in_chunks(names: Iterable[str], size: int = CHUNK) -> Iterator[list[str]]:
    source = iter(names)
    while chunk := list(itertools.islice(source, size)):
        yield chunk


def model_files(releases: Releases) -> dict[str, bytes]:
    """Manifest and weights of every model: the active release's, or the packaged ones where there is none.

    Raises what `releases` raises.
    """
    files = read_models(PACKAGED_WEIGHTS)
    for model, sha256 in releases.active_hashes().items():
        files[f"{model}.json"] = json.dumps(releases.manifest_of(sha256)).encode()
        files[f"{model}.safetensors"] = releases.weights_of(sha256)
    return files
