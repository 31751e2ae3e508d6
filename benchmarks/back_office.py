"""Time of every list of the back office, and of its dashboard, with much in the database.

Usage: DATABASE_URL=postgres://… python benchmarks/back_office.py [--images 100000] [--ratings 1000000]
       [--entries 1000000] [--classifications 100000] [--rounds 20] [--limit 300] [--keep]

Fills a database of its own, which is removed at the end unless --keep is given, and asks Django for each page as a
superuser's browser would: the list as it opens, its second page, a search, and each of its filters. Shows the median
and the 95th percentile of warm requests in milliseconds, the fastest of them, the processor time that Django and the
database together took, which other work on the machine hardly lengthens (on Linux, with the database on the same
machine), and the queries of one; ends with status 1 where a median is above the limit.
"""

# ruff: noqa: E402 - models can be imported only after Django is set up

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphaproject.settings")
# The client speaks plain HTTP.
os.environ["HTTPS"] = "false"

import django

django.setup()

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext, setup_test_environment
from django.urls import reverse
from django.utils import timezone

from alphaproject.roles import roles_update
from catalog.models import Celebrity, FaceType
from catalog.services.seed import catalog_seed
from classification.models import DailyCount

SURVEYS = 20
RATINGS_A_RATER = 50
CELEBRITIES = 20_000
# PostgreSQL makes the rows itself: number is 1 to n.
FILL = """
INSERT INTO catalog_celebrity (name_ko, name_en, is_sample, created_at, updated_at)
SELECT '유명인 ' || number, 'Celebrity ' || number, false, now(), now() FROM generate_series(1, {celebrities}) number;

INSERT INTO catalog_celebrityimage (celebrity_id, face_type_id, file, thumbnail, width, height, sha256, source, licence,
    attribution, hash_a, hash_b, hash_c, hash_d, hash_fine, gallery_slot, created_at, updated_at)
SELECT 1 + number % {celebrities}, 1 + number % 5, 'images/' || number, 'thumbnails/' || number, 600, 800,
    lpad(number::text, 64, '0'), 'somewhere', 'CC-BY-4.0', '', number, number, number, number, '',
    CASE WHEN number % 10 < 5 THEN number / 10 END, now(), now()
FROM generate_series(1, {images}) number;

INSERT INTO catalog_imagelabel (image_id, state, rejection, refusal, doubt, version, reviewed_by_id, created_at)
SELECT id, CASE WHEN id % 4 = 0 THEN 'proposed' WHEN id % 50 = 1 THEN 'disputed' ELSE 'accepted' END, '', '',
    (id % 1000) / 1000.0, 1, CASE WHEN id % 4 > 0 THEN 1 + id % {users} END, now()
FROM catalog_celebrityimage;

INSERT INTO catalog_partlabel (label_id, part, x0, y0, x1, y1, box_source, face_type_id, type_source, confidence,
    model_version)
SELECT label.id, part, 1, 1, 99, 99, 'model', 1 + label.id % 5, 'model', 0.7, '1.0'
FROM catalog_imagelabel label, unnest(ARRAY['whole_face', 'upper_face', 'lower_face']) part;

INSERT INTO catalog_surveyimage (survey_id, image_id, key, rating_count)
SELECT survey.id, image.id, 'image ' || image.id, image.id % 20
FROM catalog_survey survey, LATERAL (SELECT id FROM catalog_celebrityimage
    WHERE id % {surveys} = survey.id % {surveys}) image;

INSERT INTO catalog_rater (survey_id, key, is_identified, seed, language, age_band, sex, exclusion_reason, created_at)
SELECT (SELECT min(id) FROM catalog_survey) + number % {surveys}, 'rater ' || number, true, number, 'ko', '25_34',
    'female', '', now()
FROM generate_series(1, {raters}) number;

INSERT INTO catalog_rating (survey_image_id, rater_id, part, round, value, created_at)
SELECT survey_image.id, rater.id, 'whole_face', 0, 1 + survey_image.id % 5, now()
FROM catalog_rater rater, LATERAL (SELECT id FROM catalog_surveyimage WHERE survey_id = rater.survey_id
    ORDER BY id OFFSET rater.id % 100 LIMIT {ratings_a_rater}) survey_image;

INSERT INTO catalog_surveyresultrow (result_id, survey_image_id, part, value, count, rank, face_type_id)
SELECT result.id, image.id, 'whole_face', 3, 10, row_number() OVER (PARTITION BY result.id ORDER BY image.id),
    1 + image.id % 5
FROM catalog_surveyresult result JOIN catalog_surveyimage image ON image.survey_id = result.survey_id;

INSERT INTO auditlog_logentry (content_type_id, object_pk, object_id, object_repr, action, changes_text, changes,
    actor_id, timestamp)
SELECT (SELECT id FROM django_content_type WHERE model = 'celebrityimage'), number, number, 'image', number % 3, '',
    '{{"licence": ["", "CC0-1.0"]}}', 1 + number % {users}, now() - number * interval '10 seconds'
FROM generate_series(1, {entries}) number;

INSERT INTO classification_classification (id, birth_date, mbti, type_id, borderline_with_id, score, confidence, parts,
    photo_width, photo_height, photo_key, celebrity_images, gate_version, parts_version, types_version, client,
    language, created_at, expires_at)
SELECT gen_random_uuid(), '1990-01-01', 'ESTJ', 1 + number % 5, NULL, number % 100, 0.5, '[]', 600, 800,
    CASE WHEN number % 3 = 0 THEN '' ELSE md5(number::text) END, '[]', '1', '1', '1',
    (ARRAY['mobile', 'web', 'api'])[1 + number % 3], 'ko', now() - number * interval '30 days' / {classifications},
    now() + interval '1 day'
FROM generate_series(1, {classifications}) number;

INSERT INTO django_tasks_database_dbtaskresult (id, status, enqueued_at, finished_at, args_kwargs, priority, task_path,
    worker_ids, queue_name, backend_name, run_after, exception_class_path, traceback)
SELECT gen_random_uuid(), CASE WHEN number % 50 = 0 THEN 'FAILED' ELSE 'SUCCESSFUL' END, now(), now(), '{{}}', 0,
    'catalog.tasks.nothing', '[]', 'default', 'default', now(), '', ''
FROM generate_series(1, 10000) number;

ANALYZE;
"""


