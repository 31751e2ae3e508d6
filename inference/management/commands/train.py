"""`manage.py train`: train one of the models from a data folder."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import torch
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.dataset import DataError
from inference.registry import MODELS
from inference.training import recipes
from inference.training.loop import ForeignCheckpoint, RunOptions


class Command(BaseCommand):
    help = "Train a model and write its weights and cards. A run that was stopped goes on where its last checkpoint is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", choices=MODELS.names)
        parser.add_argument("--data", type=Path, required=True, help="the data folder")
        parser.add_argument("--out", type=Path, help="where checkpoints and the trained model go (var/training/MODEL)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--epochs", type=int, help="of 4,096 samples; the recipe's own number by default")
        parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")

    def handle(self, *_args: Any, **options: Any) -> None:
        torch.set_num_threads(settings.INFERENCE_PROCESSES * settings.INFERENCE_THREADS)
        name: str = options["model"]
        run = RunOptions(
            data=options["data"],
            out=options["out"] or settings.BASE_DIR / "var" / "training" / name,
            seed=options["seed"],
            epochs=options["epochs"] or recipes.EPOCHS[name],
            device=options["device"],
        )
        run.out.mkdir(parents=True, exist_ok=True)
        try:
            manifest = recipes.train(name, run)
        except (DataError, ForeignCheckpoint) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{manifest.name} {manifest.version} is in {run.out}")
