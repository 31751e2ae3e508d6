"""Pictures and a table that came together: in a ZIP or in a folder. Nothing is ever unpacked onto a disk."""

from __future__ import annotations

import unicodedata
import zipfile
import zlib
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from django.utils.translation import gettext as _

from catalog.errors import ArchiveTooLarge, InvalidArchive

# The pictures of one import, and its table.
MAX_FILES = 10_001
MAX_UNPACKED_BYTES = 4 * 1024**3
# Pictures hardly shrink in a ZIP and tables shrink tenfold; what shrinks so is made to fill a memory.
MAX_RATIO = 200
_SMALL_BYTES = 64 * 1024
# What systems' own tools write. Of the others' a few bytes can unpack into more than fits a memory, at once.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
# What operating systems add on their own.
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}
_LITTER_FOLDERS = {"__MACOSX"}


class Archive(Protocol):
    """names: of all files, with / between folders, in a fixed order."""

    names: tuple[str, ...]

    def read(self, name: str, max_bytes: int) -> bytes:
        """A file's bytes; at most one more than max_bytes. Raises InvalidArchive where they cannot be read."""


class FolderArchive:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        paths = {
            normal_name(path.relative_to(folder).as_posix()): path
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self._paths = {name: path for name, path in paths.items() if not _is_litter(name)}
        self.names = tuple(self._paths)
        _limit_files(self.names)

    def read(self, name: str, max_bytes: int) -> bytes:
        try:
            with self._paths[name].open("rb") as file:
                return file.read(max_bytes + 1)
        except OSError as error:
            raise InvalidArchive(_("The file cannot be read.")) from error


class ZipArchive:
    """Checked as a whole before anything is read. Raises InvalidArchive and ArchiveTooLarge."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        entries = [entry for entry in file.infolist() if not entry.is_dir()]
        self._entries = {name: entry for entry in entries for name in [_entry_name(entry)] if not _is_litter(name)}
        self.names = tuple(self._entries)
        _limit_files(self.names)
        for entry in entries:
            _refuse_hostile(entry)
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
            raise ArchiveTooLarge(_("Unpacked, the archive would be too large."))

    def read(self, name: str, max_bytes: int) -> bytes:
        try:
            with self._file.open(self._entries[name]) as file:
                return file.read(max_bytes + 1)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, EOFError, RuntimeError) as error:
            raise InvalidArchive(_("The file is damaged inside the archive.")) from error


@contextmanager
def open_zip(file: IO[bytes]) -> Generator[ZipArchive]:
    """Raises InvalidArchive and ArchiveTooLarge."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as error:
        raise InvalidArchive(_("This is not a ZIP archive, or it is damaged.")) from error
    with archive:
        yield ZipArchive(archive)


def _refuse_hostile(entry: zipfile.ZipInfo) -> None:
    name = entry.filename.replace("\\", "/")
    if ".." in PurePosixPath(name).parts or name.startswith("/") or name[1:2] == ":":
        raise InvalidArchive(_("The archive names a file outside of itself: %(name)s") % {"name": name[:100]})
    if entry.flag_bits & _ENCRYPTED:
        raise InvalidArchive(_("The archive is encrypted. Save it without a password."))
    if entry.compress_type not in _METHODS:
        raise InvalidArchive(_("The archive is compressed in a way that is not read. Save it as an ordinary ZIP."))
    if entry.file_size > _SMALL_BYTES and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        raise ArchiveTooLarge(_("A file in the archive grows too much when it is unpacked: %(name)s") % {"name": name})


def _entry_name(entry: zipfile.ZipInfo) -> str:
    name = entry.filename
    if not entry.flag_bits & _UTF8_NAME:
        # Windows writes names in its own encoding, which here is the Korean one; zipfile took them for CP437.
        try:
            name = name.encode("cp437").decode("cp949")
        except UnicodeError:
            name = entry.filename
    return normal_name(name.replace("\\", "/"))


def normal_name(name: str) -> str:
    """Composed, as tables have it: macOS takes Korean syllables apart."""
    return unicodedata.normalize("NFC", name)


def _is_litter(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name in _LITTER or not _LITTER_FOLDERS.isdisjoint(path.parts)


def _limit_files(names: Iterable[str]) -> None:
    count = sum(1 for _name in names)
    if count > MAX_FILES:
        raise ArchiveTooLarge(
            _("The archive holds %(count)d files; at most %(limit)d are accepted at once.")
            % {"count": count, "limit": MAX_FILES}
        )
