"""The picture of the claims: every comparison's ratio with its interval (a forest plot)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.burnin_compare.verdict import EQUAL_ERRORS
from experiments.claims.results import AS_CLAIMED, EQUAL, MEASURED, NOT_SEEN, OPPOSITE, UNTESTED, ClaimResults, Finding
from experiments.common import plots

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


def draw(results: ClaimResults, path: Path) -> str:
    """Write the picture to `path`; returns its caption."""
    rows: list[Finding | str] = []
    for claim in results.claims:
        rows += [f"{claim.number}  {claim.text}", *results.of(claim)]
    figure, grid = plots.figure(1)
    figure.set_size_inches(11.0, 0.26 * len(rows) + 1.6)
    axes = grid[0, 0]
    centres = [math.exp(f.contrast.estimate) for f in results.findings if f.contrast.seeds]
    low, high = min(*centres, 1.0) / WIDEST, max(*centres, 1.0) * WIDEST
    axes.set(xscale="log", xlim=(low, high), ylim=(len(rows) - 0.4, -0.6), xlabel="ratio (logarithmic)")
    axes.axvspan(1 / EQUAL_ERRORS, EQUAL_ERRORS, color="#dddddd", zorder=0)
    axes.axvline(1.0, color="#444444", linewidth=0.9)
    ticks = []
    for y, row in enumerate(rows):
        if isinstance(row, str):
            over_lines = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            heading = {"fontsize": 8, "fontweight": "bold", "va": "center", "bbox": over_lines}
            axes.text(0.005, y, row, transform=axes.get_yaxis_transform(), **heading)
            continue
        ticks.append((y, f"{row.comparand.label}: {row.comparand.measure}"))
        _row(axes, y, row, (low, high))
    axes.set_yticks([y for y, _ in ticks], [label for _, label in ticks], fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(alpha=0.25, axis="x")
    _legend(figure, results)
    plots.save(figure, path, results.answer)
    seeds = max((finding.contrast.seeds for finding in results.findings), default=0)
    return (
        f"Each comparison's ratio a / b of a quantity, geometric mean over up to {seeds} paired seeds, with the"
        " interval of its test; grey: within the margin of equality. An arrow: the interval goes on. Comparisons with"
        " fewer than 3 common seeds have no interval."
    )


def _row(axes: Axes, y: int, finding: Finding, limits: tuple[float, float]) -> None:
    """One comparison: marker, interval, and its numbers at the right."""
    contrast = finding.contrast
    text = f"{finding.ratio}  {finding.verdict}"
    axes.text(1.01, y, text, transform=axes.get_yaxis_transform(), fontsize=7.5, va="center")
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


def _legend(figure: Figure, results: ClaimResults) -> None:
    """The markers that occur, by verdict."""
    seen = [verdict for verdict in LOOKS if any(f.verdict == verdict and f.contrast.seeds for f in results.findings)]
    handles = []
    for verdict in seen:
        marker, colour, filled = LOOKS[verdict]
        face = colour if filled else "white"
        handles.append(Line2D([], [], marker=marker, color=colour, markerfacecolor=face, linestyle="", label=verdict))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8)
