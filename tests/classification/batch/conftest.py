"""Photos to classify, and the command as a person runs it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from catalog.models import Celebrity
from catalog.portraits import draw_portrait
from catalog.services.seed import catalog_seed
from inference import bulk
from tests.classification.batch import fake_engine
from tests.images import jpeg

Classify = Callable[..., str]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three portraits, one of them deeper, a text, and a damaged photo."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "first.jpg").write_bytes(draw_portrait(1))
    (folder / "둘째.jpg").write_bytes(draw_portrait(2))
    (folder / "more" / "third.jpg").write_bytes(draw_portrait(3))
    (folder / "notes.txt").write_text("no photo")
    (folder / "damaged.jpg").write_bytes(jpeg()[:500])
    (folder / ".hidden").write_text("not listed")
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The photos that the engine was asked about; it is a fake one."""
    monkeypatch.setitem(bulk.ENGINES, "local", fake_engine.__name__)
    monkeypatch.setattr(fake_engine, "asked", [])
    return fake_engine.asked


@pytest.fixture
def texts(db: None) -> None:
    """Types, policy and sentences; no pictures."""
    # A catalogue that has a celebrity gets no drawn samples.
    Celebrity.objects.create(name_ko="누군가", name_en="Someone")
    catalog_seed()


@pytest.fixture
def classify(texts: None) -> Classify:
    """Run the command; what it printed."""

    def run(source: object, out: object, **options: Any) -> str:
        printed = StringIO()
        call_command("classify_photos", str(source), out=str(out), stdout=printed, **options)
        return printed.getvalue()

    return run


def rows_of(table: Path) -> dict[str, dict[str, str]]:
    """A CSV's rows, by the file's name."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    by_name = {Path(row["source"]).name: row for row in rows}
    assert len(by_name) == len(rows)
    return by_name
