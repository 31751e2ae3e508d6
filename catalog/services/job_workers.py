"""Which worker does a job, and with what open before it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from django.core.files.base import File
from django.core.files.storage import storages
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from catalog.errors import STORAGE_ERRORS, InvalidArchive
from catalog.models import Job
from catalog.services.archives import Archive, open_zip
from catalog.services.autolabel import AutolabelWorker
from catalog.services.image_import import ImportAdder, ImportChecker
from catalog.services.jobs import JobWorker, job_cancel

# How long a checked import waits for its curator; its archive holds people's pictures.
_UNCONFIRMED_KEPT = timedelta(days=7)


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


def imports_expire() -> int:
    """Cancel imports that were checked and then forgotten, and remove their archives; how many there were."""
    forgotten = Job.objects.filter(state=Job.State.CHECKED, updated_at__lte=timezone.now() - _UNCONFIRMED_KEPT)
    count = 0
    for job in forgotten.iterator():
        job_cancel(job=job, error=_("Nobody confirmed the import in time. Upload the archive again."))
        archive_remove(job.archive)
        count += 1
    return count


@contextmanager
def stored_archive(key: str) -> Generator[Archive]:
    """Raises InvalidArchive."""
    try:
        file = storages["imports"].open(key)
    except STORAGE_ERRORS as error:
        raise InvalidArchive(_("The uploaded archive cannot be read any more. Upload it again.")) from error
    with file, open_zip(file) as archive:
        yield archive
