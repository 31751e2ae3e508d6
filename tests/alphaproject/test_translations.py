"""Every text a person reads has its Korean, and the compiled catalogue is the written one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
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


def texts_of(catalogue: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    """By message, singular and plural: its Korean."""

    def forms(text: str | Sequence[str]) -> tuple[str, ...]:
        return (text,) if isinstance(text, str) else tuple(text)

    return {forms(message.id): forms(message.string) for message in catalogue if message.id}


def test_compiled_catalogue_is_the_written_one() -> None:
    with (ROOT / KOREAN).with_suffix(".mo").open("rb") as file:
        compiled = texts_of(read_mo(file))

    assert compiled == texts_of(read(ROOT / KOREAN))


@pytest.mark.skipif(
    shutil.which("xgettext") is None and os.environ.get("CI") != "true", reason="GNU gettext is not installed"
)
def test_every_text_is_translated(tmp_path: Path) -> None:
    for source in SOURCES:
        shutil.copytree(ROOT / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    (tmp_path / KOREAN).parent.mkdir(parents=True)
    shutil.copy(ROOT / KOREAN, tmp_path / KOREAN)
    collect = [sys.executable, "-m", "django", "makemessages", "-l", "ko", "--no-obsolete"]
    subprocess.run(collect, cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})

    catalogue = read(tmp_path / KOREAN)
    texts = texts_of(catalogue)
    assert len(texts) > 100
    assert [text for text, korean in texts.items() if not all(korean)] == []
    assert [message.id for message in catalogue if message.id and message.fuzzy] == []
