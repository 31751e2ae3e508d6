"""dlib's face-recognition network in torch, for training only: a teacher that answers in batches.

dlib itself needs 80 ms a face on one core; a teacher that is asked about tens of thousands of faces must
be faster. The weights are read from dlib's own file.
Source: King 2017, https://github.com/davisking/dlib-models (CC0); architecture of dlib's
examples/dnn_face_recognition_ex.cpp, after He et al. 2016, doi:10.1109/CVPR.2016.90.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

RECOGNITION = 128
CHIP_SIZE = 150
_MEAN = (122.782, 117.001, 104.298)
# Stages from the input on: channels, blocks, and whether the first block halves the map.
_STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
# Where textures and shapes are still kept apart from identity, and how many channels there are.
FEATURE_BLOCKS = (6, 9, 10)
FEATURE_CHANNELS = (64, 128, 256)
_TENSOR_MARK = b"\x01\x02"


class _Affine(nn.Module):
    """Scale and shift of each channel: what dlib makes of a batch normalization after training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.beta[:, None, None], x, self.gamma[:, None, None])


class _Block(nn.Module):
    """Two 3x3 convolutions around an identity, or around an average pool when the map is halved.

    dlib adds tensors of different sizes as if the smaller one were padded with zeros.
    """

    def __init__(self, in_channels: int, channels: int, *, halves: bool) -> None:
        super().__init__()
        stride, padding = (2, 0) if halves else (1, 1)
        self.halves = halves
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding)
        self.affine1 = _Affine(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.affine2 = _Affine(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.affine2(self.conv2(functional.relu(self.affine1(self.conv1(x)))))
        skip = functional.avg_pool2d(x, 2) if self.halves else x
        size = [max(a, b) for a, b in zip(out.shape[1:], skip.shape[1:], strict=True)]
        return functional.relu(_padded(out, size) + _padded(skip, size))


def _padded(x: Tensor, size: list[int]) -> Tensor:
    channels, height, width = (wanted - own for wanted, own in zip(size, x.shape[1:], strict=True))
    return functional.pad(x, (0, width, 0, height, 0, channels)) if channels or height or width else x


class RecognitionNet(nn.Module):
    """dlib's identity embedding of face chips.

    Shapes: chips (B, 3, 150, 150), RGB, 0 to 255 -> (B, 128), of length about 1.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 7, 2)
        self.affine = _Affine(32)
        self.pool = nn.MaxPool2d(3, 2)
        blocks, width = [], 32
        for channels, count, halves in _STAGES:
            for index in range(count):
                blocks.append(_Block(width, channels, halves=halves and index == 0))
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.project = nn.Linear(width, RECOGNITION, bias=False)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)

    def forward_features(self, chips: Tensor) -> tuple[list[Tensor], Tensor]:
        """Maps (B, C, h, w) after the blocks of FEATURE_BLOCKS, and the embedding (B, 128)."""
        x = self.pool(functional.relu(self.affine(self.conv((chips - self.mean) / 256))))
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in FEATURE_BLOCKS:
                maps.append(x)
        return maps, self.project(x.mean(dim=(2, 3)))

    def forward(self, chips: Tensor) -> Tensor:
        return self.forward_features(chips)[1]

    @classmethod
    def read(cls, path: Path) -> RecognitionNet:
        """The net with the weights of a dlib file. Raises ValueError if it is of another architecture."""
        net = cls()
        stored = _Tensors(path)
        with torch.no_grad():
            for module in net.modules():
                if isinstance(module, nn.Conv2d):
                    stored.fill(module.weight, cast("Tensor", module.bias))
                elif isinstance(module, _Affine):
                    stored.fill(module.gamma, module.beta)
            matrix = torch.empty(net.project.in_features, RECOGNITION)
            stored.fill(matrix)
            net.project.weight.copy_(matrix.T)
        return net.eval()


def recognition_weights() -> Path:
    """Where the installed package keeps the weights."""
    found = find_spec("face_recognition_models")
    if found is None or found.origin is None:
        raise RuntimeError("face_recognition_models is not installed; see requirements-train.txt")
    return Path(found.origin).parent / "models" / "dlib_face_recognition_resnet_model_v1.dat"


class _Tensors:
    """The tensors of a serialized dlib net, the layer next to the input first.

    Each is a version (2), four sizes as packed integers, and little-endian floats. What lies between them
    only repeats the architecture and is skipped.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = path.read_bytes()
        self._start = 0

    def fill(self, *targets: Tensor) -> None:
        """Copy the next tensor of as many values as the targets have together, which it holds one after the other."""
        sizes = [target.numel() for target in targets]
        values = torch.from_numpy(self._next(sum(sizes)).copy())
        for target, own in zip(targets, torch.split(values, sizes), strict=True):
            target.copy_(own.view(target.shape))

    def _next(self, count: int) -> NDArray[np.float32]:
        while (start := self._content.find(_TENSOR_MARK, self._start)) >= 0:
            sizes, end = _packed_integers(self._content, start + len(_TENSOR_MARK), 4)
            if len(sizes) == 4 and math.prod(sizes) == count and end + 4 * count <= len(self._content):
                self._start = end + 4 * count
                return np.frombuffer(self._content, "<f4", count, end)
            self._start = start + 1
        raise ValueError(f"{self._path} holds no further tensor of {count} values")


def _packed_integers(content: bytes, start: int, count: int) -> tuple[list[int], int]:
    """Up to `count` positive integers, each a length and that many little-endian bytes, and where they end."""
    values: list[int] = []
    while len(values) < count and start < len(content) and 1 <= (length := content[start]) <= 8:
        value = int.from_bytes(content[start + 1 : start + 1 + length], "little")
        if value <= 0:
            break
        values.append(value)
        start += 1 + length
    return values, start
