"""The picture of a burn-in advice: all of its evidence on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from experiments.burnin_advisor.results import SeedAdvice
from experiments.common import plots

STARTS: tuple[Literal["zero", "stored"], ...] = ("zero", "stored")
"""The start states that burn-ins are measured from."""

SMALLEST = 1e-5
"""ΔQ below this is drawn here: identical states differ by rounding alone."""


def draw(by_seed: list[SeedAdvice], tolerance: float, title: str, path: Path) -> str:
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
    advised, lines, seeds = "advised (triangle)", "", ""
    if len(by_seed) > 1:
        advised, lines = "advised for each seed (triangles)", ", one line a seed"
        seeds = f"Means are over {len(by_seed)} seeds, bounds and quantiles the largest of them."
    return (
        "Above: ΔQ against the exact state by length of burn-in. Bounds are one-sided 95 % upper bounds of the mean"
        " over episodes, quantiles are 95 % quantiles over fragments; both have to be within the tolerance (dotted),"
        f" from the burn-in {advised} on. Left and middle: the judged late fragments; right: all"
        f" that do not begin an episode, at the worse of the two steps. Values below {SMALLEST:g} are drawn there."
        " Below, left:"
        f" distance of the state from the exact one during burn-in from the zero state{lines}. Middle: loss of"
        " the trained steps from the state tried, and from the exact state (dotted). Right: time of an update."
        f" {seeds}".rstrip()
    )


def _curve(
    by_seed: list[SeedAdvice], start: Literal["zero", "stored"], name: str, over: Any = np.mean
) -> tuple[np.ndarray, np.ndarray]:
    """Burn-ins that all seeds measured `[N]`, and what stands for all seeds there `[N]`, by default the mean."""
    measured = [seed.measures(start) for seed in by_seed]
    common = sorted(set.intersection(*(set(measures) for measures in measured)))
    values = [[getattr(measures[k], name) for k in common] for measures in measured]
    return np.array(common), over(values, 0)


def _discrepancies(axes: Axes, by_seed: list[SeedAdvice], tolerance: float, which: str, title: str) -> None:
    index = 0
    for start in STARTS:
        for suffix, words, over in (("", "mean", np.mean), ("_upper", "bound", np.max), ("_q95", "quantile", np.max)):
            if which != "all" or suffix:
                burn_ins, values = _curve(by_seed, start, f"delta_q_{which}{suffix}", over)
                axes.plot(burn_ins, np.maximum(values, SMALLEST), label=f"from {start}, {words}", **plots.style(index))
            index += 1
    axes.axhline(tolerance, color="#444444", linestyle=(0, (1, 2)), linewidth=1)
    for seed in by_seed:
        if seed.advice.burn_in is not None:
            axes.plot(seed.advice.burn_in, tolerance, "v", color="#444444", markersize=8)
    _axes(axes, "ΔQ against the exact state", title)
    axes.set_yscale("log")


def _decay(axes: Axes, by_seed: list[SeedAdvice]) -> None:
    for seed in by_seed:
        errors = np.array(seed.advice.forgetting.errors)
        axes.plot(np.arange(len(errors)), np.where(errors > 0, errors, np.nan), color=plots.COLOURS[4], linewidth=1.2)
    times = [seed.advice.forgetting.steps for seed in by_seed]
    texts = ", ".join("none" if time is None else f"{time:.3g}" for time in times)
    _axes(axes, "state error (L2)", f"Decay of a wrong state (forgetting time: {texts})")
    axes.set_xscale("linear")
    axes.set_xlim(0, max(len(seed.advice.forgetting.errors) for seed in by_seed) - 1 or None)
    axes.set_yscale("log")


def _losses(axes: Axes, by_seed: list[SeedAdvice]) -> None:
    for index, start in zip((0, 3), STARTS, strict=True):
        burn_ins, losses = _curve(by_seed, start, "loss")
        _, exact = _curve(by_seed, start, "loss_exact")
        axes.plot(burn_ins, losses, **plots.style(index))
        axes.plot(burn_ins, exact, color=plots.COLOURS[index], linestyle=(0, (1, 2)), linewidth=1)
    _axes(axes, "loss a trained step", "Loss from the state tried (dotted: exact state)")
    if any(np.isfinite(np.asarray(line.get_ydata(), float)).any() for line in axes.lines):
        axes.set_yscale("log")
    else:
        _not_measured(axes, "no objective is known: the network is not trained here")


def _costs(axes: Axes, by_seed: list[SeedAdvice]) -> None:
    measured = [{cost.burn_in: 1e3 * cost.update_seconds for cost in seed.costs} for seed in by_seed]
    burn_ins = sorted(set.intersection(*(set(costs) for costs in measured)))
    axes.plot(burn_ins, [np.mean([costs[k] for costs in measured]) for k in burn_ins], **plots.style(4))
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
