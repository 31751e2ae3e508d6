"""Release a type model and roll it back while clients send photos; count the answers.

Usage: python benchmarks/release_under_load.py http://127.0.0.1:8000 FOLDER [--clients 4] [--seconds 15]

FOLDER holds JPEGs of faces. The server runs on this machine with the same settings as this script (its .env and its
database) and with THROTTLE_ENABLED=false. The released model is the packaged one with one weight changed by a
trifle; its release stays in the list of releases, withdrawn.
Prints the answers of each version and the longest wait. Exits 1 if any photo was not classified, or if the answers
did not change to the release and back.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from harness import CLASSIFY, form
from safetensors.numpy import load, save

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "inference" / "weights"


@dataclass
class Answers:
    """What all clients got. by_version: photos classified by each version of the type model."""

    by_version: Counter[str] = field(default_factory=Counter)
    failures: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, status: int, body: bytes, seconds: float) -> None:
        with self.lock:
            self.slowest = max(self.slowest, seconds)
            if status == http.client.CREATED:
                self.by_version[json.loads(body)["model"]["types"]] += 1
            else:
                self.failures[status] += 1


def keep_sending(host: str, photos: list[bytes], answers: Answers, is_over: threading.Event) -> None:
    connection = http.client.HTTPConnection(host, timeout=60)
    for photo in cycle(photos):
        if is_over.is_set():
            break
        sent, started = form(photo), time.perf_counter()
        connection.request("POST", CLASSIFY, sent.body, {"Content-Type": sent.content_type})
        response = connection.getresponse()
        answers.add(response.status, response.read(), time.perf_counter() - started)


def make_candidate(folder: Path) -> str:
    """The packaged type model, another one by its hash alone. Returns its version."""
    weights = load((WEIGHTS / "types.safetensors").read_bytes())
    # No two runs may release the same weights.
    weights["bias"] = weights["bias"] + weights["bias"].dtype.type(1e-3 * (time.time() % 1))
    content = save(weights)
    manifest = json.loads((WEIGHTS / "types.json").read_text())
    manifest["sha256"] = sha256(content).hexdigest()
    manifest["version"] = f"types-{manifest['sha256'][:8]}"
    (folder / "types.safetensors").write_bytes(content)
    (folder / "types.json").write_text(json.dumps(manifest))
    version: str = manifest["version"]
    return version


def manage(*command: str) -> None:
    subprocess.run([sys.executable, str(ROOT / "manage.py"), *command], check=True, cwd=ROOT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15, help="before, between and after the two switches")
    arguments = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(arguments.folder.glob("*.jpg"))[:20]]
    answers, is_over = Answers(), threading.Event()
    host = urlsplit(arguments.url).netloc
    clients = [
        threading.Thread(target=keep_sending, args=(host, photos, answers, is_over)) for _ in range(arguments.clients)
    ]
    for client in clients:
        client.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            time.sleep(arguments.seconds)
            candidate = make_candidate(Path(folder))
            manage("release", "types", folder, "--activate", "--force")
        time.sleep(arguments.seconds)
        manage("roll_back", "types")
        before = Counter(answers.by_version)
        time.sleep(arguments.seconds)
    finally:
        is_over.set()
        for client in clients:
            client.join()
    for version, count in answers.by_version.items():
        print(f"{count:6} photos classified by {version}")
    print(f"{answers.failures.total():6} not classified {dict(answers.failures) or ''}")
    print(f"slowest answer {answers.slowest:.2f} s")
    others = answers.by_version.total() - answers.by_version[candidate]
    came_back = others > before.total() - before[candidate]
    if answers.failures or not answers.by_version[candidate] or not came_back:
        sys.exit(1)


if __name__ == "__main__":
    main()
