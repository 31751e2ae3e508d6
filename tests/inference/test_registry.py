"""Released models load only when they are what their manifests say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from inference.contracts import ScoreCalibration
from inference.nets.parts import PartsNet
from inference.registry import (
    MODELS,
    CorruptWeights,
    DuplicateModel,
    Manifest,
    Registry,
    RegistryError,
    UnknownModel,
    find_manifest,
)
from inference.training.release import record_metrics
from inference.weights import PACKAGED_WEIGHTS


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A copy of the released models, to spoil."""
    folder = tmp_path / "weights"
    shutil.copytree(PACKAGED_WEIGHTS, folder)
    return folder


def test_a_second_net_of_the_same_name_is_refused():
    registry = Registry()
    registry.register("parts", PartsNet)

    with pytest.raises(DuplicateModel, match="parts"):
        registry.register("parts", PartsNet)


def test_a_net_nobody_registered_is_unknown():
    with pytest.raises(UnknownModel, match="nose"):
        MODELS.build("nose")


@pytest.mark.parametrize("name", ["gate", "parts", "types"])
def test_released_models_load_for_inference(name):
    model = MODELS.load(name, nn.Module)

    assert not model.net.training
    assert not any(parameter.requires_grad for parameter in model.net.parameters())
    assert model.manifest.name == name


def test_weights_with_one_changed_byte_do_not_load(released):
    MODELS.load("parts", PartsNet, released)

    path = released / "parts.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(CorruptWeights, match="sha256"):
        MODELS.load("parts", PartsNet, released)


def test_missing_weights_are_named(released):
    (released / "parts.safetensors").unlink()

    with pytest.raises(CorruptWeights, match=r"parts\.safetensors is missing"):
        MODELS.load("parts", PartsNet, released)


def test_two_manifests_of_one_name_do_not_load(released):
    shutil.copy(released / "parts.json", released / "parts-copy.json")

    with pytest.raises(DuplicateModel, match="parts"):
        MODELS.load("parts", PartsNet, released)


def test_a_model_without_a_manifest_is_unknown(released):
    (released / "parts.json").unlink()

    with pytest.raises(UnknownModel, match="parts"):
        find_manifest("parts", released)


def test_a_model_trained_with_other_preprocessing_does_not_load(released):
    path = released / "parts.json"
    manifest = json.loads(path.read_text())
    manifest["preprocessing"]["crop_size"] = 64
    path.write_text(json.dumps(manifest))

    with pytest.raises(RegistryError, match="preprocessing"):
        MODELS.load("parts", PartsNet, released)


@pytest.mark.parametrize("content", ["", "[]", '{"name": "parts"}'])
def test_a_damaged_manifest_is_named(released, content):
    (released / "parts.json").write_text(content)

    with pytest.raises(RegistryError, match=r"parts\.json is not a manifest"):
        find_manifest("types", released)


def test_a_manifest_survives_writing_and_reading(tmp_path):
    manifest = find_manifest("types")
    assert isinstance(manifest.calibration, ScoreCalibration)

    manifest.write(tmp_path / "types.json")

    assert Manifest.read(tmp_path / "types.json") == manifest


@pytest.mark.parametrize("name", ["gate", "parts", "types"])
def test_every_released_model_says_what_it_is(name):
    manifest = find_manifest(name)
    card = (PACKAGED_WEIGHTS / f"{name}.md").read_text()

    assert manifest.version == f"{name}-{manifest.sha256[:8]}"
    assert manifest.training.sets
    assert manifest.training.teachers
    assert manifest.metrics
    for said in (manifest.sha256, manifest.licence, manifest.limits, manifest.intended_use, *manifest.training.sets):
        assert said in card


def test_the_released_weights_are_small():
    assert sum(path.stat().st_size for path in PACKAGED_WEIGHTS.glob("*.safetensors")) < 30e6


def test_a_net_of_another_kind_than_asked_for_is_refused():
    with pytest.raises(UnknownModel, match="expected Linear"):
        MODELS.load("parts", torch.nn.Linear)


def test_measured_numbers_keep_how_many_cases_they_are_of_and_their_intervals(released: Path):
    before = find_manifest("parts", released)

    record_metrics("parts", released, {"IoU": 0.9}, "a command", cases={"IoU": 24}, intervals={"IoU": [0.8, 0.95]})

    manifest = find_manifest("parts", released)
    assert manifest.metrics == before.metrics | {"IoU": 0.9}
    assert (manifest.cases, manifest.intervals) == ({"IoU": 24}, {"IoU": [0.8, 0.95]})
    assert manifest.measured_with == "a command"
