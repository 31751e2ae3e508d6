"""Limits on requests that several processes count together, in a real Redis."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.alphaproject.http_server import PATIENCE, ROOT, free_port

# One request of a process of its own, and its status.
ASK = """
import django
django.setup()
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
print(Client().post("/api/v1/classifications/", {}).status_code)
"""


@pytest.fixture
def cache_server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    program = shutil.which("redis-server")
    if program is None and os.environ.get("CI") != "true":
        pytest.skip("redis-server is not installed")
    port = free_port()
    command = [
        program or "redis-server",
        "--port",
        str(port),
        "--save",
        "",
        "--dir",
        str(tmp_path),
        "--bind",
        "127.0.0.1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    end = time.monotonic() + PATIENCE
    with redis.Redis.from_url(url) as connection:
        while True:
            try:
                connection.ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < end
                time.sleep(0.05)
    yield url, process
    process.kill()
    process.wait()


def ask(url: str) -> int:
    environment = os.environ | {
        "CACHE_URL": url,
        "THROTTLE_ENABLED": "true",
        "THROTTLE_CLASSIFY": "1/hour",
        "DJANGO_SETTINGS_MODULE": "alphaproject.settings",
    }
    outcome = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return int(outcome.stdout)


def test_processes_count_together_and_go_on_without_the_cache(
    cache_server: tuple[str, subprocess.Popen[bytes]],
) -> None:
    url, process = cache_server

    assert ask(url) == 400
    assert ask(url) == 429

    process.kill()
    process.wait()
    assert ask(url) == 400
