"""What `make run` keeps running: real processes, started and stopped by deploy/run.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Tells its process id and waits.
STAY = "import os, sys, time; print(os.getpid(), file=open(sys.argv[1], 'a'), flush=True); time.sleep(60)"
# Tells its process id and dies.
DIE = "import os, sys; print(os.getpid(), file=open(sys.argv[1], 'a'), flush=True); sys.exit(3)"
# Dies once the other one is there.
DIE_LATER = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).with_name("worker").exists():
    time.sleep(0.05)
sys.exit(3)
"""
SUPERVISE = """
import runpy, sys
supervise = runpy.run_path("deploy/run.py")["supervise"]
sys.exit(supervise(eval(sys.argv[1]), eval(sys.argv[2])))
"""

Start = Callable[[str, str], subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the supervisor over two scripts."""
    started: list[subprocess.Popen[bytes]] = []

    def start(server: str, worker: str) -> subprocess.Popen[bytes]:
        commands = [
            repr([sys.executable, "-c", script, str(tmp_path / name)])
            for name, script in (("server", server), ("worker", worker))
        ]
        started.append(subprocess.Popen([sys.executable, "-c", SUPERVISE, *commands], cwd=ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def pids(path: Path, count: int) -> list[int]:
    """The ids in a file, once there are `count`."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = path.read_text().split() if path.exists() else []
        if len(found) >= count:
            return [int(pid) for pid in found]
        time.sleep(0.05)
    raise AssertionError(f"{path.name} was not started {count} times")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_both(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    run = start(STAY, STAY)
    children = pids(tmp_path / "server", 1) + pids(tmp_path / "worker", 1)

    run.send_signal(number)

    assert run.wait(timeout=30) == 0
    assert not any(map(is_running, children))


def test_a_dead_worker_is_started_again(start: Start, tmp_path: Path) -> None:
    run = start(STAY, DIE)

    assert len(pids(tmp_path / "worker", 2)) >= 2
    assert len(pids(tmp_path / "server", 1)) == 1
    assert run.poll() is None


def test_the_servers_end_ends_all_with_its_status(start: Start, tmp_path: Path) -> None:
    run = start(DIE_LATER, STAY)

    assert run.wait(timeout=30) == 3
    assert not any(map(is_running, pids(tmp_path / "worker", 1)))
