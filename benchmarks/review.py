"""Time of a review's requests, and of looking for similar pictures, with few and with many labels in the database.

Usage: DATABASE_URL=postgres://… python benchmarks/review.py [--labels 1000 100000] [--rounds 50]

Fills a database of its own, which is removed at the end, and asks Django as a curator's browser would; each image
gets another type, and is given back. Shows the median
and the 95th percentile in milliseconds, and the queries of one.
"""

# ruff: noqa: E402 - models can be imported only after Django is set up

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphaproject.settings")
# The client speaks plain HTTP.
os.environ["HTTPS"] = "false"

import django

django.setup()

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, setup_test_environment
from django.urls import reverse

from catalog.models import Celebrity, CelebrityImage
from catalog.services.seed import catalog_seed
from catalog.similarity import PerceptualHash

# Pictures whose bands are as frequent as among real portraits: see catalog/similarity.py.
FILL = """
INSERT INTO catalog_celebrityimage (celebrity_id, face_type_id, file, thumbnail, width, height, sha256, source, licence,
    attribution, hash_a, hash_b, hash_c, hash_d, hash_fine, created_at, updated_at)
SELECT (SELECT min(id) FROM catalog_celebrity), 1 + number % 5, 'images/' || number, 'thumbnails/' || number, 600, 800,
    lpad(number::text, 64, '0'), 'somewhere', 'CC0-1.0', '',
    floor(65536 * power(random(), 2)), floor(65536 * power(random(), 2)), floor(65536 * power(random(), 2)),
    floor(65536 * power(random(), 2)), md5(number::text) || md5((-number)::text), now(), now()
FROM generate_series(1, {labels}) number;

INSERT INTO catalog_imagelabel (image_id, state, rejection, refusal, doubt, version, created_at)
SELECT id, CASE WHEN id % 10 = 0 THEN 'accepted' WHEN id % 50 = 1 THEN 'disputed' ELSE 'proposed' END, '', '',
    random(), 1, now()
FROM catalog_celebrityimage;

INSERT INTO catalog_partlabel (label_id, part, x0, y0, x1, y1, box_source, face_type_id, type_source, confidence,
    model_version)
SELECT label.id, part.name, 150, part.y0, 450, part.y1, 'model', 1 + label.id % 5, 'model', 0.4, 'types-0'
FROM catalog_imagelabel label,
    (VALUES ('whole_face', 150, 650), ('upper_face', 260, 450), ('lower_face', 450, 650)) AS part (name, y0, y1);

ANALYZE;
"""


class Curator:
    """One sitting: the queue, one image after the other, each accepted and then undone."""

    def __init__(self) -> None:
        self._client = Client()
        self._client.force_login(User.objects.get_or_create(username="root", is_superuser=True, is_staff=True)[0])
        self._labels: list[dict[str, Any]] = []
        self._event = 0

    def ask_for_images(self) -> None:
        self._labels = self._post(reverse("admin:catalog_review_queue"), state="proposed")["labels"]

    def accept(self) -> None:
        label = self._labels[0]
        # Another type than proposed, so that the image changes its gallery.
        other = "omega" if label["parts"]["whole_face"]["type"] == "alpha" else "alpha"
        parts = {part: {"box": known["box"], "type": other} for part, known in label["parts"].items()}
        url = reverse("admin:catalog_review_decide", args=[label["id"]])
        self._event = self._post(url, action="accept", version=label["version"], parts=parts)["event"]

    def undo(self) -> None:
        answer = self._post(reverse("admin:catalog_review_undo", args=[self._event]))
        self._labels[0] = answer["label"]

    def _post(self, url: str, **body: Any) -> dict[str, Any]:
        response = self._client.post(url, json.dumps(body), content_type="application/json")
        if response.status_code != 200:
            raise SystemExit(f"{url} answers {response.status_code}: {response.content.decode()[:300]}")
        answer: dict[str, Any] = response.json()
        return answer


def look_for_similar() -> None:
    bands = [int(65536 * random.random() ** 2) for _ in range(4)]
    wanted = PerceptualHash((bands[0], bands[1], bands[2], bands[3]), f"{random.getrandbits(256):064x}")
    CelebrityImage.objects.similar_to(wanted)


def measure(rounds: int) -> None:
    curator = Curator()
    curator.ask_for_images()
    steps: list[tuple[str, Callable[[], None]]] = [
        ("ten images of the queue", curator.ask_for_images),
        ("accept an image", curator.accept),
        ("undo it", curator.undo),
        ("look for similar pictures", look_for_similar),
    ]
    times: dict[str, list[float]] = {name: [] for name, _step in steps}
    queries = {}
    for _ in range(rounds):
        for name, step in steps:
            with CaptureQueriesContext(connection) as captured:
                started = time.perf_counter()
                step()
                times[name].append((time.perf_counter() - started) * 1000)
            queries[name] = len(captured)
    for name, values in times.items():
        percentile = statistics.quantiles(values, n=100, method="inclusive")[94]
        print(f"{name:<32}{statistics.median(values):>8.1f}{percentile:>8.1f}{queries[name]:>9}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    if connection.vendor != "postgresql":
        raise SystemExit("DATABASE_URL must name a PostgreSQL database.")
    setup_test_environment(debug=False)
    logging.disable(logging.INFO)
    original = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = "review_benchmark"
    for labels in arguments.labels:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            Celebrity.objects.create(name_ko="견본", name_en="Sample")
            catalog_seed()
            with connection.cursor() as cursor:
                cursor.execute(FILL.format(labels=labels))
            print(f"\n{f'{labels:,} labels':<32}{'median':>8}{'95th':>8}{'queries':>9}")
            measure(arguments.rounds)
        finally:
            connection.creation.destroy_test_db(original, verbosity=0)
            connection.settings_dict["NAME"] = original


if __name__ == "__main__":
    main()
