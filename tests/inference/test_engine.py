"""One result or one reason for each photo; boxes where the face is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from inference.contracts import FaceAnalysis, FacePart, PhotoLimits, PhotoRefused, RefusalReason
from inference.dataset import face_files, read_pixels
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine
from inference.heads import turned
from inference.training import augmentation
from inference.yunet import YuNet
from tests.images import draw_photo


def photo(pixels: np.ndarray) -> DecodedPhoto:
    return DecodedPhoto(np.ascontiguousarray(pixels), pixels.shape[1], pixels.shape[0])


def on_canvas(face: DecodedPhoto, width: int, height: int, left: int, top: int, side: int) -> np.ndarray:
    """A grey picture with a portrait, `side` pixels wide, at a place that may reach beyond it."""
    matrix = np.array([[side / face.pixels.shape[1], 0, left], [0, side / face.pixels.shape[1], top]])
    return cv2.warpAffine(face.pixels, matrix, (width, height), flags=cv2.INTER_AREA, borderValue=(120, 120, 120))


def reason(models: Engine, pixels: np.ndarray) -> RefusalReason | None:
    (answer,) = models.analyze([photo(pixels)])
    return answer.reason if isinstance(answer, PhotoRefused) else None


def accepted(models: Engine, pixels: np.ndarray) -> FaceAnalysis:
    (answer,) = models.analyze([photo(pixels)])
    assert isinstance(answer, FaceAnalysis), answer
    return answer


def test_no_photos_give_no_answers(models):
    assert models.analyze([]) == []


def test_a_drawing_without_a_face_is_refused(models):
    assert reason(models, np.asarray(draw_photo())) == RefusalReason.NO_FACE


def test_where_a_gpu_has_no_memory_for_a_batch_nothing_keeps_what_there_was_of_it(models, monkeypatch):
    def find_faces(photos):
        raise torch.OutOfMemoryError("tried to allocate 3 GiB")

    monkeypatch.setattr(models.gate, "find_faces", find_faces)

    with pytest.raises(MemoryError, match="3 GiB") as error:
        models.analyze([photo(np.asarray(draw_photo()))])

    # Its traceback would: frames hold tensors.
    assert error.value.__context__ is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (500, 1, 3), (7, 7, 3)])
def test_the_smallest_photos_are_refused_not_broken(models, shape):
    assert reason(models, np.full(shape, 200, np.uint8)) == RefusalReason.NO_FACE


def test_a_black_photo_is_too_dark(models):
    assert reason(models, np.zeros((300, 300, 3), np.uint8)) == RefusalReason.TOO_DARK


def test_most_portraits_get_an_analysis_and_scenes_none(models, portraits, scenes):
    faces = models.analyze(portraits)
    others = models.analyze(scenes)

    assert sum(isinstance(answer, FaceAnalysis) for answer in faces) >= 9
    assert sum(isinstance(answer, FaceAnalysis) for answer in others) <= 1


def test_answers_come_in_the_order_of_the_photos(models, portraits):
    blank = photo(np.full((200, 300, 3), 90, np.uint8))

    first, second, third = models.analyze([portraits[0], blank, portraits[1]])

    assert isinstance(first, FaceAnalysis)
    assert isinstance(second, PhotoRefused)
    assert isinstance(third, FaceAnalysis)
    assert (third.photo_width, third.photo_height) == (portraits[1].width, portraits[1].height)


def test_a_batch_answers_as_single_photos_do(models, portraits):
    together = models.analyze(portraits[:3])
    alone = [models.analyze([portrait])[0] for portrait in portraits[:3]]

    for first, second in zip(together, alone, strict=True):
        assert isinstance(first, FaceAnalysis)
        assert isinstance(second, FaceAnalysis)
        for one, other in zip(first.parts, second.parts, strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-3)


def test_the_same_photo_gets_the_same_answer(models, portraits):
    assert models.analyze(portraits[:1]) == models.analyze(portraits[:1])


def test_parts_lie_in_the_photo_around_the_face(models, portraits):
    for answer in models.analyze(portraits[:5]):
        assert isinstance(answer, FaceAnalysis)
        whole, upper, lower = (part.box for part in answer.parts)
        assert [part.part for part in answer.parts] == list(FacePart)
        for box in (whole, upper, lower):
            assert 0 <= box.x0 < box.x1 <= answer.photo_width
            assert 0 <= box.y0 < box.y1 <= answer.photo_height
        right_eye, left_eye, nose, *mouth = answer.face.points
        assert right_eye.x < left_eye.x
        assert upper.y0 < right_eye.y < upper.y1
        assert all(lower.y0 < corner.y < lower.y1 for corner in mouth)
        assert whole.x0 < nose.x < whole.x1
        assert upper.y1 == pytest.approx(lower.y0, abs=0.06 * whole.height)


def test_probabilities_sum_to_one(models, portraits):
    (answer,) = models.analyze(portraits[:1])

    assert isinstance(answer, FaceAnalysis)
    for part in answer.parts:
        assert sum(part.probabilities) == pytest.approx(1)
        assert min(part.probabilities) >= 0


def test_coordinates_are_of_the_full_size_photo(models, portraits):
    small = portraits[0]
    reduced = DecodedPhoto(small.pixels, 4 * small.width, 4 * small.height)

    (first,), (second,) = models.analyze([small]), models.analyze([reduced])

    assert isinstance(first, FaceAnalysis)
    assert isinstance(second, FaceAnalysis)
    assert second.face.box.width == pytest.approx(4 * first.face.box.width)
    assert second.parts[0].box.x1 == pytest.approx(4 * first.parts[0].box.x1)
    assert second.face.points[0].y == pytest.approx(4 * first.face.points[0].y)


@pytest.mark.parametrize("degrees", [-30, 30])
def test_a_rolled_face_is_found_where_it_is(models, portraits, degrees):
    upright = accepted(models, on_canvas(portraits[0], 700, 700, 150, 150, 400))
    pixels = on_canvas(portraits[0], 700, 700, 150, 150, 400)
    matrix = cv2.getRotationMatrix2D((350, 350), -degrees, 1)
    rolled = accepted(models, cv2.warpAffine(pixels, matrix, (700, 700), borderValue=(120, 120, 120)))

    expected = [matrix @ [point.x, point.y, 1] for point in upright.face.points]
    for point, place in zip(rolled.face.points, expected, strict=True):
        assert (point.x, point.y) == pytest.approx(tuple(place), abs=0.06 * upright.face.box.width)
    assert rolled.parts[0].box.width >= 0.9 * upright.parts[0].box.width


def test_two_faces_of_one_size_are_refused_and_a_dominant_one_is_taken(models, portraits):
    left, right = (on_canvas(portraits[index], 500, 500, 0, 0, 500) for index in (0, 1))
    assert reason(models, left) is None

    assert reason(models, np.hstack([left, right])) == RefusalReason.MULTIPLE_FACES

    small = cv2.resize(right, (170, 170), interpolation=cv2.INTER_AREA)
    with_a_small_one = np.full((500, 700, 3), 120, np.uint8)
    with_a_small_one[:, :500] = left
    with_a_small_one[:170, 510:680] = small
    assert reason(models, with_a_small_one) is None


def test_a_face_is_too_small_only_by_the_limit(models, portraits):
    face = accepted(models, portraits[0].pixels).face.box
    height = max(face.width, face.height)

    for limit, expected in ((height - 10, None), (height + 10, RefusalReason.FACE_TOO_SMALL)):
        engine = Engine(PhotoLimits(min_face_pixels=round(limit)))
        assert reason(engine, portraits[0].pixels) == expected


@pytest.mark.parametrize(
    ("side", "share", "least"),
    [
        ("left", 0.4, 0.9),
        ("right", 0.4, 0.9),
        ("left", 0.5, 0.9),
        ("right", 0.5, 0.9),
        ("bottom", 0.25, 0.9),
        # Without brows and eyes it is not always seen to be a face.
        ("top", 0.45, 0.6),
    ],
)
def test_faces_cut_by_the_frame_are_refused_for_it(models, portraits, side, share, least):
    reasons = []
    for portrait, answer in zip(portraits, models.analyze(portraits), strict=True):
        assert isinstance(answer, FaceAnalysis)
        box, pixels = answer.face.box, portrait.pixels
        cut = {
            "left": pixels[:, round(box.x0 + share * box.width) :],
            "right": pixels[:, : round(box.x1 - share * box.width)],
            "bottom": pixels[: round(box.y1 - share * box.height)],
            "top": pixels[round(box.y0 + share * box.height) :],
        }[side]
        reasons.append(reason(models, cut))

    assert None not in reasons
    assert reasons.count(RefusalReason.FACE_CUT_OFF) >= least * len(reasons)


@pytest.mark.parametrize("share", [0.12, 0.16, 0.2])
def test_no_face_is_typed_whose_chin_the_frame_cuts_off(models, portraits, share):
    for portrait, answer in zip(portraits, models.analyze(portraits), strict=True):
        assert isinstance(answer, FaceAnalysis)
        whole = answer.parts[0].box
        cut = portrait.pixels[: round(whole.y1 - share * whole.height)]
        assert reason(models, cut) == RefusalReason.FACE_CUT_OFF


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_photo_that_lost_its_orientation_gets_the_same_type(models, portraits, turns):
    for portrait, upright in zip(portraits, models.analyze(portraits), strict=True):
        turned = accepted(models, np.rot90(portrait.pixels, turns))
        assert isinstance(upright, FaceAnalysis)
        for part, expected in zip(turned.parts, upright.parts, strict=True):
            assert part.probabilities == pytest.approx(expected.probabilities, abs=0.15)
        eyes = [np.array([point.x, point.y]) for point in turned.face.points[:2]]
        down = np.array([turned.face.points[2].x, turned.face.points[2].y]) - (eyes[0] + eyes[1]) / 2
        # Counted from the photo's right, downwards: np.rot90 turns the other way round.
        assert round(np.degrees(np.arctan2(down[1], down[0])) / 90) % 4 == (1 - turns) % 4


@pytest.mark.parametrize(("side", "expected"), [(90, None), (60, RefusalReason.FACE_TOO_SMALL)])
def test_a_far_face_in_a_photo_of_12_megapixels_is_judged_from_80_pixels(models, portraits, side, expected):
    reasons = []
    for portrait in portraits:
        box = accepted(models, portrait.pixels).face.box
        scale = side / max(box.width, box.height)
        small = cv2.resize(portrait.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        pixels = np.full((3000, 4000, 3), (96, 110, 120), np.uint8)
        pixels[700 : 700 + small.shape[0], 2600 : 2600 + small.shape[1]] = small
        encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
        (answer,) = models.analyze([decode(encoded)])
        reasons.append(answer.reason if isinstance(answer, PhotoRefused) else None)

    assert reasons.count(expected) >= 0.8 * len(reasons)


def test_a_close_up_without_forehead_top_and_ears_is_accepted(models, portraits):
    face = accepted(models, portraits[0].pixels).face.box
    x0, y0, x1, y1 = (round(value) for value in (face.x0, face.y0, face.x1, face.y1))
    close = portraits[0].pixels[max(0, y0) : y1 + (y1 - y0) // 12, max(0, x0 - 5) : x1 + 5]

    assert reason(models, close) is None


def test_a_covered_mouth_is_refused_for_it(models, portraits):
    reasons = []
    for index, portrait in enumerate(portraits):
        points = np.array([[point.x, point.y] for point in accepted(models, portrait.pixels).face.points])
        masked = augmentation.cover_nose_and_mouth(portrait.pixels, points, [], np.random.default_rng(index))
        reasons.append(reason(models, masked))

    assert None not in reasons
    assert reasons.count(RefusalReason.FACE_COVERED) >= 0.9 * len(reasons)


def test_a_blurred_face_is_refused_for_it_and_a_soft_one_is_not(models, portraits):
    reasons: dict[float, list[RefusalReason | None]] = {0.01: [], 0.05: []}
    for portrait in portraits:
        height = accepted(models, portrait.pixels).face.box.height
        for share, found in reasons.items():
            found.append(reason(models, cv2.GaussianBlur(portrait.pixels, (0, 0), share * height)))

    assert reasons[0.01].count(None) >= 0.9 * len(portraits)
    assert reasons[0.05].count(RefusalReason.TOO_BLURRY) >= 0.9 * len(portraits)


def test_a_dark_face_is_refused_for_it(models, portraits):
    for portrait in portraits:
        assert reason(models, (portrait.pixels * 0.07).astype(np.uint8)) == RefusalReason.TOO_DARK


def test_a_head_turned_to_the_side_is_refused_for_it(models, data):
    teacher = YuNet(data, 0.9)
    found: dict[int, list[RefusalReason | None]] = {20: [], 75: []}
    for file in [file for file in face_files(data) if file.is_held_out and "/congress/" in file.name][:12]:
        pixels = read_pixels(file.path)
        for degrees, reasons in found.items():
            averted, _ = turned(pixels, teacher(pixels)[0], degrees, np.random.default_rng(0))
            reasons.append(reason(models, averted))

    assert found[20].count(None) >= 0.9 * len(found[20])
    assert found[75].count(RefusalReason.FACE_TURNED_AWAY) >= 0.3 * len(found[75])


def test_a_grey_photo_is_accepted(models, portraits):
    grey = cv2.cvtColor(portraits[0].pixels, cv2.COLOR_RGB2GRAY)

    assert reason(models, np.repeat(grey[..., None], 3, axis=2)) is None
