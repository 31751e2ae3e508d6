"""The models on a real Ray cluster of two nodes: answers, refusals, other models, lost replicas and nodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3
from django.db import connection
from ray import serve
from structlog.testing import capture_logs

from catalog.portraits import draw_portrait
from inference.client import BackendOptions
from inference.contracts import Busy, FaceAnalysis, InferenceError
from inference.registry import CorruptWeights
from inference.serving.local import LocalBackend
from inference.serving.ray import ServingOptions
from inference.serving.remote import RemoteBackend
from inference.serving.rollout import Rollout
from inference.weights import PACKAGED_WEIGHTS
from tests.images import jpeg
from tests.inference.factories import make_release
from tests.inference.ray_cluster import SECRET, LocalCluster, senders

# All in one test process: each would start a cluster of its own.
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.cluster]

ROOT = Path(__file__).parents[2]
OPTIONS = ServingOptions(min_replicas=2, max_replicas=2, cpus=1, max_batch=2, max_waiting=4)
# Seconds; a machine that does other work starts replicas slowly.
LIMIT = 60.0
# Between a sender's photos, where new replicas need the cores to start.
PAUSE = 0.2


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    cluster = LocalCluster(nodes=2, cpus=2)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def rollout(cluster: LocalCluster) -> Rollout:
    rollout = Rollout(OPTIONS, secret=SECRET, url=cluster.urls[0])
    rollout(PACKAGED_WEIGHTS)
    cluster.wait_for_addresses()
    return rollout


@pytest.fixture(scope="module")
def remote(cluster: LocalCluster, rollout: Rollout) -> RemoteBackend:
    return cluster.backend()


@pytest.fixture(scope="module")
def portrait() -> bytes:
    return draw_portrait(0)


def outcome(backend: LocalBackend | RemoteBackend, photo: bytes, *, keep_photo: bool = False) -> FaceAnalysis | str:
    try:
        return backend.analyze(photo, keep_photo=keep_photo)
    except InferenceError as error:
        return error.code


def models_with(folder: Path, **changes: bytes) -> Path:
    """A folder with the packaged models, some files of which are others."""
    folder.mkdir()
    for path in PACKAGED_WEIGHTS.iterdir():
        if path.suffix in {".json", ".safetensors"}:
            (folder / path.name).write_bytes(changes.get(path.name.replace(".", "_"), path.read_bytes()))
    return folder


def test_a_cluster_answers_as_the_models_in_this_process_do(remote: RemoteBackend, portrait: bytes):
    local = LocalBackend(BackendOptions())

    assert remote.versions() == local.versions()
    for photo in (portrait, jpeg(), portrait[:500], b"no photo"):
        assert outcome(remote, photo) == outcome(local, photo)
    kept = outcome(remote, portrait, keep_photo=True)
    assert isinstance(kept, FaceAnalysis)
    assert kept.photo == outcome(local, portrait, keep_photo=True).photo


def test_every_node_answers_and_has_a_replica(cluster: LocalCluster, remote: RemoteBackend):
    assert len(set(cluster.replicas().values())) == 2

    for url in cluster.urls:
        backend = RemoteBackend(BackendOptions(urls=(url,), secret=SECRET))
        assert backend.versions() == remote.versions()


def test_only_who_knows_the_secret_is_answered(cluster: LocalCluster, remote: RemoteBackend, portrait: bytes):
    assert isinstance(outcome(remote, portrait), FaceAnalysis)

    stranger = cluster.backend(secret="another secret, of as many characters")
    with capture_logs() as logs, pytest.raises(Busy):
        stranger.analyze(portrait)

    assert {line["reason"] for line in logs} == {"status 401"}


@pytest.mark.parametrize(("header", "status"), [("1", 200), ("99", 400), (None, 400)])
def test_only_its_own_protocol_is_answered(
    cluster: LocalCluster, remote: RemoteBackend, header: str | None, status: int
):
    headers = {"Authorization": f"Bearer {SECRET}"} | ({"Inference-Protocol": header} if header else {})

    answer = urllib3.request("GET", f"{cluster.urls[0]}/models", headers=headers)

    assert answer.status == status
    assert answer.headers["Inference-Protocol"] == "1"


def test_what_the_replicas_cannot_take_is_refused_as_busy(
    cluster: LocalCluster, remote: RemoteBackend, portrait: bytes
):
    backend = RemoteBackend(BackendOptions(urls=(cluster.urls[0],), secret=SECRET))

    with ThreadPoolExecutor(40) as pool:
        outcomes = list(pool.map(lambda _: outcome(backend, portrait), range(40)))

    # Two replicas take four each, and four wait.
    assert {each if isinstance(each, str) else "analysed" for each in outcomes} == {"busy", "analysed"}
    assert sum(isinstance(each, FaceAnalysis) for each in outcomes) >= 12


def test_a_web_tier_needs_neither_torch_nor_opencv_nor_ray(
    cluster: LocalCluster, remote: RemoteBackend, portrait: bytes, tmp_path: Path
):
    (tmp_path / "portrait.jpg").write_bytes(portrait)

    # In a process of its own, which sees the packages of requirements-web.txt alone.
    run = subprocess.run(
        [sys.executable, "-m", "tests.inference.web_tier_scenario", tmp_path / "portrait.jpg"],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "alphaproject.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
            "STORAGE_FOLDER": str(tmp_path / "storage"),
            "INFERENCE_URL": ",".join(cluster.urls),
            "INFERENCE_SECRET": SECRET,
            "ALLOWED_HOSTS": "testserver",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)
    assert {"torch", "cv2", "ray"} <= set(facts["absent"])
    assert facts["status"] == 201
    assert facts["model"]["types"] == remote.versions().types


def test_models_that_do_not_fit_change_nothing(rollout: Rollout, remote: RemoteBackend, tmp_path: Path):
    before = remote.versions()

    with pytest.raises(CorruptWeights, match=r"types\.safetensors"):
        rollout(models_with(tmp_path / "models", types_safetensors=b"altered"))

    assert remote.versions() == before
    assert serve.status().applications["inference"].status == "RUNNING"


@pytest.mark.django_db(transaction=True)
def test_a_release_takes_over_and_is_rolled_back_without_a_failed_request(
    cluster: LocalCluster, remote: RemoteBackend, portrait: bytes, tmp_path: Path
):
    before = remote.versions().types
    release = make_release(tmp_path, version="9.0")

    with (
        serve_inference(cluster, tmp_path) as command,
        senders(remote, [portrait], count=2, time_limit=LIMIT, pause=PAUSE) as sent,
    ):
        assert "Serving on" in command.stdout.readline()
        for change, version in ((release.activate, "9.0"), (release.roll_back, before)):
            change()
            while serving(cluster) != {version}:
                sent.wait_for(1)
        command.terminate()
        assert command.wait(LIMIT) == 0
        # The cluster serves on.
        sent.wait_for(4)

    assert set(sent.versions) == {before, "9.0"}
    assert not sent.errors


def serving(cluster: LocalCluster) -> set[str]:
    """Versions of the type model that answers come from. Nodes take turns; each prefers replicas of its own."""
    backend = cluster.backend()
    return {backend.versions().types for _ in range(10)}


def database_url() -> str:
    """This test's database: DATABASE_URL, but for the name."""
    server = urlsplit(os.environ.get("DATABASE_URL", "sqlite://"))
    return f"{server.scheme}://{server.netloc}/{connection.settings_dict['NAME']}"


