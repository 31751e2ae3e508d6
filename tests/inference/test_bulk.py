"""Processes that analyse many photos, with the real models: what one of them dies of stops nobody else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch

from catalog.portraits import draw_portrait
from inference.bulk import (
    ENGINES,
    WORKERS_A_GPU,
    Answer,
    BulkJob,
    Crashed,
    EngineUnavailable,
    bulk_engine,
    in_chunks,
    model_files,
)
from inference.contracts import FaceAnalysis, InferenceError, InvalidImage, PhotoLimits
from inference.decoding import DecodedPhoto
from inference.engine import Engine
from inference.serving import processes
from inference.serving.bulk import PhotoAnalyzer
from inference.serving.processes import ProcessPool, analyze_photos
from tests.images import jpeg


class NoReleases:
    def active_hashes(self) -> dict[str, str]:
        return {}


MODELS = model_files(NoReleases())  # type: ignore[arg-type]


def read_portrait(name: str) -> bytes:
    """Names say what happens: `deadly` kills the process, `slow` hangs it, `gone` is gone."""
    kind, _, number = name.partition(" ")
    if kind == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "slow":
        time.sleep(600)
    if kind == "gone":
        raise FileNotFoundError(2, "No such file or directory", name)
    if kind == "faceless":
        return jpeg()
    return b"" if kind == "empty" else draw_portrait(int(number))


JOB = BulkJob(read=read_portrait, limits=PhotoLimits(), models=MODELS)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    with closing(ProcessPool(JOB, 1)) as pool:
        yield pool


def test_each_photo_has_its_answer(pool: ProcessPool) -> None:
    answers = dict(pool.run(["portrait 1", "gone 2", "empty 3", "portrait 4", "faceless 5"]))

    assert isinstance(answers["portrait 1"], FaceAnalysis)
    assert isinstance(answers["portrait 4"], FaceAnalysis)
    assert isinstance(answers["gone 2"], FileNotFoundError)
    assert isinstance(answers["empty 3"], InvalidImage)
    assert answers["faceless 5"].code == "no_face"
    assert answers["portrait 1"].models == JOB.versions
    assert answers["portrait 1"].embedding == ()


def test_photos_that_kill_or_hang_their_process_are_found_out_and_the_others_are_answered(
    pool: ProcessPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STALLED_AFTER", 10.0)
    names = ["deadly 1", *(f"portrait {number}" for number in range(4)), "slow 1"]

    answers = list(pool.run(names))

    assert sorted(name for name, _answer in answers) == sorted(names)
    assert {name for name, answer in answers if isinstance(answer, Crashed)} == {"deadly 1", "slow 1"}


def test_without_memory_for_a_chunk_photos_are_analysed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    analyzer = PhotoAnalyzer(JOB)
    analyze = Engine.analyze

    def run_out(engine: Engine, photos: list[DecodedPhoto]) -> list[FaceAnalysis | InferenceError]:
        if len(photos) > 1 or photos[0].width != 480:
            raise MemoryError
        return analyze(engine, photos)

    monkeypatch.setattr(Engine, "analyze", run_out)

    first, unread, other, last = analyzer.finish(analyzer.begin(["portrait 1", "empty 2", "faceless 3", "portrait 4"]))

    assert isinstance(first, FaceAnalysis)
    assert isinstance(unread, InvalidImage)
    assert isinstance(other, Crashed)
    assert isinstance(last, FaceAnalysis)
    assert first.embedding == last.embedding == ()


def test_each_gpu_has_two_workers_by_default_and_without_one_each_core_has_one() -> None:
    before = len(active_children())
    answers = analyze_photos(["empty 1", "empty 2"], replace(JOB, cores=2), None)

    with closing(answers):
        next(answers)
        assert len(active_children()) - before == (WORKERS_A_GPU * torch.cuda.device_count() or 2)


def test_models_that_do_not_load_end_the_work() -> None:
    before = active_children()
    altered = BulkJob(JOB.read, JOB.limits, {**MODELS, "gate.safetensors": b"something else"})

    with pytest.raises(EngineUnavailable, match="The models could not be loaded"):
        list(analyze_photos(["portrait 1"], altered, 1))
    assert active_children() == before


def test_active_releases_are_used() -> None:
    class Releases(NoReleases):
        def active_hashes(self) -> dict[str, str]:
            return {"types": "abc"}

        def manifest_of(self, sha256: str) -> dict[str, str]:
            return {"version": f"released as {sha256}"}

        def weights_of(self, sha256: str) -> bytes:
            return sha256.encode()

    files = model_files(Releases())

    assert files["types.safetensors"] == b"abc"
    assert BulkJob(JOB.read, JOB.limits, files).versions.types == "released as abc"
    assert files["gate.safetensors"] == MODELS["gate.safetensors"]


def test_names_are_drawn_only_as_they_are_needed() -> None:
    drawn = []

    def names() -> Iterator[str]:
        for number in range(1000):
            drawn.append(number)
            yield str(number)

    first = next(in_chunks(names(), 10))

    assert len(first) == len(drawn) == 10


def test_an_engine_that_is_not_installed_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "ray", "no_such_package.ray_data")

    with pytest.raises(EngineUnavailable, match="needs no_such_package, which is not installed"):
        bulk_engine("ray")


@pytest.mark.filterwarnings("ignore")
def test_a_ray_cluster_answers_alike(pool: ProcessPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="Ray is an extra: requirements-ray.txt")
    pytest.importorskip("ray.data", reason="Ray Data needs pyarrow and pandas")
    # Its workers import this module too.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    names = [f"portrait {number}" for number in range(3)] + ["gone 1", "empty 1"]
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        answers: dict[str, Answer] = dict(bulk_engine("ray").analyze_photos(names, JOB, 1))
    finally:
        ray.shutdown()

    expected = dict(pool.run(names))
    assert answers.keys() == expected.keys()
    for name, answer in expected.items():
        assert type(answers[name]) is type(answer)
    assert answers["portrait 2"].parts == expected["portrait 2"].parts  # type: ignore[union-attr]
