"""The picture of an audit: sequences concerned by each fault, ΔQ by age, and ΔQ by burn-in."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from r2d2_burnin.diagnostics.audit.result import AuditResult, Staleness
from r2d2_burnin.initialization import parse
from r2d2_burnin.runtime.formatting import NEGLIGIBLE, number
from r2d2_burnin.runtime.pictures import NARROW, pixels, png

COLOURS = {"found": "#1a1a1a", "undecided": "#767676", "ruled out": "#00694e"}
"""Of verdicts."""

LINES: dict[str, Any] = {"zero": (0, (5, 1.5)), "stored": "solid"}
"""Lines of start states, whose colours and markers are those of initializations."""

WIDTH = 10.4
"""Of the picture, in inches."""


def draw(result: AuditResult) -> tuple[bytes, bytes, str]:
    """The picture as a PNG, the same for narrow pages, and its caption."""
    return _png(result, narrow=False), _png(result, narrow=True), _caption(result)


def _png(result: AuditResult, *, narrow: bool) -> bytes:
    staleness = result.staleness
    below = [] if staleness is None else ["ages", "burn_ins"] if _has_ages(staleness) else ["burn_ins"]
    if narrow:
        height = 0.16 * sum(len(textwrap.wrap(v.title, 30)) + 0.8 for v in result.verdicts) + 0.8
        heights = [height, *(2.9 for _ in below)]
        figure = Figure(figsize=(NARROW, sum(heights)), layout="constrained")
        parts = figure.subfigures(len(heights), squeeze=False, height_ratios=heights)[:, 0]
        axes = {name: part.subplots() for name, part in zip(["verdicts", *below], parts, strict=True)}
    else:
        rows = [["verdicts"] * max(len(below), 1), *([below] if below else [])]
        figure = Figure(figsize=(WIDTH, 3.8 * len(rows)), layout="constrained")
        axes = figure.subplot_mosaic(rows)  # type: ignore[arg-type]  # lists of names are what it documents
    _verdicts(axes["verdicts"], result, characters=30 if narrow else 60)
    if staleness is not None:
        if "ages" in axes:
            _ages(axes["ages"], staleness, slanted=narrow)
        _burn_ins(axes["burn_ins"], staleness)
    return png(pixels(figure, 180 if narrow else 110))


def _has_ages(staleness: Staleness) -> bool:
    return any(group.youngest is not None for group in staleness.groups)


def _caption(result: AuditResult) -> str:
    """What is drawn."""
    staleness = result.staleness
    caption = (
        "Faults: the sequences concerned by each, where it was found; what is ruled out is green, what these arrays do"
        " not decide is grey."
    )
    if staleness is not None and _has_ages(staleness):
        caption += (
            " Staleness: ΔQ of stored states that no fault explains, against the exact state, by age, with 95 %"
            " t-intervals."
        )
    if staleness is not None:
        caption += (
            " What burn-in mends: ΔQ after a burn-in, its mean (line), and up to the larger one of its one-sided 95 %"
            " upper bound and its 95 % quantile (band); the tolerance is dotted, the advised burn-in a triangle. Values"
            f" below {number(NEGLIGIBLE)} are drawn there."
        )
    return caption


def _verdicts(axes: Axes, result: AuditResult, *, characters: int) -> None:
    verdicts = result.verdicts[::-1]
    for i, verdict in enumerate(verdicts):
        colour = COLOURS[verdict.status]
        if verdict.status == "found":
            axes.barh(i, verdict.sequences, color=colour)
        text = {"found": f"{'about ' if verdict.estimated else ''}{verdict.sequences}"}.get(
            verdict.status, verdict.status
        )
        place = verdict.sequences if verdict.status == "found" else 0
        axes.annotate(
            text, (place, i), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8, color=colour
        )
    titles = [textwrap.fill(verdict.title, characters) for verdict in verdicts]
    axes.set_yticks(range(len(verdicts)), titles, fontsize=8.5)
    axes.set(xlim=(0, 1.15 * result.sequences), ylim=(-0.6, len(verdicts) - 0.4))
    axes.set_xlabel(f"sequences concerned, of {result.sequences}", loc="right")
    axes.set_title("Faults", fontsize=9)
    axes.set_xticks([tick for tick in axes.get_xticks() if tick <= result.sequences])
    _plain(axes, "x")


def _ages(axes: Axes, staleness: Staleness, *, slanted: bool) -> None:
    groups = staleness.groups
    places = np.arange(len(groups))
    for name, shift, colour, marker in (("first", -0.08, "#0072B2", "o"), ("last", 0.08, "#000000", "D")):
        means, lows, highs = (
            np.maximum([getattr(group, f"{name}{end}") for group in groups], NEGLIGIBLE)
            for end in ("", "_low", "_high")
        )
        bars = np.nan_to_num([means - lows, highs - means])
        axes.errorbar(places + shift, means, bars, color=colour, marker=marker, capsize=3, label=f"{name} step")
    axes.axhline(staleness.tolerance, color="#444444", linestyle=(0, (1, 2)), linewidth=1)
    turned: dict[str, Any] = {"rotation": 35, "ha": "right"} if slanted else {}
    axes.set_xticks(places, [group.ages for group in groups], fontsize=7.5, **turned)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    # An interval that reaches zero would stretch the axis without end.
    axes.set_ylim(bottom=min(min(group.first, group.last) for group in groups) / 4 + NEGLIGIBLE / 2)
    axes.set(
        xlabel="age of the stored state, in updates",
        ylabel="ΔQ against the exact state",
        xlim=(-0.5, len(groups) - 0.5),
    )
    axes.set_title("Staleness", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    _plain(axes, "y")


def _burn_ins(axes: Axes, staleness: Staleness) -> None:
    for curve in staleness.curves:
        start = parse(curve.start)
        colour, marker, line = start.colour, start.marker, LINES[curve.start]
        mean = np.maximum(curve.mean, NEGLIGIBLE)
        worst = np.maximum(np.maximum(curve.upper, curve.q95), NEGLIGIBLE)
        label = f"from the {curve.start} state"
        axes.plot(curve.burn_in, mean, color=colour, marker=marker, markersize=4, linestyle=line, label=label)
        axes.fill_between(curve.burn_in, mean, worst, color=colour, alpha=0.15, linewidth=0)
    axes.axhline(staleness.tolerance, color="#444444", linestyle=(0, (1, 2)), linewidth=1)
    if staleness.advised is not None:
        axes.plot(staleness.advised, staleness.tolerance, "v", color="#444444", markersize=8)
    axes.set_xscale("symlog", base=2, linthresh=1)
    axes.set_xlim(left=-0.3)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.set(xlabel="steps of burn-in", ylabel=f"ΔQ against the {staleness.reference} state")
    axes.set_title("What burn-in mends", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    _plain(axes, "y")


def _plain(axes: Axes, grid: str) -> None:
    axes.grid(alpha=0.25, axis=grid)  # type: ignore[arg-type]
    axes.spines[["top", "right"]].set_visible(False)
