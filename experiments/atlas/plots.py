"""The pictures of an atlas: map of outcomes, learning rates, shares of the reachable return on published tasks."""

from __future__ import annotations

import dataclasses
import itertools
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from experiments.atlas.aggregate import scores
from experiments.atlas.results import AtlasResults, Cell
from experiments.atlas.shares import PublishedTask
from experiments.atlas.sweep import Sweep
from experiments.atlas.tasks import TASKS
from experiments.burnin_compare.comparison import Comparison
from experiments.common import plots
from experiments.common.report import Picture
from experiments.common.statistics import FEWEST_SEEDS, Estimate, estimate
from r2d2_burnin.runtime.formatting import listed
from r2d2_burnin.runtime.pictures import NARROW

CLASSES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99)
"""Shares of what can be reached at which the colour of a cell changes."""


COLOURS = colormaps["viridis_r"](np.linspace(0.08, 0.9, len(CLASSES) + 1))[::-1]
"""Colours of the classes, from the smallest share."""

UNKNOWN = "#dddddd"
"""Colour of a cell whose share is not known."""

LEGEND_WIDTH = 6.4
"""Inches that a legend below a figure takes; figures of few panels or initializations are as wide."""

TASKS_BESIDE = 4
"""Tasks that fit beside each other on narrow pages."""


@dataclasses.dataclass(frozen=True)
class Box:
    """What a cell of the map shows."""

    text: str
    colour: Any
    ink: str
    unknown: bool
    spanning: bool  # whether the interval of its share spans several colours


def draw(comparisons: dict[Cell, Comparison], strategies: Sequence[str], path: Path) -> Picture:
    """Write the map of outcomes to `path`, coloured by the share of what can be reached."""
    boxes = {cell: _boxes(cell, comparison, strategies) for cell, comparison in comparisons.items()}
    every = [box for by_name in boxes.values() for box in by_name.values()]
    unknown, spanning = any(box.unknown and box.text != "-" for box in every), any(box.spanning for box in every)
    figures = []
    for narrow in (False, True):
        figure = _narrow_map(boxes, comparisons, strategies) if narrow else _map(boxes, comparisons, strategies)
        _key(figure, unknown=unknown, spanning=spanning, columns=2 if narrow else 4)
        figures.append(figure)
    seeds = max((len(c.seeds) for c in comparisons.values()), default=0)
    interval = "" if seeds < 2 else " ± half the width of its 95 % t-interval"
    hatched = " Hatched: the interval of the share spans several colours." if spanning else ""
    grey = " Grey: no share is known." if unknown else ""
    reference = next(iter(comparisons.values())).reference
    same = f" Where tests see no difference from {reference}, the colour is that of {reference}."
    caption = (
        f"Outcome over whole fresh episodes, {'one seed' if seeds < 2 else f'mean over {seeds} seeds'}{interval}."
        " Colour: the share of what can be reached, on average over seeds. Of errors it is the part of the best"
        " constant answer's error that is gone; of returns what is earned above random and constant actions, in"
        f" relation to the initialization that earns most.{same if seeds >= FEWEST_SEEDS else ''}{hatched}{grey}"
    )
    title = _finding(list(comparisons.values()), strategies)
    return plots.save(figures[0], path, title, caption, narrow=figures[1])


def _boxes(cell: Cell, comparison: Comparison, strategies: Sequence[str]) -> dict[str, Box]:
    """The cells of a task, by initialization."""
    shares, boxes = shares_and_colours(cell, comparison), {}
    for name in strategies:
        value = comparison.estimate(name, comparison.outcome.metric)
        share, shown = shares.get(name, (None, 0))
        dark = share is not None and float(np.dot(COLOURS[shown][:3], (0.299, 0.587, 0.114))) <= 0.5
        boxes[name] = Box(
            text="-" if value is None else str(value).replace(" ± ", "\n± "),
            colour=UNKNOWN if share is None else COLOURS[shown],
            ink="white" if dark else "black",
            unknown=share is None,
            spanning=_spans_colours(share),
        )
    return boxes


def _map(boxes: dict[Cell, dict[str, Box]], comparisons: dict[Cell, Comparison], strategies: Sequence[str]) -> Figure:
    """A row a task."""
    figure, grid = plots.figure(1)
    figure.set_size_inches(max(min(1.12 * len(strategies), 10.2) + 2.2, LEGEND_WIDTH), 0.72 * len(boxes) + 1.3)
    axes = grid[0, 0]
    for row, by_name in enumerate(boxes.values()):
        for column, box in enumerate(by_name.values()):
            _fill(axes, column, row, box)
    labels = [f"{cell.name}\n({comparison.outcome.name})" for cell, comparison in comparisons.items()]
    _frame(axes, list(strategies), labels)
    return figure