@dataclass(frozen=True, slots=True)
class Timing:
    name: str
    milliseconds: list[float]
    processor: list[float]
    queries: int

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def percentile_95(self) -> float:
        return statistics.quantiles(self.milliseconds, n=100, method="inclusive")[94]

    def __str__(self) -> str:
        fastest, processor = min(self.milliseconds), statistics.median(self.processor)
        return (
            f"{self.name[:63]:<64}{self.median:>8.0f}{self.percentile_95:>8.0f}{fastest:>9.0f}{processor:>8.0f}"
            f"{self.queries:>9}"
        )


def fill(arguments: argparse.Namespace) -> None:
    Celebrity.objects.create(name_ko="견본", name_en="Sample")
    catalog_seed()
    roles_update()
    users = [User(username=f"user {number}", is_staff=True) for number in range(200)]
    User.objects.bulk_create(users)
    # Their tables change with their screens; there are few of them.
    from tests.rows import ADD_ROWS  # noqa: PLC0415

    for label, count in (("catalog.SurveyResult", SURVEYS), ("catalog.Job", 200), ("catalog.LabelExport", 200)):
        add_rows = ADD_ROWS[label]
        if add_rows:
            add_rows(count)
    today = timezone.localdate()
    outcomes = [*FaceType.objects.values_list("code", flat=True), "no_face", "too_dark", "too_blurry", "face_cut_off"]
    DailyCount.objects.bulk_create(
        DailyCount(day=today - timedelta(days=day), client=client, outcome=outcome, count=1000)
        for day in range(365)
        for client in ("mobile", "web", "api")
        for outcome in outcomes
    )
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM catalog_surveyimage")
        cursor.execute(
            FILL.format(
                celebrities=CELEBRITIES,
                images=arguments.images,
                surveys=SURVEYS,
                raters=arguments.ratings // RATINGS_A_RATER,
                ratings_a_rater=RATINGS_A_RATER,
                entries=arguments.entries,
                users=len(users),
                classifications=arguments.classifications,
            )
        )


