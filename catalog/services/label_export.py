"""Accepted labels, written the way that training reads them, and which models learned from which of them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.contrib.auth.models import AbstractBaseUser
from django.core.files.storage import storages
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from catalog.errors import STORAGE_ERRORS, PictureUnavailable
from catalog.models import ImageLabel, LabelExport, PartLabel
from catalog.models.labels import LabelState
from catalog.models.survey import Scale
from catalog.services.tables import neutral_cell
from inference.contracts import FacePart
from inference.models import ModelRelease

LABELS_NAME = "labels.csv"
MANIFEST_NAME = "manifest.json"
COLUMNS = (
    *("file", "identity", "sha256"),
    *(f"{part}_box" for part in FacePart),
    *(f"{part}_type" for part in FacePart),
    *("rating", "source", "licence"),
)
_LABELS_AT_ONCE = 500


class Target(Protocol):
    """Where an export is written."""

    def has(self, name: str) -> bool: ...

    def write(self, name: str, content: bytes) -> None: ...


class FolderTarget:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        return (self._folder / name).exists()

    def write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # A rename shows whoever reads meanwhile a whole file.
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(content)
        partial.replace(path)


class ZipTarget:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def has(self, name: str) -> bool:  # noqa: ARG002 - a new archive is empty
        return False

    def write(self, name: str, content: bytes) -> None:
        self._archive.writestr(name, content)


@dataclass(frozen=True, slots=True)
class ExportOutcome:
    """is_new: whether exactly these labels were never exported before."""

    export: LabelExport
    is_new: bool


def accepted_labels() -> QuerySet[ImageLabel]:
    return ImageLabel.objects.filter(state=LabelState.ACCEPTED).order_by("image_id")


@contextmanager
def export_target(path: Path) -> Iterator[Target]:
    """A folder, or a ZIP where the path says so; a ZIP appears once it is whole."""
    if path.suffix.lower() != ".zip":
        yield FolderTarget(path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    try:
        # Pictures do not get smaller.
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            yield ZipTarget(archive)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def labels_export(
    *, labels: QuerySet[ImageLabel], target: Target, created_by: AbstractBaseUser | None
) -> ExportOutcome:
    """Write pictures, labels.csv and manifest.json, and remember what was exported.

    labels.csv comes after the pictures, so an export that broke off cannot be taken for a whole one. The same
    labels give the same bytes. Raises PictureUnavailable.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    licences: Counter[str] = Counter()
    ids: list[int] = []
    for label in _with_all(labels).iterator(chunk_size=_LABELS_AT_ONCE):
        name = f"images/{label.image.sha256}.jpg"
        writer.writerow(_row_of(label, name))
        licences[label.image.licence] += 1
        ids.append(label.pk)
        if not target.has(name):
            target.write(name, _content_of(label))
    content = table.getvalue().encode()
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = {"labels": len(ids), "labels_sha256": sha256, "licences": dict(sorted(licences.items()))}
    target.write(LABELS_NAME, content)
    target.write(MANIFEST_NAME, json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")
    return _remember(sha256, ids, created_by)


def releases_trained_on(exports: Iterable[LabelExport]) -> dict[str, list[ModelRelease]]:
    """The model releases whose cards name an export's labels.csv, by its sha256. Two queries at most."""
    wanted = {export.sha256 for export in exports}
    found: dict[str, list[ModelRelease]] = {sha256: [] for sha256 in wanted}
    if not wanted:
        return found
    for release in ModelRelease.objects.all():
        for sha256 in wanted.intersection(release.manifest["training"].get("exports", [])):
            found[sha256].append(release)
    return found


@transaction.atomic
def _remember(sha256: str, label_ids: list[int], created_by: AbstractBaseUser | None) -> ExportOutcome:
    export, is_new = LabelExport.objects.get_or_create(
        sha256=sha256,
        defaults={"label_count": len(label_ids), "created_by_id": created_by.pk if created_by else None},
    )
    if is_new:
        links = LabelExport.labels.through
        links.objects.bulk_create(
            [links(labelexport_id=export.pk, imagelabel_id=pk) for pk in label_ids], batch_size=5000
        )
    return ExportOutcome(export=export, is_new=is_new)


def _with_all(labels: QuerySet[ImageLabel]) -> QuerySet[ImageLabel]:
    return labels.select_related("image").prefetch_related("parts__face_type", "parts__result_row__result__survey")


def _row_of(label: ImageLabel, name: str) -> list[str]:
    image = label.image
    parts = {part.part: part for part in label.parts.all()}
    ordered = [parts.get(part) for part in FacePart]
    return [
        name,
        f"celebrity-{image.celebrity_id}",
        image.sha256,
        *(_box_text(part) for part in ordered),
        *(part.face_type.code if part and part.face_type else "" for part in ordered),
        _rating_text(ordered[0]),
        neutral_cell(image.source),
        neutral_cell(image.licence),
    ]


def _box_text(part: PartLabel | None) -> str:
    if part is None or part.box is None:
        return ""
    box = part.box
    return f"{box.x0:.1f} {box.y0:.1f} {box.x1:.1f} {box.y1:.1f}"


def _rating_text(part: PartLabel | None) -> str:
    """The survey's rating of the whole face on a scale of 0 to 100; empty where no survey gave its type."""
    if part is None or part.result_row is None:
        return ""
    row = part.result_row
    match row.result.survey.scale:
        case Scale.TYPES:
            # 1 is the first type, 5 the last.
            share = (5 - row.value) / 4
        case Scale.ONE_TO_SEVEN:
            share = (row.value - 1) / 6
        case _:
            share = row.value / 100
    return f"{100 * min(max(share, 0.0), 1.0):.2f}"


def _content_of(label: ImageLabel) -> bytes:
    try:
        with storages["catalog"].open(label.image.file) as file:
            content: bytes = file.read()
    except STORAGE_ERRORS as error:
        raise PictureUnavailable(
            _("The picture of image %(image)d cannot be read at the moment.") % {"image": label.image_id}
        ) from error
    return content
