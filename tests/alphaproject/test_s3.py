"""The same product on a bucket, over the real S3 protocol, configured by the environment alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "alpha-test"

pytestmark = pytest.mark.s3


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_photos_and_pictures_live_in_the_bucket(endpoint: str, tmp_path: Path) -> None:
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    # In a process of its own, since settings are read once a process.
    scenario = subprocess.Popen(
        [sys.executable, "-m", "tests.alphaproject.s3_scenario"],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "alphaproject.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
            "STORAGE": "s3",
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": endpoint,
            "S3_REGION": "us-east-1",
            "INFERENCE_BACKEND": "tests.fakes.FakeBackend",
            "ALLOWED_HOSTS": "testserver",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert scenario.stdout is not None
    facts = json.loads(scenario.stdout.readline())
    stored = s3.get_object(Bucket=BUCKET, Key=f"photos/{facts['key']}")

    assert facts["picture_is_jpeg"]
    assert facts["kept_is_jpeg"]
    # Encrypted by the bucket, and before that by us.
    assert stored["ServerSideEncryption"] == "AES256"
    assert not stored["Body"].read().startswith(b"\xff\xd8")

    out, _ = scenario.communicate("go on\n", timeout=60)
    assert out.strip() == "204"
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="photos/")["KeyCount"] == 0
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="catalog/images/")["KeyCount"] == 50
