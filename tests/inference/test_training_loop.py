"""The training loop: it learns, repeats, resumes after a kill as if nothing had been, and stops in time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from inference.training.loop import FitSettings, ForeignCheckpoint, fit

# A group of this size begins early; the longest of these would otherwise end after everything else.
pytestmark = pytest.mark.xdist_group("training loop")


class Numbers(Dataset[dict[str, Tensor]]):
    """Sums of four numbers."""

    def __init__(self, first: int = 0, count: int = 4096) -> None:
        self._first, self._count = first, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if index >= self._count:
            raise IndexError
        x = torch.randn(4, generator=torch.Generator().manual_seed(self._first + index))
        return {"x": x, "y": x.sum()[None]}


class TurnedNumbers(Numbers):
    """Sums with the sign turned: the more a net learns of Numbers, the worse it does on these."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample = super().__getitem__(index)
        return sample | {"y": -sample["y"]}


def squared_error(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return nn.functional.mse_loss(net(batch["x"]).float(), batch["y"])


def fail(*_: object) -> Tensor:
    raise AssertionError("trained again")


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 1)


def forgetful() -> nn.Module:
    """A net with all that a resumed run must carry on: running statistics, and dropout's random numbers."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 1))


def settings_in(folder: Path, **fields: Any) -> FitSettings:
    return replace(FitSettings(100, 16, 0.05, folder / "numbers.pt"), **fields)


def same(first: nn.Module, second: nn.Module) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


class Deadly:
    """A loss that ends its process without a word in the middle of a training step."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def __call__(self, net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        if net.training:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return squared_error(net, batch)


def fit_apart(loss: Callable[..., Tensor], settings: FitSettings, validation: Dataset[Any] | None) -> int | None:
    """Fit in a process of its own, as commands do, whatever earlier tests left in this one; its exit status."""
    # A fork of a process whose threads have computed already can wait for them for ever.
    process = multiprocessing.get_context("spawn").Process(
        target=fit, args=(forgetful(), Numbers(), loss, settings, "numbers", validation)
    )
    process.start()
    process.join(120)
    return process.exitcode


def test_fitting_learns(tmp_path: Path) -> None:
    net = fit(linear(), Numbers(), squared_error, settings_in(tmp_path, steps=150, learning_rate=0.2), "numbers")

    torch.testing.assert_close(net.weight, torch.ones(1, 4), atol=0.1, rtol=0)


def test_a_seed_gives_its_own_weights_each_time(tmp_path: Path) -> None:
    nets = [
        fit(
            forgetful(),
            Numbers(),
            squared_error,
            settings_in(tmp_path, seed=seed, checkpoint=tmp_path / f"{run}.pt"),
            "numbers",
        )
        for run, seed in enumerate((1, 1, 2))
    ]

    assert same(nets[0], nets[1])
    assert not same(nets[0], nets[2])


def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    whole, broken = (settings_in(tmp_path, checkpoint=tmp_path / f"{name}.pt") for name in ("whole", "broken"))
    validation = Numbers(10_000, 64)
    assert fit_apart(squared_error, whole, validation) == 0

    # Checkpoints come every fifth step, so three steps are lost.
    assert fit_apart(Deadly(48), broken, validation) == -signal.SIGKILL
    assert torch.load(broken.checkpoint, weights_only=True)["step"] == 45
    assert fit_apart(squared_error, broken, validation) == 0

    # Both are done: this only reads them.
    unbroken, resumed = (fit(forgetful(), Numbers(), fail, run, "numbers", validation) for run in (whole, broken))
    assert same(unbroken, resumed)


def test_a_finished_fit_is_not_repeated(tmp_path: Path) -> None:
    first = fit(linear(), Numbers(), squared_error, settings_in(tmp_path), "numbers")

    assert same(first, fit(linear(), Numbers(), fail, settings_in(tmp_path), "numbers"))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("steps", 20, "steps 100, not 20"),
        ("seed", 1, "seed 0, not 1"),
        ("batch", 8, "batch 16, not 8"),
        ("learning_rate", 0.1, "learning rate 0.05, not 0.1"),
        ("weight_decay", 0.1, "weight decay 0.02, not 0.1"),
        ("inputs", "other data", "inputs , not other data"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, field: str, value: float | str, why: str) -> None:
    fit(linear(), Numbers(), squared_error, settings_in(tmp_path), "numbers")

    with pytest.raises(ForeignCheckpoint, match=why):
        fit(linear(), Numbers(), squared_error, settings_in(tmp_path, **{field: value}), "numbers")


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    fit(linear(), Numbers(), squared_error, settings, "numbers")
    settings.checkpoint.write_bytes(settings.checkpoint.read_bytes()[:500])

    with pytest.raises(ForeignCheckpoint, match="cannot be read"):
        fit(linear(), Numbers(), squared_error, settings, "numbers")


def test_a_run_stops_when_validation_gets_no_better_and_keeps_the_best_weights(tmp_path: Path) -> None:
    learning: list[bool] = []
    weights: list[Tensor] = []

    def watched(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        learning.append(net.training)
        if not net.training:
            weights.append(net.weight.detach().clone())  # type: ignore[operator,union-attr]
        return squared_error(net, batch)

    settings = settings_in(tmp_path, learning_rate=0.01)
    net = fit(linear(), Numbers(), watched, settings, "numbers", TurnedNumbers(count=16))

    # The first look, after five steps, is the best; eight more looks find nothing better.
    assert learning.count(True) == 45
    assert learning.count(False) == 9
    assert torch.equal(net.weight, weights[0])
    again = fit(linear(), Numbers(), watched, settings, "numbers", TurnedNumbers(count=16))
    assert same(net, again)
    assert len(learning) == 54


def test_validation_samples_are_never_learned_from(tmp_path: Path) -> None:
    without, with_others = (
        fit(
            linear(),
            Numbers(),
            squared_error,
            settings_in(tmp_path, steps=20, checkpoint=tmp_path / f"{index}.pt"),
            "numbers",
            validation,
        )
        for index, validation in enumerate((None, Numbers(10_000, 64)))
    )

    # While the loss on them falls to the end, looking at them changes nothing.
    assert same(without, with_others)
