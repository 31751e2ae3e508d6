"""Photos on a device in, one table of numbers out, without a wait in between: all that most photos need.

It looks once at each photo, as the gate does first, and rates its largest real face, whether that will be refused or
not. All of it can be recorded as a CUDA graph: shapes follow from the batch's alone, nothing is read back, and no
number of the host becomes a tensor on the way, as it would as torch.where()'s value or in a list of indices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from inference.atlas import (
    Atlas,
    Template,
    Views,
    apply,
    as_input,
    shrinkage,
    smoothing_matrix,
    standardized,
)
from inference.gate import (
    DARK_HIGHLIGHT,
    DARK_MEAN,
    MAX_CANDIDATES,
    MAX_VERIFIED,
    MIDDLE,
    SAME_FACE_IOU,
    SMALL_SHARE,
    VIEW_REACH,
)
from inference.nets.gate import DetectionMaps, GateNet, Verification
from inference.nets.parts import PartsNet, mirror_lines, part_boxes
from inference.nets.types import EMBEDDING, TypePrediction, TypesNet
from inference.preprocessing import CROP_SIZE, PADDING_VALUE

Values = TypeVar("Values")

# Candidates of a batch there is room for, for each of its photos: twice as many as they have in the mean.
_ROOM = 3
# Candidates that hide others, which hide others in turn, are rare beyond two.
_PASSES = 4


class Candidates(NamedTuple):
    """The best of a batch, of all photos the best ones first.

    Shapes: place (M,), counted over (B, 16); photo (M,), is_there (M,), score (M,), box (M, 4) and points (M, 5, 2) in
    decoded pixels; is_all (B,): whether all of a photo are certain and had room.
    """

    place: Tensor
    photo: Tensor
    is_there: Tensor
    score: Tensor
    box: Tensor
    points: Tensor
    is_all: Tensor


class Findings(NamedTuple, Generic[Values]):
    """What is known of each photo's largest real face, in decoded pixels.

    Shapes: is_settled (B,): the photo shows one, and the gate would not look again; other_area (B,): of the second
    largest one's box, or 0; score, covered, blurred, is_dark (B,); box (B, 4); points (B, 5, 2), placed by the
    verifier, and realigned (B, 5, 2), placed by it once more; lines, spreads (B, 5) in shares of the crop;
    probabilities (B, 3, 5); embedding (B, 128).
    """

    is_settled: Values
    other_area: Values
    score: Values
    covered: Values
    blurred: Values
    is_dark: Values
    box: Values
    points: Values
    realigned: Values
    lines: Values
    spreads: Values
    probabilities: Values
    embedding: Values


_COLUMNS: Findings[tuple[int, ...]] = Findings(
    (), (), (), (), (), (), (4,), (5, 2), (5, 2), (5,), (5,), (3, 5), (EMBEDDING,)
)


class Rated(NamedTuple):
    """Shapes: lines, spreads (N, 5), probabilities (N, 3, 5), embedding (N, 128)."""

    lines: Tensor
    spreads: Tensor
    probabilities: Tensor
    embedding: Tensor


def rated(parts: PartsNet, types: TypesNet, crops: Tensor, even: Tensor) -> Rated:
    """Rate faces. A face and its mirror image are rated alike by averaging both.

    Shapes: crops, then their mirror images, and even, the same standardized, (2 N, 3, 128, 128).
    """
    found = parts(crops)
    lines, mirrored = found.position.chunk(2)
    lines = (lines + mirror_lines(mirrored)) / 2
    said = types(even, torch.cat([part_boxes(lines), part_boxes(mirror_lines(lines))]))
    spreads, mirrored = found.spread.chunk(2)
    # A mirror image's left edge is the face's right one.
    spreads = (spreads + torch.cat([mirrored[:, :2].flip(1), mirrored[:, 2:]], dim=1)) / 2
    embedding = functional.normalize(_mean_of_both(said.embedding), dim=-1)
    return Rated(lines, spreads, _mean_of_both(said.probabilities), embedding)


def both_ways(crops: Tensor) -> Tensor:
    """Crops, then their mirror images: (N, 3, H, W) -> (2 N, 3, H, W)."""
    return torch.cat([crops, crops.flip(-1)]).contiguous(memory_format=torch.channels_last)


def _mean_of_both(values: Tensor) -> Tensor:
    """Mean of what was said of faces and of their mirror images: (2 N, …) -> (N, …)."""
    faces, mirrored = values.chunk(2)
    return (faces + mirrored) / 2


class Pipeline:
    """The nets, in the order in which a photo needs them."""

    def __init__(self, gate: GateNet, parts: PartsNet, types: TypesNet, thresholds: Mapping[str, float]) -> None:
        """The nets have to be on one device, in one precision. thresholds: the gate's."""
        self._gate, self._parts, self._types = gate, parts, types
        self._thresholds = thresholds
        weight = next(gate.parameters())
        self._dtype = weight.dtype
        # In a graph nothing may come from the host.
        self._template, self._smoothing = Template(weight.device), smoothing_matrix().to(weight.device)

    def __call__(self, pixels: Tensor, fits: Tensor) -> Tensor:
        """Findings as one table. Shapes: as PhotoBatch's -> (B, C) float32."""
        atlas = Atlas(pixels, fits)
        found = self._candidates(self._gate.detector(atlas.squares(self._dtype)), fits)
        matrices, places = self._template.matrices(found.points)
        views = _views(found, matrices, fits)
        checks = self._gate.verifier(self._input(atlas.crops(found.photo, places, views)))
        covered = torch.sigmoid(checks.covered)
        score = found.score * torch.sigmoid(checks.face)
        is_real = found.is_there & (score >= self._thresholds["face"])
        width, height = (found.box[:, 2:] - found.box[:, :2]).unbind(1)

        def by_photo(values: Tensor) -> Tensor:
            """Values (M,) of the real ones, (B, 16), others 0."""
            spread = values.new_zeros(len(pixels) * MAX_CANDIDATES)
            return spread.index_copy(0, found.place, values * is_real).view(-1, MAX_CANDIDATES)

        areas, largest = by_photo(width * height).topk(2)
        slots = by_photo(torch.arange(len(is_real), device=pixels.device)).gather(1, largest[:, :1]).squeeze(1)
        is_large = by_photo(torch.maximum(width, height)).amax(1) >= SMALL_SHARE * fits[:, :2].amax(1)
        is_clear = by_photo((covered < self._thresholds["covered"]).float()).amax(1) > 0

        # From here on each photo's own face.
        photos = torch.arange(len(pixels), device=pixels.device)
        points = apply(places[slots], checks.points[slots] * CROP_SIZE)
        aligned, places = self._template.matrices(points)
        views = Views(*(values[slots] for values in views))
        crops = atlas.crops(photos, places, _averaged(views, aligned))
        realigned = apply(places, self._seen_again(crops))
        again, places = self._template.matrices(realigned)
        final = atlas.crops(photos, places, _averaged(views, again))
        even = standardized(final, self._smoothing)
        rating = rated(self._parts, self._types, both_ways(self._input(final)), both_ways(self._input(even)))
        findings = Findings(
            is_settled=(found.is_all & is_large & is_clear),
            other_area=areas[:, 1],
            score=score[slots],
            covered=covered[slots],
            blurred=torch.sigmoid(checks.blurred)[slots],
            is_dark=_is_dark(crops),
            box=found.box[slots],
            points=points,
            realigned=realigned,
            **rating._asdict(),
        )
        return torch.cat([values.float().reshape(len(pixels), -1) for values in findings], dim=1)

    def nets_alone(self, squares: Tensor, crops: Tensor) -> Tensor:
        """All that the nets do for photos with one face each, and nothing else. Type probabilities come out.

        Shapes: squares (B, 3, 192, 192), crops (B, 3, 128, 128) -> (2 B, 3, 5).
        """
        self._gate.detector(squares)
        self._gate.verifier(crops)
        both = both_ways(crops)
        self._gate.verifier(both)
        types: TypePrediction = self._types(both, part_boxes(self._parts(both).position))
        return types.probabilities

    def _input(self, crops: Tensor) -> Tensor:
        return as_input(crops, self._dtype)

    def _candidates(self, maps: DetectionMaps, fits: Tensor) -> Candidates:
        """The detector's peaks that do not overlap a better one."""
        heat = torch.sigmoid(maps.heat)
        is_peak = (heat == functional.max_pool2d(heat.unsqueeze(1), 3, 1, 1).squeeze(1)) & (
            heat >= self._thresholds["detection"]
        )
        score, cells = (heat * is_peak).flatten(1).topk(MAX_CANDIDATES)
        boxes, points = (
            values.flatten(2).gather(2, cells.unsqueeze(1).expand(-1, values.shape[1], -1)).transpose(1, 2)
            for values in (maps.boxes, maps.points)
        )
        half = boxes[..., 2:] / 2
        boxes = torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], dim=-1)
        kept, is_certain = _distinct(boxes, score > 0)
        rank = kept.cumsum(1)
        kept = kept & (rank <= MAX_VERIFIED)
        # The best of each photo come first, so that only photos with many go without some of them.
        room = max(_ROOM * len(heat), MAX_VERIFIED)
        place = rank.masked_fill(~kept, MAX_CANDIDATES + 1).flatten().argsort(stable=True)[:room]
        photo = torch.div(place, MAX_CANDIDATES, rounding_mode="floor")
        is_there = kept.flatten()[place]
        taken = torch.zeros_like(kept.flatten()).index_copy(0, place, is_there).view_as(kept)
        scale, origin = fits[photo, 7].view(-1, 1, 1), fits[photo, 5:7].unsqueeze(1)
        box = (boxes.flatten(0, 1)[place].view(-1, 2, 2) - origin) / scale
        return Candidates(
            place,
            photo,
            is_there,
            score.flatten()[place],
            box.flatten(1),
            (points.flatten(0, 1)[place].view(-1, 5, 2) - origin) / scale,
            is_all=(taken == kept).all(1) & is_certain,
        )

    def _seen_again(self, crops: Tensor) -> Tensor:
        """The points of crops by the verifier, mean of the crops' and their mirror images', (N, 5, 2) in pixels."""
        checks: Verification = self._gate.verifier(both_ways(self._input(crops)))
        points, mirrored = (checks.points * CROP_SIZE).chunk(2)
        # Left and right swap names.
        mirrored = torch.cat([mirrored[:, :2].flip(1), mirrored[:, 2:3], mirrored[:, 3:].flip(1)], dim=1)
        x, y = mirrored.unbind(-1)
        return (points + torch.stack([CROP_SIZE - x, y], dim=-1)) / 2


