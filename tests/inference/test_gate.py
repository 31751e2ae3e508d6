"""What the gate makes of what its nets see. The nets are scripted, so that one thing changes at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inference.contracts import PhotoLimits, PhotoRefused, RefusalReason
from inference.decoding import DecodedPhoto, decode
from inference.gate import AlignedFace, Gate, View, yaw_of
from inference.nets.gate import STRIDE, DetectionMaps, Verification
from inference.preprocessing import CROP_SIZE, CROP_TEMPLATE, apply, crop_matrix, letterbox, warp

THRESHOLDS = {"detection": 0.15, "face": 0.5, "covered": 0.6, "blurred": 0.7, "likely": 0.3, "turned": 32.2}
WIDTH, HEIGHT = 640, 480


@dataclass(frozen=True)
class Face:
    """Upright, its box of this height around (x, y), in shares of what the detector sees of the photo."""

    x: float = 0.5
    y: float = 0.5
    height: float = 0.4
    chance: float = 0.99


class ScriptedDetector(nn.Module):
    """Sees in its first image what the first list says, and so on; nothing once the lists are used up."""

    def __init__(self, calls: Sequence[Sequence[Face]]) -> None:
        super().__init__()
        self.calls: Iterator[Sequence[Face]] = iter(calls)
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> DetectionMaps:
        maps = [self._see(image.shape[-1]) for image in images]
        return DetectionMaps(*(torch.cat(parts) for parts in zip(*maps, strict=True)))

    def _see(self, size: int) -> DetectionMaps:
        self.sizes.append(size)
        cells = size // STRIDE
        heat, boxes = torch.full((1, cells, cells), -9.0), torch.ones(1, 4, cells, cells)
        points = torch.zeros(1, 10, cells, cells)
        for face in next(self.calls, ()):
            x, y = int(face.x * cells), int(face.y * cells)
            centre, height = torch.tensor([face.x, face.y]) * size, face.height * size
            heat[0, y, x] = torch.logit(torch.tensor(face.chance))
            boxes[0, :, y, x] = torch.tensor([*centre, 0.75 * height, height])
            # In the crop a face of the mean shape is about 0.8 of the side high, and its middle lies a little low.
            places = (torch.tensor(CROP_TEMPLATE) - torch.tensor([0.5, 0.55])) * height / 0.8 + centre
            points[0, :, y, x] = places.reshape(10)
        return DetectionMaps(heat, boxes, points)


class ScriptedVerifier(nn.Module):
    """Says the same of every crop. nose: how far beside its place the nose tip lies, in eye distances."""

    def __init__(self, *, face: float = 0.99, covered: float = 0.01, blurred: float = 0.01, nose: float = 0.0) -> None:
        super().__init__()
        self.says = torch.logit(torch.tensor([face, covered, blurred]))
        self.points = torch.tensor(CROP_TEMPLATE).float()
        self.points[2, 0] += nose * 0.28

    def forward(self, crops: Tensor) -> Verification:
        count = len(crops)
        face, covered, blurred = self.says.expand(count, 3).unbind(1)
        return Verification(face, covered, blurred, self.points.expand(count, 5, 2))


class ScriptedNet(nn.Module):
    def __init__(self, calls: Sequence[Sequence[Face]], **says: float) -> None:
        super().__init__()
        self.detector, self.verifier = ScriptedDetector(calls), ScriptedVerifier(**says)


def gate_of(net: ScriptedNet, **limits: int) -> Gate:
    return Gate(net, THRESHOLDS, PhotoLimits(**limits), torch.device("cpu"))  # type: ignore[arg-type]


def photo_of(level: int = 128, width: int = WIDTH, height: int = HEIGHT) -> DecodedPhoto:
    grain = np.random.default_rng(0).integers(0, 20, (height, width, 3), np.uint8)
    return DecodedPhoto(np.clip(grain.astype(int) + level, 0, 255).astype(np.uint8), width, height)


def verdict(
    *calls: Sequence[Face], photo: DecodedPhoto | None = None, limits: dict[str, int] | None = None, **says: float
) -> RefusalReason | None:
    (found,) = gate_of(ScriptedNet(calls, **says), **(limits or {})).find_faces([photo or photo_of()])
    return found.reason if isinstance(found, PhotoRefused) else None


def test_a_clear_face_is_found_at_once_where_it_is() -> None:
    net = ScriptedNet([[Face(x=0.4, y=0.45)]])

    (found,) = gate_of(net).find_faces([photo_of()])

    assert isinstance(found, AlignedFace)
    # The square has 80 pixels of padding above the photo.
    assert (found.box[:2] + found.box[2:]) / 2 == pytest.approx([0.4 * 640, 0.45 * 640 - 80])
    assert found.score == pytest.approx(0.99 * 0.99)
    np.testing.assert_allclose(apply(found.matrix, found.points), CROP_TEMPLATE * CROP_SIZE, atol=1e-4)
    assert net.detector.sizes == [192]


@pytest.mark.parametrize(("chance", "expected"), [(0.51, None), (0.49, RefusalReason.NO_FACE)])
def test_both_nets_must_believe_in_the_face(chance: float, expected: RefusalReason | None) -> None:
    assert verdict([Face(chance=chance)], face=0.9999) == expected
    assert verdict([Face(chance=0.9999)], face=chance) == expected


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ({"covered": 0.6001}, RefusalReason.FACE_COVERED),
        ({"blurred": 0.7001}, RefusalReason.TOO_BLURRY),
        ({"nose": 0.8}, RefusalReason.FACE_TURNED_AWAY),
        ({"nose": -0.8}, RefusalReason.FACE_TURNED_AWAY),
    ],
)
def test_a_face_is_refused_for_what_the_verifier_says_of_it(says: dict[str, float], reason: RefusalReason) -> None:
    almost = {name: value * 0.9 for name, value in says.items()}

    assert verdict([Face()], **almost) is None
    assert verdict([Face()], **says) == reason


def test_a_face_in_the_dark_is_refused_in_a_bright_photo_too() -> None:
    pixels = photo_of(level=150).pixels.copy()
    pixels[150:400, 240:400] //= 12

    assert verdict([Face()], photo=photo_of(level=150)) is None
    assert verdict([Face()], photo=DecodedPhoto(pixels, WIDTH, HEIGHT)) == RefusalReason.TOO_DARK
    assert verdict([Face()], photo=photo_of(level=0)) == RefusalReason.TOO_DARK


def test_a_dark_photo_is_not_searched_again() -> None:
    net = ScriptedNet([])

    (found,) = gate_of(net).find_faces([photo_of(level=0)])

    assert isinstance(found, PhotoRefused)
    assert found.reason == RefusalReason.TOO_DARK
    assert net.detector.sizes == [192]


@pytest.mark.parametrize(
    ("area", "expected"), [(3.9, RefusalReason.MULTIPLE_FACES), (4.1, None), (1.0, RefusalReason.MULTIPLE_FACES)]
)
def test_the_larger_of_two_faces_is_taken_from_four_times_the_area(area: float, expected: RefusalReason | None) -> None:
    large, small = Face(x=0.3, height=0.4), Face(x=0.8, height=0.4 / area**0.5)

    assert verdict([large, small]) == expected
    assert verdict([small, large]) == expected


def test_what_the_verifier_rejects_is_no_second_face() -> None:
    assert verdict([Face(x=0.3), Face(x=0.8, chance=0.4)]) is None


@pytest.mark.parametrize(("x", "y"), [(0.08, 0.5), (0.92, 0.5), (0.5, 0.76), (0.5, 0.2)])
def test_a_face_that_reaches_beyond_the_frame_is_cut_off(x: float, y: float) -> None:
    assert verdict([Face(x=0.5, y=0.5)]) is None
    assert verdict([Face(x=x, y=y)]) == RefusalReason.FACE_CUT_OFF


def test_half_a_face_is_cut_off_though_its_points_crowd_inside() -> None:
    inside = Face(x=0.16, height=0.4)
    net = ScriptedNet([[inside]])

    (found,) = gate_of(net).find_faces([photo_of()])
    assert isinstance(found, AlignedFace)

    # The box alone moves out of the frame.
    class Shifted(ScriptedDetector):
        def forward(self, images: Tensor) -> DetectionMaps:
            maps = super().forward(images)
            maps.boxes[:, 0] -= 0.08 * images.shape[-1]
            return maps

    net.detector = Shifted([[inside]])
    (refused,) = gate_of(net).find_faces([photo_of()])
    assert isinstance(refused, PhotoRefused)
    assert refused.reason == RefusalReason.FACE_CUT_OFF


@pytest.mark.parametrize(("pixels", "expected"), [(81, None), (79, RefusalReason.FACE_TOO_SMALL)])
def test_a_face_needs_so_many_pixels_of_the_full_size_photo(pixels: int, expected: RefusalReason | None) -> None:
    photo = photo_of()
    reduced = DecodedPhoto(photo.pixels, 4 * WIDTH, 4 * HEIGHT)
    face = Face(height=pixels / (4 * WIDTH))

    assert verdict([], [face], photo=reduced) == expected
    assert verdict([], [face], photo=reduced, limits={"min_face_pixels": 40}) is None


def test_a_photo_without_a_face_is_looked_at_more_closely_and_then_turned() -> None:
    net = ScriptedNet([])

    (found,) = gate_of(net).find_faces([photo_of()])

    assert isinstance(found, PhotoRefused)
    assert found.reason == RefusalReason.NO_FACE
    assert net.detector.sizes == [192, 640, 192, 192, 192]


def test_what_only_the_closer_look_shows_is_found() -> None:
    net = ScriptedNet([[], [Face(x=0.7, height=0.15)]])

    (found,) = gate_of(net).find_faces([photo_of()])

    assert isinstance(found, AlignedFace)
    assert found.box[3] - found.box[1] == pytest.approx(0.15 * 640)
    assert net.detector.sizes == [192, 640]


def test_a_small_face_may_have_neighbours_that_the_first_look_missed() -> None:
    small, neighbour = Face(x=0.3, height=0.12), Face(x=0.7, height=0.12)

    limits = {"min_face_pixels": 40}

    assert verdict([small], [small], limits=limits) is None
    assert verdict([small], [small, neighbour], limits=limits) == RefusalReason.MULTIPLE_FACES
    assert verdict([Face(x=0.3, height=0.14)], [Face(x=0.3, height=0.14), Face(x=0.7, height=0.14)]) is None


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_photo_that_lost_its_orientation_is_turned(turns: int) -> None:
    upright, photo = Face(x=0.4, y=0.45), photo_of()
    calls = {2: 0, 1: 1, 3: 2}[turns]

    (found,) = gate_of(ScriptedNet([[], [], *[[]] * calls, [upright]])).find_faces([photo])

    assert isinstance(found, AlignedFace)
    # Where it is in the turned photo, it is in the photo, turned back.
    turned = np.ascontiguousarray(np.rot90(photo.pixels, turns))
    square = letterbox(turned)[1]
    eye = CROP_TEMPLATE[0] * CROP_SIZE
    crop = cv2.warpAffine(turned, crop_matrix(_points(upright, square)), (CROP_SIZE, CROP_SIZE))
    assert np.abs(crop[8:-8, 8:-8].astype(int) - found.crop[8:-8, 8:-8]).mean() < 6
    assert apply(found.matrix, found.points[:1])[0] == pytest.approx(eye)
    assert (found.points >= 0).all()
    assert (found.points <= [WIDTH, HEIGHT]).all()


def _points(face: Face, square: object) -> np.ndarray:
    places = (CROP_TEMPLATE - [0.5, 0.55]) * face.height * 192 / 0.8 + np.array([face.x, face.y]) * 192
    return (places - [square.left, square.top]) / square.scale  # type: ignore[attr-defined]


def test_an_upside_down_face_is_not_taken_for_a_covered_one() -> None:
    class Covered(ScriptedVerifier):
        """Takes the first crop it sees for a covered face, the second for a clear one."""

        def forward(self, crops: Tensor) -> Verification:
            said = super().forward(crops)
            self.says = torch.logit(torch.tensor([0.99, 0.01, 0.01]))
            return said

    net = ScriptedNet([[Face(chance=0.6)], [Face()]], covered=0.9)
    net.verifier = Covered(covered=0.9)

    (found,) = gate_of(net).find_faces([photo_of()])

    assert isinstance(found, AlignedFace)
    assert net.detector.sizes == [192, 192, 192, 192]
    # The eyes are below the mouth.
    assert found.points[:2, 1].min() > found.points[3:, 1].max()


@pytest.mark.parametrize(("chance", "expected"), [(0.31, RefusalReason.FACE_COVERED), (0.29, RefusalReason.NO_FACE)])
def test_what_may_be_a_face_is_refused_for_what_hides_it(chance: float, expected: RefusalReason) -> None:
    assert verdict([Face(chance=chance)], face=0.9999, covered=0.9) == expected


def test_a_photo_is_decoded_again_where_its_face_has_few_pixels() -> None:
    # Stripes one pixel wide vanish when the photo is decoded at a quarter.
    stripes = np.zeros((2400, 3200, 3), np.uint8)
    stripes[:, ::2] = 255
    photo = decode(cv2.imencode(".jpg", stripes, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes())
    assert photo.scale == 4

    def contrast(height: float) -> float:
        net = ScriptedNet([[], [Face(height=height)]])
        (found,) = gate_of(net).find_faces([photo])
        assert isinstance(found, AlignedFace)
        return float(found.crop.std())

    # 96 pixels of the photo, 24 as it was decoded; and 480, which are enough as they were decoded.
    assert contrast(0.03) > 40
    assert contrast(0.15) < 5


@pytest.mark.parametrize("scale", [0.48, 0.3, 0.22])
def test_crops_cut_from_a_faces_surroundings_are_those_cut_from_the_photo(scale: float) -> None:
    pixels = cv2.GaussianBlur(photo_of(width=1200, height=900).pixels, (0, 0), 4)
    cv2.circle(pixels, (640, 500), 200, (90, 60, 40), 25)
    matrix = np.array([[scale, -0.1 * scale, 64 - scale * 590], [0.1 * scale, scale, 64 - scale * 564]])
    side = 0.8 * CROP_SIZE / scale
    box = np.array([640 - side / 2, 500 - side / 2, 640 + side / 2, 500 + side / 2])

    surroundings = View(pixels, 0, 0, 1.0).around(box, matrix)

    assert surroundings.pixels.size < pixels.size / 3
    difference = abs(surroundings.cut_out(matrix).astype(float) - warp(pixels, matrix))
    assert difference.mean() < 1
    assert difference.max() < 40


@pytest.mark.parametrize("height", [0.03, 0.3, 3.0])
def test_what_is_seen_in_the_padding_beside_the_photo_is_no_reason_to_fail(height: float) -> None:
    stripe = np.full((400, 3200, 3), 128, np.uint8)
    photo = decode(cv2.imencode(".jpg", stripe)[1].tobytes())
    below = Face(y=0.97, height=height)

    (found,) = gate_of(ScriptedNet([[below], [below]])).find_faces([photo])

    assert isinstance(found, PhotoRefused)
    assert found.reason == RefusalReason.FACE_CUT_OFF


def test_each_photo_of_a_batch_gets_its_own_answer() -> None:
    class ByBrightness(ScriptedDetector):
        """Sees a face in bright photos only."""

        def forward(self, images: Tensor) -> DetectionMaps:
            maps = [ScriptedDetector([[Face()] if image.mean() > 0 else []])(image[None]) for image in images]
            return DetectionMaps(*(torch.cat(parts) for parts in zip(*maps, strict=True)))

    net = ScriptedNet([])
    net.detector = ByBrightness([])
    photos = [photo_of(level=200 if index % 3 else 60) for index in range(11)]

    found = gate_of(net).find_faces(photos)

    assert [isinstance(one, AlignedFace) for one in found] == [bool(index % 3) for index in range(11)]


@pytest.mark.parametrize("degrees", [0, 30, 60, 75])
@pytest.mark.parametrize("roll", [0, 50])
def test_yaw_is_read_off_the_points_of_a_turned_head(degrees: float, roll: float) -> None:
    radians, depth = np.deg2rad(degrees), np.array([0, 0, 0.45, 0, 0])
    upright = np.array([[-0.5, 0], [0.5, 0], [0, 0.55], [-0.35, 1.0], [0.35, 1.0]])
    seen = upright.copy()
    seen[:, 0] = upright[:, 0] * np.cos(radians) + depth * np.sin(radians)
    matrix = cv2.getRotationMatrix2D((3, 4), roll, 37)

    assert yaw_of(apply(matrix, seen)) == pytest.approx(degrees, abs=0.5)
