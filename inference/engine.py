"""Decoded photos in, analyses out: gate, then parts, then types, on a batch.

The detector sees the whole photo, letterboxed; all later nets see one face, turned upright. Every
photo gets one result or one error, in the order given. On a GPU the first look at a photo, and what follows from it, is
torch's work alone; what calls for another look is looked at with OpenCV, as all is on a processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
import torch

from inference.atlas import LONGEST_SIDE, LONGEST_SIDES, PhotoBatch
from inference.contracts import (
    Box,
    DetectedFace,
    FaceAnalysis,
    FacePart,
    InferenceError,
    ModelVersions,
    PartAnalysis,
    PhotoLimits,
    PhotoRefused,
    Point,
    RefusalReason,
)
from inference.decoding import DecodedPhoto
from inference.gate import (
    CLOSER,
    DOMINANT_AREA_RATIO,
    WHOLE,
    AlignedFace,
    Face,
    Gate,
    Quality,
    View,
    are_cut_off,
    frames_of,
)
from inference.graphs import Recorded
from inference.nets.gate import GateNet
from inference.nets.parts import PartsNet, part_boxes
from inference.nets.types import TypesNet
from inference.pipeline import Findings, Pipeline, findings_of, rated
from inference.preprocessing import (
    CROP_SIZE,
    Floats,
    Pixels,
    apply,
    crop_matrix,
    invert,
    mirrored,
    standardized,
    to_tensor,
)
from inference.registry import MODELS, Manifest, RegistryError
from inference.weights import PACKAGED_WEIGHTS

# Weights are stored in half precision, which GPUs compute in several times as fast; processors do not.
_PRECISION = {"cuda": torch.float16}
# Height and width of a photo as it often arrives after decoding.
_WARM_UP_SIZE = (640, 480)
# Faces that the nets see at a time outside a GPU's batches. More are no faster, and memory that they take once is never
# given back.
_FACES_AT_ONCE = 4
# On a GPU, where the views of so many large photos take 3 GB.
LARGEST_BATCH = 32


_OnDevice = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class FaceRating:
    """What the part finder and the type model say of an aligned face.

    lines (5,) and their spreads (5,) in shares of the crop; type probabilities (3, 5); embedding (128,) of length 1.
    """

    lines: Floats
    line_spreads: Floats
    probabilities: Floats
    embedding: Floats


@dataclass(frozen=True, slots=True)
class LoadedPhotos:
    """Photos, and the same on the device."""

    photos: Sequence[DecodedPhoto]
    batch: PhotoBatch


@dataclass(frozen=True, slots=True)
class _Begun:
    """Photos, and the table of what is found in them, which is there on arrival."""

    photos: Sequence[DecodedPhoto]
    table: torch.Tensor
    arrival: torch.cuda.Event | None


def _existing(name: str) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"torch finds no {name} on this machine (INFERENCE_DEVICE, or --device)")
    return device


class Engine:
    """The three models, loaded once. Not safe for two threads at a time; the caller serializes.

    device: a torch device; raises ValueError where this machine has none such. On a GPU the nets run in half precision;
    its answers differ from a processor's as tests/gpu allows.
    """

    def __init__(self, limits: PhotoLimits | None = None, weights_dir: Path | None = None, device: str = "cpu") -> None:
        folder = weights_dir or PACKAGED_WEIGHTS
        self._device = _existing(device)
        self._dtype = _PRECISION.get(self._device.type, torch.float32)
        gate = MODELS.load("gate", GateNet, folder)
        parts = MODELS.load("parts", PartsNet, folder)
        types = MODELS.load("types", TypesNet, folder)
        if types.manifest.calibration is None:
            raise RegistryError("the type model's manifest has no calibration curve")
        self._calibration = types.manifest.calibration
        thresholds = gate.manifest.thresholds
        if missing := {"detection", "face", "covered", "blurred", "likely", "turned"} - thresholds.keys():
            raise RegistryError(f"the gate's manifest lacks thresholds: {', '.join(sorted(missing))}")
        self._max_line_spread = parts.manifest.thresholds["line_spread"]
        self.gate = Gate(gate.net, thresholds, limits or PhotoLimits(), self._device, self._dtype)
        self._parts = parts.net.to(self._device, self._dtype)
        self._types = types.net.to(self._device, self._dtype)
        pipeline = Pipeline(gate.net, self._parts, self._types, thresholds)
        is_on_gpu = self._device.type == "cuda"
        self._find: _OnDevice = Recorded(pipeline, self._device) if is_on_gpu else pipeline
        self._run_nets: _OnDevice = Recorded(pipeline.nets_alone, self._device) if is_on_gpu else pipeline.nets_alone
        self.manifests: dict[str, Manifest] = {
            each.name: each for each in (gate.manifest, parts.manifest, types.manifest)
        }
        self.versions = ModelVersions(gate.manifest.version, parts.manifest.version, types.manifest.version)

    def warm_up(self, batch: int = 1) -> None:
        """Run every net once, at each size of its input, with as many photos as the largest batch will have.

        Most of the memory it will ever take is taken then. On a GPU, where the first batch of a size is
        recorded, meet all sizes that batches of up to so many photos have.
        """
        photo = DecodedPhoto(np.zeros((*_WARM_UP_SIZE, 3), np.uint8), *_WARM_UP_SIZE[::-1])
        # Without a face in it a photo stops at the detector.
        self.gate.look([photo], CLOSER)
        self.gate.look([photo] * batch, WHOLE)
        crop = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        self.gate.verify([crop] * 2 * batch)
        face = AlignedFace(np.zeros(4), np.zeros((5, 2)), 0.0, np.zeros((2, 3)), crop, View(crop, 0, 0, 1.0))
        self.rate([face] * batch)
        if self._device.type == "cuda":
            self._find_in_blanks(batch)
            self.analyze([photo])

    def analyze(self, photos: Sequence[DecodedPhoto]) -> list[FaceAnalysis | InferenceError]:
        """One analysis or one refusal for each photo. Raises MemoryError where a GPU's memory is too small for them."""
        try:
            return self._analyze_there(photos) if self._device.type == "cuda" else self._analyze_here(photos)
        except torch.OutOfMemoryError as error:
            reason = str(error)
        # An error that is raised while another one is handled keeps what that one keeps: the tensors of the batch.
        raise MemoryError(reason)

    def load(self, photos: Sequence[DecodedPhoto]) -> LoadedPhotos:
        """Bring photos, at most LARGEST_BATCH and none longer than LONGEST_SIDE, to the device. They may still be on
        their way."""
        size = _rounded_up(len(photos)) if self._device.type == "cuda" else len(photos)
        return LoadedPhotos(photos, PhotoBatch.of(photos, self._device, size))

    def stream(self, batches: Iterable[LoadedPhotos]) -> Iterator[list[FaceAnalysis | InferenceError]]:
        """Each batch's analyses or refusals. The next batch is under way while one is judged.

        Photos that call for another look get it here, with OpenCV.
        """
        begun: _Begun | None = None
        for batch in batches:
            upcoming = self._begin(batch)
            if begun is not None:
                yield self._finish(begun)
            begun = upcoming
        if begun is not None:
            yield self._finish(begun)

    def tensor(self, images: Sequence[Pixels]) -> torch.Tensor:
        """Images (H, W, 3) as the nets take them."""
        return to_tensor(images, self._device, self._dtype)

    @torch.inference_mode()
    def forward(self, squares: torch.Tensor, crops: torch.Tensor) -> None:
        """All that the nets do for photos with one face each, and nothing else: what an analysis cannot undercut.

        Shapes: squares (B, 3, 192, 192), crops (B, 3, 128, 128), as tensor() makes them.
        """
        self._run_nets(squares, crops)

    @torch.inference_mode()
    def rate(self, faces: Sequence[AlignedFace]) -> list[FaceRating]:
        """Parts and types of each face."""
        starts = range(0, len(faces), _FACES_AT_ONCE)
        return [rating for start in starts for rating in self._rate(faces[start : start + _FACES_AT_ONCE])]

    def _rate(self, faces: Sequence[AlignedFace]) -> list[FaceRating]:
        crops = [face.crop for face in faces]
        even = [standardized(crop) for crop in crops]
        both, even_both = (self.tensor([*each, *map(mirrored, each)]) for each in (crops, even))
        columns = rated(self._parts, self._types, both, even_both)
        return [
            FaceRating(*values) for values in zip(*(column.cpu().double().numpy() for column in columns), strict=True)
        ]

    def _find_in_blanks(self, batch: int) -> None:
        """Meet all sizes of batches of up to so many photos, on all canvases.

        The largest comes first: the memory it took is room for all others.
        """
        for longest in reversed(LONGEST_SIDES):
            # As narrow as can be: a canvas is as wide as high.
            photo = DecodedPhoto(np.zeros((longest, 1, 3), np.uint8), 1, longest)
            size = _rounded_up(min(batch, LARGEST_BATCH))
            while size:
                self._begin(self.load([photo] * size))
                size //= 2

    def _analyze_there(self, photos: Sequence[DecodedPhoto]) -> list[FaceAnalysis | InferenceError]:
        """On the device, in batches it has room for; what is too long for it with OpenCV."""
        are_short = [max(photo.pixels.shape) <= LONGEST_SIDE for photo in photos]
        short, long = (
            [photo for photo, is_short in zip(photos, are_short, strict=True) if is_short is wanted]
            for wanted in (True, False)
        )
        batches = (self.load(short[start : start + LARGEST_BATCH]) for start in range(0, len(short), LARGEST_BATCH))
        loaded, here = chain.from_iterable(self.stream(batches)), iter(self._analyze_here(long))
        return [next(loaded if is_short else here) for is_short in are_short]

    def _analyze_here(self, photos: Sequence[DecodedPhoto]) -> list[FaceAnalysis | InferenceError]:
        """With OpenCV, and as many looks as each photo needs."""
        if not photos:
            return []
        faces = self.gate.find_faces(photos)
        found = [(photo, face) for photo, face in zip(photos, faces, strict=True) if isinstance(face, AlignedFace)]
        shown, aligned = [photo for photo, _ in found], [face for _, face in found]
        answers = iter(self._judge(shown, aligned, self.rate(aligned)))
        return [face if isinstance(face, InferenceError) else next(answers) for face in faces]

    @torch.inference_mode()
    def _begin(self, loaded: LoadedPhotos) -> _Begun:
        table = self._find(loaded.batch.pixels, loaded.batch.fits)
        if not table.is_cuda:
            return _Begun(loaded.photos, table, None)
        with torch.cuda.device(table.device):
            copied = torch.empty(table.shape, pin_memory=True).copy_(table, non_blocking=True)
            # Who waits for it leaves the core to the decoder of another engine.
            arrival = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            arrival.record()
        return _Begun(loaded.photos, copied, arrival)

    def _finish(self, begun: _Begun) -> list[FaceAnalysis | InferenceError]:
        if begun.arrival is not None:
            begun.arrival.synchronize()
        photos = begun.photos
        found = Findings(*(column.numpy() for column in findings_of(begun.table[: len(photos)].double())))
        is_settled = found.is_settled > 0
        settled = [photo for photo, is_done in zip(photos, is_settled, strict=True) if is_done]
        others = [photo for photo, is_done in zip(photos, is_settled, strict=True) if not is_done]
        judged = iter(self._judge_findings(settled, Findings(*(column[is_settled] for column in found))))
        seen_again = iter(self._analyze_here(others))
        return [next(judged if is_done else seen_again) for is_done in is_settled]

    def _judge_findings(
        self, photos: Sequence[DecodedPhoto], found: Findings[Floats]
    ) -> list[FaceAnalysis | InferenceError]:
        """What the gate, and then the part finder, have against what was found in photos."""
        if not photos:
            return []
        seen = [
            Face(*values)
            for values in zip(found.box, found.points, found.score, crop_matrix(found.points), strict=True)
        ]
        qualities = [Quality(*values) for values in zip(found.covered, found.blurred, found.is_dark > 0, strict=True)]
        areas = (found.box[:, 2:] - found.box[:, :2]).prod(axis=1)
        again = crop_matrix(found.realigned)
        faces = [Face(*values) for values in zip(found.box, found.realigned, found.score, again, strict=True)]
        ratings = [
            FaceRating(*values)
            for values in zip(found.lines, found.spreads, found.probabilities, found.embedding, strict=True)
        ]
        reasons = self.gate.why_unusable(photos, seen, qualities)
        return [
            PhotoRefused(RefusalReason.MULTIPLE_FACES) if has_rival else PhotoRefused(reason) if reason else answer
            for has_rival, reason, answer in zip(
                areas < DOMINANT_AREA_RATIO * found.other_area,
                reasons,
                self._judge(photos, faces, ratings),
                strict=True,
            )
        ]

    def _judge(
        self, photos: Sequence[DecodedPhoto], faces: Sequence[Face], ratings: Sequence[FaceRating]
    ) -> list[FaceAnalysis | PhotoRefused]:
        """An analysis of each photo's face, or why its parts cannot be rated."""
        if not photos:
            return []
        lines, spreads = np.stack([own.lines for own in ratings]), np.stack([own.line_spreads for own in ratings])
        matrices = np.stack([face.matrix for face in faces])
        scales = np.array([photo.scale for photo in photos])[:, None]
        sizes = np.array([(photo.width, photo.height) for photo in photos], np.float64)
        xl, xr, yb, yn, yc = lines.T
        is_ordered = (xl < xr) & (yb < yn) & (yn < yc) & (spreads.max(axis=1) <= self._max_line_spread)
        middle = (xl + xr) / 2
        outlines = np.stack([np.stack([middle, yb], axis=1), np.stack([middle, yc], axis=1)], axis=1) * CROP_SIZE
        is_cut_off = are_cut_off(outlines, matrices, frames_of(photos))
        part = _boxes_in_photos(part_boxes(torch.from_numpy(lines)).numpy() * CROP_SIZE, matrices)
        boxes = np.concatenate([np.stack([face.box for face in faces])[:, None], part], axis=1) * scales[..., None]
        boxes = np.clip(boxes, 0, np.tile(sizes, 2)[:, None])
        is_inside = (boxes[..., :2] < boxes[..., 2:]).all(axis=(1, 2))
        points = np.stack([face.points for face in faces]) * scales[..., None]
        # Half precision sums to 1 only roughly; the contract says exactly.
        shares = np.stack([own.probabilities for own in ratings])
        shares = shares / shares.sum(axis=2, keepdims=True)
        numbers = zip(
            boxes.tolist(),
            points.tolist(),
            shares.tolist(),
            _confidences_within((xr - xl) / 20, spreads).tolist(),
            strict=True,
        )
        answers: list[FaceAnalysis | PhotoRefused] = []
        for index, (places, five, types, confidence) in enumerate(numbers):
            if not is_ordered[index]:
                answers.append(PhotoRefused(RefusalReason.PARTS_NOT_FOUND))
            elif is_cut_off[index]:
                answers.append(PhotoRefused(RefusalReason.FACE_CUT_OFF))
            elif not is_inside[index]:
                answers.append(PhotoRefused(RefusalReason.PARTS_NOT_FOUND))
            else:
                face, *parts = (Box(*place) for place in places)
                rows = zip(FacePart, parts, types, strict=True)
                five_points = cast("tuple[Point, Point, Point, Point, Point]", tuple(Point(*point) for point in five))
                rated_parts = tuple(PartAnalysis(part, box, tuple(row)) for part, box, row in rows)
                answers.append(
                    FaceAnalysis(
                        photo_width=photos[index].width,
                        photo_height=photos[index].height,
                        face=DetectedFace(face, five_points, float(faces[index].score)),
                        parts=cast("tuple[PartAnalysis, PartAnalysis, PartAnalysis]", rated_parts),
                        box_confidence=confidence,
                        embedding=tuple(ratings[index].embedding.tolist()),
                        calibration=self._calibration,
                        models=self.versions,
                    )
                )
        return answers


def _rounded_up(count: int) -> int:
    """To a power of two: what is recorded takes a while and memory, so there are few sizes."""
    return 1 << (count - 1).bit_length()


def _confidences_within(distances: Floats, spreads: Floats) -> Floats:
    """The probabilities (N,) that none of some lines is off by more, each by a Laplace distribution of its spread.

    Shapes: distances (N,), spreads (N, L).
    """
    return np.asarray(np.prod(1 - np.exp(-distances[:, None] / spreads), axis=1), np.float64)


def _boxes_in_photos(boxes: Floats, matrices: Floats) -> Floats:
    """Boxes (N, P, 4) of crops, in crop pixels, as upright boxes of the decoded photos.

    A part is round rather than square, so a turned part's box is the one around the turned ellipse in it.
    """
    back = invert(matrices)
    low, high = boxes[..., :2], boxes[..., 2:]
    centre = apply(back, (low + high) / 2)
    half = (high - low) / 2
    reach = np.hypot(back[:, None, :, 0] * half[..., :1], back[:, None, :, 1] * half[..., 1:])
    return np.concatenate([centre - reach, centre + reach], axis=-1)
