"""The picture of memory use: outcome against the steps that the recurrent state reaches back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.common import plots
from experiments.memory_use.results import MemoryResults, baseline_name, finding


def draw(results: MemoryResults, path: Path) -> str:
    """Write the picture to `path`; returns its caption."""
    figure, grid = plots.figure(1)
    axes = grid[0, 0]
    figure.set_figwidth(7.2)
    outcome = results.outcome
    axes.set_xscale("symlog", linthresh=1, base=2)
    if outcome.logarithmic:
        axes.set_yscale("log")
    longest, shown = 1, []
    for index, name in enumerate(results.runs):
        if not results.runs[name]:
            continue
        memories, outcomes = results.curve(name)
        outcomes = outcomes[np.isfinite(outcomes).all(1)]
        if not len(outcomes):
            continue
        shown.append(outcomes)
        plots.band(axes, memories, outcomes, name, index, logarithmic=outcome.logarithmic)
        uncut = outcomes[:, -1]
        level = np.exp(np.log(uncut[uncut > 0]).mean()) if outcome.logarithmic and (uncut > 0).any() else uncut.mean()
        axes.axhline(level, color=plots.COLOURS[index % len(plots.COLOURS)], linewidth=0.7, linestyle=(0, (1, 3)))
        if used := results.used(name):
            axes.axvline(float(np.median(used)), color=plots.COLOURS[index % len(plots.COLOURS)], linewidth=0.7)
        longest = max(longest, int(memories[-1]))
    baselines = [run.baseline for by_seed in results.runs.values() for run in by_seed.values()]
    if not outcome.logarithmic:
        plots.limit_to_values(axes, [*shown, np.array(baselines)])
    if np.isfinite(baselines).any():
        level = float(np.nanmean(baselines))
        plots.floor_line(axes, level, f"{baseline_name(results)}: {level:.3g}", len(plots.COLOURS) - 1)
    ticks = [0, *(2**power for power in range(longest.bit_length()))]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(-0.15, longest * 1.1)
    axes.set(xlabel="steps of memory, k", ylabel=outcome.name)
    axes.grid(alpha=0.25)
    plots.legend_below(figure, axes, columns=5)
    plots.save(figure, path, finding(results))
    seeds = max(map(len, results.runs.values()))
    return (
        f"{outcome.name.capitalize()} when the recurrent state is cut to the last k steps; the last point of a line is"
        " the agent itself, whose outcome is drawn across (dotted). Vertical lines: the median of the steps that are"
        f" shown to be enough. {plots.bands(seeds, logarithmic=outcome.logarithmic)}"
    )
