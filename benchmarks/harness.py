"""What the benchmarks share: photos, the product's server, its memory, and ratios with what they must and should be."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from load import Form  # noqa: E402

from inference.evaluation.camera import as_from_camera  # noqa: E402

CLASSIFY = "/api/v1/classifications/"
_START_SECONDS, _STOP_SECONDS = 180, 60
# Characters.
_LOG_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of the table. A larger value is better unless `must` is the larger bound."""

    name: str
    value: float
    must: float
    aim: float

    @property
    def verdict(self) -> str:
        def reached(bound: float) -> bool:
            return self.value <= bound if self.must > self.aim else self.value >= bound

        return "reaches its aim" if reached(self.aim) else "good enough" if reached(self.must) else "FALLS SHORT"

    def __str__(self) -> str:
        return f"{self.name:<62}{self.value:>9.2f}{self.must:>8g}{self.aim:>8g}  {self.verdict}"


def show(ratios: list[Ratio], path: Path | None) -> None:
    """Print the table; write it to `path` as JSON too."""
    print(f"\n{'':<62}{'measured':>9}{'must':>8}{'aim':>8}")
    for ratio in ratios:
        print(ratio)
    if path:
        path.write_text(json.dumps([asdict(ratio) | {"verdict": ratio.verdict} for ratio in ratios], indent=2) + "\n")


def read_photos(folder: Path, count: int, megapixels: float | None = None) -> list[bytes]:
    """So many different JPEGs of a folder, evenly spread; enlarged as if a camera had taken them."""
    paths = sorted(folder.glob("*.jpg"))
    if not paths:
        raise SystemExit(f"no JPEG is in {folder}")
    photos = [path.read_bytes() for path in paths[:: max(1, len(paths) // count)][:count]]
    return [as_from_camera(photo, megapixels) for photo in photos] if megapixels else photos


def form(photo: bytes) -> Form:
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="birth_date"\r\n\r\n1996-05-04\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return Form(head.encode() + photo + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}")


def resident_megabytes(pid: int) -> float:
    """Of a process and its descendants. A child that ends while it is looked at counts nothing."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        # Each thread has children of its own.
        threads = Path(f"/proc/{pid}/task").glob("*/children")
        children = [child for thread in threads for child in thread.read_text().split()]
    except FileNotFoundError:
        return 0.0
    own = next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)
    return own + sum(resident_megabytes(int(child)) for child in children)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens. pid: of its main process."""

    url: str
    pid: int


@contextmanager
def product(folder: Path, **settings: str) -> Iterator[Server]:
    """gunicorn as the product runs it, with a database and files of its own in `folder`.

    Only what keeps a benchmark from being one differs: nobody is throttled, and HTTP is plain.
    settings: of the environment, such as DATABASE_URL.
    """
    port = free_port()
    environment = environment_of(folder) | settings | {"PORT": str(port)}
    subprocess.run(
        [sys.executable, "manage.py", "prepare"], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
    with _running(command, environment, folder / "log") as process:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(f"{url}/health/ready", process)
        yield Server(url, process.pid)


@contextmanager
def peer(settings: ServingSettings) -> Iterator[Server]:
    """LitServe with the same engine, processes, threads and batch; see peer.py."""
    port = free_port()
    options = map(str, (port, settings.processes, settings.threads, settings.batch))
    command = [sys.executable, str(ROOT / "benchmarks" / "peer.py"), *options]
    with tempfile.TemporaryDirectory() as folder, _running(command, os.environ, Path(folder) / "log") as process:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(f"{url}/health", process)
        yield Server(url, process.pid)


@contextmanager
def standing_still(*servers: Server) -> Iterator[None]:
    """Servers take nothing of the machine but memory in this context."""
    for server in servers:
        os.killpg(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGCONT)


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a server whose data lie in `folder`."""
    return {
        **os.environ,
        "ENV_FILE": os.devnull,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PHOTO_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "STORAGE_FOLDER": str(folder / "storage"),
        "MODEL_CACHE_FOLDER": str(folder / "models"),
        "HTTPS": "false",
        "THROTTLE_ENABLED": "false",
    }


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """threads, batch: of each process."""

    processes: int
    threads: int
    batch: int

    def __str__(self) -> str:
        return f"{self.processes} processes, {self.threads} threads each, batches of {self.batch}"


def serving_settings() -> ServingSettings:
    """The product's on this machine, as its settings work them out."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = "s.WEB_CONCURRENCY * s.INFERENCE_PROCESSES, s.INFERENCE_THREADS, s.INFERENCE_BATCH"
        code = f"from django.conf import settings as s; print({numbers})"
        environment = environment_of(Path(folder)) | {"DJANGO_SETTINGS_MODULE": "alphaproject.settings"}
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
        )
    return ServingSettings(*map(int, found.stdout.split()))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process; the end of its log is shown where something fails."""
    # A benchmark that is ended ends its servers, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(environment), stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    except BaseException:
        print(log.read_text(errors="replace")[-_LOG_SHOWN:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        # LitServe leaves its workers behind.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    raise SystemExit(f"{url} did not answer within {_START_SECONDS} s")
