"""Engines in processes of their own, with the real models: one that hangs or dies costs no other photo its answer."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch

from inference.client import BackendOptions
from inference.contracts import Busy, FaceAnalysis, InvalidImage, PhotoLimits, PhotoRefused, PhotoTooLarge
from inference.decoding import encode_jpeg
from inference.engine import Engine
from inference.registry import CorruptWeights
from inference.serving import engines
from inference.serving.analyzer import Analyzer
from inference.serving.engines import EnginesBackend, Photo
from inference.weights import PACKAGED_WEIGHTS, read_models
from tests.images import jpeg

PATIENCE = 60
LIMITS = PhotoLimits(max_bytes=5_000_000)


class Running:
    """A backend, and its processes."""

    def __init__(self, processes: int) -> None:
        self._others = _pids()
        self.backend = EnginesBackend(BackendOptions(LIMITS, processes=processes, max_waiting=16))

    @property
    def pids(self) -> set[int]:
        return _pids() - self._others

    @contextmanager
    def losing_every_engine(self) -> Iterator[None]:
        """Whatever process it starts is killed, as by a photo that its decoder dies of."""
        is_over = threading.Event()

        def kill() -> None:
            while not is_over.wait(0.05):
                for pid in self.pids:
                    os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            yield
        finally:
            is_over.set()
            killer.join()


def _pids() -> set[int]:
    return {process.pid for process in active_children() if process.pid}


def _wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def running() -> Running:
    return Running(processes=2)


@pytest.fixture
def backend(running: Running) -> EnginesBackend:
    return running.backend


def test_photos_from_many_threads_get_their_own_answers(backend, portraits):
    photos = [encode_jpeg(portrait) for portrait in portraits[:4]]

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(backend.analyze, photos * 3))

    for index, answer in enumerate(answers):
        assert isinstance(answer, FaceAnalysis)
        # Whom a photo is analysed with changes its last digits.
        assert answer.embedding == pytest.approx(answers[index % 4].embedding, abs=1e-3)
    assert len({answer.embedding[0] for answer in answers[:4]}) == 4


def test_each_photo_is_refused_for_its_own_fault(backend):
    with pytest.raises(PhotoRefused, match="no_face"):
        backend.analyze(jpeg())
    with pytest.raises(InvalidImage):
        backend.analyze(jpeg()[:100])
    with pytest.raises(PhotoTooLarge):
        backend.analyze(bytes(LIMITS.max_bytes + 1))


def test_the_photo_comes_back_only_where_it_is_kept(backend, portraits):
    content = encode_jpeg(portraits[0])

    assert backend.analyze(content).photo is None
    kept = backend.analyze(content, keep_photo=True).photo
    assert kept is not None
    assert kept.startswith(b"\xff\xd8")


def test_the_versions_are_those_of_the_packaged_models(backend):
    assert backend.versions().gate.startswith("gate-")
    assert backend.versions().types.startswith("types-")


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL], ids=["hangs", "dies"])
def test_photos_are_answered_though_an_engine_is_lost(running, monkeypatch, blow):
    # Time enough for a batch on a busy machine.
    monkeypatch.setattr(engines, "HUNG_AFTER", 5.0)
    before = running.pids
    lost = min(before)
    os.kill(lost, blow)

    def outcome(_: int) -> str:
        with pytest.raises(PhotoRefused) as refusal:
            running.backend.analyze(jpeg())
        return refusal.value.code

    with ThreadPoolExecutor(8) as pool:
        # Enough for each engine to take some.
        assert set(pool.map(outcome, range(24))) == {"no_face"}

    after = running.pids
    assert len(after) == 2
    assert lost not in after


def test_a_photo_that_engines_die_of_is_told_so_and_the_next_one_is_answered():
    running = Running(processes=1)

    with running.losing_every_engine(), pytest.raises(InvalidImage):
        running.backend.analyze(jpeg())

    with pytest.raises(PhotoRefused, match="no_face"):
        running.backend.analyze(jpeg())


def test_a_deadline_is_kept_while_an_engine_starts_again():
    running = Running(processes=1)
    (pid,) = running.pids
    os.kill(pid, signal.SIGKILL)
    begun = time.monotonic()

    with pytest.raises(Busy):
        running.backend.analyze(jpeg(), deadline=begun + 0.3)

    assert time.monotonic() - begun < 5


def test_without_memory_for_it_a_photo_is_refused_as_busy(monkeypatch):
    monkeypatch.setattr(engines.EngineProcess, "analyze", lambda *_: [MemoryError()])

    with pytest.raises(Busy):
        EnginesBackend(BackendOptions(processes=1)).analyze(jpeg())


def test_a_process_whose_gpu_failed_ends(monkeypatch):
    def fail(*_):
        raise torch.AcceleratorError("device-side assert triggered")

    analyzer = Analyzer(BackendOptions(), read_models(PACKAGED_WEIGHTS))
    monkeypatch.setattr(Engine, "analyze", fail)

    with pytest.raises(SystemExit, match="device-side assert"):
        engines._answers(analyzer, [Photo(jpeg(), keep=False)])


def test_models_that_were_altered_do_not_start(tmp_path: Path):
    for file in PACKAGED_WEIGHTS.iterdir():
        if file.suffix in (".json", ".safetensors"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "types.safetensors").write_bytes(b"altered")

    with pytest.raises(CorruptWeights, match="types"):
        EnginesBackend(BackendOptions(processes=1), tmp_path)


def test_engines_end_with_their_backend():
    running = Running(processes=1)
    assert len(running.pids) == 1

    del running.backend

    _wait_until(lambda: not running.pids)