def _narrow_map(
    boxes: dict[Cell, dict[str, Box]], comparisons: dict[Cell, Comparison], strategies: Sequence[str]
) -> Figure:
    """A column a task, a few beside each other."""
    cells = list(boxes)
    blocks = [cells[i : i + TASKS_BESIDE] for i in range(0, len(cells), TASKS_BESIDE)]
    figure, grid = plots.figure(1, len(blocks))
    figure.set_size_inches(NARROW, (0.36 * len(strategies) + 0.75) * len(blocks) + 1.2)
    for axes, block in zip(grid[:, 0], blocks, strict=True):
        for column, cell in enumerate(block):
            for row, name in enumerate(strategies):
                _fill(axes, column, row, boxes[cell][name])
        labels = [f"{cell.name} ({comparisons[cell].outcome.name})" for cell in block]
        _frame(axes, [textwrap.fill(label, 11) for label in labels], list(strategies))
        axes.set_xlim(-0.5, TASKS_BESIDE - 0.5 if len(blocks) > 1 else len(block) - 0.5)
    return figure


def _fill(axes: Axes, column: int, row: int, box: Box) -> None:
    """Draw a cell."""
    corner = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=box.colour, edgecolor="white", linewidth=1.5))
    if box.spanning:  # not over the number, which stays readable
        for low in (-0.5, 0.3):
            stripe = Rectangle((column - 0.5, row + low), 1, 0.2, facecolor=box.colour, edgecolor="white")
            axes.add_patch(stripe)
            stripe.set(hatch="//////", linewidth=0)
    axes.text(column, row, box.text, ha="center", va="center", fontsize=8, color=box.ink)


def _frame(axes: Axes, above: Sequence[str], left: Sequence[str]) -> None:
    """The names of columns and rows."""
    axes.set(xlim=(-0.5, len(above) - 0.5), ylim=(len(left) - 0.5, -0.5))
    axes.set_xticks(range(len(above)), above, fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(left)), left, fontsize=8)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def shares_and_colours(cell: Cell, comparison: Comparison) -> dict[str, tuple[Estimate | None, int]]:
    """Shares of what can be reached, and the colours that show them, by initialization; none where none is known.

    What is not shown to differ from the reference has its colour. Where only the initializations themselves tell what
    can be reached, shares of too few seeds for a test would show chance.
    """
    benchmark, reference = TASKS[cell.task].benchmark, str(comparison.reference)
    relative = benchmark is None and comparison.outcome.higher_is_better
    if relative and len(comparison.seeds) < FEWEST_SEEDS:
        return {}
    by_name = {name: estimate(list(by.values())) for name, by in (scores(comparison, benchmark) or {}).items()}
    colours = {name: _class(share.mean) for name, share in by_name.items() if share is not None}
    for contrast in comparison.contrasts():
        if contrast.is_tested and contrast.direction is None and {contrast.strategy, reference} <= set(colours):
            colours[contrast.strategy] = colours[reference]
    return {name: (by_name[name], colour) for name, colour in colours.items()}


def _spans_colours(share: Estimate | None) -> bool:
    """Whether the interval of a share has ends of different colours."""
    return share is not None and len({_class(end) for end in (share.low, share.high) if end is not None}) > 1


def _class(share: float) -> int:
    """The index of a share's colour."""
    return int(np.searchsorted(CLASSES, share, side="right"))


def _key(figure: Figure, *, unknown: bool, spanning: bool, columns: int) -> None:
    """What the colours of cells mean, below them."""
    names = [f"below {CLASSES[0]:.0%}"]
    names += [f"{low:.0%} to {high:.0%}" for low, high in itertools.pairwise(CLASSES)]
    names.append(f"{CLASSES[-1]:.0%} or more")
    handles = [Patch(facecolor=colour, label=name) for colour, name in zip(COLOURS, names, strict=True)]
    if spanning:
        handles.append(
            Patch(facecolor="#bbbbbb", edgecolor="white", hatch="//////", linewidth=0, label="interval spans colours")
        )
    if unknown:
        handles.append(Patch(facecolor=UNKNOWN, label="unknown"))
    options: dict[str, Any] = {
        "title": "share of what can be reached",
        "loc": "outside lower center",
        "frameon": False,
        "fontsize": 8,
    }
    figure.legend(handles=handles, ncols=columns, **options)


