from typing import Any

from django.core.management.base import BaseCommand

from classification import services


class Command(BaseCommand):
    help = "Erase every expired classification and its photo. Run it daily."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        erased = services.expired_purge()
        self.stdout.write(f"{erased} expired classifications erased")
