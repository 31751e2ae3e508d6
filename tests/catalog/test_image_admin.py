"""The curators' screens for importing, labelling and exporting images, and what of it the API shows."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from catalog.models import Celebrity, CelebrityImage, FaceType, ImageLabel, Job
from catalog.models.jobs import Outcome
from catalog.models.labels import LabelState
from catalog.services.images import image_add, image_publish
from catalog.services.seed import catalog_seed
from inference.contracts import RefusalReason
from tests.catalog.factories import make_celebrity, make_image, make_label, make_picture
from tests.catalog.test_image_import import make_zip, row, table
from tests.fakes import FakeBackend

pytestmark = pytest.mark.django_db(transaction=True)

IMAGES = "admin:catalog_celebrityimage_changelist"


@pytest.fixture
def alpha(transactional_db: None) -> FaceType:
    make_celebrity(name_ko="홍길동", name_en="Hong Gildong")
    catalog_seed()
    return FaceType.objects.get(code="alpha")


@pytest.fixture
def curator(alpha: FaceType, client: Client) -> Client:
    user = User.objects.create_user("curator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="catalog"))
    client.force_login(user)
    return client


@pytest.fixture
def viewer(alpha: FaceType) -> Client:
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="catalog", codename__startswith="view_")
    )
    client = Client()
    client.force_login(user)
    return client


def work() -> None:
    call_command("db_worker", "--batch", "--no-startup-delay", "--interval", "0", verbosity=0)


def upload(client: Client, content: bytes, **fields: Any) -> Any:
    archive = SimpleUploadedFile("people.zip", content, "application/zip")
    return client.post(reverse("admin:catalog_import"), {"archive": archive, **fields}, follow=True)


def archive(count: int = 2) -> bytes:
    pictures = {f"{number}.jpg": make_picture() for number in range(count)}
    rows = [row(name, number) for number, name in enumerate(pictures)]
    return make_zip({"people.csv": table(rows), **pictures}).getvalue()


def run_action(client: Client, name: str, ids: list[Any]) -> Any:
    return client.post(reverse(IMAGES), {"action": name, "_selected_action": ids}, follow=True)


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


# --- Import -----------------------------------------------------------------------------------


def test_an_upload_is_checked_shown_and_added_when_the_curator_says_so(curator: Client, engine: FakeBackend) -> None:
    page = upload(curator, archive(2))
    job = Job.objects.get()
    assert page.redirect_chain[-1][0] == reverse("admin:catalog_job_change", args=[job.pk])
    work()

    checked = curator.get(reverse("admin:catalog_job_change", args=[job.pk]))
    assert "Add the 2 good images" in checked.content.decode()
    assert not CelebrityImage.objects.exists()

    curator.post(reverse("admin:catalog_job_step", args=[job.pk, "confirm"]))
    work()

    job.refresh_from_db()
    assert (job.state, job.created_by.username) == (Job.State.FINISHED, "curator")
    assert CelebrityImage.objects.count() == 2
    # A second click finds the job over.
    late = curator.post(reverse("admin:catalog_job_step", args=[job.pk, "confirm"]), follow=True)
    assert said(late) == ["The job is not in a state in which that can be done."]
    assert CelebrityImage.objects.count() == 2


def test_progress_rows_and_report_say_what_became_of_each_picture(curator: Client, engine: FakeBackend) -> None:
    rows = [row("a.jpg", source="=1+1"), row("missing.jpg", 2)]
    upload(curator, make_zip({"people.csv": table(rows), "a.jpg": make_picture()}).getvalue())
    job = Job.objects.get()
    progress = reverse("admin:catalog_job_progress", args=[job.pk])
    assert curator.get(progress).json()["is_at_work"]
    work()

    answer = curator.get(progress).json()
    assert (answer["is_at_work"], answer["state"]) == (False, "checked")
    assert "2 of 2 images" in answer["html"]
    wrong = curator.get(reverse("admin:catalog_job_change", args=[job.pk]), {"outcome": Outcome.INVALID})
    assert [each.name for each in wrong.context["page"]] == ["missing.jpg"]
    report = curator.get(reverse("admin:catalog_job_report", args=[job.pk]))
    lines = list(csv.DictReader(report.getvalue().decode("utf-8-sig").splitlines()))
    assert [(line["file"], line["outcome"], line["reason"]) for line in lines] == [
        ("a.jpg", "ready", ""),
        ("missing.jpg", "invalid", "There is no such file."),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"text", "This is not a ZIP archive, or it is damaged."),
        (make_zip({"../x": b"x"}).getvalue(), "The archive names a file outside of itself: ../x"),
        (make_zip({"a.jpg": b"x"}).getvalue(), "A table is missing"),
        (make_zip({"a.csv": b"file\n"}).getvalue(), "The table lacks these columns: name_ko, name_en."),
    ],
    # An archive holds the time at which it was made.
    ids=["no archive", "path out of itself", "no table", "columns missing"],
)
def test_a_bad_archive_is_refused_on_the_form_and_leaves_nothing(
    curator: Client, content: bytes, sentence: str
) -> None:
    response = upload(curator, content)

    assert response.status_code == 422
    assert sentence in response.context["form"].errors["archive"][0]
    assert not Job.objects.exists()
    assert not storages["imports"].exists("") or storages["imports"].listdir("")[1] == []


def test_a_form_without_a_file_says_so(curator: Client) -> None:
    assert curator.post(reverse("admin:catalog_import")).context["form"].errors["archive"]


def test_an_upload_over_the_limit_says_so(curator: Client, settings: Settings) -> None:
    content = archive(2)
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
    settings.MAX_IMPORT_BYTES = len(content) // 2

    response = upload(curator, content)

    assert response.status_code == 413
    assert not Job.objects.exists()


def test_an_archive_that_memory_cannot_hold_goes_over_the_disk(
    curator: Client, settings: Settings, engine: FakeBackend
) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100

    upload(curator, archive(2))
    work()

    assert Job.objects.get().state == Job.State.CHECKED


def test_a_cancelled_import_leaves_nothing(curator: Client, engine: FakeBackend) -> None:
    upload(curator, archive(1))
    job = Job.objects.get()
    work()

    curator.post(reverse("admin:catalog_job_step", args=[job.pk, "cancel"]))

    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert not storages["imports"].exists(job.archive)
    assert not CelebrityImage.objects.exists()


def test_viewers_see_jobs_and_begin_none(viewer: Client, curator: Client, engine: FakeBackend) -> None:
    upload(curator, archive(1))
    job = Job.objects.get()
    work()

    page = viewer.get(reverse("admin:catalog_job_change", args=[job.pk]))
    assert page.status_code == 200
    assert "Add the 1 good image" not in page.content.decode()
    assert viewer.get(reverse("admin:catalog_import")).status_code == 403
    assert viewer.post(reverse("admin:catalog_job_step", args=[job.pk, "confirm"])).status_code == 403
    assert viewer.get(reverse("admin:catalog_job_report", args=[job.pk])).status_code == 200
    outsider = Client()
    outsider.force_login(User.objects.create_user("outsider", is_staff=True))
    for name in ("change", "progress", "report"):
        assert outsider.get(reverse(f"admin:catalog_job_{name}", args=[job.pk])).status_code == 403


@pytest.mark.parametrize("path", ["999/change/", "x/change/", "999/progress/", "999/report/", "1/explode/"])
def test_what_is_not_there_is_not_found(curator: Client, path: str) -> None:
    assert curator.get(f"/admin/catalog/job/{path}").status_code in (302, 404)
    assert curator.post(f"/admin/catalog/job/{path}").status_code in (302, 403, 404)


def test_a_jobs_page_takes_as_many_queries_for_many_rows_as_for_few(curator: Client, engine: FakeBackend) -> None:
    def queries(count: int) -> int:
        upload(curator, archive(count))
        job = Job.objects.first()
        assert job
        work()
        curator.post(reverse("admin:catalog_job_step", args=[job.pk, "confirm"]))
        work()
        with CaptureQueriesContext(connection) as captured:
            assert curator.get(reverse("admin:catalog_job_change", args=[job.pk])).status_code == 200
        return len(captured)

    assert queries(1) == queries(12)


# --- One image --------------------------------------------------------------------------------


def add_one(client: Client, content: bytes, **fields: Any) -> Any:
    data = {
        "upload": SimpleUploadedFile("a.jpg", content, "image/jpeg"),
        "celebrity": Celebrity.objects.get(name_en="Hong Gildong").pk,
        "source": "here",
        "licence": "CC0-1.0",
        "attribution": "",
        "face_type": FaceType.objects.get(code="alpha").pk,
        **fields,
    }
    return client.post(reverse("admin:catalog_celebrityimage_add"), data, follow=True)


def test_the_gate_and_look_alikes_are_told_on_the_form_and_can_be_overruled(
    curator: Client, engine: FakeBackend
) -> None:
    engine.refuses_with = RefusalReason.TOO_BLURRY
    content = make_picture()

    refused = add_one(curator, content)
    assert refused.context["adminform"].form.errors["upload"] == ["This photo is too blurry."]
    engine.refuses_with = None
    add_one(curator, content)
    alike = add_one(curator, content + b"\n")

    assert "It looks like a picture in the catalogue: Hong Gildong #" in str(alike.context["adminform"].form.errors)
    assert CelebrityImage.objects.count() == 1
    # The type that the curator gave stands in the label as well.
    assert ImageLabel.objects.get().parts.get().face_type.code == "alpha"

    engine.refuses_with = RefusalReason.NO_FACE
    add_one(curator, make_picture(), add_anyway="on")
    assert CelebrityImage.objects.count() == 2


# --- Selections -------------------------------------------------------------------------------


def test_selected_images_are_labelled_in_the_background(curator: Client, engine: FakeBackend) -> None:
    images = [image_add(celebrity=make_celebrity(), content=make_picture()) for _ in range(3)]

    page = run_action(curator, "autolabel_selected", [image.pk for image in images[:2]])

    job = Job.objects.get()
    assert page.redirect_chain[-1][0] == reverse("admin:catalog_job_change", args=[job.pk])
    assert "0 of 2 images" in page.content.decode()
    work()
    assert ImageLabel.objects.count() == 2
    again = curator.get(reverse("admin:catalog_job_progress", args=[job.pk])).json()
    assert "2 of 2 images" in again["html"]


@pytest.mark.parametrize("action", ["publish_selected", "unpublish_selected", "autolabel_selected", "export_selected"])
@pytest.mark.parametrize("ids", [["x"], ["1' OR 1=1"], ["-1"], ["9" * 40], ["0"]])
def test_a_forged_selection_changes_nothing(curator: Client, alpha: FaceType, action: str, ids: list[str]) -> None:
    image = make_image(alpha)

    response = run_action(curator, action, ids)

    assert response.status_code == 200
    image.refresh_from_db()
    assert not image.is_published
    assert not ImageLabel.objects.exists()


@pytest.mark.parametrize("action", ["autolabel_selected", "export_selected", "publish_selected"])
def test_viewers_begin_nothing(viewer: Client, alpha: FaceType, action: str) -> None:
    image = make_image(alpha)

    run_action(viewer, action, [image.pk])

    assert not Job.objects.exists()
    assert not CelebrityImage.objects.published().exists()


def test_images_are_filtered_by_label_and_licence(curator: Client, alpha: FaceType) -> None:
    plain, accepted = make_image(alpha, licence="CC0-1.0"), make_image(alpha, licence="PDM-1.0")
    make_label(accepted, alpha, state=LabelState.ACCEPTED)

    for query, found in (
        ("label=none", plain),
        ("label=accepted", accepted),
        ("licence=PDM-1.0", accepted),
        ("licence=CC0-1.0", plain),
    ):
        assert list(curator.get(f"{reverse(IMAGES)}?{query}").context["cl"].queryset) == [found], query


# --- What the API shows -----------------------------------------------------------------------


def test_edits_show_in_the_api_at_once(curator: Client, alpha: FaceType) -> None:
    image = image_add(
        celebrity=Celebrity.objects.get(name_en="Hong Gildong"),
        content=make_picture(),
        face_type=alpha,
        source="here",
        licence="CC0-1.0",
        attribution="Before",
    )
    image_publish(images=[image])
    url = reverse("api:type-celebrities", args=["alpha"])

    def shown() -> list[tuple[str, str]]:
        return [(each["name"], each["attribution"]) for each in Client().get(url).json()["results"]]

    assert shown() == [("Hong Gildong", "Before")]

    fields = {"celebrity": image.celebrity_id, "source": "here", "licence": "CC0-1.0", "face_type": alpha.pk}
    change = reverse("admin:catalog_celebrityimage_change", args=[image.pk])
    curator.post(change, {**fields, "attribution": "After", "publish": "on"})
    curator.post(
        reverse("admin:catalog_celebrity_change", args=[image.celebrity_id]), {"name_ko": "새 이름", "name_en": "New"}
    )
    assert shown() == [("New", "After")]

    # Rejecting its label takes the image out as well.
    label = make_label(image, alpha)
    curator.post(
        reverse("admin:catalog_review_decide", args=[label.pk]),
        {"action": "reject", "rejection": "not_this_person", "version": 1},
        content_type="application/json",
    )
    assert shown() == []
