"""A photo classified where only the packages of requirements-web.txt can be imported; see test_ray.py."""

from __future__ import annotations

import importlib.metadata
import io
import json
import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class Absent(MetaPathFinder):
    """Modules of all packages but those that the file names."""

    def __init__(self, requirements: str) -> None:
        named = {_normal(line.partition("==")[0]) for line in requirements.splitlines() if "==" in line}
        modules = importlib.metadata.packages_distributions()
        self.modules = {module for module, names in modules.items() if not named & {_normal(name) for name in names}}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self.modules:
            raise ModuleNotFoundError(f"{name} is not in requirements-web.txt", name=name)
        return None


absent = Absent((ROOT / "requirements-web.txt").read_text())
sys.meta_path.insert(0, absent)

import django  # noqa: E402

django.setup()

from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402 - Django is set up only now
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from inference import client  # noqa: E402

call_command("check", stdout=io.StringIO())
call_command("migrate", verbosity=0)
call_command("seed_catalog", stdout=io.StringIO())
client.warm_up()
photo = SimpleUploadedFile("portrait.jpg", Path(sys.argv[1]).read_bytes())
answer = Client().post("/api/v1/classifications/", {"photo": photo, "birth_date": "1996-05-04"})
facts = {"status": answer.status_code, "absent": sorted(absent.modules), "model": answer.json().get("model")}
print(json.dumps(facts), flush=True)  # noqa: T201
