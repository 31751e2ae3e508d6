"""The training loop every recipe uses: AdamW, one cosine cycle, averaged weights, checkpoints."""

from __future__ import annotations

import copy
import math
import os
import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

# Data loaders fork this many; augmentation and the net's own threads then share the cores.
WORKERS = min(os.cpu_count() or 1, 8)
# A checkpoint, and a look at the validation samples, so many times a run and at least every so many steps.
_CHECKPOINTS = 20
_CHECKPOINT_EVERY = 500
# Looks without a better one, after which a run stops. Many, because the last, slow steps often gain once more.
_PATIENCE = 8
_WARM_UP_SHARE = 0.05


class ForeignCheckpoint(Exception):
    """A checkpoint that this run cannot go on from: it is another run's, or damaged."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a training run is asked for.

    data: the data folder. out: where checkpoints and the trained model go. epochs: of 4,096 samples.
    device: torch's name of it.
    """

    data: Path
    out: Path
    seed: int
    epochs: int
    device: str


EPOCH_SAMPLES = 4096


@dataclass(frozen=True, slots=True)
class FitSettings:
    """steps: optimizer steps. batch: samples a step. learning_rate: AdamW's peak. checkpoint: written as it goes.

    seed: of what the net and its loss draw, such as dropout. inputs: names all that the samples are made of, such
    as a hash of the data; a checkpoint with other inputs is another run's.
    """

    steps: int
    batch: int
    learning_rate: float
    checkpoint: Path
    weight_decay: float = 0.02
    device: str = "cpu"
    seed: int = 0
    inputs: str = ""

    @property
    def run(self) -> dict[str, int | float | str]:
        """What two halves of one run have in common; the second may go on elsewhere."""
        return {
            "steps": self.steps,
            "batch": self.batch,
            "learning rate": self.learning_rate,
            "weight decay": self.weight_decay,
            "seed": self.seed,
            "inputs": self.inputs,
        }


def fit(
    net: nn.Module,
    samples: Dataset[Any],
    loss: Callable[[nn.Module, Any], Tensor],
    settings: FitSettings,
    title: str,
    validation: Dataset[Any] | None = None,
) -> nn.Module:
    """Train a net and return the average of its late weights.

    samples: at least steps * batch of them, each a function of its index alone, so that a resumed
    run sees what an unbroken one would have seen, and ends with the same weights.
    loss: of the net and one collated batch.
    validation: a few samples of people the net does not learn from; the averaged weights with the least loss on
    them are returned, and the run stops when that loss falls no more.
    A checkpoint of the last step gives the result at once, so that a recipe of several fits resumes whole.
    Raises ForeignCheckpoint where the checkpoint is another run's.
    """
    device = torch.device(settings.device)
    net = net.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    decayed = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in net.parameters() if parameter.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=settings.learning_rate,
        fused=True,
    )
    precision = _precision(device)
    # Half precision, unlike bfloat16, needs small gradients scaled up.
    scaler = torch.amp.GradScaler(device.type, enabled=precision is torch.float16)
    average = copy.deepcopy(net).eval()
    best = _Best()
    start = 0
    if settings.checkpoint.exists():
        state = _load(settings, device)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        best, start = _Best(**state["best"]), state["step"]
    looks = _batches(validation, settings.batch) if validation is not None and start < settings.steps else []
    every = min(_CHECKPOINT_EVERY, math.ceil(settings.steps / _CHECKPOINTS))
    loader: DataLoader[Any] = DataLoader(
        Subset(samples, range(start * settings.batch, settings.steps * settings.batch)),
        batch_size=settings.batch,
        num_workers=WORKERS,
        worker_init_fn=one_thread,
        prefetch_factor=4,
    )
    mean_loss = 0.0
    progress = tqdm(loader, desc=title, initial=start, total=settings.steps, unit="step", mininterval=5)
    for step, batch in enumerate(progress, start=start):
        # By step, so that a resumed run draws what an unbroken one would have drawn.
        torch.manual_seed(settings.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step / settings.steps)
        with torch.autocast(device.type, precision):
            value = loss(net, _to_device(batch, device))
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(value).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        scaler.step(optimizer)
        scaler.update()
        _update_average(average, net, decay=min(0.998, (step + 1) / (step + 10)))
        mean_loss += (value.item() - mean_loss) / min(step - start + 1, 100)
        progress.set_postfix({"loss": f"{mean_loss:.4f}", **best.shown}, refresh=False)
        is_last = step + 1 == settings.steps
        if (step + 1) % every == 0 or is_last:
            if looks:
                with torch.autocast(device.type, precision):
                    best.look(average, _mean_loss(average, looks, loss, device))
            is_last = is_last or best.is_hopeless
            state = {"net": net.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            state |= {"scaler": scaler.state_dict(), "best": vars(best), "run": settings.run}
            _save(settings.checkpoint, state | {"step": settings.steps if is_last else step + 1})
            if is_last:
                break
    progress.close()
    if best.weights:
        average.load_state_dict(best.weights)
    return average


@dataclass
class _Best:
    """The weights with the least validation loss, and how many looks since then found no better ones."""

    weights: dict[str, Tensor] | None = None
    loss: float = math.inf
    worse_looks: int = 0

    @property
    def is_hopeless(self) -> bool:
        return self.worse_looks >= _PATIENCE

    @property
    def shown(self) -> dict[str, str]:
        return {"validation": f"{self.loss:.4f}"} if self.weights else {}

    def look(self, net: nn.Module, loss: float) -> None:
        if loss < self.loss:
            self.weights, self.loss, self.worse_looks = copy.deepcopy(net.state_dict()), loss, 0
        else:
            self.worse_looks += 1


def _batches(samples: Dataset[Any], size: int) -> Sequence[Any]:
    return list(DataLoader(samples, batch_size=size, num_workers=WORKERS, worker_init_fn=one_thread))


@torch.no_grad()
def _mean_loss(
    net: nn.Module, batches: Iterable[Any], loss: Callable[[nn.Module, Any], Tensor], device: torch.device
) -> float:
    losses = [loss(net, _to_device(batch, device)).item() for batch in batches]
    return sum(losses) / len(losses)


def _precision(device: torch.device) -> torch.dtype:
    """bfloat16, except on older GPUs that only have half precision."""
    has_bfloat16 = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_bfloat16 else torch.float16


def _load(settings: FitSettings, device: torch.device) -> dict[str, Any]:
    path = settings.checkpoint
    remedy = "train into another folder, or delete this one to start afresh"
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        found = state["run"]
    except (RuntimeError, OSError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise ForeignCheckpoint(f"{path} cannot be read as a checkpoint: {remedy}") from error
    others = [f"{name} {found.get(name)}, not {own}" for name, own in settings.run.items() if found.get(name) != own]
    if others:
        raise ForeignCheckpoint(f"{path} belongs to another run ({'; '.join(others)}): {remedy}")
    return state


def _schedule(progress: float) -> float:
    """Share of the peak learning rate: linear warm-up, then half a cosine to zero."""
    if progress < _WARM_UP_SHARE:
        return progress / _WARM_UP_SHARE
    return 0.5 * (1 + math.cos(math.pi * (progress - _WARM_UP_SHARE) / (1 - _WARM_UP_SHARE)))


@torch.no_grad()
def _update_average(average: nn.Module, net: nn.Module, decay: float) -> None:
    source = net.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(source[name], 1 - decay)
        else:
            value.copy_(source[name])


def _save(path: Path, state: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    # A kill between the two leaves the last whole checkpoint in place.
    partial.replace(path)


def _to_device(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