def draw_sweeps(sweeps: dict[str, Sweep], strategies: Sequence[str], path: Path) -> Picture:
    """Write the outcomes over learning rates to `path`, a panel a task."""
    figure, grid = plots.figure(min(len(sweeps), 3), -(-len(sweeps) // 3))
    if len(sweeps) == 1:
        figure.set_size_inches(7.2, 4.6)
    for axes, (task, sweep) in zip(grid.flat, sweeps.items(), strict=False):
        outcome, looks = sweep.first.outcome, plots.looks(strategies)
        for index, name in enumerate(strategies):
            rates = [rate for rate, comparison in sweep.by_rate.items() if name in comparison.outcomes()]
            by_seed = [sweep.by_rate[rate].outcomes()[name] for rate in rates]
            seeds = sorted(set.intersection(*map(set, by_seed))) if by_seed else []
            if seeds:
                values = np.array([[outcomes[seed] for outcomes in by_seed] for seed in seeds])
                # Beside each other, as intervals at the same place would hide each other.
                beside = np.array(rates) * 1.035 ** (index - (len(strategies) - 1) / 2)
                plots.points(axes, beside, values, name, looks[name], logarithmic=not outcome.higher_is_better)
        axes.set(xscale="log", xlabel="learning rate", ylabel=outcome.name, title=task)
        axes.set_yscale("linear" if outcome.higher_is_better else "log")
        axes.set_xticks(list(sweep.by_rate), [f"{rate:g}" for rate in sweep.by_rate])
        axes.xaxis.minorticks_off()
        axes.grid(alpha=0.25)
    for axes in list(grid.flat)[len(sweeps) :]:
        axes.set_visible(False)
    plots.legend_below(figure, grid[0, 0], columns=4 * min(len(sweeps), 3))
    count = max(len(sweep.first.seeds) for sweep in sweeps.values())
    bars = "Markers: one seed." if count < 2 else f"Markers: means of {count} seeds; bars: their 95 % t-intervals."
    caption = (
        "Outcome over whole fresh episodes by learning rate; errors on a logarithmic axis, with means and intervals of"
        f" their logarithms. {bars}"
    )
    return plots.save(figure, path, sweep_finding(sweeps), caption)


def draw_shares(tasks: Sequence[PublishedTask], strategies: Sequence[str], path: Path) -> Picture:
    """Write the shares of the reachable return to `path`, a panel a task."""
    drawn = [task for task in tasks if task.comparison.runs]
    names = [*strategies, *(["published"] if any(task.benchmark.results for task in drawn) else [])]
    columns = min(len(drawn), 3)
    rows = -(-len(drawn) // columns)
    figure, grid = plots.figure(columns, rows, sharex=True, sharey=True)
    figure.set_size_inches(max(2.7 * columns + 1.0, LEGEND_WIDTH), (0.16 * len(names) + 0.55) * rows + 1.05)
    panels = list(grid.flat)
    for axes, task in zip(panels, drawn, strict=False):
        _draw_share(axes, task)
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    for axes in panels[max(len(drawn) - columns, 0) : len(drawn)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("return (0: random actions, 1: best)", fontsize=8)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    _legend_of_marks(figure, panels)
    seeds = sorted({len(task.comparison.seeds) for task in drawn})
    count = "one seed" if seeds == [1] else f"means over {' or '.join(map(str, seeds))} seeds"
    bars = "" if seeds == [1] else "; bars: their 95 % t-intervals, which may pass the best return"
    tested = any(contrast.direction for task in drawn for contrast in task.comparison.contrasts())
    marks = "; 'worse' and 'better': shown by a paired test, with Holm's correction over the page" if tested else ""
    diamond = "Diamond: the best published figure, of a best epoch; hollow where it is not checked against its source."
    caption = (
        "Return at the end of training as a share of what is reachable: 0 (dashed) is what random actions earn, 1"
        f" (dashed) the best return. Points: {count}{bars}{marks}. {diamond if len(names) > len(strategies) else ''}"
    ).rstrip()
    return plots.save(figure, path, _shares_finding(drawn, strategies), caption)


PUBLISHED_COLOUR = plots.COLOURS[6]


def _draw_share(axes: Axes, task: PublishedTask) -> None:
    """A panel: the initializations of a task below each other, and below them the best published figure."""
    for value in (0, 1):
        axes.axvline(value, color=plots.GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    looks = plots.looks([row.strategy for row in task.rows])
    directions = {contrast.strategy: contrast.direction for contrast in task.comparison.contrasts()}
    for index, row in enumerate(task.rows):
        if row.share is not None:
            look = looks[row.strategy] | {"linestyle": "none"}
            half = 0.0 if row.share.low is None else row.share.mean - row.share.low
            axes.errorbar(row.share.mean, index, xerr=half, elinewidth=1.2, capsize=2, **look)
            if direction := directions.get(row.strategy):
                _write_beside(axes, direction, row.share.mean, half, index)
    if task.benchmark.results:
        best = max(task.benchmark.results, key=lambda result: result.best_epoch)
        label = f"published: {best.algorithm}, best epoch, other conditions"
        axes.plot(
            task.benchmark.share(best.best_epoch),
            len(task.rows),
            linestyle="none",
            marker="D",
            color=PUBLISHED_COLOUR,
            markersize=5,
            markerfacecolor=PUBLISHED_COLOUR if best.is_checked else "white",
            label=label if best.is_checked else f"{label}; not checked against the paper",
        )
    axes.set_title(task.name if task.is_learned else f"{task.name}: nothing learned", fontsize=8, loc="left")
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.tick_params(axis="x", labelsize=8)


def _write_beside(axes: Axes, text: str, mean: float, half: float, index: int) -> None:
    """Write a word beside a point and its bar, on the side where more room is."""
    side = -1 if mean > 0.5 else 1
    place, aligned = (mean + side * half, index), "right" if side < 0 else "left"
    axes.annotate(
        text, place, (6 * side, 0), textcoords="offset points", ha=aligned, va="center", fontsize=7, color="#333333"
    )


def _legend_of_marks(figure: Figure, panels: Sequence[Axes]) -> None:
    """Put what the marks of all panels are below them, each once."""
    labelled = [pair for axes in panels for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    marks = {label: handle for handle, label in labelled}
    figure.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=1, fontsize=8, frameon=False)


def answer(results: AtlasResults, published: Sequence[PublishedTask]) -> str:
    """The finding of an atlas, in one sentence."""
    if sweeps := results.sweeps():
        return sweep_finding(sweeps)
    drawn, others = [task for task in published if task.comparison.runs], results.unpublished().comparisons.values()
    texts = [_shares_finding(drawn, results.strategies)] if drawn else []
    if any(comparison.runs for comparison in others):
        texts.append(_finding(list(others), results.strategies))
    return "; ".join(texts) or "No run has finished"


def _shares_finding(tasks: Sequence[PublishedTask], strategies: Sequence[str]) -> str:
    """On how many tasks each strategy is worse than the reference, and where nothing is learned."""
    failed = [task.name for task in tasks if not task.is_learned]
    if len(failed) == len(tasks):
        return "Nothing is learned on any task, so nothing is compared"
    learned = _finding([task.comparison for task in tasks], strategies, "memory task")
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
    by_task = [[contrast for contrast in comparison.contrasts() if contrast.is_tested] for comparison in learned]
    total = sum(map(bool, by_task))
    if not total:
        reaches = f"What {strategies[0] if len(strategies) == 1 else 'each initialization'} reaches on each {task}"
        return reaches + _why_untested(learned, strategies)
    reference = learned[0].reference
    worse = dict.fromkeys((name for name in strategies if name != reference), 0)
    for contrast in itertools.chain(*by_task):
        worse[contrast.strategy] += contrast.direction == "worse"
    tasks = f"{total} {task}{'s' if total > 1 else ''}"
    untested = f"; not tested on {len(learned) - total} more" if total < len(learned) else ""
    by_count = {
        count: [name for name in worse if worse[name] == count]
        for count in sorted({*worse.values()} - {0}, reverse=True)
    }
    if not by_count:
        return f"No initialization is shown to be worse than {reference} on {tasks}{untested}"
    of_total = {max(by_count): f" of {tasks}"}
    shown = [
        f"{listed(names)} on {count}{of_total.get(count, '')}{' each' if len(names) > 1 else ''}"
        for count, names in by_count.items()
    ]
    return f"Shown to be worse than {reference}: {', '.join(shown)}{untested}"


def _why_untested(learned: Sequence[Comparison], strategies: Sequence[str]) -> str:
    """What keeps every difference between initializations from being tested, after a comma; nothing where none is."""
    if len(strategies) == 1:
        return ""
    if not learned:
        return ", not tested, as nothing is learned"
    if not any(comparison.reference in comparison.outcomes() for comparison in learned):
        return f", not tested, as {learned[0].reference}, the reference, has no finished run"
    return ", not tested for lack of seeds"
