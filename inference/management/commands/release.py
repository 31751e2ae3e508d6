"""`manage.py release`: put a trained model where the servers find it."""

from __future__ import annotations

import shutil
import tempfile
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inference.comparison import compare
from inference.engine import Engine
from inference.models import ModelName, ModelRelease, ReleaseError
from inference.registry import Manifest, RegistryError, find_manifest
from inference.weights import PACKAGED_WEIGHTS

UNUSABLE, WORSE = 1, 3


class Command(BaseCommand):
    help = (
        "Check a trained model against the one in use and release it: NAME.json and NAME.safetensors in FOLDER. "
        f"Exits with {UNUSABLE} where the files cannot be released and with {WORSE} where --force is needed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=ModelName.values)
        parser.add_argument("folder", type=Path)
        parser.add_argument("--activate", action="store_true", help="put it to use at once, on all servers")
        parser.add_argument("--force", action="store_true", help="release it even if it is worse or not measured")

    def handle(self, *_args: Any, **options: Any) -> None:
        name, folder = options["name"], options["folder"]
        try:
            manifest = _load_on_trial(name, folder)
        except (RegistryError, OSError, KeyError) as error:
            raise CommandError(f"{name} in {folder} does not load: {error}", returncode=UNUSABLE) from error
        self._compare(manifest, force=options["force"])
        try:
            release = ModelRelease.objects.release(
                manifest=asdict(manifest), weights=(folder / f"{name}.safetensors").read_bytes()
            )
        except ReleaseError as error:
            raise CommandError(str(error), returncode=UNUSABLE) from error
        self.stdout.write(f"{release} is released.")
        if options["activate"]:
            release.activate()
            self.stdout.write(f"{release} is in use; running servers switch within seconds.")

    def _compare(self, manifest: Manifest, *, force: bool) -> None:
        in_use = _in_use(manifest.name)
        comparisons = compare(manifest.name, manifest.metrics, in_use["metrics"])
        self.stdout.write(f"{manifest.name} {manifest.version} against {in_use['version']}, which is in use:")
        for comparison in comparisons:
            self.stdout.write(f"  {comparison}")
        if any(comparison.objection for comparison in comparisons) and not force:
            raise CommandError(
                f"{manifest.name} {manifest.version} is not released: it is worse than the one in use, or not "
                "measured. --force releases it all the same.",
                returncode=WORSE,
            )


def _load_on_trial(name: str, folder: Path) -> Manifest:
    """Build the engine as a server would, with this model among the packaged ones, and run it once."""
    with tempfile.TemporaryDirectory() as trial_name:
        trial = shutil.copytree(PACKAGED_WEIGHTS, Path(trial_name), dirs_exist_ok=True)
        for suffix in ("json", "safetensors"):
            shutil.copy(folder / f"{name}.{suffix}", trial)
        Engine(weights_dir=trial).warm_up()
        return find_manifest(name, trial)


def _in_use(name: str) -> dict[str, Any]:
    active = ModelRelease.objects.active().filter(name=name).first()
    return active.manifest if active else asdict(find_manifest(name))
