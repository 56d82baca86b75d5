"""The picture of memory use: outcome against the steps that the recurrent state reaches back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.common import plots
from experiments.common.plots import Look
from experiments.common.report import Picture
from experiments.memory_use.results import MemoryResults, baseline_name, finding
from r2d2_burnin.runtime.formatting import number

UNCUT: Look = {"linewidth": 1, "linestyle": (0, (1, 1))}
ENOUGH: Look = {"linewidth": 1, "linestyle": (0, (4, 2))}
BASELINE: Look = {"linewidth": 1, "linestyle": (0, (5, 1, 1, 1))}
"""Looks of the straight lines."""


def draw(results: MemoryResults, path: Path) -> Picture:
    """Write the picture to `path`, a panel an initialization."""
    outcome, measured = results.outcome, results.measured
    figure, panels = plots.small_multiples(len(measured), x_label="steps of memory, k", width=2.7, height=2.2)
    longest, shown, looks = 1, [], plots.looks(list(results.runs))
    for axes, name in zip(panels, measured, strict=True):
        look = looks[name]
        memories, outcomes = results.curve(name)
        outcomes = outcomes[np.isfinite(outcomes).all(1)]
        axes.set_title(name, fontsize=9)
        axes.set_xscale("symlog", linthresh=1, base=2)
        axes.set_yscale("log" if outcome.logarithmic else "linear")
        axes.grid(alpha=0.25)
        if not len(outcomes):
            continue
        shown.append(outcomes)
        longest = max(longest, int(memories[-1]))
        plots.band(axes, memories, outcomes, look, logarithmic=outcome.logarithmic)
        for run in results.runs[name].values():
            further = {k: value for k, value in zip(run.steps, run.outcomes, strict=True) if k >= memories[-1]}
            shown.append(np.array(list(further.values())))
            axes.plot(list(further), list(further.values()), color=look["color"], alpha=0.4, linewidth=0.5)
        uncut = np.array([[run.uncut] for run in results.runs[name].values()])
        middle, _, _ = plots.mean_and_interval(uncut[np.isfinite(uncut).all(1)], logarithmic=outcome.logarithmic)
        axes.axhline(middle[0], color=look["color"], **UNCUT)
        if used := results.used(name):
            steps = float(np.median(used))
            longest = max(longest, math.ceil(steps))
            axes.axvline(steps, color="black", **ENOUGH)
            axes.set_title(f"{name}: {steps:g}", fontsize=9)
    baselines = [run.baseline for by_seed in results.runs.values() for run in by_seed.values()]
    if not outcome.logarithmic:
        plots.limit_to_values(panels[0], [*shown, np.array(baselines)])
    has_baseline = bool(np.isfinite(baselines).any())
    ticks = [0, *(2**power for power in range(0, longest.bit_length(), 2))]
    for axes in panels:
        if has_baseline:
            axes.axhline(float(np.nanmean(baselines)), color=plots.GREY, **BASELINE)
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlim(-0.15, longest * 1.1)
    figure.supylabel(outcome.name, fontsize=9)
    lines = {"the agent uncut": Line2D([], [], color="black", **UNCUT)}
    if any(results.used(name) for name in measured):
        lines["steps shown to be enough (median)"] = Line2D([], [], color="black", **ENOUGH)
    if has_baseline:
        lines[baseline_name(results)] = Line2D([], [], color=plots.GREY, **BASELINE)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    seeds = max(map(len, results.runs.values()))
    level = f" Grey: {baseline_name(results)}, {number(float(np.nanmean(baselines)))}." if has_baseline else ""
    caption = (
        f"{outcome.name.capitalize()} when the recurrent state is cut to the last k steps; mean and interval are of"
        " those k that all seeds tried, single seeds go on. Dotted: the agent uncut. Dashed, and beside the name: the"
        " median of the steps that are shown to be enough."
        f"{level} {plots.bands(seeds, logarithmic=outcome.logarithmic)}"
    )
    return plots.save(figure, path, finding(results), caption)
