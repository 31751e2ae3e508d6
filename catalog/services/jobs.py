"""Long work on images: its rows, its progress, and what the worker does next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from catalog.errors import JobNotReady
from catalog.models import Job, JobRow
from catalog.models.jobs import Outcome
from catalog.services.audit import audit_bulk

# Nobody works on a job that shows nothing new for so long: its worker was killed.
STALLED_AFTER = timedelta(minutes=2)
_ROWS_AT_ONCE = 1000


class JobWorker(Protocol):
    """Does a job's rows, some at a time."""

    def step(self) -> bool:
        """Do the next rows, or end the job where there are none; whether the job goes on."""


@transaction.atomic
def job_create(
    *,
    kind: Job.Kind,
    state: Job.State,
    rows: Iterable[JobRow],
    created_by: AbstractBaseUser | None,
    archive: str = "",
    options: dict[str, Any] | None = None,
) -> Job:
    """A job that waits for its worker. rows: without job, which they get here."""
    job = Job.objects.create(
        kind=kind,
        state=state,
        archive=archive,
        options=options or {},
        language=get_language() or "en",
        created_by=created_by,  # type: ignore[misc]
    )
    own = list(rows)
    for row in own:
        row.job = job
    JobRow.objects.bulk_create(own, batch_size=_ROWS_AT_ONCE)
    job.total = len(own)
    job.done = sum(1 for row in own if row.outcome)
    job.save(update_fields=["total", "done", "updated_at"])
    return job


def is_in_state(job: Job, state: Job.State) -> bool:
    """Asked anew before each step: a curator may have cancelled the job."""
    return Job.objects.filter(pk=job.pk, state=state).exists()


def pending_rows(job: Job, count: int, outcome: str = Outcome.PENDING) -> list[JobRow]:
    return list(job.rows.filter(outcome=outcome).order_by("number").select_related("image")[:count])


@transaction.atomic
def rows_finish(*, job: Job, rows: Sequence[JobRow]) -> None:
    """Keep what became of rows, and count them as done."""
    for row in rows:
        row.message = row.message[: JobRow._meta.get_field("message").max_length]  # noqa: SLF001 - public by custom
    JobRow.objects.bulk_update(rows, ["outcome", "message", "values", "image"])
    Job.objects.filter(pk=job.pk).update(done=F("done") + len(rows), updated_at=timezone.now())


def job_set_state(*, job: Job, state: Job.State, expected: Job.State, **changes: Any) -> None:
    """Raises JobNotReady where the job is not in the expected state, so that a second click does nothing twice."""
    changed = Job.objects.filter(pk=job.pk, state=expected).update(state=state, updated_at=timezone.now(), **changes)
    if not changed:
        raise JobNotReady(_("The job is not in a state in which that can be done."))
    job.refresh_from_db()
    audit_bulk(objects=[job], changes={"state": (expected, state)})


def job_cancel(*, job: Job, error: str = "") -> None:
    """End a job: what is done stays, what is left stays undone. Raises JobNotReady where it ended already."""
    job.refresh_from_db()
    if not job.is_at_work and job.state != Job.State.CHECKED:
        raise JobNotReady(_("The job has ended already."))
    job_set_state(job=job, state=Job.State.CANCELLED, expected=Job.State(job.state), error=error[:500])


def outcome_counts(job: Job) -> dict[str, int]:
    """How many rows had each outcome; those that none had are left out."""
    return dict(job.rows.order_by().values_list("outcome").annotate(count=Count("pk")))


def is_stalled(job: Job) -> bool:
    return job.is_at_work and job.updated_at < timezone.now() - STALLED_AFTER
