"""How gunicorn serves the product; read with `gunicorn -c`. Its variables stand in .env.example too."""

import gc
import os
import resource
import shutil
import tempfile

import environs
import structlog
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from alphaproject.capacity import read_capacity

env = environs.FileAwareEnv()
env.read_env(os.environ.get("ENV_FILE", ".env"), recurse=False)

port = environs.validate.Range(1, 65535)
capacity = read_capacity(env)
shared_memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112

bind = f"{env.str('HOST', '127.0.0.1')}:{env.int('PORT', 8000, validate=port)}"
# Each has engines of its own, and threads that wait for them.
workers = capacity.processes
wsgi_app = "alphaproject.wsgi"
worker_class = "alphaproject.gunicorn_worker.ReceivingWorker"
threads = capacity.threads
# Clients that send, wait or keep a connection for their next request: only memory and open files limit them.
worker_connections = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2)
timeout = 60
graceful_timeout = 30
keepalive = 75
# Which proxies are believed, PROXY_COUNT says.
forwarded_allow_ips = ""
# Signals steer a running server; the control socket would lie in the home folder.
control_socket_disable = True
# Heartbeats in memory: a slow disk cannot make a healthy worker look dead.
worker_tmp_dir = shared_memory
# Where the workers count for /metrics together; a reload keeps the counts.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="metrics-", dir=shared_memory)
# Below errors gunicorn tells of requests it could not parse, and quotes them.
loglevel = "error"
logger_class = "alphaproject.gunicorn_worker.Logger"
logconfig_dict = {
    "formatters": {"json": {"()": "alphaproject.logs.json_formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"]},
    "loggers": {"gunicorn.error": {"level": "ERROR", "handlers": ["stderr"], "propagate": False}},
}


def post_worker_init(worker: Worker) -> None:  # noqa: ARG001
    """Load and warm the models before the first request is taken: until then, requests go to other workers.

    Where that fails, gunicorn ends the worker, and itself if none has come up yet.
    """
    from django.db import connections  # noqa: PLC0415 - Django is set up only now
    from django.urls import get_resolver  # noqa: PLC0415

    from inference import client  # noqa: PLC0415
    from inference.contracts import InferenceError  # noqa: PLC0415

    # The first request would load every view.
    _ = get_resolver().url_patterns
    # All that is loaded by now stays, and an answer makes thousands of objects: the garbage collector need not look at
    # the former at all, nor at the latter several times an answer.
    gc.freeze()
    gc.set_threshold(20_000)
    logger = structlog.get_logger("alphaproject.serving")
    try:
        client.warm_up()
    except Exception as error:
        logger.exception("models_not_loaded", reason=str(error))
        raise
    # This thread asked for the releases, and would keep a connection that requests share.
    connections.close_all()
    try:
        models = str(client.versions())
    except InferenceError:
        # They run elsewhere, and this tier has more to serve than them.
        models = "not reached"
    logger.info("ready", address=bind, models=models)


def child_exit(server: Arbiter, worker: Worker) -> None:  # noqa: ARG001
    """Forget what a worker that ended had waiting; its counts stay."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - it looks for the folder when it is imported

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Arbiter) -> None:  # noqa: ARG001
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
