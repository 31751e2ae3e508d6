"""Plots of an evaluation, each as an SVG of its own."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from inference.metrics import Floats, Ints, confidence_bins

_SIZE = (4.6, 3.6)
_INK, _ACCENT, _PALE = "#222222", "#7b3fe4", "#d9ccf5"


def confusion(truth: Ints, given: Ints, names: Sequence[str]) -> bytes:
    """truth, given: (N,) as indices of names."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (truth, given), 1)
    figure, axes = _figure()
    axes.imshow(counts, cmap="Purples", vmin=0)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("given by the model")
    axes.set_ylabel("given by the survey")
    for row, column in np.ndindex(*counts.shape):
        is_dark = counts[row, column] > counts.max() / 2
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color="white" if is_dark else _INK)
    return _svg(figure)


def reliability(confidence: Floats, is_right: NDArray[np.bool_], bins: int = 10) -> bytes:
    """Accuracy over confidence; a calibrated model lies on the diagonal. The bars are the share of cases."""
    index = confidence_bins(confidence, bins)
    used = np.unique(index)
    figure, axes = _figure()
    axes.bar(
        (used + 0.5) / bins, [(index == bin_).mean() for bin_ in used], 0.9 / bins, color=_PALE, label="share of cases"
    )
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle="--")
    axes.plot(
        [confidence[index == bin_].mean() for bin_ in used],
        [is_right[index == bin_].mean() for bin_ in used],
        color=_ACCENT,
        marker="o",
        label="accuracy",
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy, share of cases")
    axes.legend(frameon=False)
    return _svg(figure)


def roc(score: Floats, is_face: NDArray[np.bool_], operating_point: tuple[float, float]) -> bytes:
    """Accepted faces over accepted scenes. operating_point: both shares, scenes first, as the gate decides."""
    order = np.argsort(-score, kind="stable")
    last_of_its_score = np.append(np.diff(score[order]) != 0, True)
    faces, scenes = np.cumsum(is_face[order])[last_of_its_score], np.cumsum(~is_face[order])[last_of_its_score]
    figure, axes = _figure()
    axes.step(
        np.append(0, scenes / max(scenes[-1], 1)),
        np.append(0, faces / max(faces[-1], 1)),
        color=_ACCENT,
        where="post",
        label="by the verifier's score",
    )
    axes.plot(*operating_point, color=_INK, marker="o", linestyle="none", label="all of the gate's rules")
    # The corner that matters: a gate that accepts a tenth of all scenes is of no use.
    right, bottom = max(0.1, 1.5 * operating_point[0]), min(0.8, operating_point[1] - 0.05)
    axes.set(xlim=(-0.002, right), ylim=(bottom, 1.005), xlabel="scenes accepted", ylabel="faces accepted")
    axes.legend(frameon=False, loc="lower right")
    return _svg(figure)


def histogram(values: Floats, names: Sequence[str], label: str, *, aim: float) -> bytes:
    """values: (N, len(names)), 0 to 1; one outline for each name."""
    figure, axes = _figure()
    edges = np.linspace(min(0.6, float(values.min())), 1, 25).tolist()
    for column, name in enumerate(names):
        axes.hist(values[:, column], edges, histtype="step", linewidth=1.6, label=name)
    axes.axvline(aim, color=_INK, linewidth=0.8, linestyle="--")
    axes.set(xlabel=label, ylabel="faces")
    axes.legend(frameon=False, loc="upper left")
    return _svg(figure)


def scatter(first: Floats, second: Floats, labels: tuple[str, str]) -> bytes:
    figure, axes = _figure()
    axes.scatter(first, second, s=14, color=_ACCENT, alpha=0.7, linewidths=0)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    return _svg(figure)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    # Never pyplot: it would keep every figure, and look for a screen.
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Without its date the same numbers give the same file.
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
