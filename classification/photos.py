"""Kept photos: encrypted, under random keys, in the private "photos" storage.

They are encrypted here, before any storage sees them, so a copy of a folder, a bucket or a
backup shows nothing without the keys.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from catalog.errors import STORAGE_ERRORS
from classification.errors import StorageUnavailable


def new_key() -> str:
    """A key that nobody can guess, for a photo that is not stored yet."""
    return secrets.token_hex(24)


def photo_save(key: str, jpeg: bytes) -> None:
    """Encrypt a photo and store it under `key`. Raises StorageUnavailable."""
    with _storage() as storage:
        storage.save(key, ContentFile(_cipher().encrypt(jpeg)))


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
    except STORAGE_ERRORS as error:
        raise StorageUnavailable from error


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.PHOTO_ENCRYPTION_KEYS])
