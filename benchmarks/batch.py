"""What the batch command makes of the engine: `python benchmarks/batch.py FOLDER [--photos 400] [--workers 2]`.

One run times, over the same photos: bare engines, a process for each worker with nothing but decoding and analysing
400 of them at the most, kept in memory; and then the command itself, which lists, reads, judges and writes too. Both
rates leave out loading the models, which a large batch does not notice. The memory of the command with its processes
is counted after a twentieth of the photos and after all of them: a growth takes some thousands of photos to show
(--photos 20000 --rounds 1). Needs the environment of manage.py.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import django
from harness import resident_megabytes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphaproject.settings")
django.setup()

from catalog.selectors import active_policy  # noqa: E402 - Django is set up only now
from classification.batch.outputs import FileOutput  # noqa: E402
from classification.batch.run import photos_classify  # noqa: E402
from classification.batch.sources import Folder, PhotoReader, S3Storage  # noqa: E402
from inference.apps import bulk_job  # noqa: E402
from inference.bulk import Answer, BulkJob  # noqa: E402
from inference.serving.processes import ALLOCATOR, ProcessPool  # noqa: E402

# Photos that bare engines analyse at most.
_BARE = 400
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    # The bare engines start as the command's do.
    os.environ.update(ALLOCATOR)
    job = bulk_job(PhotoReader(15_000_000, S3Storage()))
    found = sorted(name for name in Folder(options.folder).names() if Path(name).suffix.lower() in _SUFFIXES)
    paths = [found[index % len(found)] for index in range(options.photos)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        for number, path in enumerate(paths):
            (folder / f"{number}{Path(path).suffix}").symlink_to(Path(path).absolute())
        rounds = [_round(folder, job, options.workers, options.photos) for _ in range(options.rounds)]
    # The middle round by ratio: others on the machine disturb some.
    middle = sorted(rounds, key=lambda each: each.ratio)[len(rounds) // 2]
    print(f"engines alone    {middle.engine:8.1f} photos/s")
    print(f"batch command    {middle.command:8.1f} photos/s")
    print(f"ratio            {middle.ratio:8.2f}   (must 0.85, aim 0.95)")
    print(f"memory           {middle.early_megabytes:8.0f} MB after a twentieth of the photos")
    print(f"                 {middle.late_megabytes:8.0f} MB after all of them")
    print(json.dumps(asdict(middle) | {"ratio": middle.ratio, "rounds": len(rounds)}))


@dataclass(frozen=True, slots=True)
class Round:
    """engine, command: photos a second. early_megabytes, late_megabytes: of the command and its processes."""

    engine: float
    command: float
    early_megabytes: float
    late_megabytes: float

    @property
    def ratio(self) -> float:
        return self.command / self.engine


def _round(folder: Path, job: BulkJob, workers: int, count: int) -> Round:
    """The engines alone and the command, one right after the other."""
    photos = [path.read_bytes() for path in islice(folder.iterdir(), _BARE)]
    with multiprocessing.get_context("spawn").Pool(workers, _load, (job,)) as engines:
        # Every process has loaded its models once each has answered.
        engines.map(_analyze, [photos[:2]] * (4 * workers), chunksize=1)
        started = time.perf_counter()
        list(engines.imap_unordered(_analyze, [photos[at : at + 16] for at in range(0, len(photos), 16)]))
        engine = len(photos) / (time.perf_counter() - started)
    memory = _Memory(count)
    return Round(engine, _command(folder, job, workers, memory), memory.early_megabytes, memory.late_megabytes)


def _command(folder: Path, job: BulkJob, workers: int, memory: _Memory) -> float:
    with tempfile.TemporaryDirectory() as name, closing(_Warm(job, workers)) as engine:
        output = FileOutput(Path(name) / "out.csv", source="benchmark", made_with="benchmark")
        started = time.perf_counter()
        report = photos_classify(
            source=Folder(folder),
            output=output,
            engine=engine,
            job=job,
            policy=active_policy(),
            workers=workers,
            listener=memory,
        )
        return report.done / (time.perf_counter() - started)


class _Warm:
    """The command's own pool of processes, with the models loaded."""

    def __init__(self, job: BulkJob, workers: int) -> None:
        self._pool = ProcessPool(job, workers)
        list(self._pool.run(["/nowhere"] * 64 * workers))

    def analyze_photos(self, names: Iterable[str], _job: BulkJob, _workers: int | None) -> Any:
        return self._answers(names)

    def _answers(self, names: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        yield from self._pool.run(names)

    def close(self) -> None:
        self._pool.close()


class _Memory:
    """Counts, as the command's listener, what it holds in memory after a twentieth of the photos and after all."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._done = 0
        self.early_megabytes = self.late_megabytes = 0.0

    def known(self, count: int) -> None:
        self._done += count

    def done(self, source: str, failure: Exception | None) -> None:  # noqa: ARG002
        self._done += 1
        if self._done == self._count // 20:
            self.early_megabytes = resident_megabytes(os.getpid())
        if self._done == self._count:
            self.late_megabytes = resident_megabytes(os.getpid())


_engine: Any = None


def _load(job: BulkJob) -> None:
    import cv2  # noqa: PLC0415 - in the processes alone
    import torch  # noqa: PLC0415

    from inference.engine import Engine  # noqa: PLC0415

    global _engine  # noqa: PLW0603
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in job.models.items():
            (Path(folder) / name).write_bytes(content)
        _engine = Engine(job.limits, Path(folder))
    _engine.warm_up()


def _analyze(photos: list[bytes]) -> int:
    from inference.decoding import decode  # noqa: PLC0415

    return len(_engine.analyze([decode(photo) for photo in photos]))


if __name__ == "__main__":
    main()
