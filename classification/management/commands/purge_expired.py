from typing import Any

from django.core.management.base import BaseCommand

from catalog.services.job_workers import imports_expire
from classification import boards, services


class Command(BaseCommand):
    help = "Erase expired classifications with their photos, boards, and uploads that nobody confirmed. Run it daily."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        erased = services.expired_purge()
        self.stdout.write(f"{erased} expired classifications erased")
        self.stdout.write(f"{boards.expired_boards_purge()} expired boards erased")
        self.stdout.write(f"{imports_expire()} forgotten imports ended")
