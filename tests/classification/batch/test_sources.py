"""Folders, manifests and buckets: what is listed, and how each photo is read."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.management import CommandError
from moto.server import ThreadedMotoServer

from classification.batch.sources import PhotoReader, S3Storage, source_of
from tests.classification.batch.conftest import Classify, rows_of
from tests.images import jpeg

STORAGE = S3Storage()
BUCKET = "photos-to-classify"


def names_in(source: Path) -> list[str]:
    return sorted(source_of(str(source), STORAGE).names())


def test_a_folder_is_listed_without_hidden_files_and_linked_folders(photos: Path) -> None:
    (photos / "again").symlink_to(photos)
    (photos / "linked.jpg").symlink_to(photos / "first.jpg")
    os.mkfifo(photos / "pipe.jpg")

    assert [Path(name).relative_to(photos).as_posix() for name in names_in(photos)] == [
        "damaged.jpg",
        "first.jpg",
        "linked.jpg",
        "more/third.jpg",
        "notes.txt",
        "둘째.jpg",
    ]


def test_a_folder_is_listed_as_a_stream(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = source_of(str(photos), STORAGE).names()
    first = next(names)

    assert Path(first).parent == photos
    # What is not asked for is not read.
    monkeypatch.setattr(os, "scandir", lambda _path: pytest.fail("the folder below was listed already"))


def test_manifests_name_paths_from_their_folder_and_urls(tmp_path: Path) -> None:
    text, table = tmp_path / "list.txt", tmp_path / "list.csv"
    text.write_text("\ufeffa.jpg\r\n\r\n/elsewhere/b.jpg\r\ns3://bucket/c d.jpg\r\n", encoding="utf-8")
    table.write_text('type,source\nbeta,"a, b.jpg"\n,\nalpha,s3://bucket/c.jpg\n')

    assert names_in(text) == sorted([str(tmp_path / "a.jpg"), "/elsewhere/b.jpg", "s3://bucket/c d.jpg"])
    assert names_in(table) == sorted([str(tmp_path / "a, b.jpg"), "s3://bucket/c.jpg"])


def test_only_so_much_is_read_as_shows_that_a_photo_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(1000))

    assert len(PhotoReader(100, STORAGE)(str(tmp_path / "large"))) == 101


def test_what_is_no_file_is_not_found(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read = PhotoReader(100, STORAGE)

    for name in (str(tmp_path), str(tmp_path / "pipe"), str(tmp_path / "nowhere"), "a\0b"):
        with pytest.raises(FileNotFoundError):
            read(name)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key in ("day 1/한 장.jpg", "day 1/deeper/two.jpg", "day 2/three.jpg"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=jpeg())
    s3.put_object(Bucket=BUCKET, Key="day 1/", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="day 1/.hidden", Body=b"")
    return s3


@pytest.mark.s3
@pytest.mark.django_db
def test_photos_of_a_bucket_are_classified(bucket: Any, classify: Classify, asked: list[str], tmp_path: Path) -> None:
    told = classify(f"s3://{BUCKET}/day 1/", tmp_path / "out.csv")

    assert "2 photos" in told
    rows = rows_of(tmp_path / "out.csv")
    assert rows["한 장.jpg"]["source"] == f"s3://{BUCKET}/day 1/한 장.jpg"
    assert {row["type"] for row in rows.values()} == {"beta"}
    with pytest.raises(CommandError, match="There is no photo"):
        classify(f"s3://{BUCKET}/day 3/", tmp_path / "other.csv")
    with pytest.raises(CommandError, match=r"The bucket cannot be listed: .*NoSuchBucket"):
        classify("s3://no-such-bucket/", tmp_path / "other.csv")


@pytest.mark.s3
def test_an_object_that_is_gone_is_not_found_and_a_silent_bucket_is_no_fault_of_the_photo(bucket: Any) -> None:
    read = pickle.loads(pickle.dumps(PhotoReader(10, STORAGE)))

    assert len(read(f"s3://{BUCKET}/day 2/three.jpg")) == 11
    with pytest.raises(FileNotFoundError):
        read(f"s3://{BUCKET}/day 2/gone.jpg")
    nobody = PhotoReader(10, S3Storage(endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(OSError, match="Could not connect") as failure:
        nobody(f"s3://{BUCKET}/day 2/three.jpg")
    assert not isinstance(failure.value, FileNotFoundError)
