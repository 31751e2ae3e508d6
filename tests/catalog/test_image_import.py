"""Pictures that come in archives: what is taken, what is refused, and what is said of it."""

from __future__ import annotations

import csv
import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation
from PIL import Image

from catalog.errors import ArchiveTooLarge, CatalogError, InvalidArchive, InvalidTable
from catalog.models import Celebrity, CelebrityImage, ImageLabel, Job
from catalog.models.jobs import Outcome
from catalog.portraits import draw_portrait
from catalog.services import archives
from catalog.services.archives import FolderArchive, open_zip
from catalog.services.image_import import ImportAdder, ImportChecker, import_confirm, import_create
from catalog.services.seed import catalog_seed
from catalog.services.tables import table_read
from inference.contracts import Busy, RefusalReason
from tests.catalog.factories import make_celebrity, make_picture
from tests.fakes import FakeBackend
from tests.images import encode

pytestmark = pytest.mark.django_db

HEADER = ["file", "name_ko", "name_en", "source", "licence", "attribution", "type"]
Rows = list[dict[str, str]]


@pytest.fixture(autouse=True)
def _texts(db: None) -> None:
    make_celebrity()
    catalog_seed()


def row(file: str, number: int = 1, **values: str) -> dict[str, str]:
    known = {
        "name_ko": f"배우 {number}",
        "name_en": f"Actor {number}",
        "source": "https://example.com",
        "licence": "CC0",
    }
    return {"file": file, **known, **values}


