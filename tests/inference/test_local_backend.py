"""The models in the process that asks, from bytes, from several threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple

import pytest

from inference.client import BackendOptions, awaited_while
from inference.contracts import Busy, FaceAnalysis, InvalidImage, PhotoLimits, PhotoRefused, PhotoTooLarge
from inference.decoding import encode_jpeg
from inference.engine import Engine
from inference.serving.local import LocalBackend
from tests.images import jpeg


@pytest.fixture(scope="module")
def backend() -> LocalBackend:
    backend = LocalBackend(BackendOptions(threads=2))
    backend.warm_up()
    return backend


def test_a_photo_without_a_face_is_refused(backend):
    with pytest.raises(PhotoRefused) as refusal:
        backend.analyze(jpeg())

    assert refusal.value.code == "no_face"


def test_what_cannot_be_decoded_raises(backend):
    with pytest.raises(InvalidImage):
        backend.analyze(jpeg()[:100])


def test_the_limits_hold():
    backend = LocalBackend(BackendOptions(PhotoLimits(max_bytes=100)))

    with pytest.raises(PhotoTooLarge):
        backend.analyze(jpeg())


def test_the_versions_are_those_of_the_released_models(backend):
    versions = backend.versions()

    assert versions.gate.startswith("gate-")
    assert versions.parts.startswith("parts-")
    assert versions.types.startswith("types-")


def test_photos_from_many_threads_get_their_own_answers(backend, portraits):
    photos = [encode_jpeg(portrait) for portrait in portraits[:4]] * 3

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(backend.analyze, photos))

    for index, answer in enumerate(answers):
        assert isinstance(answer, FaceAnalysis)
        twin = answers[index % 4]
        # Whom a photo is analysed with changes its last digits.
        assert answer.embedding == pytest.approx(twin.embedding, abs=1e-3)
        assert astuple(answer.face.box) == pytest.approx(astuple(twin.face.box), abs=0.1)
        assert (answer.photo_width, answer.photo_height) == (twin.photo_width, twin.photo_height)


def test_the_photo_comes_back_only_where_it_is_kept(backend, portraits):
    content = encode_jpeg(portraits[0])

    assert backend.analyze(content).photo is None
    kept = backend.analyze(content, keep_photo=True).photo
    assert kept is not None
    assert kept.startswith(b"\xff\xd8")


def test_a_full_line_refuses_at_once(portraits):
    backend = LocalBackend(BackendOptions(max_batch=1, max_waiting=2))
    backend.warm_up()
    content = encode_jpeg(portraits[0])

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda _: outcome_of(backend, content), range(16)))

    assert set(map(type, outcomes)) == {FaceAnalysis, Busy}
    # With the line empty again, photos are taken again.
    assert isinstance(outcome_of(backend, content), FaceAnalysis)


def outcome_of(backend, content):
    try:
        return backend.analyze(content)
    except Busy as refusal:
        return refusal


def test_a_photo_whose_deadline_has_passed_is_refused(backend):
    with pytest.raises(Busy):
        backend.analyze(jpeg(), deadline=time.monotonic())


def test_a_photo_that_nobody_waits_for_is_not_analysed(backend, portraits):
    content = encode_jpeg(portraits[0])

    with awaited_while(lambda: False), pytest.raises(Busy):
        backend.analyze(content)
    with awaited_while(lambda: True):
        assert isinstance(backend.analyze(content), FaceAnalysis)


def test_without_memory_for_it_a_photo_is_refused_as_busy(portraits, monkeypatch):
    content = encode_jpeg(portraits[0])
    analyze = Engine.analyze
    failing = [MemoryError()]

    def fail_once(engine, batch):
        if failing:
            raise failing.pop()
        return analyze(engine, batch)

    monkeypatch.setattr(Engine, "analyze", fail_once)
    backend = LocalBackend(BackendOptions())

    with pytest.raises(Busy):
        backend.analyze(content)
    assert isinstance(backend.analyze(content), FaceAnalysis)
