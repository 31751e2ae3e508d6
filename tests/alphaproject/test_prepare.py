"""What `make run` does before it serves."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command

from catalog.models import FaceType


@pytest.fixture
def prepare() -> str:
    out = StringIO()
    call_command("prepare", stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("catalogue")
def test_fresh_database_gets_an_administrator_whose_password_is_shown_once(prepare: str, tmp_path: Path) -> None:
    password = prepare.partition("password ")[2].split()[0]
    user = authenticate(username="admin", password=password)
    assert user is not None
    assert user.is_superuser
    assert (tmp_path / "static" / "css" / "site.css").exists()

    again = StringIO()
    call_command("prepare", stdout=again)

    assert "password" not in again.getvalue()
    assert get_user_model().objects.count() == 1
    assert FaceType.objects.count() == 5
