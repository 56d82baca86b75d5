"""The picture of a burn-in advice: all of its evidence on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.common import plots

SMALLEST = 1e-5
"""ΔQ below this is drawn here: identical states differ by rounding alone."""


def draw(by_seed: list[dict[str, Any]], tolerance: float, title: str, path: Path) -> str:
    """Write the picture of the advices of all seeds to `path`; returns its caption."""
    figure, grid = plots.figure(3, 2)
    _discrepancies(grid[0, 0], by_seed, tolerance, "first", "At the first trained step")
    _discrepancies(grid[0, 1], by_seed, tolerance, "last", "At the last trained step")
    _discrepancies(grid[0, 2], by_seed, tolerance, "all", "All fragments that do not begin an episode")
    _decay(grid[1, 0], by_seed)
    _losses(grid[1, 1], by_seed)
    _costs(grid[1, 2], by_seed)
    lowest = min(axes.get_ylim()[0] for axes in grid[0])
    highest = max(axes.get_ylim()[1] for axes in grid[0])
    for axes in grid[0]:
        axes.set_ylim(lowest, highest)
    plots.legend_below(figure, grid[0, 0])
    plots.save(figure, path, title)
    seeds = (
        f"Means are over {len(by_seed)} seeds, bounds and quantiles the largest of them." if len(by_seed) > 1 else ""
    )
    return (
        "Above: ΔQ against the exact state by length of burn-in. Bounds are one-sided 95 % upper bounds of the mean"
        " over episodes, quantiles are 95 % quantiles over fragments; both have to be within the tolerance (dotted),"
        " from the burn-in advised for each seed (triangles) on. Left and middle: the judged late fragments; right: all"
        f" that do not begin an episode, at the worse of the two steps. Values below {SMALLEST:g} are drawn there."
        " Below, left:"
        " distance of the state from the exact one during burn-in from the zero state, one line a seed. Middle: loss of"
        " the trained steps from the state tried, and from the exact state (dotted). Right: time of an update."
        f" {seeds}".rstrip()
    )


def _curve(by_seed: list[dict[str, Any]], start: str, name: str, over: Any = np.mean) -> tuple[np.ndarray, np.ndarray]:
    """Burn-ins that all seeds measured `[N]`, and what stands for all seeds there `[N]`, by default the mean."""
    measured = [{m["burn_in"]: m[name] for m in one["measures"] if m["start"] == start} for one in by_seed]
    common = sorted(set.intersection(*(set(one) for one in measured)))
    values = [[np.nan if one[k] is None else one[k] for k in common] for one in measured]
    return np.array(common), over(values, 0)


def _discrepancies(axes: Axes, by_seed: list[dict[str, Any]], tolerance: float, which: str, title: str) -> None:
    index = 0
    for start in ("zero", "stored"):
        for suffix, words, over in (("", "mean", np.mean), ("_upper", "bound", np.max), ("_q95", "quantile", np.max)):
            if which != "all" or suffix:
                burn_ins, values = _curve(by_seed, start, f"delta_q_{which}{suffix}", over)
                axes.plot(burn_ins, np.maximum(values, SMALLEST), label=f"from {start}, {words}", **plots.style(index))
            index += 1
    axes.axhline(tolerance, color="#444444", linestyle=(0, (1, 2)), linewidth=1)
    for one in by_seed:
        if one["burn_in"] is not None:
            axes.plot(one["burn_in"], tolerance, "v", color="#444444", markersize=8)
    _axes(axes, "ΔQ against the exact state", title)
    axes.set_yscale("log")


def _decay(axes: Axes, by_seed: list[dict[str, Any]]) -> None:
    for one in by_seed:
        errors = np.array(one["forgetting"]["errors"])
        axes.plot(np.arange(len(errors)), np.where(errors > 0, errors, np.nan), color=plots.COLOURS[4], linewidth=1.2)
    times = [one["forgetting"]["steps"] for one in by_seed]
    told = ", ".join("none" if time is None else f"{time:.3g}" for time in times)
    _axes(axes, "state error (L2)", f"Decay of a wrong state (forgetting time: {told})")
    axes.set_xscale("linear")
    axes.set_xlim(0, max(len(one["forgetting"]["errors"]) for one in by_seed) - 1 or None)
    axes.set_yscale("log")


def _losses(axes: Axes, by_seed: list[dict[str, Any]]) -> None:
    for index, start in ((0, "zero"), (3, "stored")):
        burn_ins, losses = _curve(by_seed, start, "loss")
        _, exact = _curve(by_seed, start, "loss_exact")
        axes.plot(burn_ins, losses, **plots.style(index))
        axes.plot(burn_ins, exact, color=plots.COLOURS[index], linestyle=(0, (1, 2)), linewidth=1)
    _axes(axes, "loss a trained step", "Loss from the state tried (dotted: exact state)")
    axes.set_yscale("log")


def _costs(axes: Axes, by_seed: list[dict[str, Any]]) -> None:
    measured = [{cost["burn_in"]: 1e3 * cost["update_seconds"] for cost in one["costs"]} for one in by_seed]
    burn_ins = sorted(set.intersection(*(set(one) for one in measured)))
    axes.plot(burn_ins, [np.mean([one[k] for one in measured]) for k in burn_ins], **plots.style(4))
    _axes(axes, "ms an update", "What burn-in costs the learner")
    axes.set_ylim(bottom=0)


def _axes(axes: Axes, label: str, title: str) -> None:
    axes.set_xscale("symlog", base=2, linthresh=1)
    axes.set_xlim(left=-0.3)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="steps of burn-in", ylabel=label)
    axes.set_title(title, fontsize=9)
    axes.grid(alpha=0.25)
