"""The picture of the staleness experiment."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments.common import plots
from experiments.common.report import Picture
from experiments.staleness.results import AgeCurves, Case


def draw(runs: Mapping[Case, dict[int, AgeCurves]], title: str, path: Path) -> Picture:
    """Write the picture to `path`, a panel for each learning rate and replay ratio."""
    rates = sorted({case.learning_rate for case in runs})
    ratios = sorted({case.replay_ratio for case in runs})
    strategies = list(dict.fromkeys(case.strategy for case in runs))
    figure, grid = plots.figure(len(rates), len(ratios), sharex=True, sharey=True)
    for axes, (ratio, rate) in zip(grid.flat, itertools.product(ratios, rates), strict=True):
        curves: dict[str, tuple[np.ndarray, np.ndarray] | None] = dict.fromkeys(strategies)
        for case, by_seed in runs.items():
            if by_seed and (case.learning_rate, case.replay_ratio) == (rate, ratio):
                bins = min(len(run.age) for run in by_seed.values())
                ages = np.mean([run.age[:bins] for run in by_seed.values()], 0)
                curves[case.strategy] = ages, np.array([run.delta_q_first_exact[:bins] for run in by_seed.values()])
        plots.curves(axes, curves, logarithmic=True)
        axes.set_title(f"learning rate {rate:g}, replay ratio {ratio:g}", fontsize=9)
        axes.grid(alpha=0.25)
    grid[0, 0].set_ylim(bottom=max(grid[0, 0].get_ylim()[0], 1e-4))
    for axes in grid[-1]:
        axes.set_xlabel("age of the state (updates)")
    for axes in grid[:, 0]:
        axes.set_ylabel("ΔQ first, against exact")
    plots.legend_below(figure, grid[0, 0])
    seeds = max((len(by_seed) for by_seed in runs.values()), default=0)
    caption = (
        "ΔQ at the first trained step against the exact state, by the age of the stored state, in the second half of"
        " training with a constant step size. No point where a seed has a ΔQ of 0."
        f" {plots.curves_shown(seeds, logarithmic=True)}"
    )
    return plots.save(figure, path, title, caption)
