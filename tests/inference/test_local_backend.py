"""The models in the server's own process, from bytes, from several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from inference.contracts import FaceAnalysis, InvalidImage, PhotoLimits, PhotoRefused, PhotoTooLarge
from inference.decoding import encode_jpeg
from inference.serving.local import LocalBackend
from tests.images import jpeg


@pytest.fixture(scope="module")
def backend() -> LocalBackend:
    backend = LocalBackend(limits=PhotoLimits(), threads=2)
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
    backend = LocalBackend(limits=PhotoLimits(max_bytes=100), threads=2)

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
        assert answer == answers[index % 4]


def test_the_photo_comes_back_only_where_it_is_kept(backend, portraits):
    content = encode_jpeg(portraits[0])

    assert backend.analyze(content).photo is None
    kept = backend.analyze(content, keep_photo=True).photo
    assert kept is not None
    assert kept.startswith(b"\xff\xd8")
