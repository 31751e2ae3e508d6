from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.services.embeddings import images_embed, images_to_embed


class Command(BaseCommand):
    help = (
        "Embed the catalogue's pictures that the type model in use has not looked at, so that results can show the "
        "celebrities most like a person. It goes on where an earlier run was stopped. Run it after another type model "
        "was put to use."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        embedded, faceless, failed = 0, 0, 0
        last: int | None = 0
        with tqdm(total=images_to_embed().count(), unit=" images", disable=not sys.stderr.isatty()) as bar:
            while last is not None:
                step = images_embed(after=last)
                for pk in step.failed:
                    self.stderr.write(f"image {pk}: it cannot be read or analysed now")
                embedded, faceless, failed = (
                    embedded + step.embedded,
                    faceless + step.faceless,
                    failed + len(step.failed),
                )
                bar.update(step.embedded + step.faceless + len(step.failed))
                last = step.last
        self.stdout.write(f"{embedded} images embedded, {faceless} without a usable face, {failed} failed.")
        if failed:
            raise CommandError("Run it again for the images that failed.")
