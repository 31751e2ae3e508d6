"""What torch alone finds in photos, on the processor in single precision, is what the engine finds with OpenCV."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from catalog.portraits import draw_portrait
from inference.atlas import LONGEST_SIDE, PhotoBatch
from inference.contracts import FaceAnalysis, InferenceError, PhotoRefused, RefusalReason
from inference.dataset import face_files
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine
from inference.nets.gate import GateNet
from inference.nets.parts import PartsNet
from inference.nets.types import TypesNet
from inference.pipeline import Pipeline, findings_of

# Of a type's probability, and of a box in shares of the whole face's height: crops differ by a grey level here and
# there, which moves a probability by 0.001 in the median.
PROBABILITY, BOX = 0.01, 0.005

Answers = list[FaceAnalysis | InferenceError]


def by_torch(models: Engine, photos: list[DecodedPhoto]) -> Answers:
    (answers,) = models.stream([models.load(photos)])
    return answers


def reasons(answers: Answers) -> list[RefusalReason | None]:
    return [answer.reason if isinstance(answer, PhotoRefused) else None for answer in answers]


def is_settled(models: Engine, photos: list[DecodedPhoto]) -> list[bool]:
    """Which photos torch alone answers for; the others are looked at again, with OpenCV."""
    batch = models.load(photos).batch
    with torch.inference_mode():
        return (findings_of(models._find(batch.pixels, batch.fits)).is_settled > 0).tolist()


def assert_agree(own: Answers, expected: Answers) -> None:
    assert reasons(own) == reasons(expected)
    for answer, other in zip(own, expected, strict=True):
        if not isinstance(answer, FaceAnalysis):
            continue
        assert isinstance(other, FaceAnalysis)
        height = other.parts[0].box.height
        for part, same in zip(answer.parts, other.parts, strict=True):
            assert part.probabilities == pytest.approx(same.probabilities, abs=PROBABILITY)
        boxes = zip([answer.face, *answer.parts], [other.face, *other.parts], strict=True)
        for part, same in boxes:
            for edge in ("x0", "y0", "x1", "y1"):
                assert getattr(part.box, edge) == pytest.approx(getattr(same.box, edge), abs=BOX * height)
        assert sum(a * b for a, b in zip(answer.embedding, other.embedding, strict=True)) > 0.995
        assert answer.box_confidence == pytest.approx(other.box_confidence, abs=0.01)


@pytest.fixture(scope="module")
def drawn() -> list[DecodedPhoto]:
    return [decode(draw_portrait(number)) for number in range(4)]


def test_drawn_portraits_get_the_same_answers(models, drawn):
    assert all(is_settled(models, drawn))
    assert_agree(by_torch(models, drawn), models.analyze(drawn))


def test_portraits_get_the_same_answers(models, portraits):
    assert all(is_settled(models, portraits))
    assert_agree(by_torch(models, portraits), models.analyze(portraits))


def test_small_old_and_large_portraits_get_the_same_answers(models, data):
    files = [file for file in face_files(data) if file.is_held_out]
    photos = [decode(file.path.read_bytes()) for file in files[:: len(files) // 24]]

    assert_agree(by_torch(models, photos), models.analyze(photos))


def test_scenes_are_refused_alike(models, scenes):
    own, expected = reasons(by_torch(models, scenes)), reasons(models.analyze(scenes))

    assert sum(one != other for one, other in zip(own, expected, strict=True)) <= 1


def test_a_photo_is_refused_for_the_same_reason(models, drawn):
    photo = drawn[0]
    dark = (photo.pixels * 0.07).astype(np.uint8)
    twice = np.hstack([photo.pixels, drawn[1].pixels])
    cut = photo.pixels[: photo.pixels.shape[0] // 2]
    turned = np.rot90(photo.pixels, 2)
    photos = [
        DecodedPhoto(np.ascontiguousarray(pixels), pixels.shape[1], pixels.shape[0])
        for pixels in (photo.pixels, dark, twice, cut, turned, np.full((1, 700, 3), 90, np.uint8))
    ]

    own = reasons(by_torch(models, photos))

    assert own == reasons(models.analyze(photos))
    assert own[0] is None
    assert RefusalReason.MULTIPLE_FACES in own


def test_a_batch_answers_as_single_photos_do(models, drawn):
    assert_agree(by_torch(models, drawn), [by_torch(models, [photo])[0] for photo in drawn])


def test_room_that_no_photo_takes_changes_nothing(models, drawn):
    alone = PhotoBatch.of(drawn[:3], torch.device("cpu"), 3)
    with_room = PhotoBatch.of(drawn[:3], torch.device("cpu"), 4)

    with torch.inference_mode():
        tables = [models._find(batch.pixels, batch.fits) for batch in (alone, with_room)]

    # A place in a taller picture is rounded elsewhere.
    torch.testing.assert_close(tables[1][:3], tables[0], atol=0.02, rtol=0)


def test_answers_are_of_the_full_size_photo(models, drawn):
    photo = drawn[0]
    reduced = replace(photo, width=4 * photo.width, height=4 * photo.height)

    (small,), (large,) = by_torch(models, [photo]), by_torch(models, [reduced])

    assert isinstance(small, FaceAnalysis)
    assert isinstance(large, FaceAnalysis)
    assert large.parts[0].box.x1 == pytest.approx(4 * small.parts[0].box.x1)
    assert large.face.points[0].y == pytest.approx(4 * small.face.points[0].y)


def test_batches_are_answered_in_their_order(models, drawn):
    blank = DecodedPhoto(np.full((300, 200, 3), 90, np.uint8), 200, 300)

    first, second = models.stream([models.load([blank, drawn[0]]), models.load([drawn[1]])])

    assert reasons(first) == [RefusalReason.NO_FACE, None]
    assert_agree(second, models.analyze([drawn[1]]))
    assert list(models.stream([])) == []


def test_more_photos_than_fit_one_batch_are_answered_in_their_order_and_long_ones_among_them(
    models, drawn, monkeypatch
):
    monkeypatch.setattr("inference.engine.LARGEST_BATCH", 3)
    wide = DecodedPhoto(np.full((80, LONGEST_SIDE + 1, 3), 120, np.uint8), LONGEST_SIDE + 1, 80)
    photos = [*drawn[:2], wide, *drawn[2:], wide, drawn[0]]

    assert_agree(models._analyze_there(photos), models.analyze(photos))


def test_every_size_of_batch_is_met_before_it_is_needed_and_the_largest_one_first(models, monkeypatch):
    met = []

    def find(pixels, fits):
        met.append(tuple(pixels.shape[:2]))
        return torch.zeros(1)

    monkeypatch.setattr(models, "_find", find)

    models._find_in_blanks(5)

    assert met == [(size, side) for side in (1296, 864, 432) for size in (8, 4, 2, 1)]


def test_nothing_is_read_back_on_the_way():
    """What a GPU would have to be waited for fails without data."""
    thresholds = {"detection": 0.15, "face": 0.5, "covered": 0.6}
    with torch.device("meta"):
        nets = GateNet().eval(), PartsNet().eval(), TypesNet().eval()
        pixels, fits = torch.empty((3, 432, 432, 3), dtype=torch.uint8), torch.empty((3, 8))

    with torch.inference_mode():
        table = Pipeline(*nets, thresholds)(pixels, fits)

    assert table.is_meta
    assert findings_of(table).embedding.shape == (3, 128)
