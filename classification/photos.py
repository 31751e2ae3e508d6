"""Kept photos: encrypted, under random keys, in the private "photos" storage.

They are encrypted here, before any storage sees them, so a copy of a folder, a bucket or a
backup shows nothing without the keys.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from classification.errors import StorageUnavailable


def photo_save(jpeg: bytes) -> str:
    """Encrypt and store a photo; returns its key. Raises StorageUnavailable."""
    with _storage() as storage:
        return storage.save(secrets.token_hex(24), ContentFile(_cipher().encrypt(jpeg)))


def photo_read(key: str) -> bytes:
    """The JPEG that was stored under `key`. Raises StorageUnavailable."""
    with _storage() as storage, storage.open(key) as file:
        return _cipher().decrypt(file.read())


def photo_delete(key: str) -> None:
    """Erase a photo; one that is already gone is no error. Raises StorageUnavailable."""
    with _storage() as storage:
        storage.delete(key)


@contextmanager
def _storage() -> Generator[Storage]:
    try:
        yield storages["photos"]
    except (OSError, BotoCoreError, ClientError) as error:
        raise StorageUnavailable from error


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.PHOTO_ENCRYPTION_KEYS])
