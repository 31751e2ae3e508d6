"""`manage.py classify_photos`: many photos into a table. docs/batch.md tells how to use it."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import closing
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from tqdm import tqdm

import catalog.selectors
from catalog.errors import STORAGE_ERRORS
from classification.batch.journal import UnusableJournal
from classification.batch.outputs import DatabaseOutput, FileOutput, Output, journal_of
from classification.batch.results import fingerprint
from classification.batch.run import Failure, Report, photos_classify, unread_code
from classification.batch.sources import PhotoReader, S3Storage, Source, UnusableSource, source_of
from classification.batch.tables import SUFFIXES, ParquetUnavailable, check_format
from classification.problems import problem_of
from inference.apps import bulk_job
from inference.bulk import ENGINES, Crashed, EngineUnavailable, bulk_engine
from inference.models import ReleaseError

DATABASE = "db"
# Exit statuses besides 0 and those of Django, 1 and 2.
SOME_UNREAD = 3
INTERRUPTED = 130


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("must be 1 or more")
    return number


class Command(BaseCommand):
    help = (
        "Classify every photo of a folder, a manifest or an S3 prefix, with a row for each: its type, or the code it "
        "is refused with. The same command goes on where an earlier run was stopped or killed. Exit status: 0 every "
        "photo has its row; 1 the batch could not run; 3 some photos could not be read, the same command tries them "
        "again; 130 interrupted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source",
            metavar="SOURCE",
            help="a folder; a .txt with a path or s3:// URL a line, or a .csv with them in the column “source”; or "
            "s3://bucket/prefix",
        )
        parser.add_argument("--out", required=True, metavar="FILE.csv|FILE.parquet|db", help="where the rows go")
        parser.add_argument(
            "--engine", choices=ENGINES, default="local", help="this machine (the default) or a Ray cluster"
        )
        parser.add_argument(
            "--workers",
            type=_positive,
            help="how many engines work at once, each with about 500 MB of memory; default: two for each GPU, or "
            "without one INFERENCE_PROCESSES times INFERENCE_THREADS, or one for each core of the Ray cluster",
        )

    def handle(self, *, source: str, out: str, engine: str, workers: int | None, **_options: Any) -> None:
        storage = _s3_storage()
        started = time.perf_counter()
        try:
            photos = _photos_of(source, storage)
            runner = bulk_engine(engine)
            job = bulk_job(PhotoReader(settings.MAX_PHOTO_BYTES, storage))
            policy = catalog.selectors.active_policy()
            with closing(_output(out, source, fingerprint(job.versions, policy))) as output, _Bar(photos) as bar:
                report = photos_classify(
                    source=photos,
                    output=output,
                    engine=runner,
                    job=job,
                    policy=policy,
                    workers=workers,
                    listener=bar,
                )
        except (UnusableSource, UnusableJournal, ParquetUnavailable, EngineUnavailable) as error:
            raise CommandError(str(error)) from error
        except (ReleaseError, sqlite3.Error, Error, *STORAGE_ERRORS) as error:
            raise CommandError(f"The models cannot be read, or the rows cannot be written: {error}") from error
        except KeyboardInterrupt:
            self.stderr.write("Stopped. The same command goes on from here.")
            sys.exit(INTERRUPTED)
        self._tell(report, out, time.perf_counter() - started)
        if report.unread:
            sys.exit(SOME_UNREAD)

    def _tell(self, report: Report, out: str, seconds: float) -> None:
        refused = ", ".join(f"{count} {code}" for code, count in report.refused.most_common())
        unread = ", ".join(f"{count} {code}" for code, count in report.unread.most_common())
        self.stdout.write(
            f"{report.done} photos in {seconds:.1f} s ({report.done / seconds:.1f}/s): {report.classified} classified, "
            f"{report.refused.total()} refused" + (f" ({refused})" if refused else "")
        )
        if report.known:
            self.stdout.write(f"{report.known} had their row already.")
        if unread:
            self.stdout.write(f"Without a row: {unread}. The same command tries them again.")
        self.stdout.write("The rows are in the database." if out == DATABASE else f"The rows are in {out}.")


class _Bar:
    """Progress with rate and time left, and a line for each photo that got no type."""

    def __init__(self, photos: Source) -> None:
        # In a log, a line twice a minute will do.
        self._bar = tqdm(unit=" photos", smoothing=0.05, mininterval=0.5 if sys.stderr.isatty() else 30)
        # By code: curators' sentences come from the database, and a million refusals need not ask for each.
        self._sentences: dict[str, str] = {}
        # A daemon: nobody waits for the count of a bucket whose photos are all done.
        threading.Thread(target=self._count, args=(photos,), name="counting", daemon=True).start()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def known(self, count: int) -> None:
        # They say nothing about the rate.
        self._bar.initial += count
        self._bar.n += count

    def done(self, source: str, failure: Failure | None) -> None:
        if failure is not None:
            code = unread_code(failure)
            line = f"{source}: {code}: {self._reason(failure)}"
            self._bar.write("".join(each if each.isprintable() else "?" for each in line), file=sys.stderr)
        self._bar.update()

    def _reason(self, failure: Failure) -> str:
        if isinstance(failure, OSError):
            return failure.strerror or str(failure)
        if isinstance(failure, Crashed):
            return str(failure)
        if failure.code not in self._sentences:
            self._sentences[failure.code] = problem_of(failure).detail
        return self._sentences[failure.code]

    def _count(self, photos: Source) -> None:
        """While the first photos are analysed: a large bucket takes minutes to list."""
        try:
            self._bar.total = sum(1 for _name in photos.names())
        except UnusableSource:
            # Whoever reads the names says so.
            return


def _photos_of(source: str, storage: S3Storage) -> Source:
    """Raises UnusableSource, also where there is no photo: a mistyped prefix must not look like work done."""
    photos = source_of(source, storage)
    if next(photos.names(), None) is None:
        raise UnusableSource(f"There is no photo in {source}.")
    return photos


def _output(out: str, source: str, made_with: str) -> Output:
    if out == DATABASE:
        return DatabaseOutput(made_with=made_with)
    path = Path(out)
    if path.suffix not in SUFFIXES:
        raise CommandError(f"--out must be {DATABASE} or end in {' or '.join(SUFFIXES)}.")
    if not path.parent.is_dir():
        raise CommandError(f"There is no folder {path.parent}.")
    check_format(path)
    if path.exists() and not journal_of(path).exists():
        raise CommandError(f"{path} is there already. Remove it or choose another name.")
    return FileOutput(path, source=source, made_with=made_with)


def _s3_storage() -> S3Storage:
    """The product's own bucket's endpoint, where it has one."""
    options = settings.STORAGES["default"].get("OPTIONS", {})
    return S3Storage(endpoint_url=options.get("endpoint_url"), region_name=options.get("region_name"))
