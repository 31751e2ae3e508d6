"""Write a trained net as the two files the registry reads, and a card for people."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from torch import nn

from inference.contracts import ScoreCalibration
from inference.dataset import EXPORT_TABLE, ImageFile, data_hash
from inference.registry import Manifest, TrainingData, find_manifest, pack_weights, preprocessing_of
from inference.yunet import WEIGHTS

SET_LICENCES = {
    "faces/london": "CC BY 4.0, DeBruine & Jones 2017, doi:10.6084/m9.figshare.5047666",
    "faces/london_smiling": "CC BY 4.0, DeBruine & Jones 2017, doi:10.6084/m9.figshare.5047666",
    "faces/canada": "CC BY 4.0, DeBruine & Jones 2017, doi:10.6084/m9.figshare.4220517",
    "faces/threedsk_women": "CC BY, DeBruine & Jones 2020, doi:10.17605/OSF.IO/A3947",
    "faces/omi": "CC BY-NC-SA 4.0, Peterson et al. 2022, doi:10.1073/pnas.2115228119",
    "faces/congress": "public domain, official portraits of members of the US Congress",
    "faces/voteview": "mostly public domain, portraits of members of the US Congress",
    "scenes/imagenet_sample": "licence unclear, negatives for training only",
    "scenes/pets": "origin unclear, negatives for training only",
    "scenes/azure": "MIT",
}
YUNET = "YuNet face detector (MIT, opencv_zoo), trained on WIDER FACE; gave boxes and points of the portraits"
DLIB = (
    "dlib_face_recognition_resnet_model_v1 (CC0), trained on about 3 million faces of VGG-Face, FaceScrub and web "
    "images; what its inner layers and its identity embedding hold of portraits and of morphs of them was to be "
    "predicted"
)
_LICENCE = (
    "CC BY-NC-SA 4.0; a sample trained on data that may not be used commercially. Replace it with your own survey."
)
_NOT_STATED = "not stated"
_OTHER_LICENCE = "not stated; it follows from the licences of the data below."
_OTHER_LIMITS = "Not stated; it was not trained on the data of the sample models."
_INTENDED_USE = "Entertainment: how a face in a clear photo is perceived. Never a judgement of what a person is."


Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Trained(Generic[Net]):
    """What a recipe gives.

    files: the images it learned from or chose by. sources: its labels and the teachers' weights. parts_version: of the
    part finder whose boxes a model learned from. trunk: the released type model whose trunk this one keeps.
    metrics: numbers of the training itself.
    """

    net: Net
    files: Sequence[ImageFile]
    sources: Sequence[Path]
    thresholds: Mapping[str, float]
    calibration: ScoreCalibration | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    parts_version: str = ""
    trunk: Manifest | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a card says of a model beyond its numbers."""

    name: str
    summary: str
    limits: str
    teachers: Mapping[str, str]


RECIPES = {
    "gate": Recipe(
        "gate",
        "Finds the faces in a photo and says whether the one it is of can be classified, and if not, why not.",
        "Learned from portraits, mostly of members of the US Congress and of generated people; covers, turned heads "
        "and bad light were mostly made by augmentation. Paintings and dolls can pass.",
        {"YuNet": YUNET},
    ),
    "parts": Recipe(
        "parts",
        "Places five lines on an aligned face, from which the boxes of its three parts follow.",
        "Only studio portraits of young adults have hand-placed landmarks; elsewhere it learned from its own first "
        "answers.",
        {"YuNet": YUNET},
    ),
    "types": Recipe(
        "types",
        "Rates the three parts of an aligned face on five ordered types, as raters of a survey perceived such faces.",
        "Its raters were US residents on the web, its faces generated ones of adult men; their taste is its taste. "
        "All three parts learned from one rating of the whole face. On faces unlike those it says little.",
        {"YuNet": YUNET, "dlib": DLIB},
    ),
}


