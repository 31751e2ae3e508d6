"""CUDA graphs: what a GPU is to do, recorded once and started as a whole, since starting each part takes longer than
most parts do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

# As many as the notes on CUDA graphs ask for: libraries choose their ways and take their memory in the first ones.
_RUNS_BEFORE = 3
# A process may record one graph at a time, and may have several engines: of the release in use, and of the next one.
_RECORDING = threading.Lock()

_Key = tuple[tuple[torch.Size, torch.dtype], ...]


class _Recording(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    output: Tensor


class Recorded:
    """A function of tensors on a GPU, recorded for each combination of shapes when it is first called with it.

    The function must read nothing back, take nothing from the host and always do the same for the same shapes. Of all
    shapes the largest should come first: where memory runs out in a later recording, what that took stays taken. Not
    safe for two threads at a time.
    """

    def __init__(self, function: Callable[..., Tensor], device: torch.device) -> None:
        self._function = function
        self._device = device
        # Graphs that share their memory are to be recorded on the same stream.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._recordings: dict[_Key, _Recording] = {}
        # The first recording's, for all: none is started before the last one's result was copied.
        self._pool: Any = None

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Tensor:
        """A new tensor each time. It is computed when the GPU gets to it."""
        key = tuple((tensor.shape, tensor.dtype) for tensor in inputs)
        with torch.cuda.device(self._device):
            if key not in self._recordings:
                with _RECORDING:
                    self._recordings[key] = self._record(inputs)
            recording = self._recordings[key]
            for own, given in zip(recording.inputs, inputs, strict=True):
                own.copy_(given)
            recording.graph.replay()
            return recording.output.clone()

    def _record(self, inputs: tuple[Tensor, ...]) -> _Recording:
        static = tuple(tensor.clone() for tensor in inputs)
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(_RUNS_BEFORE):
                self._function(*static)
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # What other threads ask of the GPU meanwhile, for another engine, must not end the recording.
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            output = self._function(*static)
        self._pool = graph.pool()
        return _Recording(graph, static, output)
