"""`manage.py benchmark`: where the time of an analysis goes, and how near the engine comes to its nets' own time."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import torch
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.contracts import FaceAnalysis, InferenceError, PhotoLimits
from inference.decoding import decode
from inference.engine import Engine
from inference.evaluation.benchmark import Report, measure
from inference.evaluation.camera import as_from_camera

MUST, AIM = 0.75, 0.9
LOADED_MUST, LOADED_AIM = 0.7, 0.85


class Command(BaseCommand):
    help = "Time the stages of an analysis, the engine, and as its limit the decoder and the nets alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "photos", type=Path, help="a photo, or a folder of JPEGs; those without one face are left out"
        )
        parser.add_argument("--count", type=int, default=32, help="of the folder's photos")
        parser.add_argument("--batch", type=int, nargs="+", default=[1, 16], help="photos analysed together")
        parser.add_argument("--megapixels", type=float, help="enlarge the photos to this size, as from a camera")
        parser.add_argument("--rounds", type=int, default=40)
        parser.add_argument("--device", default="cpu", help="as torch names it")
        parser.add_argument("--quick", action="store_true", help="four rounds on eight photos")
        parser.add_argument("--json", type=Path, help="write the numbers to this file")

    def handle(self, *_args: Any, **options: Any) -> None:
        count, rounds = (8, 4) if options["quick"] else (options["count"], options["rounds"])
        torch.set_num_threads(settings.INFERENCE_THREADS)
        cv2.setNumThreads(1)
        limits = PhotoLimits(min_face_pixels=settings.MIN_FACE_PIXELS)
        engine = Engine(limits, device=options["device"])
        engine.warm_up(max(options["batch"]))
        photos = _usable(engine, _read(options["photos"], count, options["megapixels"]), limits)
        self.stdout.write(
            f"{len(photos)} photos, {sum(map(len, photos)) / len(photos) / 1e6:.2f} MB each; {rounds} rounds after one "
            f"of each batch to warm up; {settings.INFERENCE_THREADS} threads, {options['device']}"
        )
        reports = {
            batch: measure(engine, photos, limits=limits, batch=batch, rounds=rounds) for batch in options["batch"]
        }
        for batch, report in reports.items():
            self._show(batch, report)
        if options["json"]:
            options["json"].write_text(
                json.dumps({batch: asdict(report) for batch, report in reports.items()}, indent=2)
            )

    def _show(self, batch: int, report: Report) -> None:
        self.stdout.write(f"\n{f'batch {batch}':<26}{'median ms':>11}{'95th':>9}{'share':>8}   a photo")
        for stage in report.stages:
            self.stdout.write(f"{stage.name:<26}{stage.median:>11.2f}{stage.p95:>9.2f}{stage.share:>8.1%}")
        self.stdout.write(f"engine: {report.photos_per_second:.1f} photos a second, the next batch decoded meanwhile")
        self.stdout.write(f"limit ÷ whole: {report.of_limit:.2f} (must {MUST}, aim {AIM})")
        if report.loaded_of_nets is not None:
            asked = f"must {LOADED_MUST}, aim {LOADED_AIM}"
            self.stdout.write(f"decoded photos on the device ÷ nets alone: {report.loaded_of_nets:.2f} ({asked})")


def _read(path: Path, count: int, megapixels: float | None) -> list[bytes]:
    files = sorted(path.glob("*.jpg")) if path.is_dir() else [path]
    if not files:
        raise CommandError(f"no JPEG is in {path}")
    try:
        photos = [file.read_bytes() for file in files[:: max(1, len(files) // count)][:count]]
        return [as_from_camera(photo, megapixels) for photo in photos] if megapixels else photos
    except (OSError, InferenceError) as error:
        raise CommandError(f"{path}: {error}") from error


def _usable(engine: Engine, photos: list[bytes], limits: PhotoLimits) -> list[bytes]:
    try:
        answers = engine.analyze([decode(photo, limits) for photo in photos])
    except InferenceError as error:
        raise CommandError(str(error)) from error
    usable = [photo for photo, answer in zip(photos, answers, strict=True) if isinstance(answer, FaceAnalysis)]
    if not usable:
        raise CommandError("none of the photos shows one face that can be judged")
    return usable
