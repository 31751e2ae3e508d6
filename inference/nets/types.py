"""The type model: how an aligned face's three parts are perceived, each on five ordered types."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.nets.layers import ConvNormAct, ResidualBlock

PARTS = 3
TYPES = 5
EMBEDDING = 128
ROI_CELLS = 4


class TypePrediction(NamedTuple):
    """Shapes: probabilities (B, 3, 5), parts in FacePart's order, best type first; embedding (B, 128), of length 1."""

    probabilities: Tensor
    embedding: Tensor


class OrdinalHead(nn.Module):
    """Proportional odds: one latent rating a part, cut by four ordered thresholds.

    Shapes: latent (B, P), P = 3 parts unless told -> probabilities (B, P, 5), best type first, summing to 1.
    Source: McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x.
    """

    def __init__(self, parts: int = PARTS) -> None:
        super().__init__()
        self.thresholds = nn.Parameter(torch.tensor([1.0, 0.35, -0.35, -1.0]).repeat(parts, 1))
        self.log_scale = nn.Parameter(torch.zeros(parts))

    def forward(self, latent: Tensor) -> Tensor:
        better = torch.sigmoid((latent.unsqueeze(-1) - self.thresholds) / self.log_scale.exp().unsqueeze(-1))
        edge = torch.ones_like(latent).unsqueeze(-1)
        return torch.cat([better, edge], dim=-1) - torch.cat([edge * 0, better], dim=-1)


class TypesNet(nn.Module):
    """Rate the parts of aligned faces, each from its own region of one feature map.

    Shapes: crops (B, 3, 128, 128) in -1 to 1, boxes (B, 3, 4) as x0, y0, x1, y1 in shares of the
            crop's side -> TypePrediction.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            ConvNormAct(3, 32, stride=2),
            ResidualBlock(32, 48, 2),
            ResidualBlock(48, 96, 2),
            ResidualBlock(96, 160, 2),
            ResidualBlock(160, 160),
        )
        self.reduce = nn.ModuleList([ConvNormAct(160, 64, 1) for _ in range(PARTS)])
        self.embed = nn.ModuleList([nn.Linear(64 * ROI_CELLS**2, EMBEDDING) for _ in range(PARTS)])
        self.rate = nn.Parameter(torch.zeros(PARTS, EMBEDDING))
        self.bias = nn.Parameter(torch.zeros(PARTS))
        self.ordinal = OrdinalHead()

    def forward_cells(self, crops: Tensor, boxes: Tensor) -> Tensor:
        """What each part's box holds, on a grid of cells: (B, 3, 64, 4, 4)."""
        features = self.trunk(crops)
        parts = [roi_sample(reduce(features), boxes[:, index]) for index, reduce in enumerate(self.reduce)]
        return torch.stack(parts, dim=1)

    def forward_embeddings(self, cells: Tensor) -> Tensor:
        """Part embeddings (B, 3, 128) of cells (B, 3, 64, 4, 4)."""
        return torch.stack([embed(cells[:, index].flatten(1)) for index, embed in enumerate(self.embed)], dim=1)

    def forward_features(self, crops: Tensor, boxes: Tensor) -> Tensor:
        """Part embeddings (B, 3, 128), before any rating."""
        return self.forward_embeddings(self.forward_cells(crops, boxes))

    def forward_head(self, embeddings: Tensor) -> Tensor:
        """Type probabilities (B, 3, 5) of part embeddings (B, 3, 128)."""
        probabilities: Tensor = self.ordinal((embeddings * self.rate).sum(-1) + self.bias)
        return probabilities

    def forward(self, crops: Tensor, boxes: Tensor) -> TypePrediction:
        embeddings = self.forward_features(crops, boxes).float()
        return TypePrediction(self.forward_head(embeddings), functional.normalize(embeddings[:, 0], dim=-1))


def roi_sample(features: Tensor, boxes: Tensor, cells: int = ROI_CELLS) -> Tensor:
    """Average a grid of cells out of one box of each feature map.

    Each cell is the mean of 2 x 2 bilinear samples.
    Shapes: features (B, C, h, w), boxes (B, 4) in shares of the map's sides -> (B, C, cells, cells).
    Source: RoIAlign, He et al. 2017, doi:10.1109/ICCV.2017.322.
    """
    steps = (torch.arange(2 * cells, device=boxes.device, dtype=boxes.dtype) + 0.5) / (2 * cells)
    xs = boxes[:, 0:1] + (boxes[:, 2:3] - boxes[:, 0:1]) * steps
    ys = boxes[:, 1:2] + (boxes[:, 3:4] - boxes[:, 1:2]) * steps
    count = 2 * cells
    grid = torch.stack([xs[:, None, :].expand(-1, count, -1), ys[:, :, None].expand(-1, -1, count)], dim=-1)
    sampled = functional.grid_sample(features, (grid * 2 - 1).to(features.dtype), align_corners=False)
    return functional.avg_pool2d(sampled, 2)
