"""How the gate does on files held out from training, through the real path: bytes, decoder, engine.

Three questions. Are clear portraits accepted, as they are and changed as people's photos are, and whoever is on
them? Are pictures without a face refused? Is what is wrong with a photo named rightly? YuNet, at the setting that
the gate is measured against, answers the first two beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.comparison import FACES_ACCEPTED, RIGHT_REASONS, SCENES_ACCEPTED
from inference.contracts import InferenceError, PhotoLimits
from inference.dataset import ImageFile, face_files, read_pixels, scene_files
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine
from inference.evaluation.cases import TYPED, GateCase
from inference.evaluation.faceless import MADE
from inference.evaluation.groups import groupings_of
from inference.evaluation.intervals import statistic_interval
from inference.evaluation.photos import analyze, photo_of
from inference.evaluation.portraits import ACCEPTED, FAR, REFUSED, Portrait, Variation
from inference.evaluation.report import Measurement, Report, share
from inference.gate import WHOLE
from inference.preprocessing import Floats, Pixels
from inference.yunet import WEIGHTS, YuNet

_FACES_AIM, _SCENES_AIM, _GROUPS_AIM = ">= 0.99", "<= 0.005", "<= 0.01"
_REFERENCE = 0.9
# A portrait is clear where YuNet is sure of a face with enough pixels to be changed and still be judged.
_CLEAR_SIDE = 90
# So many portraits, about, are changed in each way; far faces take long to make.
_ACCEPTED, _FAR, _REFUSED = 130, 16, 50
_TURNS = {"scenes on their left side": 1, "scenes upside down": 2, "scenes on their right side": 3}
# Groups smaller than this say nothing.
_MIN_GROUP = 8


def evaluate_gate(engine: Engine, data: Path) -> Report:
    """Acceptance and refusal of held-out faces and scenes."""
    faces = [file for file in face_files(data) if file.is_held_out]
    scenes = [file for file in scene_files(data) if file.is_held_out]
    # Without its weights there is nothing to compare with, and nothing that tells where a portrait's face is.
    reference = YuNet(data, _REFERENCE) if (data / WEIGHTS).is_file() else None
    face_cases, scene_cases = (_cases(engine, files, is_face=files is faces) for files in (faces, scenes))
    clear = _clear(faces, reference) if reference else {}
    rows = _accepted(face_cases, reference)
    rows += _faceless(engine, scene_cases, list(clear.values()), reference)
    rows += _changed(engine, clear, data) if clear else []
    failures = [(case.file.name, case.outcome) for case in [*face_cases, *scene_cases] if not case.is_right]
    return Report(f"gate {engine.versions.gate}", rows, failures, [*face_cases, *scene_cases])


def _accepted(cases: Sequence[GateCase], reference: YuNet | None) -> list[Measurement]:
    outcomes = [case.outcome for case in cases]
    least = PhotoLimits().min_face_pixels
    large = sum(case.is_typed and case.side >= least for case in cases)
    rows = [
        _typed(FACES_ACCEPTED, outcomes, _FACES_AIM),
        share(f"held-out faces that get a type and have {least} pixels", large, len(cases)),
    ]
    if reference:
        seen = _seen(reference, (read_pixels(case.file.path) for case in cases))
        both = [outcome for outcome, is_seen in zip(outcomes, seen, strict=True) if is_seen]
        rows.append(share("YuNet: held-out faces", sum(seen), len(seen)))
        rows.append(_typed("held-out faces that YuNet sees and that get a type", both, _FACES_AIM))
    folders = [Path(case.file.name).parent.as_posix() for case in cases]
    for folder in sorted(set(folders)):
        own = [outcome for outcome, name in zip(outcomes, folders, strict=True) if name == folder]
        rows.append(_typed(f"{folder} that get a type", own))
    counts = Counter(outcome for outcome in outcomes if outcome != TYPED)
    return rows + [share(f"faces refused: {reason}", count, len(cases)) for reason, count in sorted(counts.items())]


def _seen(reference: YuNet | None, pictures: Iterable[Pixels]) -> list[bool]:
    return [bool(reference(pixels)) for pixels in pictures] if reference else []


def _faceless(
    engine: Engine, cases: Sequence[GateCase], portraits: Sequence[Portrait], reference: YuNet | None
) -> list[Measurement]:
    """Scenes as they are, turned, and made into others; all of them in one number, and each kind in one."""
    scenes = [read_pixels(case.file.path) for case in cases]
    taken = {"scenes as they are": [case.outcome for case in cases]}
    seen = _seen(reference, scenes)
    for name, pictures in _made_faceless(scenes, portraits):
        taken[name] = _outcomes(engine, (photo_of(pixels) for pixels in pictures), name, len(pictures))
        seen += _seen(reference, pictures)
    everything = [outcome for outcomes in taken.values() for outcome in outcomes]
    return [
        _typed(SCENES_ACCEPTED, everything, _SCENES_AIM),
        *([share("YuNet: held-out scenes", sum(seen), len(seen))] if reference else []),
        *(_typed(f"{name} that get a type", outcomes) for name, outcomes in taken.items()),
    ]


def _made_faceless(scenes: Sequence[Pixels], portraits: Sequence[Portrait]) -> Iterator[tuple[str, list[Pixels]]]:
    for name, turns in _TURNS.items():
        yield name, [np.ascontiguousarray(np.rot90(pixels, turns)) for pixels in scenes]
    for name, (make, count) in MADE.items() if portraits and scenes else ():
        rngs = (np.random.default_rng(number) for number in range(count))
        yield name, [np.ascontiguousarray(make(scenes, portraits, rng)) for rng in rngs]


def _changed(engine: Engine, portraits: dict[str, Portrait], data: Path) -> list[Measurement]:
    """Clear portraits after each change: what must be accepted, by groups too, and what must be refused and why."""
    rows: list[Measurement] = []
    accepted: list[tuple[str, bool]] = []
    right: list[bool] = []
    for variations, count in ((ACCEPTED, _ACCEPTED), (FAR, _FAR), (REFUSED, _REFUSED)):
        chosen = dict(list(portraits.items())[:: max(1, len(portraits) // count)])
        for variation in variations:
            outcomes = _outcomes(engine, _made(variation, chosen), variation.name, len(chosen))
            rows.append(_typed(f"{variation.name}: typed", outcomes))
            if variation.reason is None:
                accepted += [(name, outcome == TYPED) for name, outcome in zip(chosen, outcomes, strict=True)]
                continue
            named = [outcome == variation.reason.value for outcome in outcomes]
            rows.append(share(f"{variation.name}: {variation.reason}", sum(named), len(named)))
            right += named
    heads = [
        share("changed portraits that get a type", sum(typed for _, typed in accepted), len(accepted)),
        share(RIGHT_REASONS, sum(right), len(right)),
    ]
    return [*heads, *_group_differences(accepted, data), *rows]


def _made(variation: Variation, portraits: dict[str, Portrait]) -> Iterator[DecodedPhoto]:
    for number, portrait in enumerate(portraits.values()):
        yield variation.make(portrait, np.random.default_rng(number))


def _group_differences(accepted: Sequence[tuple[str, bool]], data: Path) -> list[Measurement]:
    """Of each grouping, by how much acceptance of changed portraits differs between its best and worst group.

    A person counts once, with the share of their pictures that get a type: those are no independent cases.
    """
    typed: dict[str, list[bool]] = {}
    for name, is_typed in accepted:
        typed.setdefault(name, []).append(is_typed)
    files = [file for file in face_files(data) if file.name in typed]
    rows = []
    for grouping in groupings_of(files, data):
        if not grouping.is_of_people:
            continue
        people = {
            group.name: np.array([np.mean(typed[name]) for name in sorted(group.files)])
            for group in grouping.groups
            if len(group.files) >= _MIN_GROUP
        }
        rows += [
            Measurement(
                f"{grouping.name}, {group}", float(own.mean()), len(own), interval=statistic_interval(np.mean, own)
            )
            for group, own in people.items()
        ]
        low, high = (chosen(people.values(), key=np.mean) for chosen in (min, max))
        values, is_high = np.concatenate([low, high]), np.repeat([False, True], [len(low), len(high)])
        rows.append(
            Measurement(
                f"{grouping.name}: largest difference",
                _difference(values, is_high),
                len(values),
                _GROUPS_AIM,
                statistic_interval(_difference, values, is_high),
            )
        )
    return rows


def _difference(values: Floats, is_high: NDArray[np.bool_]) -> float:
    return float(values[is_high].mean() - values[~is_high].mean())


def _clear(files: Sequence[ImageFile], reference: YuNet) -> dict[str, Portrait]:
    found = {}
    for file in files:
        pixels = read_pixels(file.path)
        faces = reference(pixels)
        if faces and (portrait := Portrait(pixels, faces[0])).side >= _CLEAR_SIDE:
            found[file.name] = portrait
    return found


def _cases(engine: Engine, files: Sequence[ImageFile], *, is_face: bool) -> list[GateCase]:
    photos = [decode(file.path.read_bytes()) for file in files]
    answers = analyze(engine, photos, "faces" if is_face else "scenes", total=len(photos))
    scores = [max((found.score for found in own), default=0.0) for own in engine.gate.look(photos, WHOLE)]
    return [
        GateCase(file, is_face, answer.code, score, 0.0)
        if isinstance(answer, InferenceError)
        else GateCase(file, is_face, TYPED, score, max(answer.face.box.width, answer.face.box.height))
        for file, answer, score in zip(files, answers, scores, strict=True)
    ]


def _outcomes(engine: Engine, photos: Iterator[DecodedPhoto], title: str, total: int) -> list[str]:
    """What became of each photo: "typed", or the refusal's code."""
    return [
        answer.code if isinstance(answer, InferenceError) else TYPED
        for answer in analyze(engine, photos, title, total=total)
    ]


def _typed(metric: str, outcomes: Sequence[str], aim: str = "") -> Measurement:
    return share(metric, outcomes.count(TYPED), len(outcomes), aim)
