"""Pictures of celebrities that come with a table: checked first, added when a curator says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from catalog.errors import CatalogError, DuplicateImage, InvalidTable
from catalog.models import Celebrity, CelebrityImage, FaceType, Job, JobRow
from catalog.models.jobs import Outcome
from catalog.models.labels import LabelSource
from catalog.services.analysis import analyse_many, refusal_sentence
from catalog.services.archives import Archive, normal_name
from catalog.services.embeddings import Embedding, embeddings_set
from catalog.services.images import image_add_picture
from catalog.services.jobs import is_in_state, job_create, job_set_state, outcome_counts, pending_rows, rows_finish
from catalog.services.labels import part_labels_set_types
from catalog.services.pictures import Picture, picture_from_upload
from catalog.services.tables import TableRow, table_read
from catalog.similarity import SAME_PICTURE_DISTANCE, PerceptualHash
from inference.contracts import FaceAnalysis, FacePart, InferenceError, PhotoRefused

NEEDED_COLUMNS = ("file", "name_ko", "name_en")
OTHER_COLUMNS = ("source", "licence", "attribution", "type")
# What keeps a row's image out of the catalogue; an image that is there already is no fault.
FAULTS = (Outcome.INVALID, Outcome.REFUSED, Outcome.NEAR_DUPLICATE, Outcome.FAILED)
_MAX_TABLE_BYTES = 20 * 1024 * 1024
_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_IMAGES_AT_ONCE = 16
_DECODERS = 4


def import_create(
    *,
    archive: Archive,
    created_by: AbstractBaseUser | None,
    table_name: str = "",
    archive_key: str = "",
    allow_similar: bool = False,
) -> Job:
    """An import to be checked: a row for each of the table's, and one for each picture the table does not name.

    table_name: of the CSV; empty where it is the only one. Raises InvalidTable and InvalidArchive.
    """
    name = _table_name(archive, table_name)
    table = table_read(archive.read(name, _MAX_TABLE_BYTES), needed=NEEDED_COLUMNS)
    if len(archive.read(name, _MAX_TABLE_BYTES)) > _MAX_TABLE_BYTES:
        raise InvalidTable(_("The table is too large."))
    files = _Files(archive.names, PurePosixPath(name).parent)
    types = _types_by_name()
    rows = [_row_of(row, files, types) for row in table.rows]
    last = max((row.number for row in rows), default=1)
    unnamed = [file for file in archive.names if file not in files.taken and not file.lower().endswith(".csv")]
    rows += [
        JobRow(number=last + offset, name=file[:300], outcome=Outcome.INVALID, message=_unnamed_message(file))
        for offset, file in enumerate(unnamed, start=1)
    ]
    if not rows:
        raise InvalidTable(_("The table has no rows."))
    return job_create(
        kind=Job.Kind.IMPORT,
        state=Job.State.CHECKING,
        rows=rows,
        created_by=created_by,
        archive=archive_key,
        options={"allow_similar": allow_similar, "encoding": table.encoding},
    )


def import_confirm(*, job: Job) -> None:
    """Let the images that are ready be added. Raises JobNotReady where the job is not checked."""
    ready = outcome_counts(job).get(Outcome.READY, 0)
    job_set_state(job=job, state=Job.State.RUNNING, expected=Job.State.CHECKED, done=job.total - ready)


class ImportChecker:
    """Looks at each picture of an import: whether it is one, is new, and shows a usable face."""

    def __init__(self, job: Job, archive: Archive) -> None:
        self._job = job
        self._archive = archive
        self._seen = _Seen()
        for number, values in job.rows.filter(outcome=Outcome.READY).values_list("number", "values"):
            self._seen.add(number, values["sha256"], PerceptualHash(tuple(values["bands"]), values["fine"]))

    def step(self) -> bool:
        if not is_in_state(self._job, Job.State.CHECKING):
            return False
        rows = pending_rows(self._job, _IMAGES_AT_ONCE)
        if not rows:
            job_set_state(job=self._job, state=Job.State.CHECKED, expected=Job.State.CHECKING)
            return False
        pictures = _pictures_of(self._archive, rows, self._job.language)
        new = self._without_known(rows, pictures)
        answers = analyse_many([picture.content for picture in new.values()])
        for (row, picture), answer in zip(new.items(), answers, strict=True):
            _judge(row, picture, answer)
        rows_finish(job=self._job, rows=rows)
        return True

    def _without_known(self, rows: Iterable[JobRow], pictures: dict[JobRow, Picture]) -> dict[JobRow, Picture]:
        hashes = [picture.sha256 for picture in pictures.values()]
        present = {image.sha256: image for image in CelebrityImage.objects.filter(sha256__in=hashes)}
        new: dict[JobRow, Picture] = {}
        for row in rows:
            picture = pictures.get(row)
            if picture is None:
                continue
            if image := present.get(picture.sha256):
                row.outcome, row.image = Outcome.PRESENT, image
                row.message = _("This picture is in the catalogue already.")
            elif number := self._seen.same(picture.sha256):
                row.outcome = Outcome.PRESENT
                row.message = _("Row %(number)d has the same picture.") % {"number": number}
            elif message := self._similar(row, picture):
                row.outcome, row.message = Outcome.NEAR_DUPLICATE, message
            else:
                new[row] = picture
                self._seen.add(row.number, picture.sha256, picture.hash)
        return new

    def _similar(self, row: JobRow, picture: Picture) -> str:
        """A sentence about the picture that this one looks like; empty where none is or that is allowed."""
        if self._job.options["allow_similar"]:
            return ""
        if number := self._seen.similar(picture.hash):
            return _("It looks like the picture of row %(number)d.") % {"number": number}
        if similar := CelebrityImage.objects.similar_to(picture.hash):
            row.image = CelebrityImage.objects.select_related("celebrity").get(pk=similar[0])
            return _("It looks like a picture in the catalogue: %(image)s.") % {"image": row.image}
        return ""


class ImportAdder:
    """Adds the pictures that an import found ready, unpublished."""

    def __init__(self, job: Job, archive: Archive) -> None:
        self._job = job
        self._archive = archive
        self._celebrities: dict[tuple[str, str], Celebrity] = {}
        self._types = {face_type.code: face_type for face_type in FaceType.objects.all()}

    def step(self) -> bool:
        if not is_in_state(self._job, Job.State.RUNNING):
            return False
        rows = pending_rows(self._job, _IMAGES_AT_ONCE, Outcome.READY)
        if not rows:
            job_set_state(job=self._job, state=Job.State.FINISHED, expected=Job.State.RUNNING)
            return False
        pictures = _pictures_of(self._archive, rows, self._job.language)
        with transaction.atomic():
            for row, picture in pictures.items():
                self._add(row, picture)
            part_labels_set_types(
                changes={
                    (row.image_id, FacePart.WHOLE_FACE.value): self._types[row.values["type"]]
                    for row in rows
                    if row.outcome == Outcome.ADDED and row.values["type"] and row.image_id is not None
                },
                source=LabelSource.CURATOR,
            )
            embeddings_set(
                {
                    row.image_id: Embedding(row.values["embedding"], row.values["embedded_by"])
                    for row in rows
                    # Rows checked before there were embeddings have none.
                    if row.outcome == Outcome.ADDED and row.image_id is not None and "embedding" in row.values
                }
            )
            rows_finish(job=self._job, rows=rows)
        return True

    def _add(self, row: JobRow, picture: Picture) -> None:
        rights = {name: row.values[name] for name in ("source", "licence", "attribution")}
        celebrity = self._celebrity(row.values["name_ko"], row.values["name_en"])
        try:
            row.image = image_add_picture(picture=picture, celebrity=celebrity, **rights)
        except DuplicateImage as error:
            row.outcome, row.message = Outcome.PRESENT, str(error)
            return
        row.outcome = Outcome.ADDED
        missing = [name for name in ("source", "licence") if not rights[name]]
        if missing:
            row.message = _("It cannot be published before it has these: %(missing)s") % {"missing": ", ".join(missing)}

    def _celebrity(self, name_ko: str, name_en: str) -> Celebrity:
        key = (name_ko, name_en)
        if key not in self._celebrities:
            known = Celebrity.objects.filter(name_ko=name_ko, name_en=name_en).order_by("pk").first()
            self._celebrities[key] = known or Celebrity.objects.create(name_ko=name_ko, name_en=name_en)
        return self._celebrities[key]


def _judge(row: JobRow, picture: Picture, answer: FaceAnalysis | InferenceError) -> None:
    if isinstance(answer, PhotoRefused):
        row.outcome, row.message = Outcome.REFUSED, refusal_sentence(answer.reason)
    elif isinstance(answer, InferenceError):
        row.outcome = Outcome.FAILED
        row.message = _("The models could not analyse the picture: %(code)s") % {"code": answer.code}
    else:
        row.outcome = Outcome.READY
        row.values |= {"sha256": picture.sha256, "bands": picture.hash.bands, "fine": picture.hash.fine}
        row.values |= {"embedding": answer.embedding, "embedded_by": answer.models.types}


def _pictures_of(archive: Archive, rows: Collection[JobRow], language: str) -> dict[JobRow, Picture]:
    """The pictures that rows name; a row whose file is none gets its outcome."""

    def picture_of(row: JobRow) -> Picture | CatalogError:
        # Threads start with the default language.
        with translation.override(language):
            try:
                return picture_from_upload(archive.read(row.values["path"], settings.MAX_PHOTO_BYTES))
            except CatalogError as error:
                return error

    # Pillow decodes and encodes side by side.
    with ThreadPoolExecutor(_DECODERS, "decoding") as threads:
        results = dict(zip(rows, threads.map(picture_of, rows), strict=True))
    pictures: dict[JobRow, Picture] = {}
    for row, result in results.items():
        if isinstance(result, Picture):
            pictures[row] = result
        else:
            row.outcome, row.message = Outcome.INVALID, str(result)
    return pictures


def _row_of(row: TableRow, files: _Files, types: dict[str, FaceType]) -> JobRow:
    values = {name: row.values.get(name, "") for name in (*NEEDED_COLUMNS, *OTHER_COLUMNS)}
    message = _fault_of(values, types)
    path, file_message = files.take(values["file"], row.number)
    message = message or file_message
    if not message:
        values["type"] = types[values["type"].casefold()].code if values["type"] else ""
    return JobRow(
        number=row.number,
        name=(values["file"] or "–")[:300],
        values={**values, "path": path},
        outcome=Outcome.INVALID if message else Outcome.PENDING,
        message=message[:500],
    )


def _fault_of(values: dict[str, str], types: dict[str, FaceType]) -> str:
    for name in NEEDED_COLUMNS:
        if not values[name]:
            return _("There is nothing in the column “%(column)s”.") % {"column": name}
    for name, model in _MODELS.items():
        limit = model._meta.get_field(name).max_length or 0  # noqa: SLF001 - public by custom
        if len(values[name]) > limit:
            return _("What stands in the column “%(column)s” is longer than %(limit)d characters.") % {
                "column": name,
                "limit": limit,
            }
    if values["type"] and values["type"].casefold() not in types:
        return _("There is no face type “%(type)s”.") % {"type": values["type"][:50]}
    return ""


_MODELS: dict[str, Any] = {
    "name_ko": Celebrity,
    "name_en": Celebrity,
    "source": CelebrityImage,
    "licence": CelebrityImage,
    "attribution": CelebrityImage,
}


def _types_by_name() -> dict[str, FaceType]:
    """By code, and by the names that curators gave the types."""
    return {
        name.casefold(): face_type
        for face_type in FaceType.objects.all()
        for name in (face_type.name_ko, face_type.name_en, face_type.code)
    }


def _table_name(archive: Archive, wanted: str) -> str:
    tables = [name for name in archive.names if name.lower().endswith(".csv")]
    if wanted:
        if wanted not in archive.names:
            raise InvalidTable(_("There is no file %(name)s.") % {"name": wanted[:100]})
        return wanted
    if not tables:
        raise InvalidTable(_("A table is missing: a CSV file with the columns file, name_ko and name_en."))
    if len(tables) > 1:
        raise InvalidTable(_("There are several tables; say which one: %(names)s") % {"names": ", ".join(tables)[:300]})
    return tables[0]


def _unnamed_message(file: str) -> str:
    if file.lower().endswith(".zip"):
        return _("An archive inside an archive is not opened.")
    if not file.lower().endswith(_PICTURE_SUFFIXES):
        return _("This is not a JPEG, PNG or WebP picture, and the table does not name it.")
    return _("The table does not name this picture.")


class _Files:
    """Which of an archive's files a table's rows mean: by path from the table's folder, or by a name that is unique."""

    def __init__(self, names: Iterable[str], folder: PurePosixPath) -> None:
        self._folder = folder
        self._names = set(names)
        self._by_base: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._by_base[PurePosixPath(name).name].append(name)
        self.taken: dict[str, int] = {}

    def take(self, wanted: str, number: int) -> tuple[str, str]:
        """The file's name in the archive and "", or "" and why there is none for this row."""
        wanted = normal_name(wanted.replace("\\", "/"))
        candidates = [name for name in ((self._folder / wanted).as_posix(), wanted) if name in self._names]
        candidates = candidates or self._by_base.get(wanted, [])
        if not candidates:
            return "", _("There is no such file.")
        if len(set(candidates)) > 1:
            return "", _("Several files have that name; write the folder too.")
        path = candidates[0]
        if path in self.taken:
            return "", _("Row %(number)d names the same file.") % {"number": self.taken[path]}
        self.taken[path] = number
        return path, ""


class _Seen:
    """The pictures that an import has found ready so far, by row number."""

    def __init__(self) -> None:
        self._by_sha256: dict[str, int] = {}
        self._by_band: defaultdict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)

    def add(self, number: int, sha256: str, phash: PerceptualHash) -> None:
        self._by_sha256[sha256] = number
        for place, band in enumerate(phash.bands):
            self._by_band[place, band].append((phash.fine, number))

    def same(self, sha256: str) -> int | None:
        return self._by_sha256.get(sha256)

    def similar(self, phash: PerceptualHash) -> int | None:
        for place, band in enumerate(phash.bands):
            for fine, number in self._by_band[place, band]:
                if phash.distance(fine) <= SAME_PICTURE_DISTANCE:
                    return number
        return None
