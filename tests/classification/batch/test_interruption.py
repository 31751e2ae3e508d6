"""The command in a process of its own, killed and stopped amid its work."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from catalog.portraits import draw_portrait
from classification.batch.journal import Journal
from classification.batch.results import PhotoResult
from tests.classification.batch.conftest import Classify, rows_of

ROOT = Path(__file__).resolve().parents[3]
COUNT = 120

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    portrait = draw_portrait(1)
    for number in range(COUNT):
        (folder / f"{number}.jpg").write_bytes(portrait)
    return folder


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Where the tests run in a shell's background, SIGINT is ignored, and the command would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(source: Path, out: Path) -> subprocess.Popen[str]:
    at = connection.settings_dict
    address = (
        f"sqlite:///{at['NAME']}"
        if connection.vendor == "sqlite"
        else f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    )
    return subprocess.Popen(
        [sys.executable, "manage.py", "classify_photos", str(source), "--out", str(out), "--workers", "1"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_size(journal: Path) -> None:
    """Until rows are on the disk: each is some hundred bytes."""
    ends = time.monotonic() + 120
    log = journal.with_name(f"{journal.name}-wal")
    while time.monotonic() < ends:
        if log.exists() and log.stat().st_size > 60_000:
            return
        time.sleep(0.02)
    pytest.fail("no rows in two minutes")


def processes_of(session: int) -> list[int]:
    """Those that are alive in a session."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, IndexError):
            continue
        if entry.name.isdigit() and int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def wait_until_nothing_runs(session: int) -> None:
    ends = time.monotonic() + 30
    while processes_of(session) and time.monotonic() < ends:
        time.sleep(0.05)
    assert processes_of(session) == []


def test_after_kill_9_no_photo_is_lost_or_done_twice(
    many: Path, classify: Classify, asked: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    run = start(many, out)
    wait_for_size(tmp_path / "out.csv.journal")

    run.kill()
    run.communicate()

    assert run.returncode == -signal.SIGKILL
    assert not out.exists()
    # The process with the models notices, and ends as well.
    wait_until_nothing_runs(run.pid)

    told = classify(many, out)

    rows = rows_of(out)
    assert len(rows) == COUNT
    known = COUNT - len(asked)
    assert 0 < known < COUNT
    assert f"{known} had their row already." in told


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(
    many: Path, classify: Classify, asked: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    run = start(many, out)
    wait_for_size(tmp_path / "out.csv.journal")

    # A terminal sends it to every process of the command.
    os.killpg(run.pid, signal.SIGINT)
    _told, said = run.communicate(timeout=60)

    assert run.returncode == 130
    assert "Stopped. The same command goes on from here." in said
    assert "Traceback" not in said
    # What Python starts beside processes, to tidy up after them, notices a moment later.
    wait_until_nothing_runs(run.pid)
    with closing(sqlite3.connect(tmp_path / "out.csv.journal")) as journal:
        (kept,) = journal.execute("SELECT count(*) FROM result").fetchone()
    assert 0 < kept < COUNT

    classify(many, out)
    assert len(rows_of(out)) == COUNT
    assert len(asked) == COUNT - kept


def test_a_journal_survives_being_cut_off_amid_a_write(tmp_path: Path) -> None:
    path = tmp_path / "out.csv.journal"
    models = {"gate": "1", "parts": "1", "types": "1"}
    journal = Journal(path, source="photos", made_with="x")
    for number in range(50):
        journal.add([PhotoResult(source=str(number), models=models, refusal="no_face")])
    log = path.with_name(f"{path.name}-wal")
    whole = log.read_bytes()
    copy = tmp_path / "cut.journal"
    copy.write_bytes(path.read_bytes())
    copy.with_name(f"{copy.name}-wal").write_bytes(whole[: len(whole) - 1000])
    journal.close()

    again = Journal(copy, source="photos", made_with="x")

    rows = [result.source for result in again.results()]
    again.close()
    assert rows == [str(number) for number in range(len(rows))]
    assert len(rows) == 49
