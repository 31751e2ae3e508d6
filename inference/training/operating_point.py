"""Where the gate's thresholds lie: chosen on validation files, by rules that are the same for every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from tqdm import tqdm

from inference.dataset import DataError
from inference.decoding import DecodedPhoto
from inference.gate import CLOSER, TURNED, WHOLE, Gate, Look, Proposal, yaw_of
from inference.heads import turned
from inference.preprocessing import Floats, Pixels, rotation_scale, warp
from inference.training import augmentation
from inference.training.augmentation import Rng
from inference.training.teachers import LabelledImage
from inference.training.verifier import made_pictures

# What may go wrong: faces refused, scenes accepted; and a face taken for covered or blurred, or the reverse.
_FACES_LOST, _SCENES_TAKEN = 0.01, 0.005
# Heads turned by up to 45 degrees and taken for averted ones; heads turned by 75 degrees and not.
_FACING, _AVERTED = (0.0, 30.0, 45.0), 75.0
_FACING_LOST, _AVERTED_TAKEN = 0.02, 0.2
# Of scenes, how many may be asked what is wrong with their face. Most of those show nothing wrong, and have no face.
_SCENES_LIKELY = 0.1
# Of a face's longer side: a Gaussian that leaves it clear, and one that does not.
_CLEAR, _BLURRED = 0.015, 0.04
_CANVAS = 960
_BEYOND_DOUBT = 0.95


def choose_thresholds(
    gate: Gate, portraits: Sequence[LabelledImage], scenes: Sequence[LabelledImage], seed: int
) -> dict[str, float]:
    """The thresholds `face`, `likely`, `covered`, `blurred` and, in degrees, `turned`."""
    rng = np.random.default_rng(seed)
    clear = [portrait for portrait in portraits if portrait.faces]
    textures = [scene.pixels for scene in scenes]
    seen = [_best(gate, pixels) for pixels in _shown(_views(clear, textures, rng), "faces")]
    others = [_best(gate, pixels) for pixels in _shown(_faceless(textures, seed), "scenes")]
    faces, alarms = _scores(seen), _scores(others)
    face = between(alarms, faces, _SCENES_TAKEN, _FACES_LOST)
    return {
        "face": face,
        "turned": round(90 * between(*_yaws(gate, clear, rng), _FACING_LOST, _AVERTED_TAKEN), 1),
        "likely": min(round(float(np.quantile(alarms, 1 - _SCENES_LIKELY)), 4), face),
        **{
            name: between(_chances(gate, negative, name), _chances(gate, positive, name), 1.0, 1.0)
            for name, negative, positive in (
                ("covered", _uncovered(clear, textures, rng), _covered(clear, textures, rng)),
                ("blurred", _softened(clear, _CLEAR), _softened(clear, _BLURRED)),
            )
        },
    }


def between(negative: Floats, positive: Floats, negative_limit: float, positive_limit: float) -> float:
    """The threshold that uses up both limits alike: where the larger of the two shares of error, each divided by
    what may be, is least. Where that holds over a range of thresholds, its middle in logits. Raises DataError."""
    edges = np.unique(np.concatenate([negative, positive]).clip(1e-6, 1 - 1e-6))
    logits = np.log(edges / (1 - edges))
    middles = 1 / (1 + np.exp(-(logits[1:] + logits[:-1]) / 2))
    if not middles.size:
        raise DataError("no threshold can be chosen: the gate tells none of the validation files from the others")
    worst = [
        max((negative >= middle).mean() / negative_limit, (positive < middle).mean() / positive_limit)
        for middle in middles
    ]
    best = np.flatnonzero(np.isclose(worst, min(worst)))
    return float(round(middles[best[len(best) // 2]], 4))


def _best(gate: Gate, pixels: Pixels, looks: Sequence[Look] = (WHOLE, CLOSER, TURNED)) -> Proposal | None:
    """What looks most like a face; once it does so beyond doubt, no further look is taken."""
    photo = DecodedPhoto(pixels, pixels.shape[1], pixels.shape[0])
    best: Proposal | None = None
    for look in looks:
        found = [*gate.look([photo], look)[0], *([best] if best else [])]
        best = max(found, key=lambda proposal: proposal.score, default=None)
        if best and best.score >= _BEYOND_DOUBT:
            break
    return best


def _scores(best: Sequence[Proposal | None]) -> Floats:
    return np.array([0.0 if proposal is None else proposal.score for proposal in best])


def _chances(gate: Gate, pictures: Iterator[Pixels], name: str) -> Floats:
    found = [_best(gate, pixels, [WHOLE]) for pixels in _shown(pictures, name)]
    return np.array([getattr(proposal.check, name) for proposal in found if proposal is not None])


def _shown(pictures: Iterator[Pixels], what: str) -> Iterator[Pixels]:
    yield from tqdm(pictures, desc=f"choose thresholds: {what}", unit="picture", mininterval=5)


def _views(portraits: Sequence[LabelledImage], textures: Sequence[Pixels], rng: Rng) -> Iterator[Pixels]:
    """Each portrait as it is, and once more rolled, small in a picture, or in bad light."""
    for portrait in portraits:
        yield portrait.pixels
        kind = rng.integers(3)
        if kind == 0:
            yield _placed(portrait, float(rng.uniform(-35, 35)), float(rng.uniform(0.15, 0.5)), textures, rng)
        elif kind == 1:
            yield _placed(portrait, float(rng.normal(0, 5)), float(rng.uniform(0.06, 0.12)), textures, rng)
        else:
            yield augmentation.photometric(portrait.pixels, rng)


def _placed(portrait: LabelledImage, degrees: float, share: float, textures: Sequence[Pixels], rng: Rng) -> Pixels:
    """The portrait somewhere in a larger picture, its face this share of the picture's side."""
    face = portrait.faces[0]
    scale = share * _CANVAS / float((face.box[2:] - face.box[:2]).max())
    target = rng.uniform(0.2, 0.8, 2) * _CANVAS
    matrix = rotation_scale((face.box[:2] + face.box[2:]) / 2, target, degrees, scale)
    ground = augmentation.random_patch(textures, (_CANVAS, _CANVAS), rng)
    white = np.full(portrait.pixels.shape[:2], 255, np.uint8)
    inside = cv2.warpAffine(white, matrix, (_CANVAS, _CANVAS)) > 127
    return np.where(inside[..., None], warp(portrait.pixels, matrix, _CANVAS), ground)