def findings_of(table: Tensor) -> Findings[Tensor]:
    """A table's columns (B, C) apart."""
    shapes = [(len(table), *shape) for shape in _COLUMNS]
    sizes = [torch.Size(shape[1:]).numel() for shape in shapes]
    parts = torch.split(table, sizes, dim=1)
    return Findings(*(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))


def _views(found: Candidates, matrices: Tensor, fits: Tensor) -> Views:
    """Each candidate's surroundings, as gate.View takes them."""
    low, high = found.box.view(-1, 2, 2).unbind(1)
    reach = VIEW_REACH * (high - low).amax(1, keepdim=True)
    last = fits[found.photo, :2] - 1
    return Views(torch.floor(((low + high) / 2 - reach).clamp_min(0).minimum(last)), shrinkage(matrices).clamp_min(1))


def _averaged(views: Views, matrices: Tensor) -> Views:
    """What a crop is cut from, which is averaged once more where it is still much smaller."""
    return Views(views.origin, views.factor * torch.floor(shrinkage(matrices) / views.factor).clamp_min(1))


def _distinct(boxes: Tensor, is_there: Tensor) -> tuple[Tensor, Tensor]:
    """Which boxes do not overlap a better one that does not either, and for which photos that is certain.

    Shapes: boxes (B, N, 4), the best first, is_there (B, N) -> (B, N), (B,).
    """
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)
    iou = shared / (area[:, :, None] + area[:, None, :] - shared).clamp_min(1e-9)
    # Row by column: whether the one in the row, which is better, hides the one in the column.
    hides = ((iou >= SAME_FACE_IOU) & is_there[:, :, None]).float().triu(1)
    before, kept = is_there, is_there
    # Each pass settles at least one more of them, and all once it changes nothing.
    for _ in range(_PASSES):
        before, kept = kept, is_there & (torch.bmm(kept.float().unsqueeze(1), hides).squeeze(1) == 0)
    return kept, (kept == before).all(1)


def _is_dark(crops: Tensor) -> Tensor:
    """Whether no feature of a face can be told, (N,), as the gate sees it."""
    red, green, blue = (crops[:, :, MIDDLE, MIDDLE] + PADDING_VALUE).unbind(1)
    grey = (0.299 * red + 0.587 * green + 0.114 * blue).round().flatten(1)
    # The 95th percentile lies below a level where more than so many pixels do.
    many = 0.95 * (grey.shape[1] - 1)
    return (grey.mean(1) < DARK_MEAN) & ((grey < DARK_HIGHLIGHT).sum(1) > many)
