"""Whether the server's memory grows with the requests it has answered.

Usage: python benchmarks/memory.py FOLDER [--requests 20000] [--quick] [--json FILE]
       (pip install -r requirements-benchmark.txt)

FOLDER holds JPEGs of faces; 64 different ones are sent by eight clients. Starts gunicorn with the product's settings
and a fresh SQLite database, and counts the resident memory of all its processes after a twentieth of the requests and
after all of them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import load
from harness import CLASSIFY, Ratio, form, product, read_photos, resident_megabytes, show

PHOTOS = 64
_CLIENTS = 8
_STEPS = 20
_QUICK_REQUESTS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_REQUESTS} requests")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    step = (_QUICK_REQUESTS if arguments.quick else arguments.requests) // _STEPS
    forms = [form(photo) for photo in read_photos(arguments.folder, PHOTOS)]
    megabytes = []
    with tempfile.TemporaryDirectory() as folder, product(Path(folder)) as server:
        for number in range(1, _STEPS + 1):
            refused = load.counted(server.url + CLASSIFY, forms, _CLIENTS, requests=step).refused
            megabytes.append(resident_megabytes(server.pid))
            print(f"{number * step:>7} requests: {megabytes[-1]:.0f} MB, not answered: {refused}", flush=True)
    name = f"memory after {_STEPS * step:,} requests ÷ after {step:,}"
    show([Ratio(name, megabytes[-1] / megabytes[0], 1.05, 1.0)], arguments.json)


if __name__ == "__main__":
    main()
