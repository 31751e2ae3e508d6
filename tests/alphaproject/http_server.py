"""The product as gunicorn serves it, for tests that need real processes and sockets."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240
TOKEN = "only-for-tests-only-for-tests"


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """What the server reads; everything it writes lies in the folder."""
    return (
        os.environ
        | {
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "STORAGE_FOLDER": str(folder / "storage"),
            "STATIC_FOLDER": str(folder / "static"),
            "MODEL_CACHE_FOLDER": str(folder / "models"),
            "METRICS_TOKEN": TOKEN,
            "LOG_LEVEL": "INFO",
        }
        | variables
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Answer:
    """What came back, and after how many seconds."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float = field(default=0.0, compare=False)

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A client that decides about each byte it sends."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._read = b""

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def read(self) -> Answer:
        """The next answer. Raises ConnectionError where the server closes without one."""
        while b"\r\n\r\n" not in self._read:
            self._read += self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        while len(self._read) < length:
            self._read += self._more()
        body, self._read = self._read[:length], self._read[length:]
        return Answer(int(lines[0].split()[1]), headers, body)

    def is_closed(self) -> bool:
        """Wait for the server's end; whether it came without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _more(self) -> bytes:
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("closed")
        return chunk


@dataclass
class Server:
    """gunicorn, running the product."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def connect(self) -> Connection:
        return Connection(self.port)

    def ask(self, request: bytes) -> Answer:
        with self.connect() as connection:
            started = time.monotonic()
            connection.send(request)
            answer = connection.read()
            answer.seconds = time.monotonic() - started
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask(head("GET", path, **headers))

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def engines(self) -> list[int]:
        """The processes with the models."""
        children = [
            int(child)
            for worker in self.workers()
            for thread in Path(f"/proc/{worker}/task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
        return [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def manage(self, *command: str) -> None:
        """A command of manage.py, on the server's data."""
        manage(self.log.parent, *command)

    def metrics(self) -> dict[str, float]:
        """Values by name and labels, as they are written."""
        text = self.get("/metrics", Authorization=f"Bearer {TOKEN}").body.decode()
        samples = re.findall(r"^([^#\s]\S*(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in samples}


def head(method: str, path: str, **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def upload(photo: bytes, path: str = "/api/v1/classifications/", **headers: str) -> bytes:
    """A whole request that posts a photo."""
    boundary = uuid.uuid4().hex
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="birth_date"\r\n\r\n1996-05-04\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\n\r\n'
    ).encode()
    body += photo + f"\r\n--{boundary}--\r\n".encode()
    content_type = f"multipart/form-data; boundary={boundary}"
    return head("POST", path, Content_Type=content_type, Content_Length=str(len(body)), **headers) + body


def is_running(pid: int) -> bool:
    """Whether the process is there, and not only its exit status that nobody has asked for."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def manage(folder: Path, *command: str) -> None:
    subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment(folder), check=True)


def start(folder: Path, log: Path, *, cwd: Path = ROOT, **variables: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, cwd=cwd, env=environment(folder, **variables), stdout=output, stderr=subprocess.STDOUT
        )


@contextmanager
def serving(folder: Path, **variables: str) -> Iterator[Server]:
    """The product on a database of its own, without a catalogue: enough for photos that are refused."""
    # Pages name their static files by what was collected.
    for command in ("migrate", "collectstatic --no-input"):
        manage(folder, *command.split(), "--verbosity", "0")
    port = free_port()
    log = folder / "log"
    process = start(folder, log, PORT=str(port), **variables)
    server = Server(port, process, log)
    try:
        wait_until_ready(server)
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if server.get("/health/ready").status == 200:
                return
        except OSError:
            pass
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(server.log.read_text())
        time.sleep(0.1)


def lines_of(log: Path) -> list[dict[str, Any]]:
    """The log's lines that are JSON."""
    found = []
    for line in log.read_text().splitlines():
        try:
            found.append(cast("dict[str, Any]", json.loads(line)))
        except ValueError:
            continue
    return found
