"""How much of the engine's speed is left over HTTP, how that grows with clients, and how LitServe compares.

Usage: python benchmarks/serving.py FOLDER [--database URL] [--quick] [--json FILE]
       (pip install -r requirements-benchmark.txt)

FOLDER holds JPEGs of faces; 64 different ones are sent. The engine alone, gunicorn with the product's settings and a
fresh database, of SQLite unless URL names one, and LitServe with the same engine each have as many processes, threads
and photos in a batch. They take turns, and the others stand still meanwhile, so that a slow spell of the machine hits
all alike; each ratio is the median over the turns. The clients run in a process of their own on the same cores, so the
engine alone has what they take to itself: their share is shown beside the ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import load
from harness import (
    CLASSIFY,
    Ratio,
    ServingSettings,
    form,
    peer,
    product,
    read_photos,
    serving_settings,
    show,
    standing_still,
)
from load import Form, Outcome

from inference.serving.processes import ALLOCATOR

if TYPE_CHECKING:
    from inference.engine import Engine

PHOTOS, CAMERA_PHOTOS = 64, 8
CLIENTS = (1, 2, 4, 8, 16, 32, 64)
CAMERA_MEGAPIXELS = 12
# Enough for full batches, few enough that nobody is refused.
_FULL, _FULL_QUICK = 32, 16


class EngineAlone:
    """The engine without a server: as many processes as the product has, started as it does, all working at once."""

    def __init__(self, settings: ServingSettings, photos: list[bytes]) -> None:
        self._settings = settings
        self._photos = photos
        start = partial(
            ProcessPoolExecutor,
            max_workers=1,
            mp_context=get_context("spawn"),
            initializer=_set_threads,
            initargs=(settings.threads,),
        )
        # One task each: a pool hands the next task to whichever process is free.
        self._pools: list[ProcessPoolExecutor] = [start() for _ in range(settings.processes)]

    def __enter__(self) -> EngineAlone:
        # Starts and loads them, and tells how many photos fill a second.
        with patch.dict(os.environ, ALLOCATOR):
            self._a_second = self.photos_per_second(1.0, a_second=64.0)
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools:
            pool.shutdown()

    def photos_per_second(self, seconds: float, a_second: float = 0.0) -> float:
        count = round(seconds * (a_second or self._a_second) / len(self._pools))
        running = [pool.submit(_throughput, self._photos, self._settings.batch, count) for pool in self._pools]
        return sum(each.result() for each in running)


def _set_threads(count: int) -> None:
    import cv2  # noqa: PLC0415 - this process, which starts the others, needs neither
    import torch  # noqa: PLC0415

    torch.set_num_threads(count)
    cv2.setNumThreads(1)


@cache
def _engine() -> Engine:
    from inference.engine import Engine  # noqa: PLC0415

    return Engine()


def _throughput(photos: list[bytes], batch: int, count: int) -> float:
    from inference.contracts import PhotoLimits  # noqa: PLC0415
    from inference.evaluation.benchmark import throughput  # noqa: PLC0415

    return throughput(_engine(), photos, limits=PhotoLimits(), batch=batch, count=count)


def sweep(url: str, forms: list[Form], clients: tuple[int, ...], seconds: float) -> None:
    """Each number of clients in turn; a line for each."""
    print(f"{'clients':>9}{'photos/s':>10}{'median ms':>11}{'95th':>8}{'clients use':>13}  not answered")
    for count in clients:
        outcome = load.closed(url, forms, count, warm_up=seconds / 4, seconds=seconds)
        print(
            f"{count:>9}{outcome.photos_per_second:>10.1f}{outcome.percentile(50):>11.1f}{outcome.percentile(95):>8.1f}"
            f"{outcome.client_share:>8.2f} core  {outcome.refused}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--database", metavar="URL", help="an empty one of PostgreSQL's; it is filled")
    parser.add_argument("--quick", action="store_true", help="a few seconds for each number")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seconds, turns, clients, full = (4.0, 3, (1,), _FULL_QUICK) if arguments.quick else (8.0, 9, CLIENTS, _FULL)
    database = {"DATABASE_URL": arguments.database} if arguments.database else {}
    settings = serving_settings()
    photos = read_photos(arguments.folder, PHOTOS)
    forms = [form(photo) for photo in photos]
    from_camera = [form(photo) for photo in read_photos(arguments.folder, CAMERA_PHOTOS, CAMERA_MEGAPIXELS)]

    def answered(url: str) -> Outcome:
        outcome = load.closed(url, forms, full, warm_up=seconds / 4, seconds=seconds)
        if outcome.refused != "none":
            print(f"{url}: not answered: {outcome.refused}")
        return outcome

    print(f"{len(photos)} photos, {sum(map(len, photos)) / len(photos) / 1e6:.2f} MB each; {settings}; {full} clients")
    alone, ours, theirs = [], [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        EngineAlone(settings, photos) as engine,
        product(Path(folder), **database) as server,
        peer(settings) as other,
    ):
        print(f"{'photos/s:':>9}{'engine':>9}{'product':>9}{'LitServe':>9}")
        for turn in range(turns):
            with standing_still(server, other):
                alone.append(engine.photos_per_second(seconds))
            with standing_still(other):
                ours.append(answered(server.url + CLASSIFY))
            with standing_still(server):
                theirs.append(answered(f"{other.url}/predict"))
            print(
                f"{turn + 1:>9}{alone[-1]:>9.1f}{ours[-1].photos_per_second:>9.1f}{theirs[-1].photos_per_second:>9.1f}",
                flush=True,
            )
        with standing_still(other):
            print("the product by itself")
            sweep(server.url + CLASSIFY, forms, clients, seconds)
            camera = load.closed(server.url + CLASSIFY, from_camera, 1, warm_up=seconds / 2, seconds=seconds)
    cores = cpu_count() or 1
    share = statistics.median(outcome.client_share for outcome in ours) / cores
    of_engine = statistics.median(own.photos_per_second / limit for own, limit in zip(ours, alone, strict=True))
    print(
        f"the clients take {share:.1%} of the cores; of what they leave, "
        f"HTTP ÷ engine is {of_engine / (1 - share):.2f}\n"
        f"12 megapixels: {len(camera.milliseconds)} photos, 95th percentile {camera.percentile(95):.0f} ms, "
        f"not answered: {camera.refused}"
    )
    of_peer = statistics.median(
        own.photos_per_second / peers.photos_per_second for own, peers in zip(ours, theirs, strict=True)
    )
    show(
        [
            Ratio("HTTP throughput ÷ engine throughput", of_engine, 0.7, 0.9),
            Ratio("HTTP throughput ÷ LitServe's", of_peer, 1.0, 1.2),
            Ratio(f"ms for a {CAMERA_MEGAPIXELS}-megapixel JPEG, one client, median", camera.percentile(50), 120, 50),
        ],
        arguments.json,
    )


if __name__ == "__main__":
    main()
