"""The picture of the claims: every comparison's ratio with its interval (a forest plot)."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import blended_transform_factory

from experiments.burnin_compare.verdict import EQUAL_ERRORS
from experiments.claims.results import AS_CLAIMED, EQUAL, MEASURED, NOT_SEEN, OPPOSITE, UNTESTED, ClaimResults, Finding
from experiments.common import plots
from experiments.common.report import Picture
from r2d2_burnin.runtime.pictures import NARROW

LOOKS = {
    AS_CLAIMED: ("o", plots.COLOURS[1], True),
    OPPOSITE: ("D", plots.COLOURS[0], True),
    "smaller": ("<", plots.COLOURS[4], True),
    "larger": (">", plots.COLOURS[4], True),
    EQUAL: ("s", plots.COLOURS[4], False),
    NOT_SEEN: ("o", plots.COLOURS[7], False),
    MEASURED: ("|", plots.COLOURS[4], True),
    UNTESTED: ("x", plots.COLOURS[7], True),
}
"""Marker, colour and whether it is filled, by verdict: no two share a marker and a filling."""

WIDEST = 3.0
"""Intervals are drawn to this factor beyond the outermost ratio, and end there in an arrow."""


def draw(results: ClaimResults, path: Path) -> Picture:
    """Write the picture to `path`."""
    seeds = max((finding.contrast.seeds for finding in results.findings), default=0)
    caption = (
        f"Each comparison's ratio a / b of a quantity, geometric mean over up to {seeds} paired seeds, with the"
        " interval of its test (of what is measured alone: a 95 % t-interval). Grey: within the margin of equality. An"
        " arrow: the interval goes on. Comparisons with fewer than 3 common seeds have no interval."
    )
    return plots.save(_forest(results), path, results.answer, caption, narrow=_narrow_forest(results))


def _forest(results: ClaimResults) -> Figure:
    """A line a comparison: what is compared, its interval, and its numbers."""
    rows: list[Finding | str] = []
    for claim in results.claims:
        rows += [f"{claim.number}  {claim.text}", *results.of(claim)]
    figure, axes, limits = _axes(results, len(rows))
    figure.set_size_inches(11.0, 0.26 * len(rows) + 1.6)
    ticks = []
    for y, row in enumerate(rows):
        if isinstance(row, str):
            over_lines = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            heading: dict[str, Any] = {"fontsize": 8, "fontweight": "bold", "va": "center", "bbox": over_lines}
            across = blended_transform_factory(figure.transFigure, axes.transData)  # the whole width is for it
            axes.text(0.01, y, row, transform=across, **heading).set_in_layout(False)
            continue
        ticks.append((y, _label(row)))
        axes.text(1.01, y, _numbers(row), transform=axes.get_yaxis_transform(), fontsize=7.5, va="center")
        _interval(axes, y, row, limits)
    axes.set_yticks([y for y, _ in ticks], [label for _, label in ticks], fontsize=7.5)
    _legend(figure, results, columns=len(LOOKS))
    return figure


def _narrow_forest(results: ClaimResults) -> Figure:
    """The same with what is compared, and its numbers, above each interval."""
    texts: list[tuple[str, str, Finding | None]] = []
    for claim in results.claims:
        texts += [(textwrap.fill(f"{claim.number}  {claim.text}", 54), "bold", None)]
        texts += [(f"{textwrap.fill(_label(f), 60)}\n{_numbers(f)}", "normal", f) for f in results.of(claim)]
    lines = [text.count("\n") + (1.6 if finding is None else 2.2) for text, _, finding in texts]
    figure, axes, limits = _axes(results, sum(lines))
    figure.set_size_inches(NARROW, 0.145 * sum(lines) + 1.2)
    y = 0.0
    for (text, weight, finding), height in zip(texts, lines, strict=True):
        over_lines = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        position: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "top", "bbox": over_lines}
        axes.text(0.0, y, text, fontsize=8, fontweight=weight, linespacing=1.15, **position)
        y += height
        if finding is not None:
            _interval(axes, y - 0.75, finding, limits)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _legend(figure, results, columns=2)
    return figure


def _label(finding: Finding) -> str:
    return f"{finding.comparand.label}: {finding.comparand.measure}"


def _numbers(finding: Finding) -> str:
    return f"{finding.ratio}  {finding.verdict}"


def _axes(results: ClaimResults, height: float) -> tuple[Figure, Axes, tuple[float, float]]:
    """A figure with an axis of ratios, so many rows high, and the limits of that axis."""
    figure, grid = plots.figure(1)
    axes = grid[0, 0]
    centres = [math.exp(f.contrast.estimate) for f in results.findings if f.contrast.seeds]
    limits = min(*centres, 1.0) / WIDEST, max(*centres, 1.0) * WIDEST
    axes.set(xscale="log", xlim=limits, ylim=(height - 0.4, -0.6), xlabel="ratio (logarithmic)")
    axes.axvspan(1 / EQUAL_ERRORS, EQUAL_ERRORS, color="#dddddd", zorder=0)
    axes.axvline(1.0, color="#444444", linewidth=0.9)
    axes.tick_params(axis="y", length=0)
    few_decades = limits[1] / limits[0] < 1e3
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if few_decades else (1.0,), numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(alpha=0.25, axis="x")
    return figure, axes, limits


def _interval(axes: Axes, y: float, finding: Finding, limits: tuple[float, float]) -> None:
    """One comparison: marker and interval."""
    contrast = finding.contrast
    if not contrast.seeds:
        return
    marker, colour, filled = LOOKS[finding.verdict]
    if math.isfinite(contrast.low):
        ends = np.exp(np.clip([contrast.low, contrast.high], *np.log(limits)))
        axes.plot(ends, [y, y], color=colour, linewidth=1.6, zorder=2)
        for end, beyond, arrow in (
            (0, contrast.low < math.log(limits[0]), "<"),
            (1, contrast.high > math.log(limits[1]), ">"),
        ):
            if beyond:
                axes.plot(ends[end], y, marker=arrow, color=colour, markersize=4, clip_on=False, zorder=2)
    face = colour if filled else "white"
    axes.plot(math.exp(contrast.estimate), y, marker=marker, color=colour, markerfacecolor=face, markersize=6, zorder=3)


def _legend(figure: Figure, results: ClaimResults, *, columns: int) -> None:
    """The markers that occur, by verdict."""
    seen = [verdict for verdict in LOOKS if any(f.verdict == verdict and f.contrast.seeds for f in results.findings)]
    handles = []
    for verdict in seen:
        marker, colour, filled = LOOKS[verdict]
        face = colour if filled else "white"
        handles.append(Line2D([], [], marker=marker, color=colour, markerfacecolor=face, linestyle="", label=verdict))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), columns), frameon=False, fontsize=8
    )
