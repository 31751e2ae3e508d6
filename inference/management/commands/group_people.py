"""`manage.py group_people`: find who stands under more than one file name."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.dataset import PEOPLE, DataError, face_files
from inference.training.people import group_people, write_people
from inference.training.teachers import FACE_SCORE, identity_embeddings, load_labelled


class Command(BaseCommand):
    help = "Write the table of people with several portraits, by which the split keeps each person together."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="the data folder")
        parser.add_argument("--out", type=Path, default=PEOPLE, help="where the table goes (the one that is in use)")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            files = face_files(options["data"])
            images = load_labelled(files, options["data"], FACE_SCORE, "label portraits")
        except DataError as error:
            raise CommandError(str(error)) from error
        portraits = [image for image in images if image.faces]
        cache = settings.BASE_DIR / "var" / "training" / "dlib_embeddings.npz"
        people = group_people(files, identity_embeddings(portraits, cache))
        write_people(people, options["out"])
        identities = {identity for _, identity in people}
        self.stdout.write(f"{len(people)} files show {len(identities)} people; the table is {options['out']}")
