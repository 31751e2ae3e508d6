"""Time of importing and aggregating many ratings, on whichever database DATABASE_URL names.

Usage: python benchmarks/survey_import.py [--ratings 300000] [--images 1000] [--aggregate] [--data ../shared/data]

Writes a long CSV of a survey of the five types, about three parts, imports it with the service that
`manage.py import_survey` and the back office use, and imports it once more, which must add nothing. With --aggregate
it then makes a result of each method; with --data it shows the agreement of the two real surveys of that folder, of
omi's also for adult men alone. Everything happens in a database of its own, which is removed at the end.
"""

# ruff: noqa: E402 - models can be imported only after Django is set up

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphaproject.settings")

import django
import numpy as np

django.setup()

from django.db import connection

from catalog.models import Celebrity, Rating, Survey
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
    parser.add_argument("--data", type=Path)
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
            if arguments.data:
                show_real_surveys(arguments.data / "survey")
            return measure(content, aggregate=arguments.aggregate)
        finally:
            connection.creation.destroy_test_db(before, verbosity=0)


def measure(content: bytes, *, aggregate: bool) -> int:
    survey = survey_create(title="Benchmark", scale=Scale.TYPES, parts=PARTS)
    print(f"{connection.vendor}, {len(content) / 1e6:.1f} MB; wall-clock time, and this process's share of it")
    for attempt in ("first", "again"):
        with timed() as time_taken:
            report = ratings_import(survey=survey, content=content, options=OPTIONS)
        print(f"import, {attempt}: {report.new} new, {report.present} present, {time_taken()}")
    if report.new or Rating.objects.filter(rater__survey=survey).count() != report.present:
        print("the second import added something")
        return 1
    if aggregate:
        with timed() as time_taken:
            ratings_read(survey)
        print(f"reading: {time_taken()}")
        for method in Method:
            with timed() as time_taken:
                result = result_create(survey=survey, method=method)
            print(f"{method.value}, reading and agreement included: {result.rating_count} ratings, {time_taken()}")
    return 0


def show_real_surveys(folder: Path) -> None:
    women = ImportOptions(
        columns={Field.RATER: "rater_id", Field.IMAGE: "face_id", Field.VALUE: "rating"},
        where={"trait": "att"},
        add_images=True,
    )
    show_agreement("threedsk_women, attractive", folder / "threedsk_women_ratings.csv", women, Scale.ONE_TO_SEVEN)
    people = ImportOptions(
        columns={Field.IMAGE: "stimulus", Field.VALUE: "rating"},
        where={"attribute": "attractive", "rating_type": "normal"},
        add_images=True,
    )
    survey = show_agreement("omi, attractive", folder / "omi_ratings.csv", people, Scale.PERCENT)
    with (folder / "omi_means.csv").open(newline="") as file:
        men = [row["stimulus"] for row in csv.DictReader(file) if float(row["gender"]) > 55 and float(row["age"]) >= 18]
    # The rule for a man is the data folder's.
    survey.survey_images.exclude(key__in=men).delete()
    print_agreement("omi, attractive, adult men", survey)


def show_agreement(title: str, path: Path, options: ImportOptions, scale: Scale) -> Survey:
    survey = survey_create(title=title, scale=scale, parts=PARTS[:1])
    ratings_import(survey=survey, content=path.read_bytes(), options=options)
    print_agreement(title, survey)
    # The result is in the way of whoever removes images.
    survey.results.all().delete()
    return survey


def print_agreement(title: str, survey: Survey) -> None:
    result = result_create(survey=survey)
    measures = result.agreement[PARTS[0]]
    shown = ", ".join(f"{name} {round(value, 3):g}" for name, value in measures.items() if value is not None)
    print(f"{title}: {sum(map(len, result.excluded.values()))} raters left out, {shown}")


@contextmanager
def timed() -> Generator[Callable[[], str]]:
    started, cpu_started = time.perf_counter(), time.process_time()
    taken: list[float] = []
    yield lambda: "{:.1f} s, CPU {:.1f} s".format(*taken)
    taken += [time.perf_counter() - started, time.process_time() - cpu_started]


if __name__ == "__main__":
    sys.exit(main())
