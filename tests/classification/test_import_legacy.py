"""What comes over from the source system's database, and what does not."""

from __future__ import annotations

import base64
import re
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from catalog.models import Celebrity, CelebrityImage, FaceType, PartLabel
from catalog.services.seed import catalog_seed
from classification.models import Classification, DailyCount
from tests.catalog.factories import make_celebrity, make_picture

SCHEMA = """
CREATE TABLE user_tbl (id INTEGER PRIMARY KEY, user_img_s3_url VARCHAR, user_img VARCHAR, cft_result VARCHAR,
                       age DATE, mbti VARCHAR, created_at DATE, created_by VARCHAR);
CREATE TABLE male_tbl (male_id INTEGER PRIMARY KEY, male_type VARCHAR, cft_url VARCHAR, dsc_text VARCHAR,
                       created_at DATE, created_by VARCHAR, updated_at DATE, updated_by VARCHAR);
CREATE TABLE img_tbl (id INTEGER PRIMARY KEY, male_id INTEGER, url VARCHAR, created_by VARCHAR,
                      created_at DATE, updated_by VARCHAR, updated_at DATE);
"""
TEXT = "·첫째 문장입니다. ·둘째 문장입니다. ·셋째 문장입니다."
USER = {"user_img": "cGhvdG8=", "user_img_s3_url": "s3://a/b", "age": "1990-02-03", "mbti": "INFP"}

Fill = Callable[..., None]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source 1.sqlite3"
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA)
    database.close()
    return path


@pytest.fixture
def catalogue_texts(db: None) -> None:
    # A catalogue with somebody in it gets no drawn samples.
    make_celebrity()
    catalog_seed()


def fill(path: Path, table: str, *rows: dict[str, Any]) -> None:
    with sqlite3.connect(path) as database:
        for row in rows:
            marks = ", ".join("?" * len(row))
            database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    database.close()


def run(path: Path) -> str:
    out = StringIO()
    call_command("import_legacy", f"sqlite:///{path}", stdout=out)
    return out.getvalue()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.usefixtures("catalogue_texts")
def test_pictures_come_over_with_type_and_date_and_unpublished(source: Path) -> None:
    fill(source, "img_tbl", {"id": 27, "male_id": 1, "url": b64(make_picture()), "created_at": "2023-02-17"})

    out = run(source)

    image = CelebrityImage.objects.get()
    assert (image.face_type.code, image.is_published, image.source) == ("alpha", False, "Source system, img_tbl 27")
    assert str(image.created_at.date()) == "2023-02-17"
    assert image.celebrity.name_en == "Unknown (source system)"
    label = PartLabel.objects.get(label__image=image)
    assert (label.part, label.face_type.code, label.type_source) == ("whole_face", "alpha", "legacy")
    assert "1 images and 0 descriptions added" in out


@pytest.mark.usefixtures("catalogue_texts")
def test_a_second_run_adds_nothing(source: Path) -> None:
    fill(source, "img_tbl", *({"id": n, "male_id": n % 5 + 1, "url": b64(make_picture())} for n in range(45)))
    fill(source, "male_tbl", {"male_id": 2, "male_type": "beta", "dsc_text": TEXT})
    fill(source, "user_tbl", {"id": 1, "cft_result": "beta", "created_at": "2023-03-01"} | USER)
    first = run(source)
    assert "45 images and 1 descriptions added, 0 there already, 1 results counted (1 counts new" in first
    before = [list(model.objects.values()) for model in (Celebrity, CelebrityImage, FaceType, DailyCount)]

    second = run(source)

    assert "0 images and 0 descriptions added, 46 there already, 1 results counted (0 counts new" in second
    assert [list(model.objects.values()) for model in (Celebrity, CelebrityImage, FaceType, DailyCount)] == before


@pytest.mark.usefixtures("catalogue_texts")
def test_what_is_skipped_is_told_with_the_reason(source: Path) -> None:
    good = make_picture()
    tomorrow = (timezone.localdate() + timedelta(days=2)).isoformat()
    fill(
        source,
        "img_tbl",
        {"id": 1, "male_id": 1, "url": "no base64!"},
        {"id": 2, "male_id": 1, "url": b64(b"text")},
        {"id": 3, "male_id": 6, "url": b64(make_picture())},
        {"id": 4, "male_id": None, "url": b64(make_picture())},
        {"id": 5, "male_id": 1, "url": b64(good), "created_at": "2023-02-30"},
        {"id": 6, "male_id": 1, "url": b64(good), "created_at": "2023-02-17"},
        {"id": 7, "male_id": 1, "url": None},
        {"id": 8, "male_id": 1, "url": b64(make_picture()), "created_at": tomorrow},
    )
    fill(source, "male_tbl", {"male_id": 1, "male_type": "alpha", "dsc_text": "·하나 ·둘"})
    fill(
        source,
        "user_tbl",
        {"id": 1, "cft_result": "null", "created_at": "2023-03-01"} | USER,
        {"id": 2, "cft_result": "beta", "created_at": "soon"} | USER,
    )

    lines = run(source).splitlines()

    told = [re.sub(r"(: Write at least).*", r"\1", line) for line in lines if line.startswith(("skipped", "note"))]
    assert told == [
        "skipped: male_tbl 1: Write at least",
        "skipped: img_tbl 1: This is not base64.",
        "skipped: img_tbl 2: This is not a JPEG, PNG or WebP picture.",
        "skipped: img_tbl 3: unknown type",
        "skipped: img_tbl 4: unknown type",
        "skipped: img_tbl 7: This is not a JPEG, PNG or WebP picture.",
        "skipped: user_tbl 1: unknown type",
        "skipped: user_tbl 2: the date was not understood",
        "note: img_tbl 5: the date was not understood and left out",
        "note: img_tbl 6: This picture is in the catalogue already.",
        "note: img_tbl 8: the date was not understood and left out",
    ]
    assert CelebrityImage.objects.count() == 2


