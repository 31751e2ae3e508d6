"""Tables of many photos: what is in them, what is told, and what a second run does."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError

from catalog.models import ScoringPolicy
from classification.models import BatchResult
from inference.contracts import RefusalReason
from tests.classification.batch.conftest import Classify, rows_of
from tests.fakes import FakeBackend
from tests.images import jpeg

pytestmark = pytest.mark.django_db


def test_every_photo_gets_a_row(photos: Path, classify: Classify, asked: list[str], tmp_path: Path) -> None:
    told = classify(photos, tmp_path / "out.csv")

    rows = rows_of(tmp_path / "out.csv")
    assert rows.keys() == {"first.jpg", "둘째.jpg", "third.jpg", "notes.txt", "damaged.jpg"}
    row = rows["둘째.jpg"]
    assert row["source"] == str(photos / "둘째.jpg")
    assert (row["type"], row["refusal"], row["whole_face_type"]) == ("beta", "", "beta")
    assert 68 < float(row["score"]) <= 85
    assert 0 < float(row["confidence"]) <= 1
    assert float(row["upper_face_y0"]) < float(row["upper_face_y1"]) <= float(row["photo_height"])
    assert [float(row[f"lower_face_{code}"]) for code in ("alpha", "beta", "omega")] == [0.05, 0.8, 0.05]
    assert (row["gate_version"] != "", row["types_version"] != "") == (True, True)
    assert "5 photos" in told
    assert "3 classified, 2 refused" in told


def test_a_refused_photo_has_its_code_and_a_line_of_reason(
    photos: Path, classify: Classify, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classify(photos, tmp_path / "out.csv")

    rows = rows_of(tmp_path / "out.csv")
    assert (rows["notes.txt"]["refusal"], rows["notes.txt"]["type"]) == ("unsupported_image", "")
    assert rows["damaged.jpg"]["refusal"] == "invalid_image"
    lines = capsys.readouterr().err.splitlines()
    said = next(line for line in lines if "damaged.jpg" in line)
    assert said.endswith(
        f"{photos / 'damaged.jpg'}: invalid_image: This photo cannot be read. It may be damaged or incomplete."
    )


def test_the_gates_reason_is_the_one_that_people_read(
    photos: Path,
    classify: Classify,
    asked: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Refusing(FakeBackend):
        def __init__(self) -> None:
            super().__init__()
            self.refuses_with = RefusalReason.TOO_DARK

    monkeypatch.setattr("tests.classification.batch.fake_engine.FakeBackend", Refusing)

    told = classify(photos / "more", tmp_path / "out.csv")

    assert rows_of(tmp_path / "out.csv")["third.jpg"]["refusal"] == "too_dark"
    assert "1 refused (1 too_dark)" in told
    assert "third.jpg: too_dark: " in capsys.readouterr().err


def test_parquet_has_the_same_rows_with_their_types(
    photos: Path, classify: Classify, asked: list[str], tmp_path: Path
) -> None:
    classify(photos, tmp_path / "out.csv")
    classify(photos, tmp_path / "out.parquet")

    table = pq.read_table(tmp_path / "out.parquet")
    by_name = {Path(row["source"]).name: row for row in table.to_pylist()}
    rows = rows_of(tmp_path / "out.csv")
    assert table.column_names == list(rows["first.jpg"])
    assert by_name.keys() == rows.keys()
    assert by_name["first.jpg"]["score"] == float(rows["first.jpg"]["score"])
    assert by_name["notes.txt"]["score"] is None
    assert str(table.schema.field("whole_face_x0").type) == "double"


def test_a_complete_table_leaves_nothing_else_and_is_not_overwritten(
    photos: Path, classify: Classify, asked: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "tables" / "out.csv"
    out.parent.mkdir()
    classify(photos, out)
    content = out.read_bytes()

    assert list(out.parent.iterdir()) == [out]
    with pytest.raises(CommandError, match="is there already"):
        classify(photos, out)
    assert out.read_bytes() == content


def test_a_photo_that_cannot_be_read_is_tried_again_by_the_next_run(
    photos: Path, classify: Classify, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "manifest.txt"
    manifest.write_text("photos/first.jpg\nphotos/late.jpg\nphotos\nphotos/first.jpg\n")
    out = tmp_path / "out.csv"

    with pytest.raises(SystemExit) as status:
        classify(manifest, out)

    assert status.value.code == 3
    assert rows_of(out).keys() == {"first.jpg"}
    assert "late.jpg: not_found: No such file or directory" in capsys.readouterr().err

    (photos / "late.jpg").write_bytes(jpeg())
    manifest.write_text("photos/first.jpg\nphotos/late.jpg\n")
    told = classify(manifest, out)

    assert "1 photos" in told
    assert "1 had their row already" in told
    assert rows_of(out).keys() == {"first.jpg", "late.jpg"}
    # Listed twice, asked once, and not again by the second run.
    assert [Path(name).name for name in asked].count("first.jpg") == 1


def test_database_keeps_the_latest_answer_about_each_photo(photos: Path, classify: Classify, asked: list[str]) -> None:
    classify(photos, "db")

    assert BatchResult.objects.count() == 5
    result = BatchResult.objects.get(source=str(photos / "first.jpg"))
    assert result.type is not None
    assert (result.type.code, result.refusal, [part["type"] for part in result.parts]) == ("beta", "", ["beta"] * 3)
    refused = BatchResult.objects.get(source=str(photos / "notes.txt"))
    assert (refused.type, refused.refusal, refused.score) == (None, "unsupported_image", None)

    assert "5 had their row already" in classify(photos, "db")
    assert len(asked) == 5

    # Another policy may say something else of every photo.
    ScoringPolicy.objects.update(threshold_alpha=70)
    classify(photos, "db")
    result.refresh_from_db()
    assert result.type is not None
    assert (result.type.code, BatchResult.objects.count(), len(asked)) == ("alpha", 5, 10)


def test_a_journal_is_not_continued_with_another_policy(
    photos: Path, classify: Classify, asked: list[str], tmp_path: Path
) -> None:
    out, missing = tmp_path / "out.csv", tmp_path / "missing.txt"
    missing.write_text("nowhere.jpg")
    with pytest.raises(SystemExit):
        classify(missing, out)

    ScoringPolicy.objects.update(threshold_alpha=70)
    with pytest.raises(CommandError, match="another scoring policy"):
        classify(missing, out)
    ScoringPolicy.objects.update(threshold_alpha=85)
    with pytest.raises(CommandError, match="another source"):
        classify(photos, out)


def test_two_runs_never_share_a_journal(photos: Path, classify: Classify, asked: list[str], tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "out.csv.journal", isolation_level=None)
    other.executescript("PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE t (a); BEGIN IMMEDIATE;")
    try:
        with pytest.raises(CommandError, match="another run may be at work"):
            classify(photos, tmp_path / "out.csv")
    finally:
        other.close()


@pytest.mark.parametrize(
    ("source", "out", "reason"),
    [
        ("nowhere", "out.csv", "There is no folder and no file"),
        ("empty", "out.csv", "There is no photo in"),
        ("photos", "out.xlsx", "must be db or end in"),
        ("photos", "nowhere/out.csv", "There is no folder"),
        ("s3:///prefix", "out.csv", "names no bucket"),
        ("columns.csv", "out.csv", "has no column “source”"),
        ("korean.txt", "out.csv", "cannot be read"),
    ],
)
def test_what_cannot_run_says_why_and_leaves_nothing(
    photos: Path, classify: Classify, asked: list[str], tmp_path: Path, source: str, out: str, reason: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "columns.csv").write_text("file\nfirst.jpg\n")
    (tmp_path / "korean.txt").write_bytes("사진.jpg".encode("cp949"))
    before = set(tmp_path.rglob("*"))

    with pytest.raises(CommandError, match=reason):
        classify(source if source.startswith("s3:") else tmp_path / source, tmp_path / out)

    assert set(tmp_path.rglob("*")) == before


def test_parquet_without_pyarrow_is_refused_before_any_work(
    photos: Path, classify: Classify, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classification.batch.tables.find_spec", lambda _name: None)

    with pytest.raises(CommandError, match=r"pip install -r requirements-batch\.txt"):
        classify(photos, tmp_path / "out.parquet")
    assert asked == []


def test_names_that_are_no_text_keep_their_photos(
    photos: Path, classify: Classify, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = b"caf\xe9 \n.jpg"
    with (Path(bytes(photos).decode()) / "x").open("wb") as file:
        file.write(jpeg())
    (photos / "x").rename(bytes(photos).decode() + "/" + odd.decode("utf-8", "surrogateescape"))
    shutil.rmtree(photos / "more")

    classify(photos, tmp_path / "out.csv")

    rows = rows_of(tmp_path / "out.csv")
    assert rows["caf\\xe9 \n.jpg"]["type"] == "beta"
