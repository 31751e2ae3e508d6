"""Rows for every screen of the back office, so that a test can fill any of their lists."""

from __future__ import annotations

import hashlib
import itertools
import json
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone
from django_tasks_db.models import DBTaskResult, get_date_max

from catalog.models import (
    CelebrityImage,
    FaceType,
    ImageLabel,
    Job,
    LabelExport,
    PartLabel,
    Rater,
    Rating,
    ScoringPolicy,
    Survey,
    SurveyImage,
    SurveyResult,
)
from catalog.models.survey import Method
from catalog.services.aggregation import ExclusionRule
from catalog.services.images import image_publish
from catalog.services.survey_import import upload_create
from catalog.services.survey_results import Cut, CutKind
from classification.models import Classification, Client
from inference.models import ModelName, ModelRelease
from inference.survey_rule import SURVEY_SHARES
from inference.weights import PACKAGED_WEIGHTS
from tests.catalog.factories import make_celebrity, make_image, make_result_row

_numbers = itertools.count(1)


def _images(count: int) -> None:
    images = [make_image(FaceType.objects.get(pk=number % 5 + 1)) for number in range(count)]
    image_publish(images=images[::2])


def _labels(count: int) -> None:
    reviewer = _user()
    for number in range(count):
        image = make_image(FaceType.objects.get(pk=number % 5 + 1))
        label = ImageLabel.objects.create(image=image, doubt=0.5, reviewed_by=reviewer)
        for part in ("whole_face", "upper_face", "lower_face"):
            PartLabel.objects.create(
                label=label, part=part, x0=1, y0=1, x1=9, y1=9, face_type=image.face_type, confidence=0.5
            )


def _sha256() -> str:
    return hashlib.sha256(str(next(_numbers)).encode()).hexdigest()


def _user() -> User:
    return User.objects.create_user(f"staff {next(_numbers)}", is_staff=True)


def make_survey() -> Survey:
    title = f"Survey {next(_numbers)}"
    now = timezone.now()
    survey = Survey.objects.create(
        title_en=title, title_ko=title, question_en="?", question_ko="?", opens_at=now, created_by=_user()
    )
    image = CelebrityImage.objects.first() or make_image()
    SurveyImage.objects.create(survey=survey, image=image, key="1", rating_count=3)
    return survey


def _survey_images(count: int) -> None:
    survey = make_survey()
    for number in range(count - 1):
        SurveyImage.objects.create(survey=survey, image=make_image(), key=f"image {number}")


def _raters(count: int) -> None:
    for _ in range(count):
        Rater.objects.create(survey=make_survey(), key=str(next(_numbers)), language="ko")


def _ratings(count: int) -> None:
    for _ in range(count):
        survey = make_survey()
        Rating.objects.create(
            survey_image=survey.survey_images.get(),
            rater=Rater.objects.create(survey=survey, key="1", language="ko"),
            part="whole_face",
            value=3,
            created_at=timezone.now(),
        )


def _results(count: int) -> None:
    parameters = {"cut": asdict(Cut(CutKind.SHARES, SURVEY_SHARES)), "exclusion": asdict(ExclusionRule())}
    for number in range(count):
        SurveyResult.objects.create(
            survey=make_survey(),
            method=Method.MEAN,
            parameters=parameters,
            data_hash="0" * 64,
            rating_count=number,
            rater_count=number,
            created_by=_user(),
        )


def _result_rows(count: int) -> None:
    for _ in range(count):
        make_result_row(make_image(), face_type_id=1)


def _classifications(count: int) -> None:
    now = timezone.now()
    for number in range(count):
        Classification.objects.create(
            birth_date=now.date(),
            type_id=number % 5 + 1,
            borderline_with_id=(number + 1) % 5 + 1,
            score=50,
            confidence=0.5,
            parts=[],
            photo_width=1,
            photo_height=1,
            photo_key=str(number),
            client=Client.API,
            language="en",
            created_at=now,
            expires_at=now + timedelta(days=1),
        )


def _releases(count: int) -> None:
    manifest = json.loads((PACKAGED_WEIGHTS / "types.json").read_text())
    for number in range(count):
        name = ModelName.values[number % 3]
        sha256 = _sha256()
        ModelRelease.objects.create(name=name, version=sha256[:8], sha256=sha256, manifest=manifest, weights_key="x")


def _tasks(count: int) -> None:
    for _ in range(count):
        DBTaskResult.objects.create(
            id=uuid.uuid4(),
            args_kwargs={"args": [], "kwargs": {}},
            task_path="catalog.tasks.nothing",
            backend_name="default",
            run_after=get_date_max(),
        )


def _entries(count: int) -> None:
    for number in range(count):
        LogEntry.objects.create(
            content_type=ContentType.objects.get_for_model([FaceType, Survey, User][number % 3]),
            object_pk=str(number),
            object_repr="something",
            action=LogEntry.Action.UPDATE,
            changes={"name": ["a", "b"]},
            actor=_user(),
        )


def _policies(count: int) -> None:
    ScoringPolicy.objects.bulk_create(
        ScoringPolicy(
            name="Policy",
            weight_whole_face=50,
            weight_upper_face=40,
            weight_lower_face=10,
            threshold_alpha=80,
            threshold_beta=60,
            threshold_gamma=40,
            threshold_delta=20,
            **{f"factor_{code}": 0.5 for code in ("alpha", "beta", "gamma", "delta", "omega")},
        )
        for _ in range(count)
    )


def _each(make: Callable[[], object]) -> Callable[[int], None]:
    def make_many(count: int) -> None:
        for _ in range(count):
            make()

    return make_many


# Model of a screen -> adds that many rows to its list. The five face types are there. None: rows never grow in number.
ADD_ROWS: dict[str, Callable[[int], None] | None] = {
    "auditlog.LogEntry": _entries,
    "auth.Group": _each(lambda: Group.objects.create(name=f"group {next(_numbers)}")),
    "auth.User": _each(_user),
    "catalog.Celebrity": _each(make_celebrity),
    "catalog.CelebrityImage": _images,
    "catalog.FaceType": None,
    "catalog.Guidance": None,
    "catalog.ImageLabel": _labels,
    "catalog.Job": _each(lambda: Job.objects.create(kind=Job.Kind.AUTOLABEL, total=5, done=2, created_by=_user())),
    "catalog.LabelExport": _each(
        lambda: LabelExport.objects.create(sha256=_sha256(), label_count=1, created_by=_user())
    ),
    "catalog.Rater": _raters,
    "catalog.Rating": _ratings,
    "catalog.ScoringPolicy": _policies,
    "catalog.Survey": _each(make_survey),
    "catalog.SurveyImage": _survey_images,
    "catalog.SurveyImport": _each(
        lambda: upload_create(
            survey=make_survey(), file_name="a.csv", content=b"rater,image,value\n1,1,3\n", created_by=_user()
        )
    ),
    "catalog.SurveyResult": _results,
    "catalog.SurveyResultRow": _result_rows,
    "classification.Classification": _classifications,
    "django_tasks_database.DBTaskResult": _tasks,
    "inference.ModelRelease": _releases,
}
