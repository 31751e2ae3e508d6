"""The analysis page's pictures, as PNG or SVG.

matplotlib's own font has no Hangul. An SVG keeps its texts as texts, which whatever shows it draws in a font of its
own; a PNG is drawn in a Korean font where the server has one, and says names in English where it has none.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

import matplotlib as mpl
from django.utils.translation import gettext, override
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from catalog.survey.analysis.figures import Ranked, TypeShare
from catalog.survey.analysis.labels import GroupLine

_KOREAN_FONTS = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Nanum Gothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    # A collection is listed under its first language, and has the glyphs of all.
    "Noto Sans CJK JP",
)
_COLOURS = {"alpha": "#d9a441", "beta": "#2f9fa9", "gamma": "#5b83d6", "delta": "#9474d4", "omega": "#d9708a"}
_INK, _BAR, _LINE = "#23262f", "#8fb4ff", "#4a5160"
_DPI = 160


@cache
def korean_font() -> str:
    """The Korean font that PNGs are drawn in; empty where the server has none."""
    installed = set(font_manager.get_font_names())
    return next((name for name in _KOREAN_FONTS if name in installed), "")


@cache
def _prepare() -> None:
    families = ["DejaVu Sans", *filter(None, [korean_font()])]
    mpl.rcParams.update({"font.family": families, "svg.fonttype": "none", "axes.unicode_minus": False})


def language_for(image_format: str, language: str) -> str:
    """The language that texts can be drawn in."""
    return language if image_format == "svg" or korean_font() else "en"


def types_pie(shares: Sequence[TypeShare], *, title: str, image_format: str) -> bytes:
    figure, axes = _figure(6.4, 4.8, title)
    shown = [share for share in shares if share.count]
    axes.pie(
        [share.count for share in shown],
        labels=[f"{share.letter} {share.name}\n{share.percent:.1f} % ({share.count})" for share in shown],
        colors=[_COLOURS[share.code] for share in shown],
        startangle=90,
        counterclock=False,
        wedgeprops={"linewidth": 1.5, "edgecolor": "white"},
        textprops={"fontsize": 9, "color": _INK},
    )
    return _encoded(figure, image_format)


def ranking_bars(
    ranked: Sequence[Ranked], *, title: str, axis: str, worst: float, best: float, image_format: str, language: str
) -> bytes:
    """Best on top; better is longer, also where fewer is better. The whiskers are 95 % intervals."""
    figure, axes = _figure(7.2, 1.2 + 0.26 * max(len(ranked), 4), title)
    names = [f"{one.place}  {_short(one.name if language == 'ko' else one.name_en)}" for one in ranked]
    places = range(len(ranked))
    axes.barh(places, [one.value - worst for one in ranked], left=worst, color=_BAR, height=0.72)
    for place, one in enumerate(ranked):
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [place, place], color=_LINE, linewidth=1.4, marker="|", markersize=5)
    axes.set_yticks(places, names, fontsize=8)
    axes.set_ylim(len(ranked) - 0.4, -0.6)
    axes.set_xlim(worst, best)
    axes.set_xlabel(axis, fontsize=9)
    axes.grid(axis="x", linewidth=0.4, alpha=0.6)
    return _encoded(figure, image_format)


def group_means(
    lines: Sequence[GroupLine], *, title: str, axis: str, worst: float, best: float, image_format: str
) -> bytes:
    figure, axes = _figure(7.2, 1.2 + 0.34 * max(len(lines), 3), title)
    for place, line in enumerate(lines):
        group = line.group
        colour = _COLOURS["beta"] if group.by == "age_band" else _COLOURS["delta"]
        if group.low is not None and group.high is not None:
            axes.plot([group.low, group.high], [place, place], color=colour, linewidth=2, marker="|", markersize=7)
        axes.plot([group.mean], [place], color=colour, marker="o", linestyle="none")
    axes.set_yticks(range(len(lines)), [f"{line.label} ({line.group.raters})" for line in lines], fontsize=9)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlim(worst, best)
    axes.set_xlabel(axis, fontsize=9)
    axes.grid(axis="x", linewidth=0.4, alpha=0.6)
    return _encoded(figure, image_format)


def agreement_bars(measures: Sequence[tuple[str, float]], *, title: str, image_format: str) -> bytes:
    """measures: name and value, -1 to 1."""
    figure, axes = _figure(7.2, 1.2 + 0.4 * max(len(measures), 3), title)
    places = range(len(measures))
    bars = axes.barh(places, [value for _name, value in measures], color=_BAR, height=0.6)
    axes.bar_label(bars, [f"{value:.2f}" for _name, value in measures], padding=4, fontsize=9)
    axes.set_yticks(places, [name for name, _value in measures], fontsize=9)
    axes.set_ylim(len(measures) - 0.4, -0.6)
    axes.set_xlim(min(0.0, *(value for _name, value in measures)) if measures else 0.0, 1.12)
    axes.grid(axis="x", linewidth=0.4, alpha=0.6)
    return _encoded(figure, image_format)


def nothing(image_format: str, language: str) -> bytes:
    """In place of a picture of no numbers."""
    with override(language):
        figure, axes = _figure(6.4, 2.0, gettext("There are no numbers to draw."))
    axes.set_axis_off()
    return _encoded(figure, image_format)


def _short(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:27]}…"


def _figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    # No pyplot: it keeps figures, and is not for threads.
    _prepare()
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, color=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _encoded(figure: Figure, image_format: str) -> bytes:
    buffer = io.BytesIO()
    # Without a date, the same numbers give the same file.
    metadata = {"Date": None} if image_format == "svg" else None
    figure.savefig(buffer, format=image_format, dpi=_DPI, metadata=metadata)
    return buffer.getvalue()