def table(rows: Rows, *, header: list[str] = HEADER, encoding: str = "utf-8", separator: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, delimiter=separator, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def make_zip(files: Mapping[str, bytes], **options: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    buffer.seek(0)
    return buffer


def run(files: Mapping[str, bytes], *, add: bool = True, **options: Any) -> Job:
    """Import as the background does; every row of the job says what became of it."""
    with open_zip(make_zip(files)) as archive:
        job = import_create(archive=archive, created_by=None, **options)
        checker = ImportChecker(job, archive)
        while checker.step():
            pass
        job.refresh_from_db()
        if add:
            import_confirm(job=job)
            adder = ImportAdder(job, archive)
            while adder.step():
                pass
            job.refresh_from_db()
    return job


def outcomes(job: Job) -> dict[str, str]:
    return dict(job.rows.order_by("number").values_list("name", "outcome"))


def message(job: Job, name: str) -> str:
    return str(job.rows.get(name=name).message)


# --- What is good -----------------------------------------------------------------------------


def test_pictures_become_images_of_their_celebrities(engine: FakeBackend) -> None:
    files = {f"pictures/{number}.png": make_picture("PNG") for number in range(3)}
    rows = [row("pictures/0.png", 1, type="Beta", attribution="Ann"), row("pictures/1.png", 1), row("2.png", 2)]

    job = run({"people.csv": table(rows), **files})

    assert outcomes(job) == dict.fromkeys(("pictures/0.png", "pictures/1.png", "2.png"), Outcome.ADDED)
    assert (job.state, job.done, job.total) == (Job.State.FINISHED, 3, 3)
    first, second, third = CelebrityImage.objects.order_by("pk")
    assert first.celebrity == second.celebrity
    assert third.celebrity.name_ko == "배우 2"
    assert (first.source, first.licence, first.attribution) == ("https://example.com", "CC0", "Ann")
    assert (first.face_type.code, first.is_published, first.file[-4:]) == ("beta", False, ".jpg")
    # The type that is known stands in the label too, for review of the boxes.
    label = ImageLabel.objects.get(image=first)
    assert (label.state, label.parts.get().type_source) == ("proposed", "curator")


def test_an_import_can_be_repeated(engine: FakeBackend) -> None:
    files = {"people.csv": table([row("a.jpg")]), "a.jpg": make_picture()}

    run(files)
    again = run(files)

    assert outcomes(again) == {"a.jpg": Outcome.PRESENT}
    assert message(again, "a.jpg") == "This picture is in the catalogue already."
    assert CelebrityImage.objects.count() == 1
    assert Celebrity.objects.filter(name_en="Actor 1").count() == 1


def test_nothing_is_added_before_somebody_says_so(engine: FakeBackend) -> None:
    job = run({"people.csv": table([row("a.jpg")]), "a.jpg": make_picture()}, add=False)

    assert (job.state, outcomes(job)) == (Job.State.CHECKED, {"a.jpg": Outcome.READY})
    assert not CelebrityImage.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_encodings_and_separators_are_read(engine: FakeBackend, encoding: str, separator: str) -> None:
    rows = [row("홍길동.jpg", name_ko="홍길동", source="=HYPERLINK(1)", type="감마")]

    job = run({"목록.csv": table(rows, encoding=encoding, separator=separator), "홍길동.jpg": make_picture()})

    assert outcomes(job) == {"홍길동.jpg": Outcome.ADDED}
    image = CelebrityImage.objects.get()
    # A formula is plain text here.
    assert (image.celebrity.name_ko, image.source, image.face_type.code) == ("홍길동", "=HYPERLINK(1)", "gamma")
    assert job.options["encoding"] == ("cp949" if encoding == "cp949" else "utf-8-sig")


def test_names_written_by_a_korean_windows_are_understood(engine: FakeBackend) -> None:
    # zipfile writes names that are no ASCII as UTF-8; Windows writes its own encoding and no flag.
    plain = make_zip({"people.csv": table([row("홍길동.jpg")]), "@@@@@@.jpg": make_picture()}).getvalue()
    archive_bytes = io.BytesIO(plain.replace(b"@@@@@@.jpg", "홍길동".encode("cp949") + b".jpg"))

    with open_zip(archive_bytes) as archive:
        assert set(archive.names) == {"people.csv", "홍길동.jpg"}
        job = import_create(archive=archive, created_by=None)
        ImportChecker(job, archive).step()

    assert outcomes(job) == {"홍길동.jpg": Outcome.READY}


def test_a_folder_is_imported_by_the_command(engine: FakeBackend, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jpg").write_bytes(make_picture())
    (tmp_path / ".DS_Store").write_bytes(b"litter")
    (tmp_path / "people.csv").write_bytes(table([row("sub/a.jpg")]))

    call_command("import_celebrities", tmp_path, stdout=io.StringIO())

    assert CelebrityImage.objects.get().celebrity.name_en == "Actor 1"


def test_the_command_adds_nothing_on_a_fault_unless_asked(engine: FakeBackend, tmp_path: Path) -> None:
    files = {"people.csv": table([row("a.jpg"), row("b.jpg", 2)]), "a.jpg": make_picture(), "b.jpg": b"no picture"}
    path, report = tmp_path / "people.zip", tmp_path / "report.csv"
    path.write_bytes(make_zip(files).getvalue())
    out = {"stdout": io.StringIO(), "stderr": io.StringIO()}

    with pytest.raises(CommandError, match="Nothing was added: 1 rows have faults"):
        call_command("import_celebrities", path, **out)
    assert not CelebrityImage.objects.exists()

    call_command("import_celebrities", path, "--keep-good", "--report", report, **out)
    assert CelebrityImage.objects.count() == 1
    lines = list(csv.DictReader(report.read_text(encoding="utf-8-sig").splitlines()))
    assert [(line["row"], line["file"], line["outcome"]) for line in lines] == [
        ("2", "a.jpg", "added"),
        ("3", "b.jpg", "invalid"),
    ]
    assert "row 3, b.jpg: This is not a JPEG, PNG or WebP picture." in out["stderr"].getvalue()


@pytest.mark.parametrize("path", ["missing.zip", "not-a-zip.zip", "."])
def test_the_command_says_what_it_cannot_read(tmp_path: Path, path: str) -> None:
    (tmp_path / "not-a-zip.zip").write_bytes(b"PK\x03\x04 nonsense")

    with pytest.raises(CommandError, match=r"cannot be read|not a ZIP archive|A table is missing"):
        call_command("import_celebrities", tmp_path / path)


# --- What the pictures are --------------------------------------------------------------------


def test_the_gate_says_why_it_refuses_a_picture(engine: FakeBackend) -> None:
    engine.refuses_with = RefusalReason.FACE_COVERED
    files = {"people.csv": table([row("a.jpg")]), "a.jpg": make_picture()}

    assert message(run(files), "a.jpg") == "Part of the face is covered."
    with translation.override("ko"):
        korean = run(files)

    assert outcomes(korean) == {"a.jpg": Outcome.REFUSED}
    assert message(korean, "a.jpg") == "얼굴 일부가 가려져 있어요."
    assert not CelebrityImage.objects.exists()


def test_models_that_stay_busy_fail_the_row_and_no_other(engine: FakeBackend) -> None:
    engine.fails_with = Busy(retry_after=0)
    files = {"people.csv": table([row("a.jpg")]), "a.jpg": make_picture()}

    assert outcomes(run(files)) == {"a.jpg": Outcome.FAILED}

    engine.fails_with = None
    assert outcomes(run(files)) == {"a.jpg": Outcome.ADDED}


def test_pictures_that_look_alike_are_kept_out_unless_asked(engine: FakeBackend) -> None:
    content = make_picture("PNG", size=(400, 500))
    small = make_small(content)
    files = {"people.csv": table([row("a.png"), row("b.jpg", 2)]), "a.png": content, "b.jpg": small}

    job = run(files)
    assert outcomes(job) == {"a.png": Outcome.ADDED, "b.jpg": Outcome.NEAR_DUPLICATE}
    assert message(job, "b.jpg") == "It looks like the picture of row 2."

    later = run({"people.csv": table([row("b.jpg", 2)]), "b.jpg": small})
    assert "It looks like a picture in the catalogue: Actor 1" in message(later, "b.jpg")
    assert later.rows.get().image == CelebrityImage.objects.get()

    assert outcomes(run(files, allow_similar=True)) == {"a.png": Outcome.PRESENT, "b.jpg": Outcome.ADDED}


def make_small(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        return encode(image.resize((200, 250)), quality=70)


def test_the_same_bytes_twice_are_one_image(engine: FakeBackend) -> None:
    content = make_picture()

    job = run({"people.csv": table([row("a.jpg"), row("b.jpg")]), "a.jpg": content, "b.jpg": content})

    assert outcomes(job) == {"a.jpg": Outcome.ADDED, "b.jpg": Outcome.PRESENT}
    assert message(job, "b.jpg") == "Row 2 has the same picture."


def test_an_image_without_its_rights_is_added_and_said_to_be_unpublishable(engine: FakeBackend) -> None:
    job = run({"people.csv": table([row("a.jpg", licence="")]), "a.jpg": make_picture()})

    assert outcomes(job) == {"a.jpg": Outcome.ADDED}
    assert message(job, "a.jpg") == "It cannot be published before it has these: licence"
    assert not CelebrityImage.objects.get().is_publishable


def test_the_real_gate_accepts_drawn_portraits() -> None:
    files = {f"{number}.jpg": draw_portrait(number) for number in range(3)}
    rows = [row(name, number) for number, name in enumerate(files)]

    assert set(outcomes(run({"people.csv": table(rows), **files})).values()) == {Outcome.ADDED}


# --- What is wrong with rows ------------------------------------------------------------------

WRONG_ROWS: dict[str, tuple[dict[str, str], str]] = {
    "no such file": (row("other.jpg"), "There is no such file."),
    "no name": (row("a.jpg", name_en=""), "There is nothing in the column “name_en”."),
    "no file": (row(""), "There is nothing in the column “file”."),
    "a long name": (row("a.jpg", name_ko="가" * 81), "is longer than 80 characters"),
    "an unknown type": (row("a.jpg", type="sigma"), "There is no face type “sigma”."),
    "a way out": (row("../a.jpg"), "There is no such file."),
    "an absolute way": (row("/etc/passwd"), "There is no such file."),
}


@pytest.mark.parametrize(("wrong", "reason"), WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_a_wrong_row_is_told_and_the_others_are_good(engine: FakeBackend, wrong: dict[str, str], reason: str) -> None:
    job = run({"people.csv": table([wrong, row("b.jpg", 2)]), "a.jpg": make_picture(), "b.jpg": make_picture()})

    first = job.rows.get(number=2)
    assert first.outcome == Outcome.INVALID
    assert reason in first.message
    assert job.rows.get(number=3).outcome == Outcome.ADDED


def test_a_file_named_twice_belongs_to_its_first_row(engine: FakeBackend) -> None:
    job = run({"people.csv": table([row("a.jpg"), row("a.jpg", 2)]), "a.jpg": make_picture()})

    assert list(job.rows.order_by("number").values_list("outcome", "message")) == [
        (Outcome.ADDED, ""),
        (Outcome.INVALID, "Row 2 names the same file."),
    ]


def test_files_that_no_row_names_are_told(engine: FakeBackend) -> None:
    files = {"c.jpg": make_picture(), "notes.txt": b"hello", "more.zip": make_zip({"d.jpg": b"x"}).getvalue()}

    job = run({"people.csv": table([row("a.jpg")]), "a.jpg": make_picture(), **files})

    assert outcomes(job)["a.jpg"] == Outcome.ADDED
    assert message(job, "c.jpg") == "The table does not name this picture."
    assert message(job, "notes.txt") == "This is not a JPEG, PNG or WebP picture, and the table does not name it."
    assert message(job, "more.zip") == "An archive inside an archive is not opened."


def test_a_name_that_several_files_have_needs_its_folder(engine: FakeBackend) -> None:
    files = {"x/a.jpg": make_picture(), "y/a.jpg": make_picture()}

    job = run({"people.csv": table([row("a.jpg"), row("y/a.jpg")]), **files})

    assert job.rows.get(number=2).message == "Several files have that name; write the folder too."
    assert job.rows.get(number=3).outcome == Outcome.ADDED


# --- What is wrong with tables ----------------------------------------------------------------

WRONG_TABLES: dict[str, tuple[bytes, str]] = {
    "missing columns": (b"file,name\na.jpg,x\n", r"lacks these columns: name_ko, name_en\. It has: file, name"),
    "no rows": (b"file,name_ko,name_en\n", "The table has no rows"),
    "nothing": (b"", "lacks these columns"),
    "UTF-16": (table([row("a.jpg")], encoding="utf-16"), "not a text file"),
    "another encoding": ("file,name_ko,name_en\na.jpg,ñandú,\xff".encode("latin-1"), "neither UTF-8 nor CP949"),
    "an open quote": (b'file,name_ko,name_en\n"a.jpg,b,c\n', "not valid CSV"),
}


@pytest.mark.parametrize(("content", "reason"), WRONG_TABLES.values(), ids=WRONG_TABLES)
def test_a_wrong_table_is_refused_as_a_whole(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidTable, match=reason):
        run({"people.csv": content})
    assert not Job.objects.exists()


def test_the_table_is_named_where_there_are_several(engine: FakeBackend) -> None:
    files = {"a.csv": table([row("a.jpg")]), "b.csv": table([row("a.jpg", 2)]), "a.jpg": make_picture()}

    with pytest.raises(InvalidTable, match="several tables"):
        run(files)
    with pytest.raises(InvalidTable, match=r"There is no file c\.csv"):
        run(files, table_name="c.csv")
    run(files, table_name="b.csv")

    assert CelebrityImage.objects.get().celebrity.name_en == "Actor 2"


def test_rows_are_numbered_as_spreadsheets_do() -> None:
    read = table_read(b"File , x\n a , b \n,\n c\n", needed=["file"])

    assert [(each.number, each.values["file"]) for each in read.rows] == [(2, "a"), (4, "c")]


# --- What is wrong with archives --------------------------------------------------------------


@pytest.mark.parametrize("name", ["../outside.jpg", "/absolute.jpg", "C:\\windows.jpg", "a/../../b.jpg", "..\\b.jpg"])
def test_an_archive_that_names_files_outside_itself_is_refused(name: str) -> None:
    with pytest.raises(InvalidArchive, match="outside of itself"):
        run({"people.csv": table([row(name)]), name: make_picture()})


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(ArchiveTooLarge, match=r"grows too much when it is unpacked: zeros\.jpg"):
        run({"people.csv": table([row("zeros.jpg")]), "zeros.jpg": bytes(50 * 1024 * 1024)})


def test_many_files_that_together_are_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 3000)

    with pytest.raises(ArchiveTooLarge, match="Unpacked, the archive would be too large"):
        run({"people.csv": table([row("a.jpg")]), "a.jpg": make_picture(), "b.jpg": make_picture()})


def test_a_file_that_lies_about_its_size_is_not_read_further() -> None:
    """The archive says 100 bytes; the compressed stream holds a megabyte."""
    buffer = make_zip({"people.csv": table([row("a.jpg")]), "a.jpg": bytes(1024 * 1024)}).getvalue()
    lie = buffer.replace(struct.pack("<L", 1024 * 1024), struct.pack("<L", 100))

    with open_zip(io.BytesIO(lie)) as archive:
        job = import_create(archive=archive, created_by=None)
        ImportChecker(job, archive).step()

    assert outcomes(job) == {"a.jpg": Outcome.INVALID}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_unpacks_without_end_is_refused_in_words(method: int) -> None:
    """zipfile hands out what these unpack only when all of it is in memory, whatever size the archive names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("table.csv", b"file,name_ko,name_en\n")

    with pytest.raises(InvalidArchive, match="ordinary ZIP"), open_zip(buffer):
        pass


def test_an_encrypted_archive_is_refused_in_words() -> None:
    buffer = bytearray(make_zip({"people.csv": table([row("a.jpg")])}).getvalue())
    # The flag of the local and of the central header.
    buffer[6] |= 1
    central = buffer.index(b"PK\x01\x02")
    buffer[central + 8] |= 1

    with pytest.raises(InvalidArchive, match="encrypted"), open_zip(io.BytesIO(buffer)):
        pass


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"text" * 100, make_zip({"a": b"b"}).getvalue()[:-10]],
    ids=["empty", "signature alone", "text", "cut short"],
)
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidArchive, match="not a ZIP archive"), open_zip(io.BytesIO(content)):
        pass


def test_a_damaged_file_in_an_archive_is_that_files_fault(engine: FakeBackend) -> None:
    picture = make_picture()
    whole = make_zip({"people.csv": table([row("a.jpg"), row("b.jpg", 2)]), "a.jpg": picture, "b.jpg": make_picture()})
    buffer = bytearray(whole.getvalue())
    buffer[buffer.index(b"a.jpg", buffer.index(b"PK\x03\x04", 10)) + 300] ^= 0xFF

    with open_zip(io.BytesIO(buffer)) as archive:
        job = import_create(archive=archive, created_by=None)
        ImportChecker(job, archive).step()

    assert outcomes(job) == {"a.jpg": Outcome.INVALID, "b.jpg": Outcome.READY}
    assert message(job, "a.jpg") == "The file is damaged inside the archive."


def test_ten_thousand_files_are_accepted_and_one_more_is_not() -> None:
    many = {f"{number}.jpg": b"x" for number in range(10_000)}
    rows = [row(name, number) for number, name in enumerate(many)]

    with open_zip(make_zip({"people.csv": table(rows), **many})) as archive:
        job = import_create(archive=archive, created_by=None)
    assert job.total == 10_000

    with (
        pytest.raises(ArchiveTooLarge, match="10002 files; at most 10001"),
        open_zip(make_zip({"people.csv": table(rows), **many, "one-more.jpg": b"x"})),
    ):
        pass


def test_a_folders_links_out_of_it_are_not_followed_by_name(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes(table([row("../secret.jpg")]))

    job = import_create(archive=FolderArchive(tmp_path), created_by=None)

    assert job.rows.get().message == "There is no such file."


def test_every_fault_has_a_code_and_a_status() -> None:
    for error in CatalogError.__subclasses__():
        assert error.code
        assert 400 <= error.status < 600
