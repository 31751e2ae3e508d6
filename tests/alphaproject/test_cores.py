"""How many cores a process counts on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alphaproject.cores import usable_cores


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3}, raising=False)


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", 4),
        ("200000 100000", 2),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("1600000 100000", 4),
        ("", 4),
        ("rubbish here", 4),
    ],
)
def test_the_containers_limit_counts_where_it_is_lower(tmp_path: Path, limit: str, cores: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(limit)

    assert usable_cores(file) == cores


@pytest.mark.usefixtures("four_cores")
def test_without_a_limit_it_may_run_on_all_of_its_cores(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "missing") == 4
