"""CUDA graphs: what a GPU is to do, recorded once and started as a whole, since starting each part takes longer than
most parts do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

# As many as the notes on CUDA graphs ask for: libraries choose their ways and take their memory in the first ones.
_RUNS_BEFORE = 3

_Key = tuple[tuple[torch.Size, torch.dtype], ...]


class _Recording(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    output: Tensor


class Recorded:
    """A function of tensors on a GPU, recorded for each combination of shapes when it is first called with it.

    The function must read nothing back, take nothing from the host and always do the same for the same shapes. Not safe
    for two threads at a time.
    """

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self._function = function
        self._recordings: dict[_Key, _Recording] = {}
        # One for all recordings: none is started before the last one's result was copied.
        self._pool: Any = None

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Tensor:
        """A new tensor each time. It is computed when the GPU gets to it."""
        key = tuple((tensor.shape, tensor.dtype) for tensor in inputs)
        with torch.cuda.device(inputs[0].device):
            if key not in self._recordings:
                self._recordings[key] = self._record(inputs)
            recording = self._recordings[key]
            for own, given in zip(recording.inputs, inputs, strict=True):
                own.copy_(given)
            recording.graph.replay()
            return recording.output.clone()

    def _record(self, inputs: tuple[Tensor, ...]) -> _Recording:
        static = tuple(tensor.clone(memory_format=torch.preserve_format) for tensor in inputs)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_RUNS_BEFORE):
                self._function(*static)
        torch.cuda.current_stream().wait_stream(aside)
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        # Another thread may load another engine meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            output = self._function(*static)
        return _Recording(graph, static, output)
