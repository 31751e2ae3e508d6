"""Configuration: a bad value stops start-up and is named; the documented values work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "ENV_FILE": "/dev/null",
    "PATH": os.environ["PATH"],
    "SECRET_KEY": "x" * 50,
    "PHOTO_ENCRYPTION_KEYS": "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMDE=",
}


def start(code: str = "import alphaproject.settings", /, **variables: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in (GOOD | variables).items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_secrets_alone_are_enough() -> None:
    assert start().returncode == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", None),
        ("SECRET_KEY", "too short"),
        ("PHOTO_ENCRYPTION_KEYS", None),
        ("PHOTO_ENCRYPTION_KEYS", ""),
        ("PHOTO_ENCRYPTION_KEYS", "not-a-key"),
        ("DEBUG", "perhaps"),
        ("DEFAULT_LANGUAGE", "tlh"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mongodb://localhost/alpha"),
        ("STORAGE", "tape"),
        ("ALLOWED_HOSTS", ""),
        ("CSRF_TRUSTED_ORIGINS", "alpha.example"),
        ("STORAGE_FOLDER", ""),
        ("STATIC_FOLDER", ""),
        ("MODEL_CACHE_FOLDER", ""),
        ("S3_BUCKET", None),
        ("S3_BUCKET", ""),
        ("S3_ENDPOINT_URL", "nonsense"),
        ("S3_SERVER_SIDE_ENCRYPTION", "rot13"),
        ("MAX_PHOTO_MB", "0"),
        ("MAX_PHOTO_MEGAPIXELS", "many"),
        ("MIN_FACE_PIXELS", "-1"),
        ("MIN_AGE", "abc"),
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "99999999999"),
        ("INFERENCE_PROCESSES", "0"),
        ("INFERENCE_THREADS", "0"),
        ("INFERENCE_DEVICE", "gpu"),
        ("INFERENCE_BATCH", "0"),
        ("INFERENCE_WAIT", "-1"),
        ("INFERENCE_QUEUE", "0"),
        ("INFERENCE_TIMEOUT", "0"),
        ("UPLOAD_TIMEOUT", "0"),
        ("UPLOAD_MIN_RATE_KB", "fast"),
        ("UPLOAD_MEMORY_MB", "0"),
        ("WEB_CONCURRENCY", "0"),
        ("METRICS_TOKEN", "too short"),
        ("CACHE_URL", "localhost:6379"),
        ("THROTTLE_CLASSIFY", "often"),
        ("THROTTLE_CLASSIFY", "0/min"),
        ("PROXY_COUNT", "-1"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_bad_value_stops_start_up_and_is_named(variable: str, value: str | None) -> None:
    storage = {"STORAGE": "s3", "S3_BUCKET": "photos"} if variable.startswith("S3_") else {}

    outcome = start(**storage | {variable: value})

    assert outcome.returncode != 0
    last_line = outcome.stderr.splitlines()[-1]
    assert variable in last_line
    assert GOOD["SECRET_KEY"] not in outcome.stderr


def test_example_documents_exactly_the_variables_that_are_read() -> None:
    names = ("alphaproject/settings.py", "alphaproject/capacity.py", "deploy/gunicorn.conf.py")
    readers = [ROOT / name for name in names]
    read = {name for file in readers for name in re.findall(r"env\.\w+\(\s*[\"']([A-Z0-9_]+)[\"']", file.read_text())}
    documented = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert documented == read


def test_written_env_file_starts_the_product(tmp_path: Path) -> None:
    target = tmp_path / "env"
    script = [sys.executable, "deploy/create_env.py", ".env.example", str(target)]
    subprocess.run(script, cwd=ROOT, check=True)

    assert start(ENV_FILE=str(target), SECRET_KEY=None, PHOTO_ENCRYPTION_KEYS=None).returncode == 0
    assert target.stat().st_mode & 0o077 == 0
    # Secrets that exist are never overwritten.
    assert subprocess.run(script, cwd=ROOT, check=False, capture_output=True).returncode != 0


@pytest.mark.parametrize(("enabled", "classes"), [("true", 1), ("false", 0)])
def test_requests_are_throttled_unless_that_is_turned_off(enabled: str, classes: int) -> None:
    show = "from alphaproject.settings import REST_FRAMEWORK as api; print(len(api['DEFAULT_THROTTLE_CLASSES']))"

    assert start(show, THROTTLE_ENABLED=enabled).stdout.strip() == str(classes)


@pytest.mark.parametrize(("enabled", "resolves"), [(None, False), ("true", True)])
def test_sample_endpoint_is_there_only_where_it_is_turned_on(enabled: str | None, resolves: bool) -> None:
    resolve = "import django; django.setup(); from django.urls import resolve; resolve('/api/RegisterUserImg_sample')"

    outcome = start(resolve, MOBILE_SAMPLE_ENDPOINT=enabled, DJANGO_SETTINGS_MODULE="alphaproject.settings")

    assert (outcome.returncode == 0) == resolves
    assert resolves or "Resolver404" in outcome.stderr


@pytest.mark.parametrize(
    ("url", "secret", "named"),
    [
        ("gpu-1:8100", "s" * 32, "INFERENCE_URL"),
        ("http://gpu-1:8100", None, "INFERENCE_SECRET"),
        ("http://gpu-1:8100", "s" * 31, "INFERENCE_SECRET"),
    ],
)
def test_an_inference_tier_needs_addresses_and_a_secret(url: str, secret: str | None, named: str) -> None:
    outcome = start(INFERENCE_URL=url, INFERENCE_SECRET=secret)

    assert outcome.returncode != 0
    assert named in outcome.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("url", "backend"),
    [
        (None, "inference.serving.engines.EnginesBackend"),
        ("http://gpu-1:8100,http://gpu-2:8100", "inference.serving.remote.RemoteBackend"),
    ],
)
def test_an_inference_tiers_address_is_all_that_it_takes_to_use_it(url: str | None, backend: str) -> None:
    show = "from alphaproject.settings import INFERENCE_BACKEND; print(INFERENCE_BACKEND)"

    assert start(show, INFERENCE_URL=url, INFERENCE_SECRET="s" * 32).stdout.strip() == backend


def test_unknown_inference_backend_stops_the_server_and_is_named() -> None:
    build = "import django; django.setup(); from inference import client; client.warm_up()"

    outcome = start(build, INFERENCE_BACKEND="no.such.Backend", DJANGO_SETTINGS_MODULE="alphaproject.settings")

    assert outcome.returncode != 0
    assert "INFERENCE_BACKEND" in outcome.stderr.splitlines()[-1]