def release_model(name: str, trained: Trained[Net], folder: Path) -> Manifest:
    """Write `<name>.safetensors`, `<name>.json` and `<name>.md` into a folder.

    The version is the name and the start of the weights' hash: two different nets never share one.
    """
    recipe = RECIPES[name]
    content, digest = pack_weights(trained.net)
    training = _training_data(recipe, trained)
    is_sample = training.sets.keys() <= SET_LICENCES.keys()
    manifest = Manifest(
        name=name,
        version=f"{name}-{digest[:8]}",
        sha256=digest,
        licence=_LICENCE if is_sample else trained.trunk.licence if trained.trunk else _OTHER_LICENCE,
        intended_use=_INTENDED_USE,
        limits=recipe.limits if is_sample else _OTHER_LIMITS,
        training=training,
        preprocessing=preprocessing_of(name),
        thresholds=dict(trained.thresholds),
        metrics=dict(trained.metrics),
        calibration=trained.calibration,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.safetensors").write_bytes(content)
    write_cards(manifest, folder)
    return manifest


def _training_data(recipe: Recipe, trained: Trained[Net]) -> TrainingData:
    trunk = trained.trunk
    own = sorted({Path(file.name).parent.as_posix() for file in trained.files})
    sets = {name: SET_LICENCES.get(name, _NOT_STATED) for name in own}
    sources = {path.name for path in trained.sources}
    teachers = dict(recipe.teachers) if trunk is None else trunk.training.teachers
    if trunk is None and Path(WEIGHTS).name not in sources:
        teachers.pop("YuNet")
    exports = [hashlib.sha256(path.read_bytes()).hexdigest() for path in trained.sources if path.name == EXPORT_TABLE]
    return TrainingData(
        sets=sets if trunk is None else trunk.training.sets | sets,
        files=len(trained.files),
        sha256=data_hash(trained.files, trained.sources),
        teachers=teachers,
        parts_version=trained.parts_version,
        trunk_version=trunk.version if trunk else "",
        exports=sorted({*(trunk.training.exports if trunk else []), *exports}),
    )


def record_metrics(
    name: str,
    folder: Path,
    metrics: Mapping[str, float],
    measured_with: str,
    *,
    cases: Mapping[str, int],
    intervals: Mapping[str, list[float]],
) -> None:
    """Write what was measured into a model's cards; numbers of the training itself stay."""
    manifest = find_manifest(name, folder)
    measured = replace(
        manifest,
        metrics=manifest.metrics | dict(metrics),
        cases=dict(cases),
        intervals=dict(intervals),
        measured_with=measured_with,
    )
    write_cards(measured, folder)


def write_cards(manifest: Manifest, folder: Path) -> None:
    """Write both cards of a model, the machine's and the people's."""
    manifest.write(folder / f"{manifest.name}.json")
    (folder / f"{manifest.name}.md").write_text(_markdown(manifest))


def _markdown(manifest: Manifest) -> str:
    training = manifest.training
    lines = [
        f"# {manifest.name} {manifest.version}",
        "",
        RECIPES[manifest.name].summary,
        "",
        f"- Intended use: {manifest.intended_use}",
        f"- Limits: {manifest.limits}",
        f"- Licence: {manifest.licence}",
        *([f"- Learned from the boxes of: {training.parts_version}"] if training.parts_version else []),
        *([f"- Keeps the trunk of: {training.trunk_version}"] if training.trunk_version else []),
        f"- Weights: `{manifest.name}.safetensors`, half precision, sha256 `{manifest.sha256}`",
        "",
        "## Training data",
        "",
        f"{_files(training)}; none of them is in the held-out fifth.",
        "",
        "| set | licence, source |",
        "| --- | --- |",
        *(f"| {name} | {licence} |" for name, licence in training.sets.items()),
        "",
        *(["Teachers, used in training only:", ""] if training.teachers else []),
        *(f"- {name}: {what}." for name, what in training.teachers.items()),
        *([""] if training.teachers else []),
        "## Numbers",
        "",
    ]
    if manifest.metrics:
        lines += [
            f"{_origin_of_numbers(manifest)}:",
            "",
            "| metric | value |",
            "| --- | --- |",
            *(f"| {name} | {value:.4g} |" for name, value in manifest.metrics.items()),
        ]
    else:
        lines.append("Not measured yet.")
    return "\n".join(lines) + "\n"


def _files(training: TrainingData) -> str:
    besides = ", besides those of the trunk" if training.trunk_version else ""
    return f"{training.files} files, sha256 `{training.sha256}`{besides}"


def _origin_of_numbers(manifest: Manifest) -> str:
    if not manifest.measured_with:
        return "From training's own cross-validation; not measured on held-out files yet"
    validated = "; what is said of men left out is training's own cross-validation" if manifest.calibration else ""
    return f"On files held out from training, by `{manifest.measured_with}`{validated}"
