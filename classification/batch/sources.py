"""Where a batch's photos are: a folder, a manifest or an S3 prefix, listed as a stream and read by name.

No Django here: the processes that read photos need none.
"""

from __future__ import annotations

import csv
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

S3_SCHEME = "s3://"
# The column of a CSV manifest; the command's own tables have it too.
MANIFEST_COLUMN = "source"
_MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}


class UnusableSource(Exception):
    """There is nothing that could be listed."""


class Source(Protocol):
    """Photos by name: a path or an s3:// URL. Listing never holds more than a page or a folder's entry."""

    def names(self) -> Iterator[str]:
        """In no particular order; raises UnusableSource."""


def source_of(text: str, storage: S3Storage) -> Source:
    """Raises UnusableSource."""
    if text.startswith(S3_SCHEME):
        return S3Prefix(*_bucket_and_key(text), storage)
    path = Path(text).absolute()
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return Manifest(path)
    raise UnusableSource(f"There is no folder and no file {text}.")


@dataclass(frozen=True, slots=True)
class Folder:
    """All files below a folder but hidden ones. Links to folders are not followed."""

    path: Path

    def names(self) -> Iterator[str]:
        folders = [str(self.path)]
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        elif entry.is_file():
                            yield entry.path
            except OSError as error:
                raise UnusableSource(f"The folder cannot be listed: {error}") from error


@dataclass(frozen=True, slots=True)
class Manifest:
    """A text file with a path or s3:// URL a line, or a CSV with them in the column `source`.

    Relative paths start at the manifest's folder.
    """

    path: Path

    def names(self) -> Iterator[str]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                listed = self._column(file) if self.path.suffix.lower() == ".csv" else file
                for line in listed:
                    if name := line.strip():
                        yield name if name.startswith(S3_SCHEME) else str(self.path.parent / name)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UnusableSource(f"The manifest cannot be read: {error}") from error

    def _column(self, file: Iterator[str]) -> Iterator[str]:
        rows = csv.DictReader(file, strict=True)
        if MANIFEST_COLUMN not in (rows.fieldnames or ()):
            raise UnusableSource(f"The manifest has no column “{MANIFEST_COLUMN}”.")
        return (row[MANIFEST_COLUMN] or "" for row in rows)


@dataclass(frozen=True, slots=True)
class S3Storage:
    """How buckets are reached; what is None comes from the usual AWS variables and files."""

    endpoint_url: str | None = None
    region_name: str | None = None

    def connect(self) -> Any:
        config = Config(
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=32,
            retries={"mode": "standard", "total_max_attempts": 5},
        )
        return boto3.client("s3", endpoint_url=self.endpoint_url, region_name=self.region_name, config=config)


@dataclass(frozen=True, slots=True)
class S3Prefix:
    """All objects of a bucket under a prefix but hidden ones and folder markers."""

    bucket: str
    prefix: str
    storage: S3Storage

    def names(self) -> Iterator[str]:
        try:
            pages = self.storage.connect().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix):
                for entry in page.get("Contents", ()):
                    key = entry["Key"]
                    if not key.endswith("/") and not key.rpartition("/")[2].startswith("."):
                        yield f"{S3_SCHEME}{self.bucket}/{key}"
        except (BotoCoreError, ClientError) as error:
            raise UnusableSource(f"The bucket cannot be listed: {error}") from error


@dataclass
class PhotoReader:
    """Reads photos by name, in any process and thread.

    max_bytes: of a photo. Of a larger one just enough is read to show that it is.
    """

    max_bytes: int
    storage: S3Storage
    _client: Any = field(default=None, init=False, repr=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False)

    def __reduce__(self) -> tuple[type[PhotoReader], tuple[int, S3Storage]]:
        # Each process connects for itself.
        return PhotoReader, (self.max_bytes, self.storage)

    def __call__(self, name: str) -> bytes:
        """Raises FileNotFoundError where there is no such photo, another OSError where it cannot be had now."""
        return self._read_object(name) if name.startswith(S3_SCHEME) else self._read_file(name)

    def _read_file(self, name: str) -> bytes:
        try:
            # Opening a pipe would wait for somebody to write.
            if not stat.S_ISREG(Path(name).stat().st_mode):
                raise FileNotFoundError(f"not a file: {name}")
            with Path(name).open("rb") as file:
                return file.read(self.max_bytes + 1)
        # A NUL in a manifest's line.
        except ValueError as error:
            raise FileNotFoundError(str(error)) from error

    def _read_object(self, name: str) -> bytes:
        bucket, key = _bucket_and_key(name)
        try:
            answer = self._connected().get_object(Bucket=bucket, Key=key)
            with answer["Body"] as body:
                content: bytes = body.read(self.max_bytes + 1)
                return content
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise (FileNotFoundError if code in _MISSING else OSError)(str(error)) from error
        except BotoCoreError as error:
            raise OSError(str(error)) from error

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self.storage.connect()
            return self._client


def _bucket_and_key(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix(S3_SCHEME).partition("/")
    if not bucket:
        raise UnusableSource(f"{url} names no bucket.")
    return bucket, key
