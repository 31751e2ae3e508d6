"""Send a running server several photos of nearly 50 megapixels at once, and watch its memory.

Usage: python benchmarks/large_photos.py http://127.0.0.1:8000 PHOTO --pid PID [--photos 8] [--rounds 3]

PHOTO is a portrait; it is sent as a PNG of 7,000 x 7,000 pixels, which no decoder can read reduced. --pid names the
server's main process; its children count too. The server should run with THROTTLE_ENABLED=false.
Exits 1 if any photo is answered otherwise than with a classification or with `busy`.
"""

from __future__ import annotations

import argparse
import http.client
import io
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from harness import CLASSIFY, form, resident_megabytes
from PIL import Image

SIDE = 7000
SAMPLE_SECONDS = 0.02
SETTLE_SECONDS = 3.0


def enlarged(path: Path) -> bytes:
    """A square PNG of repeated pixels: large once it is decoded, small on its way."""
    with Image.open(path) as image:
        side = min(image.size)
        square = image.convert("RGB").crop((0, 0, side, side)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    square.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


class Peak:
    """The largest resident memory while the block runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.megabytes = 0.0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            self.megabytes = max(self.megabytes, resident_megabytes(self._pid))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--pid", type=int, required=True, help="of the serving process")
    parser.add_argument("--photos", type=int, default=8, help="at once")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    host, photo = urlsplit(arguments.url).netloc, enlarged(arguments.photo)
    sent = form(photo)

    def send(_number: int) -> tuple[int, float]:
        """Status and seconds."""
        connection, started = http.client.HTTPConnection(host, timeout=300), time.perf_counter()
        try:
            connection.request("POST", CLASSIFY, sent.body, {"Content-Type": sent.content_type})
            response = connection.getresponse()
            response.read()
            return response.status, time.perf_counter() - started
        finally:
            connection.close()

    print(f"{arguments.photos} PNGs of {SIDE} x {SIDE} pixels, {len(photo) / 1e6:.1f} MB each, at once")
    print(f"before: {resident_megabytes(arguments.pid):.0f} MB")
    statuses: Counter[int] = Counter()
    for number in range(arguments.rounds):
        with Peak(arguments.pid) as peak, ThreadPoolExecutor(arguments.photos) as pool:
            answers = list(pool.map(send, range(arguments.photos)))
        time.sleep(SETTLE_SECONDS)
        own = Counter(status for status, _ in answers)
        statuses += own
        slowest = max(seconds for _, seconds in answers)
        print(
            f"round {number + 1}: peak {peak.megabytes:.0f} MB, {SETTLE_SECONDS:.0f} s later "
            f"{resident_megabytes(arguments.pid):.0f} MB, slowest answer {slowest:.1f} s, {dict(own)}"
        )
    if statuses.keys() - {http.client.CREATED, http.client.SERVICE_UNAVAILABLE}:
        sys.exit(1)


if __name__ == "__main__":
    main()
