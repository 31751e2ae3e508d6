"""The models as a Ray Serve application, which answers the web tier over HTTP (docs/ray.md).

A replica is the backend that a web server's own process would run, so a photo gets the same answer from either. Ray
places, scales, checks, drains and replaces the replicas, and refuses what they cannot take.
"""

from __future__ import annotations

import asyncio
import contextvars
import hmac
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import environs
import numpy as np
from pydantic import BaseModel, Field, model_validator
from ray import serve
from ray.serve.config import AutoscalingConfig, BackpressureConfig
from starlette.requests import Request
from starlette.responses import Response

from inference.client import BackendOptions, awaited_while
from inference.contracts import Busy, FaceAnalysis, InferenceError, PhotoLimits
from inference.decoding import DecodedPhoto, encode_jpeg
from inference.serving.local import LocalBackend
from inference.serving.protocol import (
    ANALYZE_PATH,
    MODELS_PATH,
    PROTOCOL_VERSION,
    STATUS,
    TIME_LIMIT_HEADER,
    VERSION_HEADER,
    encode,
    failure_of,
)
from inference.weights import PACKAGED_WEIGHTS, ModelFiles, read_models, unpacked

MIN_SECRET = 32

_HEALTH_CHECK_SECONDS = 10.0


class ServingOptions(BaseModel, frozen=True, extra="forbid"):
    """How the application runs; `args` of a configuration for `serve deploy`.

    cpus, gpus: what a replica reserves; fractions let replicas share one. Its threads are its CPUs, one at the least.
    max_batch: photos a replica analyses at once; it is given twice as many, to decode meanwhile.
    max_waiting: photos that wait at each node's address for a replica; one more is refused as busy.
    weights: a folder with the files of every model, read once, where the application is built. Default: the packaged.
    """

    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = 1
    cpus: float = Field(default=1, gt=0)
    gpus: float = Field(default=0, ge=0)
    max_batch: int = Field(default=8, ge=1)
    max_waiting: int = Field(default=64, ge=1)
    limits: PhotoLimits = PhotoLimits()
    weights: Path = PACKAGED_WEIGHTS

    @model_validator(mode="after")
    def _has_room(self) -> ServingOptions:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas is {self.max_replicas}, less than min_replicas, {self.min_replicas}")
        return self


class Inference:
    """One replica: the models resident, requests in, analyses out."""

    def __init__(self, options: ServingOptions, files: ModelFiles, secret: str) -> None:
        at_once = _max_ongoing(options)
        with unpacked(files) as folder:
            self._backend = LocalBackend(
                BackendOptions(
                    limits=options.limits,
                    threads=max(1, math.floor(options.cpus)),
                    max_batch=options.max_batch,
                    # Ray admits no more than this at a time, and the health check.
                    max_waiting=at_once + 1,
                    device="cuda" if options.gpus else "cpu",
                ),
                folder,
            )
        self._backend.warm_up()
        self._threads = ThreadPoolExecutor(at_once + 1, "request")
        self._credentials = f"Bearer {secret}".encode()
        blank = DecodedPhoto(np.zeros((640, 480, 3), np.uint8), 480, 640)
        self._probe = encode_jpeg(blank)

    async def __call__(self, request: Request) -> Response:
        credentials = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(credentials, self._credentials):
            return _respond(HTTPStatus.UNAUTHORIZED)
        if request.headers.get(VERSION_HEADER) != str(PROTOCOL_VERSION):
            return _respond(HTTPStatus.BAD_REQUEST)
        match request.method, request.url.path:
            case "POST", path if path == ANALYZE_PATH:
                return await self._answer(request)
            case "GET", path if path == MODELS_PATH:
                return _respond(HTTPStatus.OK, encode(self._backend.versions()))
        return _respond(HTTPStatus.NOT_FOUND)

    async def check_health(self) -> None:
        """Ray replaces a replica of which this fails a few times: one whose engine hangs, or whose GPU is lost."""
        try:
            await self._analyze(self._probe, deadline=time.monotonic() + _HEALTH_CHECK_SECONDS)
        except Busy as error:
            raise RuntimeError(f"a photo took more than {_HEALTH_CHECK_SECONDS:.0f} s") from error
        except InferenceError:
            # No face is in the probe.
            return

    async def _answer(self, request: Request) -> Response:
        try:
            deadline = time.monotonic() + float(request.headers[TIME_LIMIT_HEADER])
        except (KeyError, ValueError):
            return _respond(HTTPStatus.BAD_REQUEST)
        photo = await request.body()
        keep_photo = request.query_params.get("keep_photo") == "true"
        try:
            return _respond(HTTPStatus.OK, encode(await self._analyze(photo, keep_photo=keep_photo, deadline=deadline)))
        except InferenceError as error:
            return _respond(STATUS[type(error)], encode(failure_of(error)))

    async def _analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float) -> FaceAnalysis:
        """Raises what LocalBackend.analyze raises. A photo whose sender has hung up is not run."""
        has_hung_up = threading.Event()
        with awaited_while(lambda: not has_hung_up.is_set()):
            context = contextvars.copy_context()
        work = partial(self._backend.analyze, photo, keep_photo=keep_photo, deadline=deadline)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, work)
        except asyncio.CancelledError:
            has_hung_up.set()
            raise


def application(options: ServingOptions, *, files: ModelFiles, secret: str) -> serve.Application:
    """The application, to be run by serve.run().

    Other files or options make new replicas, which take over from the old ones when they are ready: a quarter at a
    time, one at the least, for which there must be room.
    """
    if len(secret) < MIN_SECRET:
        raise ValueError(f"INFERENCE_SECRET must have at least {MIN_SECRET} characters")
    scaling: dict[str, Any] = {"num_replicas": options.min_replicas}
    if options.max_replicas > options.min_replicas:
        scaling = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=options.min_replicas,
                max_replicas=options.max_replicas,
                # Busy enough for batches, with half of a replica's room left for what comes until the next has started.
                target_ongoing_requests=options.max_batch,
            )
        }
    deployment = serve.deployment(
        name="inference",
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
        max_ongoing_requests=_max_ongoing(options),
        max_queued_requests=options.max_waiting,
        backpressure_config=BackpressureConfig(retry_after_s=1),
        health_check_period_s=_HEALTH_CHECK_SECONDS,
        # The check itself gives up after one; what says nothing at all hangs.
        health_check_timeout_s=1.5 * _HEALTH_CHECK_SECONDS,
        max_surge_percent=25,
        max_constructor_retry_count=2,
        **scaling,
    )(Inference)
    # Ray carries the models to the replicas, so that no node needs a disk or a bucket with them.
    return deployment.bind(options, files, secret)


def build(args: dict[str, Any]) -> serve.Application:
    """What `serve deploy deploy/serve.yaml` imports. The secret comes from the cluster's environment.

    args: of ServingOptions. Raises pydantic.ValidationError.
    """
    options = ServingOptions.model_validate(args)
    return application(
        options, files=read_models(options.weights), secret=environs.FileAwareEnv().str("INFERENCE_SECRET")
    )


def _max_ongoing(options: ServingOptions) -> int:
    return 2 * options.max_batch


def _respond(status: HTTPStatus, body: bytes = b"") -> Response:
    return Response(body, status, {VERSION_HEADER: str(PROTOCOL_VERSION)}, media_type="application/json")
