"""Serve, and do the background work: `python deploy/run.py`, as `make run` does on one machine.

gunicorn and `manage.py db_worker` start and stop together. A worker that dies is started again; when the server dies,
so does the rest, with its exit status. In a deployment of containers each is one of its own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
WORKER = [sys.executable, "manage.py", "db_worker"]
_LOOK_EVERY = 0.5
# Seconds before a dead worker is started again; doubled each time, so that a broken one costs little.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


def supervise(server: list[str], worker: list[str]) -> int:
    """Run both until a signal or the server's end; the exit status."""
    stopping = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def stop(*_: object) -> None:
        stopping.set()
        # A second Ctrl-C makes the worker leave its task.
        for process in running:
            if process.poll() is None:
                process.terminate()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    # Sessions of their own: Ctrl-C reaches only this process, which passes it on once.
    running[:] = [_start(server), _start(worker)]
    pause = _FIRST_PAUSE
    while running[0].poll() is None and not stopping.wait(_LOOK_EVERY):
        if (status := running[1].poll()) is None:
            continue
        print(f"The background worker ended with status {status}; it starts again in {pause:.0f} s.", file=sys.stderr)
        if stopping.wait(pause):
            break
        pause = min(2 * pause, _LONGEST_PAUSE)
        running[1] = _start(worker)
    was_asked = stopping.is_set()
    # Also what was started while the signal came.
    stop()
    statuses = [process.wait() for process in running]
    return 0 if was_asked else statuses[0] or 1


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


if __name__ == "__main__":
    sys.exit(supervise(SERVER, WORKER))
