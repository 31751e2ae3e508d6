"""How much a server takes on where nothing is said of it."""

from __future__ import annotations

import environs
import pytest

from alphaproject import capacity
from alphaproject.capacity import read_capacity


@pytest.mark.parametrize(
    ("cores", "variables", "engines"),
    [
        (2, {}, 2),
        (16, {}, 4),
        (16, {"INFERENCE_DEVICE": "cuda"}, 2),
        (16, {"INFERENCE_DEVICE": "cuda:1", "WEB_CONCURRENCY": "4"}, 2),
        (4, {"INFERENCE_DEVICE": "cuda", "WEB_CONCURRENCY": "4"}, 1),
        (16, {"INFERENCE_DEVICE": "cuda", "INFERENCE_PROCESSES": "6"}, 6),
    ],
)
def test_a_web_process_has_fewer_engines_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, cores: int, variables: dict[str, str], engines: int
) -> None:
    monkeypatch.setattr(capacity, "usable_cores", lambda: cores)
    monkeypatch.delenv("INFERENCE_PROCESSES")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert read_capacity(environs.Env()).engines == engines
