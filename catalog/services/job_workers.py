"""Which worker does a job, and with what open before it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from django.core.files.base import File
from django.core.files.storage import storages
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from catalog.errors import STORAGE_ERRORS, InvalidArchive
from catalog.models import Job
from catalog.services.archives import Archive, open_zip
from catalog.services.autolabel import AutolabelWorker
from catalog.services.image_import import ImportAdder, ImportChecker
from catalog.services.jobs import JobWorker


@contextmanager
def worker_for(job: Job) -> Generator[JobWorker]:
    """Raises InvalidArchive where an import's archive cannot be read."""
    if job.kind == Job.Kind.AUTOLABEL:
        yield AutolabelWorker(job)
        return
    with stored_archive(job.archive) as archive:
        yield import_worker(job, archive)


def import_worker(job: Job, archive: Archive) -> JobWorker:
    return ImportChecker(job, archive) if job.state == Job.State.CHECKING else ImportAdder(job, archive)


def archive_store(file: File[bytes]) -> str:
    """Keep an uploaded archive for the background; its key."""
    return storages["imports"].save(f"{get_random_string(32)}.zip", file)


def archive_remove(key: str) -> None:
    if key:
        storages["imports"].delete(key)


@contextmanager
def stored_archive(key: str) -> Generator[Archive]:
    """Raises InvalidArchive."""
    try:
        file = storages["imports"].open(key)
    except STORAGE_ERRORS as error:
        raise InvalidArchive(_("The uploaded archive cannot be read any more. Upload it again.")) from error
    with file, open_zip(file) as archive:
        yield archive
