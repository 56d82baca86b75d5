"""The heat map of an atlas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.common import plots
from experiments.common.comparison import Comparison


def draw(comparisons: dict[str, Comparison], strategies: Sequence[str], path: Path) -> str:
    """Write the heat map of outcomes to `path`; returns its caption."""
    values = np.full((len(comparisons), len(strategies)), np.nan)
    texts = [["-"] * len(strategies) for _ in comparisons]
    for row, comparison in enumerate(comparisons.values()):
        for column, name in enumerate(strategies):
            found = comparison.estimate(name, comparison.outcome.metric)
            if found is not None:
                values[row, column] = found.mean
                interval = "" if found.low is None else f"\n[{found.low:.3g}, {found.high:.3g}]"
                texts[row][column] = f"{found.mean:.3g}{interval}"
    shades = np.stack([_shades(values[i], c, strategies) for i, c in enumerate(comparisons.values())])
    figure, grid = plots.figure(1)
    figure.set_size_inches(1.25 * len(strategies) + 2.2, 0.75 * len(comparisons) + 1.3)
    axes = grid[0, 0]
    # Light is good: dark numbers stay readable on most cells, and a grey print keeps the order.
    axes.imshow(shades, cmap="cividis_r", vmin=0, vmax=1, aspect="auto")
    for row in range(len(comparisons)):
        for column in range(len(strategies)):
            colour = "white" if shades[row, column] > 0.55 else "black"
            axes.text(column, row, texts[row][column], ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(strategies)), strategies)
    axes.set_yticks(range(len(comparisons)), [f"{task}\n({c.outcome.name})" for task, c in comparisons.items()])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    plots.save(figure, path, _finding(np.where(np.isnan(values), np.nan, shades), strategies))
    seeds = max((len(c.seeds) for c in comparisons.values()), default=0)
    return (
        f"Outcome over whole fresh episodes, mean over {seeds} seeds with its 95 % bootstrap interval. Within a row,"
        " the lightest cell is the best. The darkest is the worst one, on a logarithmic scale, where the outcome is an"
        " error; it is what random actions earn, on a linear scale, where the outcome is a return."
    )


def _finding(shades: np.ndarray, strategies: Sequence[str]) -> str:
    """Which strategies lose the least and the most against the best, on average over tasks."""
    finished = np.flatnonzero(~np.isnan(shades).any(0)).tolist()
    others = [i for i in finished if strategies[i] != "full"]
    if len(others) < 2:
        return "What each initialization reaches on each task"
    means = shades.mean(0)
    best, worst = min(others, key=lambda i: means[i]), max(others, key=lambda i: means[i])
    return f"Besides full, {strategies[best]} loses the least and {strategies[worst]} the most over these tasks"


def _shades(values: np.ndarray, comparison: Comparison, strategies: Sequence[str]) -> np.ndarray:
    """0 for the best of a row `[S]`; 1 for the worst, or for what random actions earn."""
    if np.isnan(values).all():
        return np.zeros(len(values))
    if comparison.outcome.higher_is_better:
        randoms = [comparison.estimate(name, "random_return") for name in strategies]
        chance = np.mean([one.mean for one in randoms if one is not None])
        scaled, worst = -values, max(-float(chance), float(-np.nanmin(values)))
    else:
        scaled = np.log(np.maximum(values, 1e-3))
        worst = float(np.nanmax(scaled))
    spread = worst - np.nanmin(scaled)
    return np.nan_to_num((scaled - np.nanmin(scaled)) / spread) if spread > 0 else np.zeros(len(values))
