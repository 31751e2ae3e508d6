"""The gate: find faces in a photo, then check each one closely.

FaceDetector is an anchor-free one-shot detector after Zhou et al. 2019 (Objects as Points,
arXiv:1904.07850). FaceVerifier looks at the aligned crop of one detection, says whether it is a real
human face, whether something covers it and whether it is too blurred, and places the five points again, more
finely.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.nets.layers import ConvNormAct, ResidualBlock

STRIDE = 8


class DetectionMaps(NamedTuple):
    """What the detector says at each cell of a grid of stride 8 over its input.

    Shapes: heat (B, h, w), boxes (B, 4, h, w), points (B, 10, h, w).
    Units:  heat in logits of "a face's centre lies here"; boxes (centre x, centre y, width, height)
            and points (x, y, five times, in contracts.DetectedFace's order) in input pixels.
    """

    heat: Tensor
    boxes: Tensor
    points: Tensor


class FaceDetector(nn.Module):
    """Shapes: (B, 3, S, S) in -1 to 1, S a multiple of 64 -> DetectionMaps with h = w = S / 8."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvNormAct(3, 16, stride=2), ConvNormAct(16, 32, stride=2))
        self.stage8 = nn.Sequential(ResidualBlock(32, 48, 2), ResidualBlock(48, 48))
        self.stage16 = nn.Sequential(ResidualBlock(48, 80, 2), ResidualBlock(80, 80))
        self.stage32 = nn.Sequential(ResidualBlock(80, 128, 2), ResidualBlock(128, 128))
        # At stride 64 a cell's view spans the whole input, which a face that fills the frame needs.
        self.stage64 = ResidualBlock(128, 128, 2)
        self.lateral8 = ConvNormAct(48, width, 1)
        self.lateral16 = ConvNormAct(80, width, 1)
        self.lateral32 = ConvNormAct(128, width, 1)
        self.lateral64 = ConvNormAct(128, width, 1)
        self.smooth = ConvNormAct(width, width)
        self.head = ConvNormAct(width, width)
        self.predict = nn.Conv2d(width, 15, 1)
        # Prior: about one cell in a hundred is a centre, so that training starts without a shock.
        nn.init.constant_(self.predict.bias[0], -4.6)  # type: ignore[index]

    def forward(self, images: Tensor) -> DetectionMaps:
        x8 = self.stage8(self.stem(images))
        x16 = self.stage16(x8)
        x32 = self.stage32(x16)
        x64 = self.stage64(x32)
        top = self.lateral64(x64)
        top = self.lateral32(x32) + functional.interpolate(top, scale_factor=2.0)
        top = self.lateral16(x16) + functional.interpolate(top, scale_factor=2.0)
        top = self.lateral8(x8) + functional.interpolate(top, scale_factor=2.0)
        return self.decode(self.predict(self.head(self.smooth(top))).float())

    @staticmethod
    def decode(raw: Tensor) -> DetectionMaps:
        """Turn raw outputs (B, 15, h, w) into pixels: offsets from the cell, log sizes, points in box units."""
        h, w = raw.shape[-2:]
        ys = torch.arange(h, device=raw.device, dtype=raw.dtype).view(1, h, 1)
        xs = torch.arange(w, device=raw.device, dtype=raw.dtype).view(1, 1, w)
        centre = torch.stack([(raw[:, 1] + xs + 0.5) * STRIDE, (raw[:, 2] + ys + 0.5) * STRIDE], dim=1)
        # exp(6) cells are wider than any input; the bound keeps a bad step finite.
        size = raw[:, 3:5].clamp(-4, 6).exp() * STRIDE
        points = centre.repeat(1, 5, 1, 1) + raw[:, 5:] * size.repeat(1, 5, 1, 1)
        return DetectionMaps(raw[:, 0], torch.cat([centre, size], dim=1), points)


class Verification(NamedTuple):
    """What the verifier says of each crop.

    Shapes: face, covered, blurred (B,), points (B, 5, 2).
    Units:  face, covered and blurred in logits; points as shares of the crop's side.
    """

    face: Tensor
    covered: Tensor
    blurred: Tensor
    points: Tensor


class FaceVerifier(nn.Module):
    """Shapes: (B, 3, 128, 128) in -1 to 1 -> Verification."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormAct(3, 16, stride=2),
            ConvNormAct(16, 32, stride=2),
            ResidualBlock(32, 48, 2),
            ResidualBlock(48, 80, 2),
            ResidualBlock(80, 128, 2),
            ConvNormAct(128, 48, 1),
        )
        self.hidden = nn.Linear(48 * 4 * 4, 128)
        self.predict = nn.Linear(128, 13)

    def forward(self, crops: Tensor) -> Verification:
        hidden = functional.relu(self.hidden(self.features(crops).flatten(1)))
        raw = self.predict(hidden).float()
        return Verification(raw[:, 0], raw[:, 1], raw[:, 2], raw[:, 3:].view(-1, 5, 2) + 0.5)


class GateNet(nn.Module):
    """The detector and the verifier, trained and released together."""

    def __init__(self) -> None:
        super().__init__()
        self.detector = FaceDetector()
        self.verifier = FaceVerifier()
