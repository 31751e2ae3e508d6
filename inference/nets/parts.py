"""The part finder: five lines of an aligned face, from which the three part boxes follow."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.nets.layers import ConvNormAct, ResidualBlock

# Below the smallest error a label can have; keeps the likelihood from diverging on a fitted sample.
_MIN_SPREAD = 0.002


class FaceLines(NamedTuple):
    """Where the lines lie and how sure the net is.

    Shapes: position, spread (B, 5): left and right edge of the outline (x), top of the brows, base of
            the nose, bottom of the chin (y).
    Units:  shares of the crop's side; spread is the scale of a Laplace distribution around position.
    """

    position: Tensor
    spread: Tensor


class PartsNet(nn.Module):
    """Shapes: (B, 3, 128, 128) aligned crops in -1 to 1 -> FaceLines.

    Source: heteroscedastic regression after Kendall & Gal 2017, arXiv:1703.04977.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormAct(3, 24, stride=2),
            ConvNormAct(24, 40, stride=2),
            ResidualBlock(40, 64, 2),
            ResidualBlock(64, 96, 2),
            ResidualBlock(96, 96),
            ConvNormAct(96, 32, 1),
        )
        self.hidden = nn.Linear(32 * 8 * 8, 128)
        self.predict = nn.Linear(128, 10)

    def forward_features(self, crops: Tensor) -> Tensor:
        """What the lines are read from, (B, 128)."""
        return functional.relu(self.hidden(self.features(crops).flatten(1)))

    def forward_head(self, hidden: Tensor) -> FaceLines:
        raw = self.predict(hidden).float()
        return FaceLines(raw[:, :5] + 0.5, spread_of(raw[:, 5:]))

    def forward(self, crops: Tensor) -> FaceLines:
        return self.forward_head(self.forward_features(crops))


def spread_of(raw: Tensor) -> Tensor:
    """The net's last numbers as spreads, which are positive."""
    return functional.softplus(raw - 3) + _MIN_SPREAD


def part_boxes(lines: Tensor) -> Tensor:
    """The three part boxes that follow from the five lines.

    Shapes: lines (..., 5) as xl, xr, yb, yn, yc -> (..., 3, 4) as x0, y0, x1, y1, in contracts.FacePart's order.
    """
    xl, xr, yb, yn, yc = lines.unbind(-1)
    height = yc - yb
    return torch.stack(
        [
            torch.stack([xl, yb - 0.35 * height, xr, yc], dim=-1),
            torch.stack([xl, yb - 0.08 * height, xr, yn], dim=-1),
            torch.stack([xl, yn, xr, yc], dim=-1),
        ],
        dim=-2,
    )


def mirror_lines(lines: Tensor) -> Tensor:
    """Lines (..., 5) of a mirrored crop, for the crop; and the other way round. Units: shares of the crop's side."""
    xl, xr, yb, yn, yc = lines.unbind(-1)
    return torch.stack([1 - xr, 1 - xl, yb, yn, yc], dim=-1)
