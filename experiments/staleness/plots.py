"""The picture of the staleness experiment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common import plots


def draw(found: Mapping[Any, dict[int, Any]], title: str, path: Path) -> str:
    """Write the picture to `path`, a panel for each learning rate and replay ratio; returns its caption."""
    rates = sorted({case.learning_rate for case in found})
    ratios = sorted({case.replay_ratio for case in found})
    strategies = list(dict.fromkeys(case.strategy for case in found))
    figure, grid = plots.figure(len(rates), len(ratios), sharex=True, sharey=True)
    for case, by_seed in found.items():
        if not by_seed:
            continue
        axes = grid[ratios.index(case.replay_ratio), rates.index(case.learning_rate)]
        bins = min(len(one["age"]) for one in by_seed.values())
        ages = np.mean([one["age"][:bins] for one in by_seed.values()], 0)
        values = np.array([one["delta_q_first_exact"][:bins] for one in by_seed.values()])
        plots.band(axes, ages, values, case.strategy, strategies.index(case.strategy), logarithmic=True)
        axes.set_title(f"learning rate {case.learning_rate:g}, replay ratio {case.replay_ratio:g}", fontsize=9)
    for axes in grid.flat:
        axes.set_yscale("log")
        axes.grid(alpha=0.25)
    grid[0, 0].set_ylim(bottom=max(grid[0, 0].get_ylim()[0], 1e-4))
    for axes in grid[-1]:
        axes.set_xlabel("age of the state (learner updates)")
    for axes in grid[:, 0]:
        axes.set_ylabel("ΔQ first, against exact")
    plots.legend_below(figure, grid[0, 0])
    plots.save(figure, path, title)
    seeds = max((len(one) for one in found.values()), default=0)
    return (
        "ΔQ at the first trained step against the exact state, by the age of the stored state, in the second half of"
        f" training with a constant step size. {plots.bands(seeds, logarithmic=True)}"
    )
