"""The pictures of a burn-in advice: the curve that decides, and all of its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from experiments.burnin_advisor.results import AdviceResults, SeedAdvice, burn_ins_of_all
from experiments.common import plots
from experiments.common.report import Picture
from r2d2_burnin.initialization import parse
from r2d2_burnin.runtime.formatting import number

STARTS: tuple[Literal["zero", "stored"], ...] = ("zero", "stored")
"""The start states that burn-ins are measured from."""

START_COLOURS = {start: parse(start).colour for start in STARTS}
"""The colour of a start state, in all panels."""

SMALLEST = 1e-5
"""ΔQ below this is drawn here: identical states differ by rounding alone."""


def draw(results: AdviceResults, title: str, path: Path) -> Picture:
    """Write the curve that decides to `path`."""
    by_seed, tolerance, advised = list(results.by_seed.values()), results.settings.tolerance, results.overall.burn_in
    figure, grid = plots.figure(1)
    figure.set_size_inches(7.2, 4.2)
    axes = grid[0, 0]
    burn_ins = burn_ins_of_all(by_seed, "zero")
    worst = np.array([[seed.measures("zero")[k].worst for k in burn_ins] for seed in by_seed])
    drawn = np.maximum(np.where(np.isfinite(worst), worst, np.nan), SMALLEST)
    if len(by_seed) > 1:
        axes.plot(burn_ins, drawn.T, color=START_COLOURS["zero"], linewidth=0.6, alpha=0.6)
    axes.plot(burn_ins, drawn.max(0), color=START_COLOURS["zero"], marker="o", markersize=4, linewidth=1.8)
    _axes(axes, "largest bound and quantile of ΔQ", "")
    axes.set_yscale("log")
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, tolerance / 3), max(top, 3 * tolerance))
    axes.axhspan(axes.get_ylim()[0], tolerance, color=plots.COLOURS[5], alpha=0.12, linewidth=0)
    axes.annotate(
        f"within the tolerance of {tolerance:g}",
        (1.0, tolerance),
        xycoords=("axes fraction", "data"),
        xytext=(-4, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
        zorder=5,
    )
    if advised is not None:
        axes.axvline(advised, color="black", linewidth=1.2)
        axes.annotate(
            f"advised: {advised}",
            (advised, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(4, -4),
            textcoords="offset points",
            va="top",
            fontsize=9,
            fontweight="bold",
        )
    seeds = f" of {len(by_seed)} seeds (thick: the largest of them)" if len(by_seed) > 1 else ""
    caption = (
        "What decides, for each number of burn-in steps from the zero state: the largest of the 95 % upper bounds of"
        " ΔQ's mean over episodes and of the 95 % quantiles of ΔQ over fragments, at the first and the last trained"
        f" step, against the exact state{seeds}. The advised burn-in is the shortest from which on the curve stays"
        f" within the tolerance (green). Values below {number(SMALLEST)} are drawn there."
    )
    return plots.save(figure, path, title, caption)


def draw_evidence(by_seed: list[SeedAdvice], tolerance: float, path: Path) -> Picture:
    """Write what is behind the advices of all seeds to `path`."""
    figure, grid = plots.figure(3, 2)
    _discrepancies(grid[0, 0], by_seed, tolerance, "first", "ΔQ at the first trained step")
    _discrepancies(grid[0, 1], by_seed, tolerance, "last", "ΔQ at the last trained step")
    _discrepancies(grid[0, 2], by_seed, tolerance, "all", "ΔQ, all but fragments that begin an episode")
    _decay(grid[1, 0], by_seed)
    _losses(grid[1, 1], by_seed)
    _costs(grid[1, 2], by_seed)
    lowest = min(axes.get_ylim()[0] for axes in grid[0])
    highest = max(axes.get_ylim()[1] for axes in grid[0])
    for axes in grid[0]:
        axes.set_ylim(lowest, highest)
    plots.legend_below(figure, grid[0, 0], columns=3)
    lines, seeds = "", ""
    if len(by_seed) > 1:
        lines = ", one line a seed"
        seeds = f" Means are over {len(by_seed)} seeds, bounds and quantiles the largest of them."
    caption = (
        "Orange: from the zero state; blue: from stored states. ΔQ is against the exact state. Bounds are one-sided"
        " 95 % upper bounds of its mean over episodes, quantiles are 95 % quantiles over fragments; dotted: the"
        " tolerance. At the first and the last trained step: of the judged late fragments; of all that do not begin an"
        " episode: at the worse of the two steps. Decay of a wrong state: its distance from the exact one during"
        f" burn-in from the zero state{lines}. Loss: of the trained steps from the state tried, and from the exact"
        f" state (dotted).{seeds}"
    )
    return plots.save(figure, path, "The evidence: ΔQ by burn-in, decay of a wrong state, loss and cost", caption)


def _curve(
    by_seed: list[SeedAdvice], start: Literal["zero", "stored"], name: str, over: Any = np.mean
) -> tuple[np.ndarray, np.ndarray]:
    """Burn-ins that all seeds measured `[N]`, and what stands for all seeds there `[N]`, by default the mean."""
    common = burn_ins_of_all(by_seed, start)
    values = [[getattr(seed.measures(start)[k], name) for k in common] for seed in by_seed]
    return np.array(common), over(values, 0)


def _discrepancies(axes: Axes, by_seed: list[SeedAdvice], tolerance: float, which: str, title: str) -> None:
    shown = (("", "mean", np.mean), ("_upper", "bound", np.max), ("_q95", "quantile", np.max))
    for start in STARTS:
        for place, (suffix, words, over) in enumerate(shown):
            if which != "all" or suffix:
                burn_ins, values = _curve(by_seed, start, f"delta_q_{which}{suffix}", over)
                look = plots.style(place) | {"color": START_COLOURS[start]}
                axes.plot(burn_ins, np.maximum(values, SMALLEST), label=f"from {start}, {words}", **look)
    axes.axhline(tolerance, color="black", linestyle=(0, (1, 2)), linewidth=1)
    _axes(axes, "ΔQ against the exact state", title)
    axes.set_yscale("log")


def _decay(axes: Axes, by_seed: list[SeedAdvice]) -> None:
    for seed in by_seed:
        errors = np.array(seed.advice.forgetting.errors)
        drawn = np.where(errors > 0, errors, np.nan)
        axes.plot(np.arange(len(errors)), drawn, color=START_COLOURS["zero"], linewidth=1.2)
    _axes(axes, "state error (L2)", "Decay of a wrong state")
    axes.set_xscale("linear")
    axes.set_xlim(0, max(len(seed.advice.forgetting.errors) for seed in by_seed) - 1 or None)
    axes.set_yscale("log")


def _losses(axes: Axes, by_seed: list[SeedAdvice]) -> None:
    for index, start in enumerate(STARTS):
        burn_ins, losses = _curve(by_seed, start, "loss")
        _, exact = _curve(by_seed, start, "loss_exact")
        axes.plot(burn_ins, losses, **plots.style(index) | {"color": START_COLOURS[start]})
        axes.plot(burn_ins, exact, color=START_COLOURS[start], linestyle=(0, (1, 2)), linewidth=1)
    _axes(axes, "loss a trained step", "Loss from the state tried (dotted: exact state)")
    if any(np.isfinite(np.asarray(line.get_ydata(), float)).any() for line in axes.lines):
        axes.set_yscale("log")
    else:
        _not_measured(axes, "no objective is known: the network is not trained here")


def _costs(axes: Axes, by_seed: list[SeedAdvice]) -> None:
    measured = [{cost.burn_in: 1e3 * cost.update_seconds for cost in seed.costs} for seed in by_seed]
    burn_ins = sorted(set.intersection(*(set(costs) for costs in measured)))
    axes.plot(burn_ins, [np.mean([costs[k] for costs in measured]) for k in burn_ins], color="black", marker="o")
    _axes(axes, "ms an update", "What burn-in costs the learner")
    axes.set_ylim(bottom=0)
    if not burn_ins:
        _not_measured(axes, "the network is not trained here")


def _not_measured(axes: Axes, why: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, f"not measured:\n{why}", transform=axes.transAxes, ha="center", va="center", color="#444444")


def _axes(axes: Axes, label: str, title: str) -> None:
    axes.set_xscale("symlog", base=2, linthresh=1)
    axes.set_xlim(left=-0.3)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="steps of burn-in", ylabel=label)
    axes.set_title(title, fontsize=9)
    axes.grid(alpha=0.25)