def _faceless(textures: Sequence[Pixels], seed: int) -> Iterator[Pixels]:
    """Scenes whole, turned, and in pieces; and made ones."""
    for pixels in textures:
        yield pixels
        yield from (np.ascontiguousarray(np.rot90(pixels, turns)) for turns in (1, 2, 3))
        height, width = pixels.shape[:2]
        for top, left in ((0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5), (0.25, 0.25)):
            y, x = int(top * height), int(left * width)
            yield np.ascontiguousarray(pixels[y : y + max(height // 2, 1), x : x + max(width // 2, 1)])
    yield from made_pictures(textures, 5 * len(textures), seed)


def _yaws(gate: Gate, portraits: Sequence[LabelledImage], rng: Rng) -> tuple[Floats, Floats]:
    """What the gate measures of heads that face the camera and of averted ones, in right angles."""
    facing: list[float] = []
    averted: list[float] = []
    for number, portrait in enumerate(tqdm(portraits, desc="choose thresholds: turned", mininterval=5)):
        side = 1 - 2 * (number % 2)
        for degrees, found in ((_FACING[number % len(_FACING)], facing), (_AVERTED, averted)):
            pixels = turned(portrait.pixels, portrait.faces[0], side * degrees, rng)[0] if degrees else portrait.pixels
            best = _best(gate, pixels, [WHOLE])
            if best is not None:
                found.append(float(yaw_of(best.face_points)) / 90)
    return np.array(facing), np.array(averted)


def _uncovered(portraits: Sequence[LabelledImage], textures: Sequence[Pixels], rng: Rng) -> Iterator[Pixels]:
    for portrait in portraits:
        yield portrait.pixels
        yield augmentation.cover_elsewhere(portrait.pixels, portrait.faces[0].points, textures, rng)


def _covered(portraits: Sequence[LabelledImage], textures: Sequence[Pixels], rng: Rng) -> Iterator[Pixels]:
    for portrait in portraits:
        yield augmentation.cover_nose_and_mouth(portrait.pixels, portrait.faces[0].points, textures, rng)


def _softened(portraits: Sequence[LabelledImage], share: float) -> Iterator[Pixels]:
    for portrait in portraits:
        side = float((portrait.faces[0].box[2:] - portrait.faces[0].box[:2]).max())
        yield np.asarray(cv2.GaussianBlur(portrait.pixels, (0, 0), share * side), np.uint8)