@pytest.mark.usefixtures("catalogue_texts")
def test_users_leave_nothing_but_counts(source: Path) -> None:
    results = ["alpha", "alpha", "Beta", "alpha"]
    rows = [{"id": n, "cft_result": result, "created_at": "2023-03-01"} | USER for n, result in enumerate(results)]
    fill(source, "user_tbl", *rows, {"id": 9, "cft_result": "alpha", "created_at": "2023-03-02"} | USER)

    out = run(source)

    assert sorted(DailyCount.objects.values_list("day", "client", "outcome", "count")) == sorted(
        (day, "source", outcome, count)
        for day, outcome, count in [
            (timezone.datetime(2023, 3, 1).date(), "alpha", 3),
            (timezone.datetime(2023, 3, 1).date(), "beta", 1),
            (timezone.datetime(2023, 3, 2).date(), "alpha", 1),
        ]
    )
    assert not Classification.objects.exists()
    assert "No photo, birth date or MBTI of a user was brought over" in out


@pytest.mark.usefixtures("catalogue_texts")
def test_a_description_comes_over_unless_somebody_edited_it_here(source: Path) -> None:
    fill(source, "male_tbl", {"male_id": 2, "male_type": "beta", "dsc_text": TEXT})
    FaceType.objects.filter(code="beta").update(description_ko="가.\n나.\n다.")

    assert "skipped: male_tbl 2: the description was edited here" in run(source)
    assert FaceType.objects.get(code="beta").sentences("ko") == ["가.", "나.", "다."]

    catalog_default = FaceType.objects.get(code="gamma")
    fill(source, "male_tbl", {"male_id": 3, "male_type": "gamma", "dsc_text": TEXT})
    run(source)
    catalog_default.refresh_from_db()
    assert catalog_default.sentences("ko") == ["첫째 문장입니다.", "둘째 문장입니다.", "셋째 문장입니다."]


@pytest.mark.usefixtures("catalogue_texts")
def test_further_columns_and_tables_do_not_matter(source: Path) -> None:
    with sqlite3.connect(source) as database:
        database.executescript("ALTER TABLE img_tbl ADD COLUMN note VARCHAR; CREATE TABLE alembic_version (v VARCHAR);")
    database.close()
    fill(source, "img_tbl", {"id": 1, "male_id": 1, "url": b64(make_picture()), "note": "x"})

    run(source)

    assert CelebrityImage.objects.count() == 1


@pytest.mark.usefixtures("catalogue_texts")
@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ("DROP TABLE male_tbl", "male_tbl"),
        ("ALTER TABLE img_tbl DROP COLUMN url", "img_tbl.url"),
        (
            "DROP TABLE user_tbl; ALTER TABLE img_tbl RENAME COLUMN male_id TO type_id",
            "user_tbl, img_tbl.male_id",
        ),
    ],
)
def test_a_database_of_another_shape_is_refused_by_name(source: Path, change: str, missing: str) -> None:
    fill(source, "img_tbl", {"id": 1, "male_id": 1, "url": b64(make_picture())})
    with sqlite3.connect(source) as database:
        database.executescript(change)
    database.close()

    with pytest.raises(CommandError, match=re.escape(f"it has no {missing}.")):
        run(source)

    assert not CelebrityImage.objects.exists()


@pytest.mark.usefixtures("catalogue_texts")
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "not a database's address"),
        ("oracle+cx_oracle://a/b", "not installed"),
        ("sqlite:////nowhere/at/all.sqlite3", "cannot be reached"),
        ("postgresql+psycopg2://nobody:secret@127.0.0.1:1/none", "cannot be reached"),
        ("mysql+pymysql://nobody:secret@127.0.0.1:1/none", "mysqlclient"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence) as refusal:
        call_command("import_legacy", url)

    assert "secret" not in str(refusal.value)


@pytest.mark.usefixtures("catalogue_texts")
def test_the_source_is_only_read(source: Path) -> None:
    fill(source, "img_tbl", {"id": 1, "male_id": 1, "url": b64(make_picture())})
    before = source.read_bytes()
    source.chmod(0o400)

    run(source)

    assert source.read_bytes() == before


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.django_db(transaction=True)
def test_a_postgresql_source_is_read_too() -> None:
    make_celebrity()
    catalog_seed()
    settings = connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        cursor.execute(
            "INSERT INTO img_tbl (id, male_id, url, created_at) VALUES (1, 4, %s, '2023-02-17')", [b64(make_picture())]
        )
        cursor.execute("INSERT INTO user_tbl (id, cft_result, created_at) VALUES (1, 'delta', '2023-02-17')")
    try:
        host = f"{settings['HOST'] or '127.0.0.1'}:{settings['PORT'] or 5432}"
        user = f"{settings['USER']}:{settings['PASSWORD']}".rstrip(":")
        call_command("import_legacy", f"postgresql+psycopg2://{user}@{host}/{settings['NAME']}", stdout=StringIO())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE user_tbl, male_tbl, img_tbl")

    image = CelebrityImage.objects.get()
    assert (image.face_type.code, str(image.created_at.date())) == ("delta", "2023-02-17")
    assert DailyCount.objects.get().count == 1
