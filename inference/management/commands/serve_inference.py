"""`manage.py serve_inference`: run the models as a Ray Serve application (docs/ray.md)."""

from __future__ import annotations

import math
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from inference.apps import photo_limits
from inference.models import ModelRelease
from inference.serving.following import FollowingBackend

_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - the operator's choice


class Command(BaseCommand):
    help = "Run the models as a Ray Serve application, and follow the releases, until interrupted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--address",
            help="of a Ray cluster that runs already; auto: the one of this machine. It serves on when this command "
            "ends. Default: start Ray here, for as long as this command runs.",
        )
        parser.add_argument("--host", default="127.0.0.1", help="where each node listens. Default: %(default)s")
        parser.add_argument("--port", type=int, default=8100, help="where each node listens. Default: %(default)s")
        parser.add_argument("--replicas", type=int, default=1, help="at the least. Default: %(default)s")
        parser.add_argument("--max-replicas", type=int, help="at the most, by load. Default: as --replicas")
        parser.add_argument(
            "--cpus", type=float, default=1, help="of a replica; its threads, one at the least. Default: %(default)s"
        )
        parser.add_argument("--gpus", type=float, default=0, help="of a replica, such as 0.5. Default: %(default)s")

    def handle(self, **options: Any) -> None:
        try:
            import ray  # noqa: PLC0415 - only this command needs it
            from ray import serve  # noqa: PLC0415
        except ImportError as error:
            raise CommandError("Ray is not installed: pip install -r requirements-ray.txt") from error
        from inference.serving.ray import MIN_SECRET, ServingOptions  # noqa: PLC0415
        from inference.serving.rollout import Rollout, RolloutFailed  # noqa: PLC0415

        if len(settings.INFERENCE_SECRET) < MIN_SECRET:
            raise CommandError(f"INFERENCE_SECRET must be set, to {MIN_SECRET} characters at least.")
        try:
            serving = ServingOptions(
                min_replicas=options["replicas"],
                max_replicas=options["max_replicas"] or options["replicas"],
                cpus=options["cpus"],
                gpus=options["gpus"],
                max_batch=settings.INFERENCE_BATCH,
                max_waiting=settings.INFERENCE_QUEUE,
                limits=photo_limits(),
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        if options["address"]:
            ray.init(address=options["address"], log_to_driver=False)
        else:
            # Ray's CPUs are only what replicas reserve of them: an update needs a quarter more, for a while.
            replicas = serving.max_replicas + math.ceil(serving.max_replicas / 4)
            ray.init(num_cpus=math.ceil(replicas * serving.cpus), include_dashboard=False, log_to_driver=False)
        try:
            serve.start(proxy_location="EveryNode", http_options={"host": options["host"], "port": options["port"]})
            host = "127.0.0.1" if options["host"] in _EVERYWHERE else options["host"]
            url = f"http://{host}:{options['port']}"
            following = FollowingBackend(
                build=Rollout(serving, secret=settings.INFERENCE_SECRET, url=url),
                releases=ModelRelease.objects,
                cache=settings.MODEL_CACHE_FOLDER,
                after_poll=connections.close_all,
            )
            # This thread asks for nothing more; the one that polls needs a connection.
            connections.close_all()
            following.warm_up()
            self.stdout.write(f"Serving on {url}: {following.versions()}")
            _wait_for_the_end()
        except RolloutFailed as error:
            raise CommandError(f"The models do not run: {error}") from error
        finally:
            if not options["address"]:
                serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def _wait_for_the_end() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    # A signal that one of Ray's threads receives does not wake this one.
    while not ended.wait(timeout=1):
        pass
