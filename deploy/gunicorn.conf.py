"""How gunicorn serves the product; read with `gunicorn -c`. Its variables stand in .env.example too."""

import os

import environs
import structlog
from gunicorn.workers.base import Worker

env = environs.FileAwareEnv()
env.read_env(os.environ.get("ENV_FILE", ".env"), recurse=False)

port = environs.validate.Range(1, 65535)
bind = f"{env.str('HOST', '127.0.0.1')}:{env.int('PORT', 8000, validate=port)}"
# One process holds one set of models; its threads decode and wait while the models run.
workers = env.int("WEB_CONCURRENCY", 1, validate=environs.validate.Range(1, 1024))
wsgi_app = "alphaproject.wsgi"
worker_class = "gthread"
threads = 8
timeout = 60
graceful_timeout = 30
keepalive = 75
# Signals steer a running server; the control socket would lie in the home folder.
control_socket_disable = True
# Heartbeats in memory: a slow disk cannot make a healthy worker look dead.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112
# Below errors gunicorn tells of requests it could not parse, and quotes them.
loglevel = "error"
logconfig_dict = {
    "formatters": {"json": {"()": "alphaproject.logs.json_formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"]},
    "loggers": {"gunicorn.error": {"level": "ERROR", "handlers": ["stderr"], "propagate": False}},
}


def post_worker_init(worker: Worker) -> None:  # noqa: ARG001
    """Load and warm the models before the first request is taken."""
    from inference import client  # noqa: PLC0415 - Django is set up only now

    client.warm_up()
    structlog.get_logger("alphaproject.serving").info("ready", address=bind, models=str(client.versions()))
