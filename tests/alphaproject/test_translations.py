"""Every text a person reads has its Korean, and the compiled catalogue is the written one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
KOREAN = Path("locale/ko/LC_MESSAGES/django.po")
SOURCES = ("alphaproject", "catalog", "classification", "inference", "templates")


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale="ko")


def test_compiled_catalogue_is_the_written_one() -> None:
    written = {message.id: message.string for message in read(ROOT / KOREAN) if message.id}
    with (ROOT / KOREAN).with_suffix(".mo").open("rb") as file:
        compiled = {message.id: message.string for message in read_mo(file) if message.id}

    assert compiled == written


@pytest.mark.skipif(
    shutil.which("xgettext") is None and os.environ.get("CI") != "true", reason="GNU gettext is not installed"
)
def test_every_text_is_translated(tmp_path: Path) -> None:
    for source in SOURCES:
        shutil.copytree(ROOT / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    (tmp_path / KOREAN).parent.mkdir(parents=True)
    shutil.copy(ROOT / KOREAN, tmp_path / KOREAN)
    collect = [sys.executable, "-m", "django", "makemessages", "-l", "ko", "--no-obsolete"]
    subprocess.run(collect, cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})

    texts = [message for message in read(tmp_path / KOREAN) if message.id]
    assert len(texts) > 100
    untranslated = [
        message.id
        for message in texts
        if not all([message.string] if isinstance(message.string, str) else message.string)
    ]
    assert untranslated == []
    assert [message.id for message in texts if message.fuzzy] == []
