"""One replica, without a cluster around it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import yaml
from django.utils.module_loading import import_string
from pydantic import ValidationError
from ray import serve
from ray.serve.schema import ServeDeploySchema

from inference.client import is_awaited
from inference.contracts import Busy, FaceAnalysis
from inference.serving.ray import Inference, ServingOptions, application, build
from inference.weights import PACKAGED_WEIGHTS, read_models
from tests.fakes import FakeBackend
from tests.images import jpeg
from tests.inference.ray_cluster import SECRET

ROOT = Path(__file__).parents[2]


@pytest.fixture
def replica() -> Inference:
    return Inference(ServingOptions(max_batch=2), read_models(PACKAGED_WEIGHTS), SECRET)


def test_a_replica_that_analyses_photos_is_healthy(replica: Inference) -> None:
    asyncio.run(replica.check_health())


def test_a_replica_whose_engine_hangs_is_not_healthy(replica: Inference) -> None:
    hanging = FakeBackend()
    hanging.fails_with = Busy()
    replica._backend = hanging  # type: ignore[assignment]

    with pytest.raises(RuntimeError, match="took more than 10 s"):
        asyncio.run(replica.check_health())


def test_a_replica_whose_engine_fails_is_not_healthy(replica: Inference) -> None:
    class Broken(FakeBackend):
        def analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    replica._backend = Broken()  # type: ignore[assignment]

    with pytest.raises(RuntimeError, match="CUDA error"):
        asyncio.run(replica.check_health())


def test_a_photo_whose_sender_hangs_up_is_given_up(replica: Inference) -> None:
    given_up = threading.Event()

    class Waiting(FakeBackend):
        def analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
            awaited = is_awaited()
            while awaited():
                threading.Event().wait(0.01)
            given_up.set()
            raise Busy

    replica._backend = Waiting()  # type: ignore[assignment]

    async def hang_up() -> None:
        # What Ray does with a request whose connection was closed.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(replica._analyze(jpeg(), deadline=1e9), 0.1)

    asyncio.run(hang_up())

    assert given_up.wait(5)


@pytest.mark.parametrize(
    "args",
    [{"cpus": 0}, {"gpus": -1}, {"min_replicas": 0}, {"max_batch": 0}, {"replicas": 2}],
    ids=lambda args: next(iter(args)),
)
def test_bad_options_are_named(args: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(args))):
        ServingOptions(**args)


def test_no_more_replicas_at_the_least_than_at_the_most() -> None:
    with pytest.raises(ValidationError, match="max_replicas"):
        ServingOptions(min_replicas=3, max_replicas=2)


def test_a_short_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="INFERENCE_SECRET"):
        application(ServingOptions(), files={}, secret="short")

    monkeypatch.setenv("INFERENCE_SECRET", "short")
    with pytest.raises(ValueError, match="INFERENCE_SECRET"):
        build({})


def test_the_configuration_for_serve_deploy_builds_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_SECRET", SECRET)
    config = ServeDeploySchema.model_validate(yaml.safe_load((ROOT / "deploy" / "serve.yaml").read_text()))
    (app,) = config.applications

    built = import_string(app.import_path.replace(":", "."))(app.args)

    assert isinstance(built, serve.Application)
    assert config.http_options.port == 8100
    with pytest.raises(ValidationError, match="replicas"):
        build({"replicas": 2})
