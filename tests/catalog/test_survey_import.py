"""Ratings from files: what is read, what is refused, and that nothing is imported twice."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from catalog.errors import ImportNotPossible, InvalidTable, RatingsNotImported, TableTooLarge
from catalog.models import Rater, Rating, Survey, SurveyImage, SurveyImport
from catalog.models.survey import AgeBand, Scale
from catalog.services import survey_files
from catalog.services.survey_files import Field, ImportOptions, Layout
from catalog.services.survey_import import (
    ImportReport,
    import_upload,
    ratings_check,
    ratings_import,
    upload_check,
    upload_create,
    upload_dismiss,
    upload_import,
)
from tests.catalog.factories import make_celebrity, make_face_types, make_image

pytestmark = pytest.mark.django_db

WHOLE, UPPER, LOWER = "whole_face", "upper_face", "lower_face"
COLUMNS = {Field.RATER: "rater", Field.IMAGE: "image", Field.VALUE: "value"}
LONG = ImportOptions(columns=COLUMNS, add_images=True)
WIDE = ImportOptions(layout=Layout.WIDE, columns={Field.RATER: "Name"}, add_images=True)


def table(*rows: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


HEADER = ("rater", "image", "value")
GOOD = table(HEADER, ("ann", "a", 1), ("ann", "b", 2), ("bob", "a", 7))


@pytest.fixture
def survey(db: None) -> Survey:
    return make_survey()


def make_survey(**fields: Any) -> Survey:
    texts = {"title_ko": "설문", "title_en": "Survey", "question_ko": "얼마나?", "question_en": "How?"}
    return Survey.objects.create(**(texts | {"scale": Scale.ONE_TO_SEVEN, "parts": [WHOLE]} | fields))


def found(survey: Survey) -> set[tuple[str, str, str, float]]:
    rows = Rating.objects.filter(survey_image__survey=survey)
    return set(rows.values_list("rater__key", "survey_image__key", "part", "value"))


def problems(report: ImportReport) -> list[tuple[int, str]]:
    return [(problem.row, problem.message) for problem in report.problems]


def refused(survey: Survey, content: bytes, options: ImportOptions = LONG) -> list[tuple[int, str]]:
    """Import, which must be refused and leave nothing behind."""
    before = (Rating.objects.count(), Rater.objects.count(), SurveyImage.objects.count())
    with pytest.raises(RatingsNotImported) as error:
        ratings_import(survey=survey, content=content, options=options)
    assert (Rating.objects.count(), Rater.objects.count(), SurveyImage.objects.count()) == before
    return problems(error.value.report)


# --- Long tables ---


def test_a_long_table_is_imported(survey: Survey) -> None:
    report = ratings_import(survey=survey, content=GOOD, options=LONG)

    assert found(survey) == {("ann", "a", WHOLE, 1), ("ann", "b", WHOLE, 2), ("bob", "a", WHOLE, 7)}
    assert (report.new, report.new_raters, report.new_images, report.problem_count) == (3, 2, 2, 0)
    assert dict(SurveyImage.objects.values_list("key", "rating_count")) == {"a": 2, "b": 1}


def test_the_same_file_again_adds_nothing_and_says_so(survey: Survey) -> None:
    ratings_import(survey=survey, content=GOOD, options=LONG)

    again = ratings_import(survey=survey, content=GOOD, options=LONG)

    assert (again.new, again.present, again.new_raters, again.new_images) == (0, 3, 0, 0)
    assert len(found(survey)) == 3
    assert dict(SurveyImage.objects.values_list("key", "rating_count")) == {"a": 2, "b": 1}


def test_a_longer_file_adds_what_is_new(survey: Survey) -> None:
    ratings_import(survey=survey, content=GOOD, options=LONG)

    report = ratings_import(survey=survey, content=GOOD + b"bob,b,3\r\ncy,a,4\r\n", options=LONG)

    assert (report.new, report.present) == (2, 3)
    assert len(found(survey)) == 5
    assert dict(SurveyImage.objects.values_list("key", "rating_count")) == {"a": 3, "b": 2}


def test_a_preview_changes_nothing(survey: Survey) -> None:
    report = ratings_check(survey=survey, content=GOOD, options=LONG)

    assert (report.rows, report.new, report.encoding) == (3, 3, "UTF-8")
    assert [(shown.row, shown.rater, shown.image, shown.value) for shown in report.first_answers] == [
        (2, "ann", "a", 1),
        (3, "ann", "b", 2),
        (4, "bob", "a", 7),
    ]
    assert not Rater.objects.exists()
    assert not SurveyImage.objects.exists()


def test_parts_repeats_and_raters_details_are_read(db: None) -> None:
    survey = make_survey(parts=[WHOLE, LOWER])
    content = table(
        ("who", "face", "part", "again", "answer", "sex", "age", "trait"),
        ("ann", "a", "Whole Face", 0, 5, "F", "17.9", "att"),
        ("ann", "a", "lower_face", 0, 4, "F", "17.9", "att"),
        ("ann", "a", "whole_face", 1, 6, "F", "17.9", "att"),
        ("bob", "a", "whole face", 0, 3, "남성", "55+", "att"),
        ("cy", "a", "whole face", 0, 3, "?", "secret", "att"),
        ("dan", "a", "whole face", 0, 3, "", "", "trust"),
    )
    options = ImportOptions(
        columns={
            Field.RATER: "who",
            Field.IMAGE: "face",
            Field.VALUE: "answer",
            Field.PART: "part",
            Field.ROUND: "again",
            Field.SEX: "sex",
            Field.AGE: "age",
        },
        where={"trait": "att"},
        add_images=True,
    )

    report = ratings_import(survey=survey, content=content, options=options)

    assert (report.new, report.filtered) == (5, 1)
    assert set(Rating.objects.values_list("rater__key", "part", "round", "value")) == {
        ("ann", WHOLE, 0, 5),
        ("ann", LOWER, 0, 4),
        ("ann", WHOLE, 1, 6),
        ("bob", WHOLE, 0, 3),
        ("cy", WHOLE, 0, 3),
    }
    details = {rater.key: (rater.sex, rater.age_band) for rater in Rater.objects.all()}
    assert details == {"ann": ("female", "under_18"), "bob": ("male", "55_plus"), "cy": ("", "")}
    assert len(report.notes) == 2
    # Of the first part's first answers.
    assert SurveyImage.objects.get().rating_count == 3


@pytest.mark.parametrize(
    ("years", "band"),
    [
        (17.99, "under_18"),
        (18, "18_24"),
        (24.9, "18_24"),
        (25, "25_34"),
        (39.7, "35_44"),
        (54, "45_54"),
        (55, "55_plus"),
    ],
)
def test_ages_fall_into_bands(years: float, band: str) -> None:
    assert AgeBand.of_years(years) == band


def test_types_may_be_named(db: None) -> None:
    make_face_types()
    survey = make_survey(scale=Scale.TYPES)

    ratings_import(
        survey=survey,
        content=table(HEADER, ("ann", "a", "Alpha"), ("ann", "b", "omega"), ("ann", "c", 2)),
        options=LONG,
    )

    assert dict(Rating.objects.values_list("survey_image__key", "value")) == {"a": 1, "b": 5, "c": 2}


def test_without_raters_an_images_answers_are_kept_apart(survey: Survey) -> None:
    content = table(("image", "value"), ("a", 1), ("a", 1), ("b", 3), ("a", 2))
    options = ImportOptions(columns={Field.IMAGE: "image", Field.VALUE: "value"}, add_images=True)

    first = ratings_import(survey=survey, content=content, options=options)
    again = ratings_import(survey=survey, content=content, options=options)

    assert (first.new, again.new, again.present) == (4, 0, 4)
    assert sorted(Rating.objects.filter(survey_image__key="a").values_list("value", flat=True)) == [1, 1, 2]
    assert not Rater.objects.filter(is_identified=True).exists()


# --- Wide tables ---


def test_a_wide_table_is_imported(survey: Survey) -> None:
    content = table(("Name", "a", "b"), ("ann", 1, 2), ("bob", 7, ""))

    report = ratings_import(survey=survey, content=content, options=WIDE)

    assert found(survey) == {("ann", "a", WHOLE, 1), ("ann", "b", WHOLE, 2), ("bob", "a", WHOLE, 7)}
    assert report.blank == 1


def test_google_forms_export_is_imported(db: None) -> None:
    """A grid of images a question, one question a part; rows have no names."""
    survey = make_survey(parts=[WHOLE, UPPER])
    content = table(
        (
            "Timestamp",
            "Your age",
            "How is the whole face? [Kim A]",
            "How is the upper face? [Kim A]",
            "Lee B [upper face]",
        ),
        ("2026/11/22 3:15:01 PM GMT+9", "25-34", 5, 4, 3),
        ("2026/11/22 3:16:44 PM GMT+9", "19", 6, "", 2),
    )
    options = ImportOptions(
        layout=Layout.WIDE, columns={Field.AGE: "Your age"}, ignored=("Timestamp",), add_images=True
    )

    first = ratings_import(survey=survey, content=content, options=options)
    grown = content + table(("2026/11/22 3:20:00 PM GMT+9", "60", 1, 1, 1))
    second = ratings_import(survey=survey, content=grown, options=options)

    assert (first.new, second.new, second.present) == (5, 3, 5)
    assert ("row 2", "Kim A", WHOLE, 5) in found(survey)
    assert ("row 2", "Kim A", UPPER, 4) in found(survey)
    assert ("row 3", "Lee B", UPPER, 2) in found(survey)
    assert dict(Rater.objects.values_list("key", "age_band")) == {
        "row 2": "25_34",
        "row 3": "18_24",
        "row 4": "55_plus",
    }


def test_a_wide_tables_columns_must_tell_the_part(db: None) -> None:
    survey = make_survey(parts=[WHOLE, UPPER])
    content = table(("Name", "a", "b [upper face]"), ("ann", 1, 2))

    with pytest.raises(InvalidTable, match="“a”"):
        ratings_import(survey=survey, content=content, options=WIDE)
    ratings_import(survey=survey, content=content.replace(b"a,b", b"a [whole face],b", 1), options=WIDE)
    assert found(survey) == {("ann", "a", WHOLE, 1), ("ann", "b", UPPER, 2)}


def test_two_columns_about_one_image_are_refused(survey: Survey) -> None:
    content = table(("Name", "a", "Question 2 [a]"), ("ann", 1, 2))

    with pytest.raises(InvalidTable, match="Question 2"):
        ratings_import(survey=survey, content=content, options=WIDE)


# --- Which image is meant ---


def test_names_lead_to_the_catalogues_pictures(survey: Survey) -> None:
    alone = make_image(celebrity=make_celebrity(name_ko="김가", name_en="Kim A"))
    several = make_celebrity(name_ko="이나", name_en="Lee B")
    first, _second = make_image(celebrity=several), make_image(celebrity=several)
    content = table(HEADER, ("ann", "김가", 1), ("ann", first.sha256, 2), ("ann", "nobody", 3))

    report = ratings_import(survey=survey, content=content, options=LONG)

    assert dict(SurveyImage.objects.values_list("key", "image")) == {
        "김가": alone.pk,
        first.sha256: first.pk,
        "nobody": None,
    }
    assert (report.new_images, report.linked_images) == (3, 2)
    assert "SHA-256" in refused(survey, table(HEADER, ("ann", "Lee B", 1)))[0][1]
    # Another name of a picture that the survey has is that picture.
    ratings_import(survey=survey, content=table(HEADER, ("bob", "Kim A", 1)), options=LONG)
    assert Rating.objects.filter(survey_image__image=alone).count() == 2


def test_two_names_of_one_picture_are_one_image(survey: Survey) -> None:
    picture = make_image(celebrity=make_celebrity(name_ko="김가", name_en="Kim A"))
    content = table(HEADER, ("ann", "김가", 1), ("bob", picture.sha256, 2))

    ratings_import(survey=survey, content=content, options=LONG)

    assert SurveyImage.objects.get().rating_count == 2
    assert refused(survey, table(HEADER, ("cy", "김가", 1), ("cy", "Kim A", 2)))[0][0] == 3


def test_unknown_images_are_added_only_where_that_is_asked(survey: Survey) -> None:
    SurveyImage.objects.create(survey=survey, key="a")

    assert refused(survey, GOOD, ImportOptions(columns=COLUMNS)) == [(3, "The survey has no image “b”.")]


# --- Bad input ---


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("ann", "c", "8"), "scale"),
        (("ann", "c", "0"), "scale"),
        (("ann", "c", "3.5"), "scale"),
        (("ann", "c", "nan"), "no number"),
        (("ann", "c", "1_0"), "no number"),
        (("ann", "c", "inf"), "no number"),
        (("ann", "c", "=1+1"), "no number"),
        (("ann", "c", "much"), "no number"),
        (("", "c", "3"), "who rated"),
        (("x" * 101, "c", "3"), "who rated"),
        (("ann", "", "3"), "which image"),
        (("ann", "x" * 201, "3"), "which image"),
        (("ann", "c"), "cells"),
        (("ann", "c", "3", "4"), "cells"),
        (("ann", "a", "1"), "row 2"),
        (("ann", "a", "5"), "row 2"),
    ],
)
def test_one_bad_row_stops_the_import_and_is_named(survey: Survey, row: tuple[str, ...], said: str) -> None:
    content = GOOD + table(row)

    ((number, message),) = refused(survey, content)

    assert number == 5
    assert said in message
    skipping = ratings_import(
        survey=survey, content=content, options=ImportOptions(columns=COLUMNS, add_images=True, skip_bad_rows=True)
    )
    assert (skipping.new, skipping.problem_count) == (3, 1)
    assert len(found(survey)) == 3


def test_an_answer_that_differs_from_the_one_there_is_refused(survey: Survey) -> None:
    ratings_import(survey=survey, content=GOOD, options=LONG)

    changed = GOOD.replace(b"bob,a,7", b"bob,a,6")

    assert [number for number, _message in refused(survey, changed)] == [4]
    assert ("bob", "a", WHOLE, 7) in found(survey)


def test_only_the_first_of_very_many_problems_are_kept(survey: Survey) -> None:
    content = table(HEADER, *(("ann", f"face {number}", 9) for number in range(500)))

    report = ratings_check(survey=survey, content=content, options=LONG)

    assert report.problem_count == 500
    assert [number for number, _message in problems(report)] == list(range(2, 102))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_korean_encodings_are_read(survey: Survey, encoding: str) -> None:
    content = "평가자,사진,점수\n홍길동,김가,3\n".encode(encoding)
    options = ImportOptions(columns={Field.RATER: "평가자", Field.IMAGE: "사진", Field.VALUE: "점수"}, add_images=True)

    report = ratings_import(survey=survey, content=content, options=options)

    assert found(survey) == {("홍길동", "김가", WHOLE, 3)}
    assert report.encoding == ("CP949" if encoding == "cp949" else "UTF-8")


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("rater,image,value\nann,é,3".encode("utf-16"), LONG),
        (b"rater,image,value\nann,\xff\xfe\xfd,3", LONG),
        (b"PK\x03\x04\x00\x00 a spreadsheet", LONG),
        (b"", LONG),
        (table(("who", "image", "value"), ("ann", "a", 1)), LONG),
        (table(("rater", "image", "value", "value"), ("ann", "a", 1, 2)), LONG),
        (GOOD, ImportOptions(columns={Field.RATER: "rater"})),
        (GOOD, ImportOptions(columns=COLUMNS, where={"trait": "att"})),
        (GOOD, ImportOptions(columns=COLUMNS, part="lower face")),
        (GOOD, ImportOptions(columns=COLUMNS, part="nose")),
        (table(("Name",), ("ann",)), WIDE),
        (GOOD, ImportOptions(layout=Layout.WIDE, columns={Field.VALUE: "value"})),
        (b'rater,image,value\n"ann,a,1', LONG),
        (b"rater,image,value\nann," + b"x" * 200_000 + b",1", LONG),
    ],
    ids=lambda value: str(value[:20]) if isinstance(value, bytes) else "",
)
def test_a_table_that_cannot_be_read_is_refused(survey: Survey, content: bytes, options: ImportOptions) -> None:
    with pytest.raises(InvalidTable):
        ratings_import(survey=survey, content=content, options=options)
    assert not Rater.objects.exists()


def test_too_large_a_table_is_refused(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey_files, "MAX_BYTES", len(GOOD) - 1)

    with pytest.raises(TableTooLarge):
        ratings_import(survey=survey, content=GOOD, options=LONG)


def test_several_parts_must_be_told_apart(db: None) -> None:
    survey = make_survey(parts=[WHOLE, LOWER])

    with pytest.raises(InvalidTable, match="several parts"):
        ratings_import(survey=survey, content=GOOD, options=LONG)
    ratings_import(survey=survey, content=GOOD, options=ImportOptions(columns=COLUMNS, part=LOWER, add_images=True))
    assert {part for _rater, _image, part, _value in found(survey)} == {LOWER}


def test_importing_costs_the_same_number_of_queries(survey: Survey, django_assert_max_num_queries: Any) -> None:
    for count in (5, 120):
        rows = [(f"rater {number % 7}", f"face {number} of {count}", 3) for number in range(count)]
        with django_assert_max_num_queries(20):
            ratings_import(survey=survey, content=table(HEADER, *rows), options=LONG)


# --- Files that wait for a curator's word ---


def test_an_upload_is_looked_at_then_imported(survey: Survey, settings: Any) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend"}}
    upload = upload_create(survey=survey, file_name="ratings.csv", content=GOOD, created_by=None)
    assert ImportOptions.of_json(upload.options).columns == COLUMNS
    with pytest.raises(ImportNotPossible):
        upload_import(upload=upload)

    upload_check(upload=upload, options=LONG)
    assert not Rating.objects.exists()
    upload_import(upload=upload)
    import_upload.call(upload.pk, "en")

    upload.refresh_from_db()
    assert (upload.state, bytes(upload.content), upload.report["new"]) == (SurveyImport.State.FINISHED, b"", 3)
    assert len(found(survey)) == 3
    with pytest.raises(ImportNotPossible):
        upload_import(upload=upload)


def test_an_upload_with_problems_waits_for_a_decision(survey: Survey) -> None:
    upload = upload_create(survey=survey, file_name="ratings.csv", content=GOOD + b"ann,c,9\n", created_by=None)
    upload_check(upload=upload, options=LONG)
    with pytest.raises(RatingsNotImported):
        upload_import(upload=upload)

    upload_check(upload=upload, options=ImportOptions(columns=COLUMNS, add_images=True, skip_bad_rows=True))
    upload_import(upload=upload)
    import_upload.call(upload.pk, "en")

    assert len(found(survey)) == 3


def test_what_changed_since_the_first_look_is_found_and_the_file_kept(survey: Survey) -> None:
    upload = upload_create(survey=survey, file_name="ratings.csv", content=GOOD, created_by=None)
    upload_check(upload=upload, options=LONG)
    upload_import(upload=upload)
    ratings_import(survey=survey, content=GOOD.replace(b"bob,a,7", b"bob,a,6"), options=LONG)

    import_upload.call(upload.pk, "en")

    upload.refresh_from_db()
    assert upload.state == SurveyImport.State.CHECKED
    assert upload.report["problem_count"] == 1
    assert upload.content


def test_an_import_that_breaks_off_keeps_the_file(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = upload_create(survey=survey, file_name="ratings.csv", content=GOOD, created_by=None)
    upload_check(upload=upload, options=LONG)
    upload_import(upload=upload)
    monkeypatch.setattr(survey_files, "MAX_BYTES", 1)

    with pytest.raises(TableTooLarge):
        import_upload.call(upload.pk, "en")

    upload.refresh_from_db()
    assert (upload.state, bool(upload.content)) == (SurveyImport.State.CHECKED, True)


def test_an_upload_can_be_dismissed(survey: Survey) -> None:
    upload = upload_create(survey=survey, file_name="ratings.csv", content=GOOD, created_by=None)

    upload_dismiss(upload=upload)

    upload.refresh_from_db()
    assert (upload.state, bytes(upload.content)) == (SurveyImport.State.DISMISSED, b"")
    with pytest.raises(ImportNotPossible):
        upload_check(upload=upload, options=LONG)


def test_a_wide_upload_is_recognised(survey: Survey) -> None:
    content = table(("Timestamp", "Gender", "a", "b"), ("today", "Female", 1, 2))

    upload = upload_create(survey=survey, file_name="form.csv", content=content, created_by=None)

    options = ImportOptions.of_json(upload.options)
    assert (options.layout, options.columns, options.ignored) == (
        Layout.WIDE,
        {Field.SEX: "Gender"},
        ("Timestamp",),
    )


# --- The command ---

MAP = "rater=rater,image=image,value=value"


def run(path: Path, *arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("import_survey", path, *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_bytes(GOOD)
    return path


CREATE = ("--survey", "Outside", "--create", "--scale", "one_to_seven", "--map", MAP, "--add-images")


def test_the_command_imports_once(file: Path) -> None:
    first, _ = run(file, *CREATE)
    second, _ = run(file, *CREATE)

    survey = Survey.objects.get()
    assert f"3 ratings imported into survey {survey.pk}." in first
    assert "Nothing was imported: the survey has all of these ratings already." in second
    assert (len(found(survey)), survey.scale, survey.parts) == (3, "one_to_seven", [WHOLE])
    assert "Nothing" in run(file, "--survey", str(survey.pk), "--map", MAP)[0]


def test_the_command_previews(file: Path) -> None:
    out, _ = run(file, *CREATE, "--preview")

    assert "3 new ratings" in out
    assert "row 2: ann gave a, whole_face: 1" in out
    assert not Survey.objects.exists()


def test_the_command_names_bad_rows_and_leaves_nothing_behind(file: Path) -> None:
    file.write_bytes(GOOD + b"ann,c,9\n")
    err = io.StringIO()

    with pytest.raises(CommandError, match="--skip-bad-rows"):
        call_command("import_survey", file, *CREATE, stdout=io.StringIO(), stderr=err)

    assert err.getvalue().startswith("row 5: ")
    assert not Survey.objects.exists()
    assert "3 ratings imported" in run(file, *CREATE, "--skip-bad-rows")[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--survey", "Outside", "--map", MAP),
        ("--survey", "Outside", "--create", "--map", MAP),
        ("--survey", "Outside", "--create", "--scale", "percent", "--parts", "nose", "--map", MAP),
        (*CREATE[:-3], "--map", "who=rater"),
        (*CREATE[:-3], "--map", "rater"),
        (*CREATE[:-3], "--map", "image=image,value=nothing"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(file: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(file, *arguments)
    assert not Survey.objects.exists()


def test_the_command_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run(tmp_path / "none.csv", *CREATE)


# Real surveys, where they are there.
SURVEYS = Path(__file__).parents[3] / "shared" / "data" / "survey"


@pytest.mark.skipif(not SURVEYS.is_dir(), reason="the data folder is not there")
def test_a_real_survey_loads_as_it_is() -> None:
    mapping = "rater=rater_id,image=face_id,value=rating,sex=rater_gender,age=rater_age"
    arguments = ("--survey", "Women", "--create", "--scale", "one_to_seven", "--map", mapping, "--add-images")

    out, _ = run(SURVEYS / "threedsk_women_ratings.csv", *arguments, "--where", "trait=att")

    assert "10000 ratings imported" in out
    assert (Rater.objects.count(), SurveyImage.objects.count()) == (200, 50)
    assert set(Rater.objects.values_list("sex", flat=True)) == {"female", "male"}
    assert "" not in set(Rater.objects.values_list("age_band", flat=True))
