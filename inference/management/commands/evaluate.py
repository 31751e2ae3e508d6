"""`manage.py evaluate`: measure the released models on files held out from training."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import torch
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.contracts import PhotoLimits
from inference.dataset import DataError
from inference.engine import Engine
from inference.evaluation.gate import evaluate_gate
from inference.evaluation.parts import evaluate_parts
from inference.evaluation.report import Report, write_json
from inference.evaluation.types import evaluate_types
from inference.training.release import record_metrics
from inference.weights import PACKAGED_WEIGHTS

_EVALUATIONS = {"gate": evaluate_gate, "parts": evaluate_parts, "types": evaluate_types}


class Command(BaseCommand):
    help = "Measure the models on the held-out fifth of a data folder, from bytes to answers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", choices=[*_EVALUATIONS, "all"])
        parser.add_argument("--data", type=Path, required=True, help="the data folder")
        parser.add_argument("--weights", type=Path, default=PACKAGED_WEIGHTS, help="a folder of models to measure")
        parser.add_argument("--json", type=Path, help="also write the numbers to this file")
        parser.add_argument("--html", type=Path, help="also draw plots, groups and the worst cases into this file")
        parser.add_argument("--update-cards", action="store_true", help="write the numbers into the models' cards")

    def handle(self, *_args: Any, **options: Any) -> None:
        torch.set_num_threads(settings.INFERENCE_PROCESSES * settings.INFERENCE_THREADS)
        engine = Engine(PhotoLimits(min_face_pixels=settings.MIN_FACE_PIXELS), options["weights"])
        names = list(_EVALUATIONS) if options["model"] == "all" else [options["model"]]
        reports: list[Report] = []
        for name in names:
            try:
                report = _EVALUATIONS[name](engine, options["data"])
            except DataError as error:
                raise CommandError(str(error)) from error
            reports.append(report)
            self.stdout.write(report.as_table())
            for case, what in report.failures:
                self.stdout.write(f"  {case}: {what}")
            if options["update_cards"]:
                _record(name, report, options["weights"])
        if options["json"]:
            write_json(reports, options["json"])
        if options["html"]:
            _write_html(dict(zip(names, reports, strict=True)), options["data"], options["html"])


def _record(name: str, report: Report, weights: Path) -> None:
    known = [*report.measurements, *report.quoted]
    record_metrics(
        name,
        weights,
        {row.metric: round(row.value, 4) for row in report.measurements},
        f"manage.py evaluate {name} --data DIR",
        cases={row.metric: row.cases for row in known},
        intervals={row.metric: [round(bound, 4) for bound in row.interval] for row in known if row.interval},
    )


def _write_html(reports: dict[str, Report], data: Path, path: Path) -> None:
    # Numbers alone need no plots, which take a second to load.
    from inference.evaluation.html import write_html  # noqa: PLC0415
    from inference.evaluation.pages import PAGES  # noqa: PLC0415

    write_html([PAGES[name](report, data) for name, report in reports.items()], path)
