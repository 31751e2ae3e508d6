"""How gunicorn serves the product; read with `gunicorn -c`."""

import os

from gunicorn.workers.base import Worker

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
wsgi_app = "alphaproject.wsgi"
# One process holds one set of models; its threads decode and wait while the models run.
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = "gthread"
threads = 8
timeout = 60
graceful_timeout = 30
keepalive = 75
# Signals steer a running server; the control socket would lie in the home folder.
control_socket_disable = True
# Heartbeats in memory: a slow disk cannot make a healthy worker look dead.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112


def post_worker_init(worker: Worker) -> None:
    """Load and warm the models before the first request is taken."""
    from inference import client  # noqa: PLC0415 - Django is set up only now

    client.warm_up()
    worker.log.info("models ready: %s", client.versions())
