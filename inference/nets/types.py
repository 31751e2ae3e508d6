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
IMPRESSIONS = 32
ROI_CELLS = 4
# Ratings rest on the trunk's map after so many layers, where skin and hair can still be told, on its last one, and on
# impressions, which it has learned to have of faces.
_EARLY_LAYERS = 3
FEATURES = (96 * ROI_CELLS**2, 160 * ROI_CELLS**2, IMPRESSIONS)


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
            ResidualBlock(160, 160),
        )
        self.reduce = nn.ModuleList([ConvNormAct(160, 64, 1) for _ in range(PARTS)])
        self.embed = nn.ModuleList([nn.Linear(64 * ROI_CELLS**2, EMBEDDING) for _ in range(PARTS)])
        self.impress = nn.ModuleList([nn.Linear(64 * ROI_CELLS**2, IMPRESSIONS) for _ in range(PARTS)])
        self.rate = nn.Parameter(torch.zeros(PARTS, sum(FEATURES)))
        self.bias = nn.Parameter(torch.zeros(PARTS))
        self.ordinal = OrdinalHead()

    def forward_maps(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """The trunk's maps (B, 96, 16, 16) and (B, 160, 8, 8)."""
        early = self.trunk[:_EARLY_LAYERS](crops)
        return early, self.trunk[_EARLY_LAYERS:](early)

    def forward_cells(self, late: Tensor, boxes: Tensor) -> Tensor:
        """What each part's box holds, on a grid of cells: (B, 3, 64, 4, 4) of the last map."""
        parts = [roi_sample(reduce(late), boxes[:, index]) for index, reduce in enumerate(self.reduce)]
        return torch.stack(parts, dim=1)

    def forward_embeddings(self, cells: Tensor) -> Tensor:
        """Part embeddings (B, 3, 128) of cells (B, 3, 64, 4, 4)."""
        return torch.stack([embed(cells[:, index].flatten(1)) for index, embed in enumerate(self.embed)], dim=1)

    def forward_impressions(self, cells: Tensor) -> Tensor:
        """Impressions of the parts (B, 3, 32) of cells (B, 3, 64, 4, 4)."""
        return torch.stack([impress(cells[:, index].flatten(1)) for index, impress in enumerate(self.impress)], dim=1)

    def forward_features(self, early: Tensor, late: Tensor, cells: Tensor, boxes: Tensor) -> Tensor:
        """What ratings rest on: each part's cells of both maps, and the impression it makes, (B, 3, 4128)."""
        parts = [
            torch.cat([roi_sample(found, boxes[:, index]).flatten(1) for found in (early, late)], dim=1)
            for index in range(PARTS)
        ]
        return torch.cat([torch.stack(parts, dim=1), self.forward_impressions(cells)], dim=-1)

    def forward_head(self, features: Tensor) -> Tensor:
        """Type probabilities (B, 3, 5) of features (B, 3, 4128)."""
        probabilities: Tensor = self.ordinal((features * self.rate).sum(-1) + self.bias)
        return probabilities

    def forward(self, crops: Tensor, boxes: Tensor) -> TypePrediction:
        early, late = self.forward_maps(crops)
        cells = self.forward_cells(late, boxes)
        features = self.forward_features(early, late, cells, boxes).float()
        face = self.embed[0](cells[:, 0].flatten(1)).float()
        return TypePrediction(self.forward_head(features), functional.normalize(face, dim=-1))


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
