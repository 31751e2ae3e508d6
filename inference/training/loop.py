"""The training loop every recipe uses: AdamW, one cosine cycle, averaged weights, checkpoints."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

# Data loaders fork this many; augmentation and the net's own threads then share the cores.
_WORKERS = 2
_CHECKPOINT_EVERY = 500
_WARM_UP_SHARE = 0.05


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
    """steps: optimizer steps. batch: samples a step. learning_rate: AdamW's peak. checkpoint: written as it goes."""

    steps: int
    batch: int
    learning_rate: float
    checkpoint: Path
    weight_decay: float = 0.02
    device: str = "cpu"


def fit(
    net: nn.Module,
    samples: Dataset[Any],
    loss: Callable[[nn.Module, Any], Tensor],
    settings: FitSettings,
    title: str,
) -> nn.Module:
    """Train a net and return the average of its late weights.

    samples: at least steps * batch of them, each a function of its index alone, so that a resumed
    run sees what an unbroken one would have seen.
    loss: of the net and one collated batch.
    A checkpoint of the last step gives the result at once, so that a recipe of several fits resumes whole.
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
    average = copy.deepcopy(net).eval()
    start = 0
    if settings.checkpoint.exists():
        state = torch.load(settings.checkpoint, map_location=device, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
        if state["steps"] != settings.steps:
            raise ValueError(
                f"{settings.checkpoint} is of a run of {state['steps']} steps, this is one of {settings.steps}"
            )
    loader: DataLoader[Any] = DataLoader(
        Subset(samples, range(start * settings.batch, settings.steps * settings.batch)),
        batch_size=settings.batch,
        num_workers=_WORKERS,
        worker_init_fn=_one_thread,
        prefetch_factor=4,
    )
    mean_loss = 0.0
    progress = tqdm(loader, desc=title, initial=start, total=settings.steps, unit="step", mininterval=5)
    for step, batch in enumerate(progress, start=start):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step / settings.steps)
        with torch.autocast(device.type, torch.bfloat16):
            value = loss(net, _to_device(batch, device))
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        _update_average(average, net, decay=min(0.998, (step + 1) / (step + 10)))
        mean_loss += (value.item() - mean_loss) / min(step - start + 1, 100)
        progress.set_postfix(loss=f"{mean_loss:.4f}", refresh=False)
        if (step + 1) % _CHECKPOINT_EVERY == 0 or step + 1 == settings.steps:
            state = {"net": net.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            _save(settings.checkpoint, state | {"step": step + 1, "steps": settings.steps})
    return average


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


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
