"""Work on images in the background, by a real worker."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.files.storage import storages
from django.core.management import call_command
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from catalog import tasks
from catalog.models import CelebrityImage, ImageLabel, Job, JobRow
from catalog.models.jobs import Outcome
from catalog.services.archives import open_zip
from catalog.services.autolabel import AutolabelWorker, autolabel_create, unlabelled_images
from catalog.services.image_import import import_confirm, import_create
from catalog.services.images import image_add, image_delete
from catalog.services.job_workers import archive_store
from catalog.services.jobs import STALLED_AFTER, job_cancel
from catalog.services.seed import catalog_seed
from inference.contracts import InvalidImage
from tests.catalog.factories import make_celebrity, make_picture
from tests.catalog.test_image_import import make_zip, row, table
from tests.fakes import FakeBackend

# A worker ends its transactions, and drops a connection that is inside one of a test.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _texts(transactional_db: None) -> None:
    make_celebrity()
    catalog_seed()


def work(*options: str) -> None:
    """What a worker does until nothing is left that is due."""
    call_command("db_worker", *(options or ["--batch"]), "--no-startup-delay", "--interval", "0", verbosity=0)


@pytest.fixture
def job(engine: FakeBackend) -> Job:
    """Of five images; nothing is done yet."""
    for _ in range(5):
        image_add(celebrity=make_celebrity(), content=make_picture())
    return autolabel_create(images=unlabelled_images(), created_by=None)


def test_a_worker_does_a_job(job: Job) -> None:
    tasks.job_begin(job)
    work()

    job.refresh_from_db()
    assert (job.state, job.done, job.total) == (Job.State.FINISHED, 5, 5)
    assert set(job.rows.values_list("outcome", flat=True)) == {Outcome.LABELLED}
    assert not DBTaskResult.objects.failed().exists()


def test_one_bad_image_does_not_stop_the_others(job: Job, engine: FakeBackend) -> None:
    unreadable, deleted, *_ = CelebrityImage.objects.order_by("pk")
    storages["catalog"].delete(unreadable.file)
    image_delete(images=[deleted])

    tasks.job_begin(job)
    work()

    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.FINISHED, 5)
    assert list(job.rows.order_by("number").values_list("outcome", "message")) == [
        (Outcome.FAILED, "The picture cannot be read."),
        (Outcome.FAILED, "The image was deleted."),
        *[(Outcome.LABELLED, "")] * 3,
    ]


def test_a_picture_the_models_cannot_read_is_told(job: Job, engine: FakeBackend) -> None:
    engine.fails_with = InvalidImage("damaged")

    tasks.job_begin(job)
    work()

    assert set(job.rows.values_list("outcome", "message")) == {
        (Outcome.FAILED, "The models could not analyse the picture: invalid_image")
    }
    assert not ImageLabel.objects.exists()


def test_a_job_goes_on_where_its_task_ended(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.services.autolabel._IMAGES_AT_ONCE", 2)
    monkeypatch.setattr(tasks, "_SECONDS_A_TASK", -1.0)
    tasks.job_begin(job)

    work("--max-tasks", "1")
    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.RUNNING, 2)

    work()
    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.FINISHED, 5)


def make_stalled(job: Job) -> None:
    """As a killed worker leaves it: its task runs for ever, and nothing moves."""
    DBTaskResult.objects.filter(task_path__endswith="work_on_job").update(status="RUNNING")
    DBTaskResult.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    Job.objects.update(updated_at=timezone.now() - 2 * STALLED_AFTER)


def test_a_job_survives_a_killed_worker(job: Job) -> None:
    tasks.job_begin(job)
    make_stalled(job)

    work()

    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.FINISHED, 5)


def test_a_job_that_kills_every_worker_ends_in_words(job: Job) -> None:
    tasks.job_begin(job)

    for _ in range(4):
        make_stalled(job)
        # The watch alone: the task it begins dies like those before it.
        work("--max-tasks", "1")

    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.CANCELLED, "The work stopped several times at the same place.")


def test_a_cancelled_job_stops_and_keeps_what_is_done(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.services.autolabel._IMAGES_AT_ONCE", 2)
    worker = AutolabelWorker(job)
    assert worker.step()

    job_cancel(job=job)

    assert not worker.step()
    job.refresh_from_db()
    assert (job.state, job.done, ImageLabel.objects.count()) == (Job.State.CANCELLED, 2, 2)
    assert JobRow.objects.filter(job=job, outcome=Outcome.PENDING).count() == 3


def test_an_uploaded_archive_is_checked_in_the_background_and_removed_in_the_end(engine: FakeBackend) -> None:
    upload = make_zip({"people.csv": table([row("a.jpg")]), "a.jpg": make_picture()})
    key = archive_store(upload)
    with open_zip(upload) as archive:
        job = import_create(archive=archive, created_by=None, archive_key=key)
    tasks.job_begin(job)
    work()
    job.refresh_from_db()
    assert job.state == Job.State.CHECKED
    assert storages["imports"].exists(key)

    import_confirm(job=job)
    tasks.job_begin(job)
    work()

    job.refresh_from_db()
    assert job.state == Job.State.FINISHED
    assert CelebrityImage.objects.count() == 1
    assert not storages["imports"].exists(key)


def test_an_import_nobody_confirms_ends_and_its_archive_goes(engine: FakeBackend) -> None:
    jobs = []
    for name in ("forgotten", "recent"):
        upload = make_zip({"people.csv": table([row(f"{name}.jpg")]), f"{name}.jpg": make_picture()})
        key = archive_store(upload)
        with open_zip(upload) as archive:
            jobs.append(import_create(archive=archive, created_by=None, archive_key=key))
        tasks.job_begin(jobs[-1])
    work()
    forgotten, recent = jobs
    Job.objects.filter(pk=forgotten.pk).update(updated_at=timezone.now() - timedelta(days=7))

    call_command("purge_expired", stdout=StringIO())

    for job in jobs:
        job.refresh_from_db()
    assert (forgotten.state, recent.state) == (Job.State.CANCELLED, Job.State.CHECKED)
    assert not storages["imports"].exists(forgotten.archive)
    assert storages["imports"].exists(recent.archive)


def test_an_archive_that_is_gone_ends_its_job_in_words(engine: FakeBackend) -> None:
    with open_zip(make_zip({"people.csv": table([row("a.jpg")]), "a.jpg": make_picture()})) as archive:
        job = import_create(archive=archive, created_by=None, archive_key="gone.zip")

    tasks.job_begin(job)
    work()

    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert job.error == "The uploaded archive cannot be read any more. Upload it again."
