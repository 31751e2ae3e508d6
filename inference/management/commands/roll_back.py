"""`manage.py roll_back`: withdraw a model's release from all servers."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inference.models import ModelName, ModelRelease


class Command(BaseCommand):
    help = "Withdraw the release of a model that is in use; the one before it, or the packaged weights, runs again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=ModelName.values)

    def handle(self, *_args: Any, **options: Any) -> None:
        release = ModelRelease.objects.active().filter(name=options["name"]).first()
        if release is None:
            raise CommandError(f"no release of {options['name']} is in use: its packaged weights are")
        previous = release.roll_back()
        back_to = previous or "the packaged weights"
        self.stdout.write(f"{release} is withdrawn; running servers go back to {back_to} within seconds.")
