"""Time of POST /api/v1/classifications/ as one client sees it, warm, for large and small photos.

Usage: python benchmarks/http_latency.py http://127.0.0.1:8000 FOLDER [--photos 20] [--rounds 5]

FOLDER holds JPEGs of faces. Each is sent at 12 megapixels, as a phone's camera takes them, and with a
long side of 640 pixels. The server should run with THROTTLE_ENABLED=false. With --pid the resident
memory of the serving process is shown too.
"""

from __future__ import annotations

import argparse
import http.client
import io
import statistics
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

CAMERA_PIXELS = 12_000_000
SMALL_LONG_SIDE = 640
# Standard deviation, of 255.
SENSOR_NOISE = 5


def resized(path: Path, scale_of: float, *, by: str) -> bytes:
    """The picture as JPEG, enlarged or reduced to `scale_of` pixels (`area`) or to that long side (`side`)."""
    with Image.open(path) as image:
        area, side = image.width * image.height, max(image.size)
        scale = (scale_of / area) ** 0.5 if by == "area" else scale_of / side
        size = round(image.width * scale), round(image.height * scale)
        enlarged = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), np.float32)
    # A sensor's noise: an enlarged picture without it is far easier to decode than a camera's.
    noisy = enlarged + np.random.default_rng(0).normal(0, SENSOR_NOISE, enlarged.shape)
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def form(photo: bytes) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="birth_date"\r\n\r\n1996-05-04\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + photo + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def post(connection: http.client.HTTPConnection, photo: bytes) -> tuple[int, float]:
    """Status and milliseconds."""
    body, content_type = form(photo)
    started = time.perf_counter()
    connection.request("POST", "/api/v1/classifications/", body, {"Content-Type": content_type})
    response = connection.getresponse()
    response.read()
    return response.status, (time.perf_counter() - started) * 1000


def measure(connection: http.client.HTTPConnection, name: str, photos: list[bytes], rounds: int) -> None:
    for photo in photos:
        post(connection, photo)
    outcomes = [post(connection, photo) for _ in range(rounds) for photo in photos]
    times = [milliseconds for _, milliseconds in outcomes]
    answered = sum(status == http.client.CREATED for status, _ in outcomes)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    print(
        f"{name:>14} {statistics.mean(map(len, photos)) / 1e6:8.2f} MB {cuts[49]:8.1f} ms {cuts[94]:8.1f} ms"
        f" {answered:5} of {len(outcomes)} classified"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pid", type=int, help="of the serving process")
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("*.jpg"))
    chosen = paths[:: max(1, len(paths) // arguments.photos)][: arguments.photos]
    connection = http.client.HTTPConnection(urlsplit(arguments.url).netloc, timeout=60)
    print(f"{'photo':>14} {'size':>11} {'median':>11} {'95th':>11}")
    measure(connection, "12 megapixels", [resized(path, CAMERA_PIXELS, by="area") for path in chosen], arguments.rounds)
    measure(connection, "640 pixels", [resized(path, SMALL_LONG_SIDE, by="side") for path in chosen], arguments.rounds)
    if arguments.pid:
        status = Path(f"/proc/{arguments.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        print(f"resident memory {int(resident.split()[1]) / 1024:.0f} MB")


if __name__ == "__main__":
    main()