def pages(client: Client) -> Iterator[tuple[str, str]]:
    """Name and address of what is measured."""
    yield "dashboard", reverse("admin:index")
    for model, screen in sorted(admin.site._registry.items(), key=lambda item: item[0]._meta.label):  # noqa: SLF001
        meta = model._meta  # noqa: SLF001
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        yield meta.label, url
        yield f"{meta.label}, page 2", f"{url}?p=2"
        if screen.search_fields:
            yield f"{meta.label}, search", f"{url}?q=Celebrity+77"
        response: Any = client.get(url)
        for spec in response.context["cl"].filter_specs:
            choices = [choice for choice in spec.choices(response.context["cl"]) if not choice.get("selected")]
            # Unfold's own filters have forms instead of links.
            if choices and "query_string" in choices[0]:
                yield f"{meta.label}, by {spec.title}: {choices[0]['display']}", url + choices[0]["query_string"]


def measure(client: Client, name: str, url: str, rounds: int) -> Timing:
    with CaptureQueriesContext(connection) as captured:
        response = client.get(url)
    queries = len(captured)
    if response.status_code != HTTPStatus.OK:
        raise SystemExit(f"{url} answers {response.status_code}")
    client.get(url)
    times, processor = [], []
    for _ in range(rounds):
        started, processor_started = time.perf_counter(), processor_milliseconds()
        client.get(url)
        times.append((time.perf_counter() - started) * 1000)
        processor.append(processor_milliseconds() - processor_started)
    return Timing(name, times, processor, queries)


def processor_milliseconds() -> float:
    """Of this process, and of the one that serves its connection, where its account of time can be read here."""
    own = time.process_time() * 1000
    if connection.connection is None:
        return own
    schedule = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    return own + int(schedule.read_text().split()[0]) / 1e6 if schedule.exists() else own


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the audit log")
    parser.add_argument("--classifications", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", action="store_true", help="the database, for the next run with --keep")
    parser.add_argument("--limit", type=float, default=300, help="milliseconds")
    arguments = parser.parse_args()
    if connection.vendor != "postgresql":
        raise SystemExit("DATABASE_URL must name a PostgreSQL database.")
    # Collected static files are not what is measured.
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    setup_test_environment(debug=False)
    original = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = "back_office_benchmark"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False, keepdb=arguments.keep)
    logging.disable(logging.INFO)
    try:
        started = time.perf_counter()
        if not Celebrity.objects.exists():
            fill(arguments)
        rows = {model._meta.label: model._default_manager.count() for model in _largest()}  # noqa: SLF001
        print(f"filled in {time.perf_counter() - started:.0f} s: {rows}")
        with connection.cursor() as cursor:
            # All of a query's time is then in one process.
            cursor.execute("SET max_parallel_workers_per_gather = 0")
        client = Client()
        client.force_login(User.objects.get_or_create(username="root", is_superuser=True, is_staff=True)[0])
        print(f"{'page':<64}{'median':>8}{'95th':>8}{'fastest':>9}{'CPU':>8}{'queries':>9}")
        timings = []
        for name, url in pages(client):
            timings.append(measure(client, name, url, arguments.rounds))
            print(timings[-1], flush=True)
    finally:
        connection.creation.destroy_test_db(original, verbosity=0, keepdb=arguments.keep)
    slow = [timing.name for timing in timings if timing.median > arguments.limit]
    worst = max(timings, key=lambda timing: timing.median)
    print(f"{len(timings)} pages, the slowest {worst.median:.0f} ms: {worst.name}; above the limit: {slow or 'none'}")
    return 1 if slow else 0


def _largest() -> list[type[models.Model]]:
    return [
        model
        for model in (*admin.site._registry,)  # noqa: SLF001
        if model._meta.app_label in ("catalog", "classification", "auditlog")  # noqa: SLF001
    ]


if __name__ == "__main__":
    sys.exit(main())