@contextmanager
def serve_inference(cluster: LocalCluster, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, on this cluster, with this test's database and storage, and as it serves here already."""
    port = cluster.urls[0].rpartition(":")[2]
    options = f"--address {cluster.address} --port {port} --replicas {OPTIONS.min_replicas}"
    with subprocess.Popen(
        f"{sys.executable} manage.py serve_inference {options}".split(),
        cwd=ROOT,
        env=os.environ
        | {
            "DATABASE_URL": database_url(),
            "STORAGE_FOLDER": str(folder),
            "MODEL_CACHE_FOLDER": str(folder / "cache"),
            "INFERENCE_SECRET": SECRET,
            "INFERENCE_BATCH": str(OPTIONS.max_batch),
            "INFERENCE_QUEUE": str(OPTIONS.max_waiting),
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            yield command
        finally:
            command.kill()


def test_a_replica_killed_under_load_loses_no_photo(cluster: LocalCluster, remote: RemoteBackend, portrait: bytes):
    before = set(cluster.replicas())

    with senders(remote, [portrait], count=4, time_limit=LIMIT) as sent:
        sent.wait_for(8)
        cluster.kill_replica()
        sent.wait_for(24)

    assert not sent.errors
    assert len(before & set(cluster.replicas())) == 1


def test_a_node_killed_under_load_loses_no_photo(cluster: LocalCluster, remote: RemoteBackend, portrait: bytes):
    with senders(remote, [portrait], count=4, time_limit=LIMIT) as sent:
        sent.wait_for(8)
        cluster.kill_node()
        sent.wait_for(24)

    # While half the cluster is gone, one or two may be turned away, to come again; none is taken and lost.
    assert set(sent.errors) <= {"busy"}
    assert sent.errors.total() <= 2
