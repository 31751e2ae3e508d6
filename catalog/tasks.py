"""Work that `manage.py db_worker` does in the background."""

from __future__ import annotations

import time

import structlog
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django_tasks import task

from catalog.errors import CatalogError
from catalog.models import Job
from catalog.services.audit import acting
from catalog.services.job_workers import archive_remove, worker_for
from catalog.services.jobs import STALLED_AFTER, is_stalled, job_cancel

logger = structlog.get_logger(__name__)

# A worker that is asked to stop finishes its task first, so no task takes long.
_SECONDS_A_TASK = 15.0
# A row that stops its worker again and again, for instance by its memory, must not do so for ever.
_RESTARTS = 3


def job_begin(job: Job) -> None:
    """Have a job done in the background, whatever becomes of the worker that begins it."""
    work_on_job.enqueue(job.pk)
    _watch_later(job)


def job_resume(job: Job) -> None:
    """Go on with a job whose worker was killed."""
    work_on_job.enqueue(job.pk)


@task()
def work_on_job(job_id: int) -> None:
    job = Job.objects.filter(pk=job_id).first()
    if job is None or not job.is_at_work:
        return
    with translation.override(job.language), acting(job.created_by):
        try:
            goes_on = _work(job)
        except CatalogError as error:
            job_cancel(job=job, error=str(error))
            goes_on = False
    if goes_on:
        work_on_job.enqueue(job.pk)
    else:
        _clean_up(job)


@task()
def watch_job(job_id: int, restarts: int, done: int) -> None:
    """Go on with a job whose worker was killed, and look again later, until it ends.

    restarts: how often it was resumed without getting further than to `done`.
    """
    job = Job.objects.filter(pk=job_id).first()
    if job is None or not job.is_at_work:
        return
    if job.done > done:
        restarts = 0
    if is_stalled(job):
        if restarts >= _RESTARTS:
            with translation.override(job.language):
                job_cancel(job=job, error=_("The work stopped several times at the same place."))
            _clean_up(job)
            return
        logger.warning("job_resumed", job=job.pk, done=job.done)
        restarts += 1
        work_on_job.enqueue(job.pk)
    _watch_later(job, restarts)


def _work(job: Job) -> bool:
    """Whether something is left to do after the time of one task."""
    ends = time.monotonic() + _SECONDS_A_TASK
    with worker_for(job) as worker:
        while worker.step():
            if time.monotonic() > ends:
                return True
    return False


def _clean_up(job: Job) -> None:
    """An archive is of no use once its job has ended."""
    job.refresh_from_db()
    if job.state in (Job.State.FINISHED, Job.State.CANCELLED):
        archive_remove(job.archive)


def _watch_later(job: Job, restarts: int = 0) -> None:
    # The immediate backend, which tests may use, cannot wait, and needs no watching.
    if watch_job.get_backend().supports_defer:
        watch_job.using(run_after=timezone.now() + STALLED_AFTER).enqueue(job.pk, restarts, job.done)
