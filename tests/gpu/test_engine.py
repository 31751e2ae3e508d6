"""A GPU answers as the processor does, within what half precision allows."""

from __future__ import annotations

import pytest
import torch

from inference.contracts import FaceAnalysis, PhotoRefused
from inference.engine import Engine

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")

# Of a type's probability, and of a part's box in shares of the whole face's height.
PROBABILITY, BOX = 0.01, 0.005


@pytest.fixture(scope="module")
def on_gpu() -> Engine:
    engine = Engine(device="cuda")
    engine.warm_up()
    return engine


def test_portraits_are_rated_as_on_the_processor(models, on_gpu, portraits):
    for own, expected in zip(on_gpu.analyze(portraits), models.analyze(portraits), strict=True):
        assert isinstance(own, FaceAnalysis)
        assert isinstance(expected, FaceAnalysis)
        height = expected.parts[0].box.height
        for part, other in zip(own.parts, expected.parts, strict=True):
            assert part.probabilities == pytest.approx(other.probabilities, abs=PROBABILITY)
            for edge in ("x0", "y0", "x1", "y1"):
                assert getattr(part.box, edge) == pytest.approx(getattr(other.box, edge), abs=BOX * height)
        assert sum(a * b for a, b in zip(own.embedding, expected.embedding, strict=True)) > 0.999


def test_what_shows_no_face_is_refused(on_gpu, scenes):
    assert sum(isinstance(answer, PhotoRefused) for answer in on_gpu.analyze(scenes)) >= len(scenes) - 1


def test_a_batch_answers_as_single_photos_do(on_gpu, portraits):
    for photo, together in zip(portraits[:3], on_gpu.analyze(portraits[:3]), strict=True):
        (alone,) = on_gpu.analyze([photo])
        assert isinstance(together, FaceAnalysis)
        assert isinstance(alone, FaceAnalysis)
        for part, other in zip(together.parts, alone.parts, strict=True):
            assert part.probabilities == pytest.approx(other.probabilities, abs=PROBABILITY)
