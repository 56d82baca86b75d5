"""The picture of an audit: sequences concerned by each fault, ΔQ by age, and ΔQ by burn-in."""

from __future__ import annotations

import io
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from r2d2_burnin.diagnostics.audit.result import AuditResult, Staleness

COLOURS = {"found": "#D55E00", "undecided": "#999999", "ruled out": "#009E73"}
"""Of Okabe and Ito (2008), as in all pictures of this project."""

STARTS = {"stored": ("#0072B2", "o", "solid"), "zero": ("#E69F00", "s", (0, (5, 1.5)))}
"""Colour, marker and line of a start state."""

SMALLEST = 1e-6
"""ΔQ below this is drawn here: identical states differ by rounding alone."""


def draw(result: AuditResult) -> tuple[bytes, str]:
    """The picture as a PNG, and its caption."""
    staleness = result.staleness
    has_ages = staleness is not None and any(group.youngest is not None for group in staleness.groups)
    below = [] if staleness is None else ["ages", "burn_ins"] if has_ages else ["burn_ins"]
    rows = [["verdicts"] * max(len(below), 1), *([below] if below else [])]
    figure = Figure(figsize=(10.4, 3.8 * len(rows)), layout="constrained")
    axes = figure.subplot_mosaic(rows)  # type: ignore[arg-type]  # lists of names are what it documents
    _verdicts(axes["verdicts"], result)
    caption = (
        "Sequences concerned by each fault (orange: found; green: ruled out; grey: these arrays do not decide it)."
    )
    if staleness is not None and has_ages:
        _ages(axes["ages"], staleness)
        caption += (
            " Below, left: ΔQ of stored states that no fault explains, against the exact state, by age, with 95 %"
            " t-intervals."
        )
    if staleness is not None:
        _burn_ins(axes["burn_ins"], staleness)
        caption += (
            f" Below{', right' if has_ages else ''}: ΔQ after a burn-in, its mean (line), and up to the larger"
            " one of its one-sided 95 % upper bound and its 95 % quantile (band); the tolerance is dotted, the advised"
            f" burn-in a triangle. Values below {SMALLEST:g} are drawn there."
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": ""})
    return buffer.getvalue(), caption


def _verdicts(axes: Axes, result: AuditResult) -> None:
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
    titles = [textwrap.fill(verdict.title, 60) for verdict in verdicts]
    axes.set_yticks(range(len(verdicts)), titles, fontsize=8.5)
    axes.set(
        xlim=(0, 1.15 * result.sequences),
        ylim=(-0.6, len(verdicts) - 0.4),
        xlabel=f"sequences concerned, of {result.sequences}",
    )
    axes.set_title("Faults", fontsize=9)
    axes.set_xticks([tick for tick in axes.get_xticks() if tick <= result.sequences])
    _plain(axes, "x")


def _ages(axes: Axes, staleness: Staleness) -> None:
    groups = staleness.groups
    places = np.arange(len(groups))
    for name, shift, colour, marker in (("first", -0.08, "#0072B2", "o"), ("last", 0.08, "#000000", "D")):
        means, lows, highs = (
            np.maximum([getattr(group, f"{name}{end}") for group in groups], SMALLEST) for end in ("", "_low", "_high")
        )
        bars = np.nan_to_num([means - lows, highs - means])
        axes.errorbar(places + shift, means, bars, color=colour, marker=marker, capsize=3, label=f"{name} step")
    axes.axhline(staleness.tolerance, color="#444444", linestyle=(0, (1, 2)), linewidth=1)
    texts = [
        "unknown"
        if g.youngest is None
        else f"{g.youngest:g}"
        if g.youngest == g.oldest
        else f"{g.youngest:g} to {g.oldest:g}"
        for g in groups
    ]
    axes.set_xticks(places, texts, fontsize=7.5)
    axes.set_yscale("log")
    # An interval that reaches zero would stretch the axis without end.
    axes.set_ylim(bottom=min(min(group.first, group.last) for group in groups) / 4 + SMALLEST / 2)
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
        colour, marker, line = STARTS[curve.start]
        mean = np.maximum(curve.mean, SMALLEST)
        worst = np.maximum(np.maximum(curve.upper, curve.q95), SMALLEST)
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
    axes.set(xlabel="steps of burn-in", ylabel=f"ΔQ against the {staleness.reference} state")
    axes.set_title("What burn-in mends", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    _plain(axes, "y")


def _plain(axes: Axes, grid: str) -> None:
    axes.grid(alpha=0.25, axis=grid)  # type: ignore[arg-type]
    axes.spines[["top", "right"]].set_visible(False)
