"""Time of importing and aggregating many ratings, on whichever database DATABASE_URL names.

Usage: python benchmarks/survey_import.py [--ratings 300000] [--images 1000] [--aggregate]

Writes a long CSV of a survey of the five types, about three parts, imports it with the service that
`manage.py import_survey` and the back office use, and imports it once more, which must add nothing. With --aggregate
it then makes a result of each method. Everything happens in a database of its own, which is removed at the end.
"""

# ruff: noqa: E402 - models can be imported only after Django is set up

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphaproject.settings")

import django
import numpy as np

django.setup()

from django.db import connection

from catalog.models import Celebrity, Rating
from catalog.models.survey import Method, Scale
from catalog.ratings import PARTS, ratings_read
from catalog.services.seed import catalog_seed
from catalog.services.survey_files import Field, ImportOptions
from catalog.services.survey_import import ratings_import
from catalog.services.survey_results import result_create
from catalog.services.surveys import survey_create

RATINGS_A_RATER = 150
OPTIONS = ImportOptions(columns={Field(name): name for name in ("rater", "image", "part", "value")}, add_images=True)


def table(ratings: int, images: int) -> bytes:
    """Ratings of images with a true type, give or take one, by raters of 150 answers each."""
    generator = np.random.default_rng(0)
    raters = ratings // RATINGS_A_RATER
    truth = generator.uniform(1, 5, images)
    text = io.StringIO()
    text.write("rater,image,part,value\n")
    for rater in range(raters):
        chosen = generator.permutation(images)[: RATINGS_A_RATER // len(PARTS)]
        values = np.clip(np.round(truth[chosen, None] + generator.normal(0, 0.8, (len(chosen), len(PARTS)))), 1, 5)
        for image, answers in zip(chosen, values.astype(int), strict=True):
            text.writelines(
                f"R{rater:05},face {image:05},{part},{value}\n" for part, value in zip(PARTS, answers, strict=True)
            )
    return text.getvalue().encode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=300_000)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--aggregate", action="store_true")
    arguments = parser.parse_args()
    content = table(arguments.ratings, arguments.images)
    before = connection.settings_dict["NAME"]
    with tempfile.TemporaryDirectory() as folder:
        # SQLite's would otherwise lie in memory.
        connection.settings_dict["TEST"]["NAME"] = f"{folder}/db" if connection.vendor == "sqlite" else "benchmark"
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            # A catalogue that has a celebrity gets no drawn samples, which take a while.
            Celebrity.objects.create(name_ko="누군가", name_en="Someone")
            catalog_seed()
            return measure(content, aggregate=arguments.aggregate)
        finally:
            connection.creation.destroy_test_db(before, verbosity=0)


def measure(content: bytes, *, aggregate: bool) -> int:
    survey = survey_create(title="Benchmark", scale=Scale.TYPES, parts=PARTS)
    print(f"{connection.vendor}, {len(content) / 1e6:.1f} MB")
    for attempt in ("first", "again"):
        started, cpu_started = time.perf_counter(), time.process_time()
        report = ratings_import(survey=survey, content=content, options=OPTIONS)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        print(
            f"import, {attempt}: {report.new} new, {report.present} present, {seconds:.1f} s, CPU {cpu_seconds:.1f} s"
        )
    if report.new or Rating.objects.count() != report.present:
        print("the second import added something")
        return 1
    if aggregate:
        started = time.perf_counter()
        ratings_read(survey)
        print(f"reading: {time.perf_counter() - started:.1f} s")
        for method in Method:
            started, cpu_started = time.perf_counter(), time.process_time()
            result = result_create(survey=survey, method=method)
            seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
            print(
                f"{method.value}: {result.rating_count} ratings, {result.rater_count} raters, "
                f"{seconds:.1f} s, CPU {cpu_seconds:.1f} s, reading and agreement included"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
