"""The curators' screens of surveys: what they do, and that no list looks at more than one page of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.models import (
    CelebrityImage,
    FaceType,
    PartLabel,
    Rater,
    Rating,
    Survey,
    SurveyImage,
    SurveyImport,
    SurveyResult,
    SurveyResultRow,
)
from catalog.models.survey import Scale
from catalog.services.survey_results import result_create
from tests.catalog.factories import make_face_types, make_images
from tests.catalog.test_survey_results import add_ratings, make_survey

pytestmark = pytest.mark.django_db

WHOLE = "whole_face"
MODELS = (Survey, SurveyImage, Rater, Rating, SurveyImport, SurveyResult, SurveyResultRow)


@pytest.fixture(autouse=True)
def _tasks_run_at_once(settings: Any) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend"}}


def sign_in(client: Client, *permissions: str) -> Client:
    """As someone who may do these things in the catalogue; everything where none is named."""
    user = User.objects.create_user("somebody", is_staff=True)
    allowed = Permission.objects.filter(content_type__app_label="catalog")
    user.user_permissions.set(allowed.filter(codename__in=permissions) if permissions else allowed)
    client.force_login(user)
    return client


@pytest.fixture
def curator(client: Client) -> Client:
    return sign_in(client)


@pytest.fixture
def viewer(client: Client) -> Client:
    return sign_in(client, *(f"view_{model._meta.model_name}" for model in (*MODELS, CelebrityImage)))


@pytest.fixture
def face_types(db: None) -> list[FaceType]:
    return make_face_types()


@pytest.fixture
def pictures(face_types: list[FaceType]) -> list[CelebrityImage]:
    return make_images(None, 5, published=False)


@pytest.fixture
def rated(pictures: list[CelebrityImage]) -> Survey:
    survey = make_survey()
    add_ratings(survey, [[7, 7], [6, 6], [5, 5], [4, 4], [3, 3]], images=pictures)
    return survey


@pytest.fixture
def result(rated: Survey) -> SurveyResult:
    return result_create(survey=rated)


def said(response: HttpResponse) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def change_url(row: Any) -> str:
    return reverse(f"admin:catalog_{row._meta.model_name}_change", args=[row.pk])


def list_url(model: type[Any]) -> str:
    return reverse(f"admin:catalog_{model._meta.model_name}_changelist")


def step(client: Client, row: Any, name: str) -> Any:
    url = reverse(f"admin:catalog_{row._meta.model_name}_step", args=[row.pk, name])
    return client.post(url, follow=True)


def upload(client: Client, survey: Survey, content: bytes) -> Any:
    url = reverse("admin:catalog_survey_import", args=[survey.pk])
    return client.post(url, {"file": SimpleUploadedFile("ratings.csv", content, "text/csv")}, follow=True)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_screen_opens(curator: Client, result: SurveyResult, model: type[Any], language: str) -> None:
    upload(curator, result.survey, b"rater,image,value\nann,a,1\n")
    headers = {"accept-language": language}

    assert curator.get(list_url(model), headers=headers).status_code == 200
    assert curator.get(change_url(model.objects.first()), headers=headers).status_code == 200


FORM = {
    "title_ko": "설문",
    "title_en": "Survey",
    "question_ko": "얼마나?",
    "question_en": "How?",
    "scale": "types",
    "parts": ["lower_face", "whole_face"],
    "languages": ["ko"],
    "ratings_wanted": "15",
    "repeat_share": "0.1",
    "shares": "",
}


@pytest.mark.parametrize(("shares", "kept"), [("", None), ("10, 20, 40, 20, 10", [10, 20, 40, 20, 10])])
def test_a_survey_is_written(curator: Client, shares: str, kept: list[float] | None) -> None:
    response = curator.post(reverse("admin:catalog_survey_add"), FORM | {"shares": shares}, follow=True)

    survey = Survey.objects.get()
    assert response.status_code == 200
    assert (survey.parts, survey.languages, survey.shares) == ([WHOLE, "lower_face"], ["ko"], kept)
    assert survey.created_by == User.objects.get()
    assert not survey.is_open


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": "1, 2, 3"},
        {"shares": "1, 2, 3, 4, many"},
        {"shares": "0 0 0 0 0"},
        {"shares": "-1 1 1 1 1"},
        {"shares": "nan 1 1 1 1"},
        {"parts": []},
        {"parts": ["nose"]},
        {"languages": []},
        {"scale": "stars"},
        {"repeat_share": "0.9"},
    ],
    ids=str,
)
def test_a_survey_that_makes_no_sense_is_refused(curator: Client, wrong: dict[str, Any]) -> None:
    response = curator.post(reverse("admin:catalog_survey_add"), FORM | wrong)

    assert response.status_code == 200
    assert response.context["errors"]
    assert not Survey.objects.exists()


def test_scale_and_parts_stay_once_there_are_ratings(curator: Client, rated: Survey) -> None:
    page = curator.get(change_url(rated))
    assert "scale" not in page.context["adminform"].form.fields

    curator.post(change_url(rated), FORM | {"shares": "1 1 1 1 1"})

    rated.refresh_from_db()
    assert (rated.scale, rated.parts, rated.shares) == (Scale.ONE_TO_SEVEN, [WHOLE], [1, 1, 1, 1, 1])


def test_a_rated_survey_cannot_be_deleted(curator: Client, rated: Survey) -> None:
    url = reverse("admin:catalog_survey_delete", args=[rated.pk])

    assert curator.post(url, {"post": "yes"}).status_code == 403
    Rater.objects.all().delete()
    assert curator.post(url, {"post": "yes"}).status_code == 302
    assert not Survey.objects.exists()


def test_a_survey_is_opened_and_closed(curator: Client, rated: Survey) -> None:
    assert step(curator, rated, "close").status_code == 200
    page = step(curator, rated, "open")
    rated.refresh_from_db()
    assert rated.is_open
    assert reverse("survey-welcome", args=[rated.link_token]) in page.content.decode()

    step(curator, rated, "close")
    rated.refresh_from_db()
    assert not rated.is_open
    step(curator, rated, "open")
    rated.refresh_from_db()
    assert rated.is_open


def test_a_survey_without_pictures_cannot_be_opened(curator: Client) -> None:
    survey = make_survey()

    assert "pictures" in said(step(curator, survey, "open"))[0]
    survey.refresh_from_db()
    assert not survey.is_open


def test_selected_images_are_added_to_a_survey(curator: Client, pictures: list[CelebrityImage]) -> None:
    survey = make_survey()
    data = {"action": "add_to_survey", "_selected_action": [picture.pk for picture in pictures[:3]]}

    question = curator.post(list_url(CelebrityImage), data)
    assert b"survey" in question.content
    assert not SurveyImage.objects.exists()
    response = curator.post(list_url(CelebrityImage), data | {"survey": survey.pk}, follow=True)

    assert said(response)[0].startswith("3 images")
    assert set(SurveyImage.objects.values_list("image", flat=True)) == {picture.pk for picture in pictures[:3]}
    again = curator.post(list_url(CelebrityImage), data | {"survey": survey.pk, "select_across": "1"}, follow=True)
    assert said(again)[0].startswith("2 images")
    assert len(set(SurveyImage.objects.values_list("key", flat=True))) == 5


@pytest.mark.parametrize(("value", "kept"), [("7", 7), ("", None), ("8", None), ("2.5", None)])
def test_a_known_answer_is_one_of_the_scale(curator: Client, rated: Survey, value: str, kept: float | None) -> None:
    image = rated.survey_images.first()
    assert image is not None

    curator.post(change_url(image), {"gold_value": value})

    image.refresh_from_db()
    assert image.gold_value == kept


# --- Imports ---

CSV = b"who,face,score,sex,trait\nann,a,1,female,att\nann,b,2,female,att\nbob,a,7,male,trust\n"


def options(**changes: Any) -> dict[str, Any]:
    return {
        "layout": "long",
        "rater": "who",
        "image": "face",
        "value": "score",
        "sex": "sex",
        "add_images": "on",
    } | changes


def test_a_file_is_sent_looked_at_and_imported(
    curator: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    survey = make_survey()

    page = upload(curator, survey, CSV)
    saved = SurveyImport.objects.get()
    assert page.redirect_chain[-1][0] == change_url(saved)
    # What the names of the columns suggest.
    assert page.context["form"].initial["image"] == "face"
    preview = curator.post(change_url(saved), options(where_column_0="trait", where_text_0="att"), follow=True)
    assert preview.context["report"]["new"] == 2
    assert preview.context["report"]["filtered"] == 1
    assert not Rating.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        step(curator, saved, "import")

    saved.refresh_from_db()
    assert saved.state == SurveyImport.State.FINISHED
    assert Rating.objects.count() == 2
    assert "ratings imported" in curator.get(change_url(saved)).content.decode()
    assert said(step(curator, saved, "import"))


def test_wrong_rows_are_shown_and_stop_the_import(
    curator: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    survey = make_survey()
    upload(curator, survey, CSV + b"cy,a,=1+1,,att\n")
    saved = SurveyImport.objects.get()

    page = curator.post(change_url(saved), options(), follow=True).content.decode()
    assert "=1+1" in page
    assert not Rating.objects.exists()
    step(curator, saved, "import")
    assert not Rating.objects.exists()
    curator.post(change_url(saved), options(skip_bad_rows="on"))
    with django_capture_on_commit_callbacks(execute=True):
        step(curator, saved, "import")
    assert Rating.objects.count() == 3


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04\x00", b"a,b\n\xff\xfe\xfd"])
def test_a_file_that_is_no_table_is_refused(curator: Client, content: bytes) -> None:
    assert upload(curator, make_survey(), content).status_code == 422
    assert not SurveyImport.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [{"layout": "deep"}, {"image": "nothing"}, {"image": ""}, {"part_given": "nose"}, {"value": "trait"}],
    ids=str,
)
def test_options_that_make_no_sense_import_nothing(curator: Client, wrong: dict[str, Any]) -> None:
    upload(curator, make_survey(), CSV)
    saved = SurveyImport.objects.get()

    response = curator.post(change_url(saved), options(**wrong), follow=True)

    assert response.status_code == 422 or response.context["report"]["problem_count"] == 3
    step(curator, saved, "import")
    assert not Rating.objects.exists()


def test_a_file_can_be_dismissed(curator: Client) -> None:
    upload(curator, make_survey(), CSV)
    saved = SurveyImport.objects.get()

    step(curator, saved, "dismiss")

    saved.refresh_from_db()
    assert (saved.state, bytes(saved.content)) == (SurveyImport.State.DISMISSED, b"")
    assert curator.get(change_url(saved)).status_code == 200


# --- Results ---

RESULT = {"method": "mean", "cut": "shares", "shares": "20 20 20 20 20", "gold_tolerance": "0.25", "min_ratings": "10"}


def make_result(client: Client, survey: Survey, **changes: Any) -> Any:
    url = reverse("admin:catalog_survey_result", args=[survey.pk])
    return client.post(url, RESULT | changes, follow=True)


def test_a_result_is_made(curator: Client, rated: Survey) -> None:
    form = curator.get(reverse("admin:catalog_survey_result", args=[rated.pk])).context["form"]
    assert form.initial["shares"] == pytest.approx([21.8, 21.4, 22.5, 19.2, 15.2])

    page = make_result(curator, rated, min_reliability="0.2")

    made = SurveyResult.objects.get()
    assert page.redirect_chain[-1][0] == change_url(made)
    assert made.parameters["cut"] == {"kind": "shares", "values": [20, 20, 20, 20, 20]}
    assert made.parameters["exclusion"]["min_reliability"] == 0.2
    assert made.parameters["exclusion"]["max_same_share"] is None
    assert "Krippendorff" in page.content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "magic"},
        {"cut": "points"},
        {"cut": "points", "points": "1 2 3 4"},
        {"cut": "category"},
        {"shares": "1 2"},
        {"shares": ""},
        {"min_ratings": "0"},
        {"min_reliability": "7"},
    ],
    ids=str,
)
def test_a_result_that_makes_no_sense_is_refused(curator: Client, rated: Survey, wrong: dict[str, Any]) -> None:
    assert make_result(curator, rated, **wrong).status_code == 422
    assert not SurveyResult.objects.exists()


def test_a_result_is_published_and_taken_back(curator: Client, result: SurveyResult) -> None:
    assert said(step(curator, result, "publish")) == ["5 labels published."]
    assert PartLabel.objects.filter(type_source="survey").count() == 5
    result.refresh_from_db()
    assert result.published_by == User.objects.get()
    assert said(step(curator, result, "publish")) == ["This result has been published already."]

    assert said(step(curator, result, "undo")) == ["5 labels are what they were before."]
    assert not PartLabel.objects.filter(type_source="survey").exists()


def test_two_results_are_compared(curator: Client, result: SurveyResult) -> None:
    Rating.objects.filter(survey_image__key="image 000").update(value=1)
    other = result_create(survey=result.survey)
    data = {"action": "compare_selected", "_selected_action": [result.pk, other.pk]}

    page = curator.post(list_url(SurveyResult), data)
    assert "image 000" in page.content.decode()
    alone = curator.post(list_url(SurveyResult), data | {"_selected_action": [result.pk]}, follow=True)
    assert said(alone) == ["Select exactly two results."]


def test_the_ranking_is_one_results_and_one_parts(curator: Client, result: SurveyResult) -> None:
    result_create(survey=result.survey)

    page = curator.get(list_url(SurveyResultRow), {"result": result.pk, "part": WHOLE})

    rows = page.context["cl"].result_list
    assert [(row.result_id, row.rank) for row in rows] == [(result.pk, rank) for rank in range(1, 6)]


def test_a_raters_and_an_images_ratings_are_listed(curator: Client, rated: Survey) -> None:
    rater, image = Rater.objects.order_by("pk")[0], SurveyImage.objects.order_by("pk")[0]

    by_rater = curator.get(list_url(Rating), {"rater": rater.pk}).context["cl"].result_list
    by_image = curator.get(list_url(Rating), {"survey_image": image.pk}).context["cl"].result_list

    assert {rating.rater_id for rating in by_rater} == {rater.pk}
    assert len(by_rater) == 5
    assert {rating.survey_image_id for rating in by_image} == {image.pk}
    assert len(by_image) == 2


def test_what_is_frozen_cannot_be_edited(curator: Client, result: SurveyResult) -> None:
    for row in (result, result.rows.first(), Rating.objects.first(), Rater.objects.first()):
        assert curator.post(change_url(row), {"value": 1}).status_code == 403
        assert curator.post(change_url(row).replace("change", "delete"), {"post": "yes"}).status_code == 403


# --- Who may do what ---


def test_a_viewer_changes_nothing(viewer: Client, result: SurveyResult) -> None:
    survey = result.survey
    for name in ("open", "close"):
        assert step(viewer, survey, name).status_code == 403
    for name in ("publish", "undo"):
        assert step(viewer, result, name).status_code == 403
    assert upload(viewer, survey, CSV).status_code == 403
    assert make_result(viewer, survey).status_code == 403
    assert viewer.post(change_url(survey), FORM).status_code == 403
    page = viewer.get(change_url(survey)).content.decode()
    assert reverse("admin:catalog_survey_step", args=[survey.pk, "open"]) not in page
    assert (
        reverse("admin:catalog_surveyresult_step", args=[result.pk, "publish"])
        not in viewer.get(change_url(result)).content.decode()
    )


def test_steps_are_never_taken_by_a_link(curator: Client, result: SurveyResult) -> None:
    assert curator.get(reverse("admin:catalog_survey_step", args=[result.survey_id, "open"])).status_code == 404
    assert curator.get(reverse("admin:catalog_surveyresult_step", args=[result.pk, "publish"])).status_code == 404


# --- Lists of very many rows ---


def queries(client: Client, url: str) -> list[str]:
    from django.db import connection

    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_list_runs_more_queries_for_more_rows(curator: Client, result: SurveyResult, model: type[Any]) -> None:
    upload(curator, result.survey, CSV)
    few = queries(curator, list_url(model))
    for number in range(6):
        survey = make_survey()
        pictures = make_images(None, 4, published=False)
        add_ratings(survey, [[7, 6, number], [6, 5, 2], [5, 5, 4], [4, 3, 3]], images=pictures)
        result_create(survey=survey)
        upload(curator, survey, CSV)

    assert len(queries(curator, list_url(model))) == len(few)


@pytest.mark.parametrize("model", [Rating, Rater, SurveyImage, SurveyResultRow], ids=lambda model: model.__name__)
def test_long_lists_count_nothing(curator: Client, result: SurveyResult, model: type[Any]) -> None:
    table = model._meta.db_table

    counting = [sql for sql in queries(curator, list_url(model)) if "COUNT(" in sql and table in sql]

    assert counting == []
