from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import CatalogError
from catalog.services.label_export import accepted_labels, export_target, labels_export


class Command(BaseCommand):
    help = "Write the accepted labels and their pictures the way training reads them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="FOLDER|ZIP")

    def handle(self, *, path: Path, **_options: Any) -> None:
        started = time.perf_counter()
        try:
            with export_target(path) as target:
                outcome = labels_export(labels=accepted_labels(), target=target, created_by=None)
        except CatalogError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error
        known = "" if outcome.is_new else ", the same as an earlier export"
        self.stdout.write(
            f"{outcome.export.label_count} labels in {time.perf_counter() - started:.1f} s to {path}\n"
            f"labels.csv has SHA-256 {outcome.export.sha256}{known}"
        )
