"""A GPU answers as the processor does, within what half precision allows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from inference.atlas import LONGEST_SIDE, LONGEST_SIDES
from inference.client import BackendOptions
from inference.contracts import FaceAnalysis, InferenceError, PhotoRefused
from inference.decoding import DecodedPhoto, decode, encode_jpeg
from inference.engine import Engine
from inference.graphs import Recorded
from inference.pipeline import Pipeline
from inference.serving.local import LocalBackend

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")

# Of a type's probability, and of a part's box in shares of the whole face's height.
PROBABILITY, BOX = 0.01, 0.005


@pytest.fixture(scope="module")
def on_gpu() -> Engine:
    engine = Engine(device="cuda")
    engine.warm_up()
    return engine


def assert_agree(own: InferenceError | FaceAnalysis, expected: InferenceError | FaceAnalysis) -> None:
    assert isinstance(own, FaceAnalysis)
    assert isinstance(expected, FaceAnalysis)
    height = expected.parts[0].box.height
    for part, other in zip(own.parts, expected.parts, strict=True):
        assert part.probabilities == pytest.approx(other.probabilities, abs=PROBABILITY)
        for edge in ("x0", "y0", "x1", "y1"):
            assert getattr(part.box, edge) == pytest.approx(getattr(other.box, edge), abs=BOX * height)
    assert sum(a * b for a, b in zip(own.embedding, expected.embedding, strict=True)) > 0.995


def test_portraits_are_rated_as_on_the_processor(models, on_gpu, portraits):
    for own, expected in zip(on_gpu.analyze(portraits), models.analyze(portraits), strict=True):
        assert_agree(own, expected)


def framed(photo: DecodedPhoto, side: int) -> DecodedPhoto:
    """A portrait in the middle of a grey square, no larger than the smallest canvas: of larger faces crops differ."""
    small = cv2.resize(photo.pixels, (400, 400), interpolation=cv2.INTER_AREA)
    pixels = np.full((side, side, 3), 128, np.uint8)
    first = (side - 400) // 2
    pixels[first : first + 400, first : first + 400] = small
    return DecodedPhoto(pixels, side, side)


@pytest.mark.parametrize("longest", LONGEST_SIDES)
def test_photos_on_every_canvas_are_rated_as_on_the_processor(models, on_gpu, portraits, longest):
    photos = [framed(portrait, longest) for portrait in portraits[:4]]

    for own, expected in zip(on_gpu.analyze(photos), models.analyze(photos), strict=True):
        assert_agree(own, expected)


def test_photos_that_share_the_largest_ones_canvas_are_rated_as_on_the_processor(models, on_gpu, portraits):
    photos = [framed(portrait, longest) for portrait, longest in zip(portraits, LONGEST_SIDES, strict=False)]

    for own, expected in zip(on_gpu.analyze(photos), models.analyze(photos), strict=True):
        assert_agree(own, expected)


def test_a_server_that_is_ready_answers_as_the_engine_does_and_records_nothing_more(models, portraits):
    backend = LocalBackend(BackendOptions(device="cuda", max_batch=4))
    backend.warm_up()
    recorded = backend._engine._find._recordings
    before = set(recorded)
    # A photo for each canvas; of a larger JPEG every other pixel is decoded.
    sides = (400, 800, 1200) * 4
    photos = [encode_jpeg(framed(portraits[index % 4], side)) for index, side in enumerate(sides)]

    with ThreadPoolExecutor(len(photos)) as pool:
        answers = list(pool.map(backend.analyze, photos))

    for own, expected in zip(answers, models.analyze([decode(photo) for photo in photos]), strict=True):
        assert_agree(own, expected)
    # Batches of 4, 2 and 1 on each canvas.
    assert len(before) == 9
    assert set(recorded) == before


def test_what_shows_no_face_is_refused(on_gpu, scenes):
    assert sum(isinstance(answer, PhotoRefused) for answer in on_gpu.analyze(scenes)) >= len(scenes) - 1


def test_a_batch_answers_as_single_photos_do(on_gpu, portraits):
    for photo, together in zip(portraits[:3], on_gpu.analyze(portraits[:3]), strict=True):
        (alone,) = on_gpu.analyze([photo])
        assert_agree(together, alone)


def test_more_photos_than_fit_one_batch_are_answered_in_their_order(models, on_gpu, portraits):
    wide = np.full((400, LONGEST_SIDE + 1, 3), 120, np.uint8)
    photos = [portraits[index % len(portraits)] for index in range(40)]
    photos.insert(7, DecodedPhoto(wide, wide.shape[1], wide.shape[0]))

    answers = on_gpu.analyze(photos)

    assert isinstance(answers.pop(7), PhotoRefused)
    expected = models.analyze(portraits)
    for index, answer in enumerate(answers):
        assert_agree(answer, expected[index % len(expected)])


def test_what_was_recorded_answers_as_what_runs_step_by_step(on_gpu, portraits):
    gate = on_gpu.gate
    pipeline = Pipeline(gate.net, on_gpu._parts, on_gpu._types, gate._thresholds)
    recorded = Recorded(pipeline, on_gpu._device)
    batches = [on_gpu.load(portraits[start : start + count]).batch for start, count in ((0, 4), (4, 4), (2, 1), (6, 4))]

    with torch.inference_mode():
        expected = [pipeline(batch.pixels, batch.fits) for batch in batches]
    # All are under way before one is read: each has to keep its own.
    tables = [recorded(batch.pixels, batch.fits) for batch in batches]

    for table, other in zip(tables, expected, strict=True):
        torch.testing.assert_close(table, other, atol=0.05, rtol=0)
