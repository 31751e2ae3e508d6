from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand

from alphaproject.roles import roles_update

ADMIN_NAME = "admin"


class Command(BaseCommand):
    help = (
        "Make this installation ready to serve: database, catalogue, roles, static files and, in a database without "
        "users, an administrator. Safe to repeat."
    )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
            # It holds birth dates: nobody else on this machine reads it.
            (settings.BASE_DIR / "var").mkdir(mode=0o700, exist_ok=True)
        call_command("migrate", verbosity=0)
        call_command("seed_catalog", stdout=self.stdout)
        roles_update()
        call_command("collectstatic", interactive=False, verbosity=0)
        self._create_admin()

    def _create_admin(self) -> None:
        users = get_user_model().objects
        if users.exists():
            return
        password = secrets.token_urlsafe(12)
        users.create_superuser(username=ADMIN_NAME, password=password)
        self.stdout.write(f"Back office: /admin/, user {ADMIN_NAME}, password {password} (shown only now)")
