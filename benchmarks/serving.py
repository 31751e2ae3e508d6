"""How much of the engine's speed is left over HTTP, how that grows with clients, and how LitServe compares.

Usage: python benchmarks/serving.py FOLDER [--quick] [--json FILE]      (pip install -r requirements-benchmark.txt)

FOLDER holds JPEGs of faces; 64 different ones are sent. Starts gunicorn with the product's settings and a fresh SQLite
database, and LitServe with the same engine, threads and batches, one after the other. The clients run in a process of
their own on the same cores, so the engine alone has what they take to itself: their share is shown beside the ratios.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path

import load
from harness import CLASSIFY, Ratio, form, peer, product, read_photos, serving_settings, show
from load import Form, Outcome

PHOTOS, CAMERA_PHOTOS = 64, 8
CLIENTS = (1, 2, 4, 8, 16, 32, 64)
CAMERA_MEGAPIXELS = 12
# Enough for full batches, few enough that nobody is refused.
_FULL, _FULL_QUICK = 32, 8


def engine_alone(photos: list[bytes], threads: int, batch: int, count: int) -> float:
    """Photos a second without a server, in a process of its own."""
    import cv2  # noqa: PLC0415
    import torch  # noqa: PLC0415

    from inference.contracts import PhotoLimits  # noqa: PLC0415
    from inference.engine import Engine  # noqa: PLC0415
    from inference.evaluation.benchmark import throughput  # noqa: PLC0415

    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    return throughput(Engine(), photos, limits=PhotoLimits(), batch=batch, count=count)


def sweep(url: str, forms: list[Form], clients: tuple[int, ...], seconds: float) -> dict[int, Outcome]:
    """Each number of clients in turn; a line for each."""
    print(f"{'clients':>9}{'photos/s':>10}{'median ms':>11}{'95th':>8}{'clients use':>13}  not answered")
    outcomes = {}
    for count in clients:
        outcome = load.closed(url, forms, count, warm_up=seconds / 4, seconds=seconds)
        outcomes[count] = outcome
        print(
            f"{count:>9}{outcome.photos_per_second:>10.1f}{outcome.percentile(50):>11.1f}{outcome.percentile(95):>8.1f}"
            f"{outcome.client_share:>8.2f} core  {outcome.refused}",
            flush=True,
        )
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="a few seconds for each number")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seconds, clients, full = (3.0, (1, _FULL_QUICK), _FULL_QUICK) if arguments.quick else (12.0, CLIENTS, _FULL)
    threads, batch = serving_settings()
    photos = read_photos(arguments.folder, PHOTOS)
    forms = [form(photo) for photo in photos]
    from_camera = [form(photo) for photo in read_photos(arguments.folder, CAMERA_PHOTOS, CAMERA_MEGAPIXELS)]

    def measure_engine() -> float:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(engine_alone, photos, threads, batch, int(seconds) * 32).result()

    print(f"{PHOTOS} photos, {sum(map(len, photos)) / PHOTOS / 1e6:.2f} MB each, {threads} threads, batch {batch}")
    # Before and after, since a machine warms up and has neighbours.
    engine = measure_engine()
    print(f"engine alone: {engine:.1f} photos a second")
    with tempfile.TemporaryDirectory() as folder, product(Path(folder)) as server:
        print("the product")
        outcomes = sweep(server.url + CLASSIFY, forms, clients, seconds)
        camera = load.closed(server.url + CLASSIFY, from_camera, 1, warm_up=seconds / 2, seconds=seconds)
    with peer(threads, batch) as server:
        print("LitServe, which keeps no records")
        others = sweep(f"{server.url}/predict", forms, (full,), seconds)
    again = measure_engine()
    print(f"engine alone, again: {again:.1f} photos a second; the mean counts")
    ours, theirs, alone = outcomes[full], others[full], (engine + again) / 2
    cores = cpu_count() or 1
    of_engine = ours.photos_per_second / alone
    print(
        f"the clients take {ours.client_share / cores:.1%} of the cores; of what they leave, "
        f"HTTP ÷ engine is {of_engine / (1 - ours.client_share / cores):.2f}"
    )
    print(
        f"12 megapixels: {len(camera.milliseconds)} photos, 95th percentile {camera.percentile(95):.0f} ms, "
        f"not answered: {camera.refused}"
    )
    show(
        [
            Ratio("HTTP throughput ÷ engine throughput", of_engine, 0.7, 0.9),
            Ratio("HTTP throughput ÷ LitServe's", ours.photos_per_second / theirs.photos_per_second, 1.0, 1.2),
            Ratio(f"ms for a {CAMERA_MEGAPIXELS}-megapixel JPEG, one client, median", camera.percentile(50), 120, 50),
        ],
        arguments.json,
    )


if __name__ == "__main__":
    main()
