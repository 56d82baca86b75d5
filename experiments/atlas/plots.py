"""The pictures of an atlas: heat map, learning rates, shares of the reachable return on published tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.atlas.shares import PublishedTask
from experiments.atlas.sweep import Sweep
from experiments.burnin_compare.comparison import Comparison
from experiments.common import plots


def draw(comparisons: dict[str, Comparison], strategies: Sequence[str], path: Path) -> str:
    """Write the heat map of outcomes to `path`; returns its caption."""
    values = np.full((len(comparisons), len(strategies)), np.nan)
    texts = [["-"] * len(strategies) for _ in comparisons]
    for row, comparison in enumerate(comparisons.values()):
        for column, name in enumerate(strategies):
            estimate = comparison.estimate(name, comparison.outcome.metric)
            if estimate is not None:
                values[row, column] = estimate.mean
                interval = "" if estimate.low is None else f"\n[{estimate.low:.3g}, {estimate.high:.3g}]"
                texts[row][column] = f"{estimate.mean:.3g}{interval}"
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
    plots.save(figure, path, _finding(list(comparisons.values()), strategies))
    seeds = max((len(c.seeds) for c in comparisons.values()), default=0)
    return (
        f"Outcome over whole fresh episodes, mean over {seeds} seeds with its 95 % t-interval. Within a row,"
        " the lightest cell is the best. The darkest is the worst one, on a logarithmic scale, where the outcome is an"
        " error; it is what random actions earn, on a linear scale, where the outcome is a return."
    )


def draw_sweeps(sweeps: dict[str, Sweep], strategies: Sequence[str], path: Path) -> str:
    """Write the outcomes over learning rates to `path`, a panel a task; returns the caption."""
    figure, grid = plots.figure(min(len(sweeps), 3), -(-len(sweeps) // 3))
    for axes, (task, sweep) in zip(grid.flat, sweeps.items(), strict=False):
        outcome = sweep.first.outcome
        for index, name in enumerate(strategies):
            rates = [rate for rate, comparison in sweep.by_rate.items() if name in comparison.outcomes()]
            by_seed = [sweep.by_rate[rate].outcomes()[name] for rate in rates]
            seeds = sorted(set.intersection(*map(set, by_seed))) if by_seed else []
            if seeds:
                values = np.array([[outcomes[seed] for outcomes in by_seed] for seed in seeds])
                plots.band(axes, np.array(rates), values, name, index, logarithmic=not outcome.higher_is_better)
        axes.set(xscale="log", xlabel="learning rate", ylabel=outcome.name, title=task)
        axes.set_yscale("linear" if outcome.higher_is_better else "log")
        axes.set_xticks(list(sweep.by_rate), [f"{rate:g}" for rate in sweep.by_rate])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
    for axes in list(grid.flat)[len(sweeps) :]:
        axes.set_visible(False)
    plots.legend_below(figure, grid[0, 0], columns=4 * min(len(sweeps), 3))
    plots.save(figure, path, sweep_finding(sweeps))
    count = max(len(sweep.first.seeds) for sweep in sweeps.values())
    return (
        "Outcome over whole fresh episodes by learning rate; errors on a logarithmic axis, with means and intervals of"
        f" their logarithms. {plots.bands(count)}"
    )


def draw_shares(tasks: Sequence[PublishedTask], strategies: Sequence[str], path: Path) -> str:
    """Write the shares of the reachable return to `path`, a panel a task; returns the caption."""
    drawn = [task for task in tasks if task.comparison.runs]
    columns = min(len(drawn), 3)
    rows = -(-len(drawn) // columns)
    figure, grid = plots.figure(columns, rows, sharex=True, sharey=True)
    figure.set_size_inches(2.7 * columns + 1.0, (0.16 * len(strategies) + 0.55) * rows + 1.05)
    panels = list(grid.flat)
    for axes, task in zip(panels, drawn, strict=False):
        _draw_share(axes, task)
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    for axes in panels[max(len(drawn) - columns, 0) : len(drawn)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("share of the reachable return", fontsize=8)
    panels[0].set_yticks(range(len(strategies)), strategies)
    panels[0].set_ylim(len(strategies) - 0.4, -0.6)
    _legend_of_lines(figure, panels)
    plots.save(figure, path, _shares_finding(drawn, strategies))
    seeds = sorted({len(task.comparison.seeds) for task in drawn})
    return (
        "Return at the end of training as a share of what is reachable: 0 (dashed) is what random actions earn, 1"
        f" (dashed) the best return. Points: means over {' or '.join(map(str, seeds))} seeds; bars: their 95 %"
        " t-intervals. Thick line: the best published figure, of a best epoch; dotted where it is not checked against"
        " its source."
    )


def _draw_share(axes: Axes, task: PublishedTask) -> None:
    """A panel: the initializations of a task below each other, and the best published figure."""
    for value in (0, 1):
        axes.axvline(value, color="#999999", linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    if task.benchmark.results:
        best = max(task.benchmark.results, key=lambda result: result.best_epoch)
        dashes = "solid" if best.is_checked else (0, (1, 1))
        share = task.benchmark.share(best.best_epoch)
        checked = "" if best.is_checked else ", not checked"
        label = f"published: {best.algorithm}, best epoch, other conditions{checked}"
        axes.axvline(share, color="#CC79A7", linewidth=2.5, linestyle=dashes, zorder=1, label=label)
    for index, row in enumerate(task.rows):
        if row.share is not None:
            look = plots.style(index) | {"linestyle": "none", "markersize": 5}
            half = 0.0 if row.share.low is None else row.share.mean - row.share.low
            axes.errorbar(row.share.mean, index, xerr=half, elinewidth=1.2, capsize=2, **look)
    axes.set_title(task.name if task.is_learned else f"{task.name}: nothing learned", fontsize=8, loc="left")
    axes.tick_params(axis="y", length=0, labelsize=8)


def _legend_of_lines(figure: Figure, panels: Sequence[Axes]) -> None:
    """Put what the lines of all panels are below them, each once."""
    labelled = [pair for axes in panels for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    lines = {label: handle for handle, label in labelled}
    figure.legend(
        lines.values(), lines.keys(), loc="outside lower center", ncols=1, fontsize=8, frameon=False, handlelength=3
    )


def _shares_finding(tasks: Sequence[PublishedTask], strategies: Sequence[str]) -> str:
    """On how many published tasks each strategy is worse than the reference, and where nothing is learned."""
    failed = [task.name for task in tasks if not task.is_learned]
    if len(failed) == len(tasks):
        return "Nothing is learned on any published task, so nothing is compared"
    learned = _finding([task.comparison for task in tasks], strategies, "published task")
    return learned + (f"; nothing is learned on {', '.join(failed)}" if failed else "")


def sweep_finding(sweeps: dict[str, Sweep]) -> str:
    """Which initializations are worse than the reference on each task, each at its own best rate."""
    texts = []
    for task, sweep in sweeps.items():
        worse = [contrast.strategy for contrast in sweep.contrasts() if contrast.direction == "worse"]
        texts.append(f"{', '.join(worse) or 'none'} on {task}")
    reference = next(iter(sweeps.values())).first.reference
    return f"Shown to be worse than {reference}, each at its own best learning rate: {'; '.join(texts)}"


def _finding(comparisons: Sequence[Comparison], strategies: Sequence[str], task: str = "task") -> str:
    """On how many tasks each strategy is worse than the reference, as far as tests say so."""
    learned = [comparison for comparison in comparisons if comparison.runs and not comparison.nothing_learned]
    contrasts = [contrast for comparison in learned for contrast in comparison.contrasts()]
    if not any(contrast.seeds > 1 for contrast in contrasts):
        return f"What each initialization reaches on each {task}"
    worse = {
        name: sum(contrast.direction == "worse" for contrast in contrasts if contrast.strategy == name)
        for name in strategies
        if name != learned[0].reference
    }
    counts = ", ".join(f"{name} {count}" for name, count in worse.items())
    return f"Worse than {learned[0].reference} on so many of {len(learned)} {task}s: {counts}"


def _shades(values: np.ndarray, comparison: Comparison, strategies: Sequence[str]) -> np.ndarray:
    """0 for the best of a row `[S]`; 1 for the worst, or for what random actions earn."""
    if np.isnan(values).all():
        return np.zeros(len(values))
    if comparison.outcome.higher_is_better:
        randoms = [comparison.estimate(name, "random_return") for name in strategies]
        chance = np.mean([value.mean for value in randoms if value is not None])
        scaled, worst = -values, max(-float(chance), float(-np.nanmin(values)))
    else:
        scaled = np.log(np.maximum(values, 1e-3))
        worst = float(np.nanmax(scaled))
    spread = worst - np.nanmin(scaled)
    return np.nan_to_num((scaled - np.nanmin(scaled)) / spread) if spread > 0 else np.zeros(len(values))
