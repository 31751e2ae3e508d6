"""`manage.py benchmark`: where the time of one analysis goes."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from inference.contracts import PhotoLimits
from inference.evaluation.benchmark import time_stages


class Command(BaseCommand):
    help = "Time the stages of an analysis: median, 95th percentile and share of the whole."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--photo", type=Path, required=True, help="a photo with one face")
        parser.add_argument("--megapixels", type=float, help="scale the photo to this size and encode it as a JPEG")
        parser.add_argument("--batch", type=int, default=1, help="photos analysed together")
        parser.add_argument("--rounds", type=int, default=50)

    def handle(self, *_args: Any, **options: Any) -> None:
        stages = time_stages(
            options["photo"].read_bytes(),
            limits=PhotoLimits(min_face_pixels=settings.MIN_FACE_PIXELS),
            threads=settings.INFERENCE_THREADS,
            megapixels=options["megapixels"],
            batch=options["batch"],
            rounds=options["rounds"],
        )
        self.stdout.write(f"{'stage':<22}{'median ms':>11}{'p95 ms':>9}{'share':>8}   (a photo)")
        for stage in stages:
            self.stdout.write(f"{stage.name:<22}{stage.median:>11.2f}{stage.p95:>9.2f}{stage.share:>8.1%}")
