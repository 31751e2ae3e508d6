from __future__ import annotations

import csv
import time
from argparse import ArgumentParser
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import CatalogError
from catalog.models import Job
from catalog.models.jobs import Outcome
from catalog.services.archives import Archive, FolderArchive, open_zip
from catalog.services.image_import import FAULTS, import_confirm, import_create
from catalog.services.job_workers import import_worker
from catalog.services.jobs import job_cancel, outcome_counts
from catalog.services.tables import neutral_cell


class Command(BaseCommand):
    help = (
        "Add celebrities' pictures from a ZIP or a folder that holds a CSV with the columns file, name_ko, name_en "
        "and, where known, source, licence, attribution, type. Each picture is checked; nothing is added where one has "
        "a fault, unless --keep-good is given. It can be repeated: what is there already stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="ZIP|FOLDER")
        parser.add_argument(
            "--csv", default="", metavar="NAME", help="the table's name inside, where there are several"
        )
        parser.add_argument("--keep-good", action="store_true", help="add the good ones although others have faults")
        parser.add_argument("--allow-similar", action="store_true", help="add pictures that look like others, too")
        parser.add_argument("--report", type=Path, metavar="CSV", help="write what became of each row")

    def handle(self, *, path: Path, csv: str, keep_good: bool, allow_similar: bool, **options: Any) -> None:
        report: Path | None = options["report"]
        started = time.perf_counter()
        try:
            with _open(path) as archive:
                job = import_create(archive=archive, created_by=None, table_name=csv, allow_similar=allow_similar)
                self._work(job, archive)
                faults = sum(count for outcome, count in outcome_counts(job).items() if outcome in FAULTS)
                if faults and not keep_good:
                    job_cancel(job=job)
                else:
                    import_confirm(job=job)
                    self._work(job, archive)
        except CatalogError as error:
            raise CommandError(str(error)) from error
        seconds = time.perf_counter() - started
        for row in job.rows.filter(outcome__in=FAULTS).order_by("number"):
            self.stderr.write(f"row {row.number}, {row.name}: {row.message}")
        if report:
            _write_report(job, report)
        counts = ", ".join(f"{count} {Outcome(outcome).label}" for outcome, count in outcome_counts(job).items())
        self.stdout.write(f"{job.total} rows in {seconds:.1f} s ({job.total / seconds:.1f}/s): {counts}")
        if job.state == Job.State.CANCELLED:
            raise CommandError(f"Nothing was added: {faults} rows have faults. --keep-good adds the others.")

    def _work(self, job: Job, archive: Archive) -> None:
        worker, verb = import_worker(job, archive), job.get_state_display()
        while worker.step():
            job.refresh_from_db(fields=["done"])
            self.stdout.write(f"\r{verb}: {job.done} of {job.total}", ending="")
            self.stdout.flush()
        job.refresh_from_db()
        self.stdout.write("")


@contextmanager
def _open(path: Path) -> Generator[Archive]:
    if path.is_dir():
        yield FolderArchive(path)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    with file, open_zip(file) as archive:
        yield archive


def _write_report(job: Job, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "file", "outcome", "reason", "image"])
        for row in job.rows.order_by("number").iterator():
            writer.writerow([row.number, neutral_cell(row.name), row.outcome, neutral_cell(row.message), row.image_id])
