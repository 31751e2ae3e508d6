"""Add, kill, stop and replace parts of a Ray cluster while clients send photos; count the answers.

Usage: PYTHONPATH=. python benchmarks/ray_faults.py FOLDER [--nodes 3] [--clients 16] [--seconds 20] [--json FILE]

FOLDER holds JPEGs of faces. The nodes are processes of this machine; each has room for two replicas. The first row
begins with one replica and goes on until Ray has added another, as the load asks for; in all others there are as many
replicas as nodes. Each row is a time of load, a fourth into which the fault happens; that of the replica that hangs
goes on until Ray has replaced it. Prints the photos answered in all and in a second, those refused as busy or for
another reason, and the median and the longest wait. Exits 1 if any photo of a face got no answer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

from safetensors.numpy import load, save

from inference.client import Backend
from inference.serving.ray import ServingOptions
from inference.serving.rollout import Rollout
from inference.weights import PACKAGED_WEIGHTS
from tests.inference.ray_cluster import SECRET, LocalCluster, senders

# Seconds that a client waits, as INFERENCE_TIMEOUT is where nobody sets it.
TIME_LIMIT = 10.0
# Seconds until Ray has given up a replica that hangs, and some more.
PATIENCE = 120.0
OTHER_VERSION = "types-other"


@dataclass(frozen=True, slots=True)
class Row:
    fault: str
    answered: int
    per_second: float
    unanswered: int
    median_ms: float
    longest_ms: float


def write_other_models(folder: Path) -> None:
    """The packaged models, a weight of the type model changed by a trifle."""
    for path in PACKAGED_WEIGHTS.iterdir():
        if path.suffix in {".json", ".safetensors"}:
            (folder / path.name).write_bytes(path.read_bytes())
    weights = load((folder / "types.safetensors").read_bytes())
    next(value for value in weights.values() if value.ndim == 4).flat[0] += 1e-3
    content = save(weights)
    manifest = json.loads((folder / "types.json").read_text())
    manifest |= {"version": OTHER_VERSION, "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "types.safetensors").write_bytes(content)
    (folder / "types.json").write_text(json.dumps(manifest))


def stop_until_replaced(cluster: LocalCluster) -> None:
    before = set(cluster.names())
    stopped, give_up_at = cluster.stop_replica(), time.monotonic() + PATIENCE
    while stopped in (names := set(cluster.names())) or len(names) < len(before):
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{stopped} was not replaced within {PATIENCE:.0f} s")
        time.sleep(0.5)


def wait_for_another_replica(cluster: LocalCluster) -> None:
    before, give_up_at = len(cluster.names()), time.monotonic() + PATIENCE
    while len(cluster.names()) <= before:
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"no replica was added within {PATIENCE:.0f} s")
        time.sleep(0.5)


def measure(
    fault: str,
    cause: Callable[[], object],
    backend: Backend,
    *,
    photos: Sequence[bytes],
    clients: int,
    seconds: float,
) -> Row:
    began = time.monotonic()
    with senders(backend, photos, count=clients, time_limit=TIME_LIMIT) as sent:
        time.sleep(seconds / 4)
        cause()
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    lasted = time.monotonic() - began
    milliseconds = [1000 * value for value in sent.seconds]
    return Row(
        fault, sent.answered, sent.answered / lasted, sent.errors.total(), median(milliseconds), max(milliseconds)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(arguments.folder.glob("*.jpg"))[:20]]

    cluster = LocalCluster(nodes=arguments.nodes, cpus=2)
    try:
        under_load = partial(measure, photos=photos, clients=arguments.clients, seconds=arguments.seconds)
        growing = Rollout(ServingOptions(max_replicas=arguments.nodes), secret=SECRET, url=cluster.urls[0])
        # Nodes listen once they have a replica.
        first = growing(PACKAGED_WEIGHTS)
        rows = [under_load("more load", lambda: wait_for_another_replica(cluster), first)]
        options = ServingOptions(min_replicas=arguments.nodes, max_replicas=arguments.nodes)
        rollout = Rollout(options, secret=SECRET, url=cluster.urls[0])
        rollout(PACKAGED_WEIGHTS)
        cluster.wait_for_addresses()
        backend = cluster.backend()
        with tempfile.TemporaryDirectory() as other:
            write_other_models(Path(other))
            faults: list[tuple[str, Callable[[], object]]] = [
                ("none", lambda: None),
                ("a replica killed", cluster.kill_replica),
                ("a replica hangs", lambda: stop_until_replaced(cluster)),
                ("other models", lambda: rollout(Path(other))),
                ("a node killed", cluster.kill_node),
            ]
            rows += [under_load(name, cause, backend) for name, cause in faults]
            is_replaced = backend.versions().types == OTHER_VERSION
    finally:
        cluster.close()

    print(f"{'fault':<18}{'answered':>9}{'a second':>10}{'unanswered':>12}{'median':>11}{'longest':>12}")
    for row in rows:
        print(
            f"{row.fault:<18}{row.answered:>9}{row.per_second:>10.1f}{row.unanswered:>12}"
            f"{row.median_ms:>8.0f} ms{row.longest_ms:>9.0f} ms"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 0 if is_replaced and not any(row.unanswered for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
