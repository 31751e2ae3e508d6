"""How long people wait at 70 % load, and how many are served when three times too many come.

Usage: python benchmarks/overload.py FOLDER [--quick] [--json FILE]      (pip install -r requirements-benchmark.txt)

FOLDER holds JPEGs of faces. Starts gunicorn with the product's settings and a fresh SQLite database. Capacity is what
32 clients get who each wait for their answer. Then photos come at random instants: at 70 % of the capacity, at all of
it, and at three times as many. Waiting counts from the instant at which a photo was due.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import load
from harness import CLASSIFY, Ratio, form, product, read_photos, show

PHOTOS = 64
_CLIENTS = 32
_NORMAL, _TOO_MANY = 0.7, 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="a few seconds for each number")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seconds, warm_up = (4.0, 1.0) if arguments.quick else (40.0, 5.0)
    forms = [form(photo) for photo in read_photos(arguments.folder, PHOTOS)]
    with tempfile.TemporaryDirectory() as folder, product(Path(folder)) as server:
        url = server.url + CLASSIFY
        capacity = load.closed(url, forms, _CLIENTS, warm_up=warm_up, seconds=seconds / 2).photos_per_second
        print(f"capacity: {capacity:.1f} photos a second")
        print(f"{'load':>6}{'sent/s':>9}{'answered/s':>12}{'median ms':>11}{'95th':>8}{'clients use':>13}  refused")
        outcomes = {}
        for share in (_NORMAL, 1.0, _TOO_MANY):
            outcome = load.opened(url, forms, share * capacity, warm_up=warm_up, seconds=seconds)
            outcomes[share] = outcome
            print(
                f"{share:>6.0%}{share * capacity:>9.1f}{outcome.photos_per_second:>12.1f}"
                f"{outcome.percentile(50):>11.1f}{outcome.percentile(95):>8.1f}{outcome.client_share:>8.2f} core"
                f"  {outcome.refused}",
                flush=True,
            )
    normal, too_many = outcomes[_NORMAL], outcomes[_TOO_MANY]
    show(
        [
            Ratio("95th ÷ 50th percentile at 70 % load", normal.percentile(95) / normal.percentile(50), 3, 2),
            Ratio(
                "goodput at three times capacity ÷ at capacity",
                too_many.photos_per_second / outcomes[1.0].photos_per_second,
                0.9,
                1.0,
            ),
        ],
        arguments.json,
    )


if __name__ == "__main__":
    main()
