from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from classification.staff_tokens import create_token


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= 365:
        raise argparse.ArgumentTypeError("must be 1 to 365")
    return days


class Command(BaseCommand):
    help = (
        "Print a token with which a program acts for a member of staff: `Authorization: Bearer TOKEN`. It may do what "
        "the user's roles allow. Changing the user's password withdraws it."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--days", type=_days, default=30, help="how long it lasts, 1 to 365; default 30")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        try:
            user = User.objects.get(username=options["username"], is_active=True, is_staff=True)
        except User.DoesNotExist as error:
            raise CommandError("There is no active member of staff of that name.") from error
        self.stdout.write(create_token(user, lifetime=timedelta(days=options["days"])))
