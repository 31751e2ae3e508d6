"""Puts models to use on a Ray cluster, replica by replica, and takes them back where they do not run."""

from __future__ import annotations

import time
from pathlib import Path

from ray import serve
from ray.serve.schema import ApplicationStatus

from inference.client import Backend, BackendOptions
from inference.engine import Engine
from inference.serving.ray import ServingOptions, application
from inference.serving.remote import RemoteBackend
from inference.weights import ModelFiles, read_models

APPLICATION = "inference"
# A replica starts in seconds. Longer waits are for room: a node that comes, another application that goes.
PATIENCE_SECONDS = 600.0
_LOOK_SECONDS = 0.5


class RolloutFailed(Exception):
    """The cluster does not run these models."""


class Rollout:
    """Called with a folder of models, returns once the whole cluster runs them.

    url: of one of the cluster's addresses, for the backend that is returned.
    """

    def __init__(
        self, options: ServingOptions, *, secret: str, url: str, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._options = options
        self._secret = secret
        self._url = url
        self._patience_seconds = patience_seconds
        self._running: ModelFiles | None = None

    def __call__(self, folder: Path) -> Backend:
        """Raises RolloutFailed, and RegistryError where the models do not fit; those that ran before run on."""
        # Here first: a replica that does not start costs a minute, and others their room.
        Engine(self._options.limits, folder)
        files = read_models(folder)
        self._deploy(files)
        try:
            self._wait()
        except RolloutFailed:
            if self._running is not None:
                # A replica that is lost later must not come back with what did not run.
                self._deploy(self._running)
            raise
        self._running = files
        return RemoteBackend(BackendOptions(urls=(self._url,), secret=self._secret))

    def _deploy(self, files: ModelFiles) -> None:
        app = application(self._options, files=files, secret=self._secret)
        serve.run_many([serve.RunTarget(app, name=APPLICATION, route_prefix="/")], wait_for_applications_running=False)

    def _wait(self) -> None:
        give_up_at = time.monotonic() + self._patience_seconds
        while (found := serve.status().applications[APPLICATION]).status != ApplicationStatus.RUNNING:
            reasons = [found.message, *(deployment.message for deployment in found.deployments.values())]
            if found.status == ApplicationStatus.DEPLOY_FAILED:
                raise RolloutFailed("; ".join(reasons))
            if time.monotonic() > give_up_at:
                raise RolloutFailed(f"not running after {self._patience_seconds:.0f} s: {'; '.join(reasons)}")
            time.sleep(_LOOK_SECONDS)
