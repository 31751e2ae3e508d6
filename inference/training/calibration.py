"""From men's left-out latent ratings to types: the ordinal head and the score's curve."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.contracts import Box, FacePart, PartAnalysis, ScoreCalibration
from inference.dataset import SURVEY_SHARES
from inference.nets.types import PARTS, OrdinalHead
from inference.preprocessing import Floats
from inference.scoring import DEFAULT_POLICY, raw_score

_NO_BOX = Box(0, 0, 1, 1)


def _below_each_type() -> Tensor:
    """The share of faces below each of the four best types."""
    return 1 - torch.tensor(SURVEY_SHARES).cumsum(0)[:-1]


def fit_ordinal(latent: Floats, types: NDArray[np.int64]) -> OrdinalHead:
    """Thresholds and scales, one set a part, by maximum likelihood. Shapes: latent (N, 3), types (N,)."""
    head = OrdinalHead()
    x, target = torch.from_numpy(latent).float(), torch.from_numpy(types)
    head.thresholds.data = torch.quantile(x, _below_each_type(), dim=0).T.contiguous()
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        probabilities = head(x).clamp(min=1e-6)
        likelihood: Tensor = probabilities.log().gather(2, target[:, None, None].expand(-1, PARTS, 1)).mean()
        (-likelihood).backward()  # type: ignore[no-untyped-call]
        return -likelihood

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return head


def raw_scores(probabilities: Floats) -> Floats:
    """The default policy's raw score (N,) of type probabilities (N, 3, 5)."""
    return np.array(
        [
            raw_score(
                [PartAnalysis(part, _NO_BOX, tuple(row)) for part, row in zip(FacePart, face, strict=True)],
                DEFAULT_POLICY,
            )
            for face in probabilities.tolist()
        ]
    )


def fit_curve(raw: Floats, types: NDArray[np.int64], rating: Floats) -> ScoreCalibration:
    """The monotone curve that gives the survey's shares on these raw scores (N,).

    Between two thresholds of the default policy lies the share of its type; at the ends, 0 and 100.
    The spread is the deviation between a calibrated score and the score that the face's own rank in the
    ratings would get.
    """
    ranked = np.sort(raw)
    below = 1 - np.cumsum(np.bincount(types, minlength=5) / len(types))[:4]
    knots = [float(ranked[0]) - 1.0, *np.quantile(ranked, below[::-1]).tolist(), float(ranked[-1]) + 1.0]
    scores = [0.0, *DEFAULT_POLICY.thresholds[::-1], 100.0]
    calibrated = np.interp(raw, knots, scores)
    own = np.empty(len(raw))
    own[np.argsort(rating, kind="stable")] = np.sort(calibrated)
    return ScoreCalibration(tuple(knots), tuple(scores), float((calibrated - own).std()))
