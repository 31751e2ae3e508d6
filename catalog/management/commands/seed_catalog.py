from typing import Any

from django.core.management.base import BaseCommand

from catalog.services.seed import catalog_seed


class Command(BaseCommand):
    help = "Add the types, texts, scoring policy and sample portraits that a fresh catalogue lacks."

    def handle(self, *_args: Any, **_options: Any) -> None:
        added = catalog_seed()
        self.stdout.write(
            f"Catalogue: added {added.face_types} types, {added.guidance} guidance texts, "
            f"{added.policies} scoring policies and {added.images} sample images."
        )
