"""What raters wait for, and the analysis page, at 100,000 images and 1,000,000 ratings.

    DATABASE_URL=postgres://… python benchmarks/survey.py

Fills a database of its own on that server, measures, and drops it. Times are the server's, without a network; the
processor's are those of Django and the database together, where both are on one Linux machine.
"""

# ruff: noqa: E402, SLF001 - models can be imported only after Django is set up

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import django

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphaproject.settings")
os.environ.setdefault("THROTTLE_ENABLED", "false")
os.environ.setdefault("LOG_LEVEL", "ERROR")
django.setup()

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import override_settings, setup_test_environment
from django.utils import timezone

from catalog.models import Celebrity, CelebrityImage, Rater, Rating, Survey, SurveyImage, SurveyResult, SurveyResultRow
from catalog.services.rating import rater_join, rating_give, visits_next
from catalog.services.seed import catalog_seed
from catalog.services.survey_results import result_create

RUNS = 60


def fill(images: int, ratings: int, raters: int) -> Survey:
    """A survey about `images` pictures, rated by `raters` people with a taste and a bias each."""
    now = timezone.now()
    Celebrity.objects.bulk_create(
        (Celebrity(name_ko=f"유명인 {n}", name_en=f"Celebrity {n}") for n in range(images // 4)), batch_size=5000
    )
    catalog_seed()
    survey = Survey.objects.create(
        title_ko="설문",
        title_en="Survey",
        question_ko="얼마나 매력적인가요?",
        question_en="How attractive?",
        scale="one_to_seven",
        parts=["whole_face"],
        opens_at=now - timedelta(days=1),
        ratings_wanted=50,
    )
    tables = {
        model: model._meta.db_table
        for model in (Celebrity, CelebrityImage, Rater, Rating, SurveyImage, SurveyResult, SurveyResultRow)
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(id) FROM {tables[Celebrity]}")
        first_celebrity = cursor.fetchone()[0]
        cursor.execute(
            f"INSERT INTO {tables[CelebrityImage]} (celebrity_id, file, width, height, sha256, source, licence, "
            "attribution, thumbnail, hash_fine, created_at, updated_at) "
            "SELECT %s + n %% %s, 'none', 640, 800, lpad(n::text, 64, '0'), 'x', 'CC0-1.0', '', '', '', now(), now() "
            "FROM generate_series(1, %s) n",
            [first_celebrity, images // 4, images],
        )
        cursor.execute(
            f"INSERT INTO {tables[SurveyImage]} (survey_id, image_id, key, rating_count) "
            f"SELECT %s, id, sha256, 0 FROM {tables[CelebrityImage]} WHERE source = 'x'",
            [survey.pk],
        )
        cursor.execute(
            f"INSERT INTO {tables[Rater]} (survey_id, key, is_identified, seed, language, age_band, sex, "
            "exclusion_reason, created_at) "
            "SELECT %s, 'rater ' || n, true, n, 'en', "
            "(array['18_24', '25_34', '35_44', ''])[1 + n %% 4], (array['female', 'male'])[1 + n %% 2], '', now() "
            "FROM generate_series(1, %s) n",
            [survey.pk, raters],
        )
        cursor.execute(
            f"SELECT min(i.id), min(r.id) FROM {tables[SurveyImage]} i, {tables[Rater]} r",
        )
        first_image, first_rater = cursor.fetchone()
        # Rater n rates every image whose number leaves the same rest: ratings spread evenly over images and raters.
        cursor.execute(
            f"INSERT INTO {tables[Rating]} (survey_image_id, rater_id, part, round, value, created_at) "
            "SELECT %(i)s + n %% %(images)s, %(r)s + (n / %(images)s * 7919 + n %% %(images)s) %% %(raters)s, "
            "'whole_face', 0, 1 + (hashint4((n %% %(images)s)::int) & 3) + (hashint4(n::int) & 3), now() "
            "FROM generate_series(0, %(ratings)s - 1) n ON CONFLICT DO NOTHING",
            {"i": first_image, "r": first_rater, "images": images, "raters": raters, "ratings": ratings},
        )
        cursor.execute(
            f"UPDATE {tables[SurveyImage]} i SET rating_count = c.n FROM (SELECT survey_image_id, count(*) n "
            f"FROM {tables[Rating]} GROUP BY 1) c WHERE c.survey_image_id = i.id"
        )
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return survey


def measure(name: str, run: Callable[[], object], runs: int = RUNS) -> None:
    times = []
    busy = processor_seconds()
    for _ in range(runs):
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1000)
    busy = processor_seconds() - busy
    times.sort()
    print(
        f"{name:44} median {statistics.median(times):7.1f} ms   95 % {times[int(0.95 * (len(times) - 1))]:7.1f} ms   "
        f"fastest {times[0]:7.1f} ms   processor {1000 * busy / runs:7.1f} ms"
    )


def processor_seconds() -> float:
    """That Django and its database connection have taken, which other work on the machine hardly lengthens."""
    status = Path(f"/proc/{connection.connection.info.backend_pid}/stat")
    # Counted in hundredths of a second; not there where the database is on another machine.
    ticks = status.read_text().rpartition(")")[2].split()[11:13] if status.exists() else []
    return time.process_time() + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def measure_raters(survey: Survey) -> None:
    rater = rater_join(survey=survey, language="en").rater

    def next_image() -> None:
        assert visits_next(rater=rater, count=1)

    def answer() -> None:
        (visit,) = visits_next(rater=rater, count=1)
        rating_give(rater=rater, key=visit.key, part="whole_face", value=4)

    measure("next image, for a new rater", next_image)
    measure("next image and answer", answer)
    measure("next image, after these answers", next_image)
    browser = Client(headers={"accept-language": "en"})
    path = f"/survey/{survey.link_token}/"
    browser.post(path, {"consent": "yes"})
    joined = Rater.objects.filter(survey=survey).latest("pk")

    def post_answer() -> None:
        response = browser.post(f"{path}answers/", questions.pop(), content_type="application/json")
        assert response.status_code == 200

    questions: list[dict[str, object]] = [
        {"image": visit.key.survey_image_id, "round": visit.key.round, "part": "whole_face", "value": 4}
        for visit in visits_next(rater=joined, count=RUNS)
        if visit.key.round == 0
    ]
    measure("POST answers/", post_answer, len(questions))
    measure("GET visits/", lambda: browser.get(f"{path}visits/"))
    measure("GET rate/", lambda: browser.get(f"{path}rate/"))


def measure_analysis(survey: Survey) -> None:
    started = time.perf_counter()
    result_create(survey=survey)
    print(f"{'making the result':44}        {time.perf_counter() - started:7.1f} s")
    with connection.cursor() as cursor:
        # As PostgreSQL does by itself within a minute or so.
        cursor.execute("ANALYZE")
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(get_user_model().objects.create_superuser("benchmark"))
    path = f"/admin/catalog/survey/{survey.pk}/analysis/"

    def get(rest: str, *, is_first: bool = True) -> None:
        if is_first:
            cache.clear()
        assert browser.get(path + rest).status_code == 200

    def download(rest: str) -> None:
        response: Any = browser.get(path + rest)
        assert len(b"".join(response.streaming_content)) > 1000

    measure("GET analysis/, the first time", lambda: get(""), 20)
    measure("GET analysis/", lambda: get("", is_first=False), 20)
    measure("GET analysis/?page=100, the first time", lambda: get("?page=100"), 20)
    for name in ("types", "ranking", "groups", "agreement"):
        measure(f"GET analysis/{name}.svg, drawn anew", partial(get, f"{name}.svg"), 10)
    measure("GET analysis/images.csv", lambda: download("images.csv"), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--raters", type=int, default=10_000)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if connection.vendor != "postgresql":
        parser.error("set DATABASE_URL to a PostgreSQL server")
    setup_test_environment(debug=False)
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with override_settings(
            STORAGES={
                alias: {"BACKEND": "django.core.files.storage.InMemoryStorage"} for alias in ("default", "catalog")
            }
            | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
        ):
            started = time.perf_counter()
            survey = fill(options.images, options.ratings, options.raters)
            print(f"filled in {time.perf_counter() - started:.0f} s: {Rating.objects.count()} ratings")
            with connection.cursor() as cursor:
                # So that all of the database's time is that of the connection's own process.
                cursor.execute("SET max_parallel_workers_per_gather = 0")
            measure_raters(survey)
            measure_analysis(survey)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


if __name__ == "__main__":
    main()
