from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from catalog.models.jobs import Outcome
from catalog.services.autolabel import AutolabelWorker, autolabel_create, unlabelled_images, unreviewed_images
from catalog.services.jobs import outcome_counts


class Command(BaseCommand):
    help = "Propose part boxes and types for images that nobody labelled, for review in the back office."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--all", action="store_true", help="also images labelled by an earlier model, unless somebody reviewed them"
        )
        which.add_argument(
            "--ids", nargs="+", type=int, metavar="ID", help="these images only, unless somebody reviewed them"
        )

    def handle(self, *, all: bool, ids: list[int] | None, **_options: Any) -> None:  # noqa: A002
        images = unreviewed_images() if all or ids else unlabelled_images()
        if ids:
            images = images.filter(pk__in=ids)
        job = autolabel_create(images=images, created_by=None)
        worker, started = AutolabelWorker(job), time.perf_counter()
        while worker.step():
            job.refresh_from_db(fields=["done"])
            self.stdout.write(f"\r{job.done} of {job.total}", ending="")
            self.stdout.flush()
        seconds = time.perf_counter() - started
        counts = outcome_counts(job)
        self.stdout.write(
            f"\r{job.total} images in {seconds:.1f} s ({job.total / seconds:.1f}/s): "
            + (", ".join(f"{count} {Outcome(outcome).label}" for outcome, count in counts.items()) or "nothing to do")
        )
        for row in job.rows.filter(outcome__in=(Outcome.FAILED, Outcome.REFUSED)).order_by("number"):
            self.stderr.write(f"image {row.image_id}: {row.get_outcome_display()}: {row.message}")
