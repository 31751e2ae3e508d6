"""Whether an answer takes longer with a large catalogue and many records, and how long larger photos take.

Usage: python benchmarks/growth.py FOLDER [--database postgres://…] [--images 1000000] [--records 10000000]
       [--quick] [--json FILE]      (pip install -r requirements-benchmark.txt)

FOLDER holds JPEGs of faces. Two servers run with the product's settings, one with the fresh catalogue and no records,
one with so many images, each with a face to compare, and records, copied from a real answer's. A client asks them in
turns, so that a slow spell of the machine hits both. Without --database both use SQLite; with it, two databases that
are made beside the named one and dropped at the end. Then photos of 0.3 to 48 megapixels are sent to the small one.
How an answer's time grows with the clients is in serving.py's table.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import load
from harness import CLASSIFY, ROOT, Ratio, Server, environment_of, form, product, read_photos, show

if TYPE_CHECKING:
    from django.db.models import Model

PHOTOS = 32
MEGAPIXELS = (0.3, 1, 3, 8, 12, 24, 48)
DATABASES = ("growth_small", "growth_large")
# What makes rows of a running number differ, by database.
_UNIQUE = {
    "postgresql": {"id": "lpad(to_hex(number), 32, '0')::uuid", "sha256": "lpad(({first} + number)::text, 64, '0')"},
    "sqlite": {"id": "printf('%%032x', number)", "sha256": "printf('%%064d', {first} + number)"},
}


def fill(environment: Mapping[str, str], images: int, records: int) -> str:
    """In a process of its own, which takes on the server's settings: so many images and records. What there is then."""
    os.environ.update({**environment, "DJANGO_SETTINGS_MODULE": "alphaproject.settings"})
    import django  # noqa: PLC0415

    django.setup()
    from django.db import connection  # noqa: PLC0415

    from catalog.models import CelebrityImage, FaceType, ImageEmbedding  # noqa: PLC0415
    from classification.models import Classification  # noqa: PLC0415

    unique = _UNIQUE[connection.vendor]
    version = json.loads((ROOT / "inference" / "weights" / "types.json").read_text())["version"]
    # 128 numbers of half precision, 1/16 each.
    vector = b"\x00\x2c" * 128
    for number, face_type in enumerate(FaceType.objects.order_by("pk")):
        gallery = CelebrityImage.objects.filter(face_type=face_type, gallery_slot__isnull=False)
        places, share = gallery.count(), images // FaceType.objects.count()
        sha256 = unique["sha256"].format(first=number * share)
        _copy(gallery.earliest("pk"), share, {"sha256": sha256, "gallery_slot": f"{places - 1} + number"})
    with connection.cursor() as cursor:
        table = ImageEmbedding._meta.db_table  # noqa: SLF001
        cursor.execute(f"DELETE FROM {table}")
        cursor.execute(
            f"INSERT INTO {table} (image_id, vector, version) SELECT id, %s, %s FROM catalog_celebrityimage",
            [vector, version],
        )
    _copy(Classification.objects.earliest("created_at"), records, {"id": unique["id"]})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "sqlite":
            # So many rows at once leave gigabytes of log that every reader searches; those that come one by one do not.
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return f"{CelebrityImage.objects.count():,} images, {Classification.objects.count():,} records"


def _copy(row: Model, count: int, different: Mapping[str, str]) -> None:
    """Insert copies of a row. different: SQL by column, of the copy's `number`; other columns are as in the row."""
    from django.db import connection, models  # noqa: PLC0415

    meta = row._meta  # noqa: SLF001
    columns = [
        str(field.column)
        for field in meta.concrete_fields
        if field.column in different or not isinstance(field, models.AutoField)
    ]
    values = [different.get(column, f"original.{column}") for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < %s) "
            f"INSERT INTO {meta.db_table} ({', '.join(columns)}) SELECT {', '.join(values)} "
            f"FROM {meta.db_table} original, numbers WHERE original.id = %s",
            [count, meta.pk.get_db_prep_value(row.pk, connection)],
        )


@contextmanager
def databases(url: str | None, folder: Path) -> Iterator[list[str]]:
    """Two empty databases: files in the folder, or beside the named one, dropped at the end."""
    if url is None:
        yield [f"sqlite:///{folder / name}.sqlite3" for name in DATABASES]
        return
    _administer(url, [f'DROP DATABASE IF EXISTS "{name}"' for name in DATABASES])
    _administer(url, [f'CREATE DATABASE "{name}"' for name in DATABASES])
    try:
        yield [urlunsplit(urlsplit(url)._replace(path=f"/{name}")) for name in DATABASES]
    finally:
        _administer(url, [f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)' for name in DATABASES])


def _administer(url: str, statements: list[str]) -> None:
    import psycopg  # noqa: PLC0415 - SQLite needs none

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def medians(servers: list[Server], forms: list[load.Form], rounds: int, seconds: float) -> list[float]:
    """Of each server: the median time of an answer, in milliseconds; the servers take turns."""
    times: list[list[float]] = [[] for _ in servers]
    for _ in range(rounds):
        for own, server in zip(times, servers, strict=True):
            outcome = load.closed(server.url + CLASSIFY, forms, 1, warm_up=seconds / 4, seconds=seconds)
            own.extend(outcome.milliseconds)
    return [statistics.median(own) for own in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--database", help="postgres://…, in which databases may be made")
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows, a few seconds for each number")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    scale, rounds, seconds = (100, 2, 2.0) if arguments.quick else (1, 6, 5.0)
    forms = [form(photo) for photo in read_photos(arguments.folder, PHOTOS)]
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in DATABASES]
        urls = stack.enter_context(databases(arguments.database, folders[0]))
        servers = [
            stack.enter_context(product(folder, DATABASE_URL=url)) for folder, url in zip(folders, urls, strict=True)
        ]
        # The records are copies of an answer that was given.
        load.counted(servers[1].url + CLASSIFY, forms, 1, requests=10)
        started = time.perf_counter()
        rows = in_own_process(
            fill,
            environment_of(folders[1]) | {"DATABASE_URL": urls[1]},
            arguments.images // scale,
            arguments.records // scale,
        )
        print(f"{rows}, filled in {time.perf_counter() - started:.0f} s; the other server has a fresh catalogue's")
        small, large = medians(servers, forms, rounds, seconds)
        print(f"median answer: {small:.1f} ms with few rows, {large:.1f} ms with many")
        print(f"{'megapixels':>11}{'MB':>7}{'median ms':>11}{'95th':>8}")
        for megapixels in MEGAPIXELS:
            photos = read_photos(arguments.folder, 4, megapixels)
            outcome = load.closed(
                servers[0].url + CLASSIFY, [form(photo) for photo in photos], 1, warm_up=seconds / 4, seconds=seconds
            )
            size = sum(map(len, photos)) / len(photos) / 1e6
            print(
                f"{megapixels:>11g}{size:>7.1f}{outcome.percentile(50):>11.1f}{outcome.percentile(95):>8.1f}",
                flush=True,
            )
    show([Ratio("median with a large catalogue and many records ÷ with few", large / small, 1.15, 1.0)], arguments.json)


if __name__ == "__main__":
    main()
