"""Pictures: one style, and colours that survive printing and colour-blindness (Okabe and Ito, 2008)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from experiments.common.formatting import NEGLIGIBLE, number
from experiments.common.statistics import t_interval

COLOURS = ("#D55E00", "#0072B2", "#E69F00", "#56B4E9", "#000000", "#009E73", "#CC79A7", "#999999")
GREY = COLOURS[-1]
DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2, 1, 2)))
MARKERS = "os^Dvp*X"


def style(index: int) -> dict[str, Any]:
    """Colour, dashes and marker of the line with this index; no two of the first eight agree in any two of them."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 4,
        "linewidth": 1.6,
    }


def figure(columns: int, rows: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure with a grid of axes, laid out so that nothing overlaps."""
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    return plt.subplots(
        rows, columns, figsize=(4.6 * columns + 0.6, 3.4 * rows + 0.5), layout="constrained", squeeze=False, **options
    )


def band(axes: Axes, x: np.ndarray, per_seed: np.ndarray, label: str, index: int, *, logarithmic: bool = False) -> None:
    """Mean over seeds of `[S, N]` at `x` [N], with its 95 % t-interval as a band, and every seed as a thin line.

    On a logarithmic axis mean and interval are those of the logarithms, as in the tests; values that have none are left
    out.
    """
    middle, low, high = mean_and_interval(per_seed, logarithmic=logarithmic)
    look = style(index)
    axes.plot(x, middle, label=label, markevery=max(len(x) // 8, 1), **look)
    if len(per_seed) > 1:
        axes.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
        axes.plot(x, per_seed.T, color=look["color"], alpha=0.4, linewidth=0.5)


def bands(seeds: int, *, logarithmic: bool = False) -> str:
    """What `band` shows, for a caption."""
    if seeds < 2:
        return "Lines: one seed."
    return f"Lines: {_mean(logarithmic)} of {seeds} seeds; bands: its 95 % t-interval; thin lines: single seeds."


def ends(axes: Axes, rows: Mapping[str, np.ndarray], order: Sequence[str], *, logarithmic: bool = False) -> None:
    """A row for each name in `order`, from the top: mean over seeds `[S]`, its 95 % t-interval, single seeds as dots.

    On a logarithmic axis, mean and interval are those of the logarithms. A row whose values are not all above zero is
    there a word at the left end.
    """
    axes.set_xscale("log" if logarithmic else "linear")
    for place, name in enumerate(order):
        values = rows.get(name, np.array([]))
        if not len(values):
            continue
        if logarithmic and values.min() < NEGLIGIBLE:
            text = "0" if not values.any() else "about 0"
            axes.text(0.015, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
            continue
        middle, low, high = mean_and_interval(values[:, None], logarithmic=logarithmic)
        look = style(place)
        if len(values) > 1:
            axes.plot(values, np.full(len(values), place + 0.24), "o", color=look["color"], alpha=0.5, markersize=2.5)
            axes.plot([low[0], high[0]], [place, place], color=look["color"], linewidth=2.2, solid_capstyle="butt")
        axes.plot(middle[0], place, color=look["color"], marker=look["marker"], markersize=7, markeredgecolor="white")
    axes.set_yticks(range(len(order)), order)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.25)


def ends_shown(seeds: int, *, logarithmic: bool = False) -> str:
    """What `ends` shows, for a caption."""
    if seeds < 2:
        return "Markers: one seed."
    return f"Markers: {_mean(logarithmic)} of {seeds} seeds; bars: its 95 % t-interval; dots: single seeds."


def curves(axes: Axes, by_name: Mapping[str, tuple[np.ndarray, np.ndarray] | None], *, logarithmic: bool) -> None:
    """Mean over seeds of each `[N]` and `[S, N]`; right of the last point, beside each other, its 95 % t-intervals.

    Bands of many lines would hide each other.
    """
    axes.set_yscale("log" if logarithmic else "linear")
    width = max((float(np.ptp(curve[0])) for curve in by_name.values() if curve is not None), default=1.0) or 1.0
    for index, (name, curve) in enumerate(by_name.items()):
        if curve is None or not np.isfinite(curve[1]).any():
            continue
        x, per_seed = curve
        middle, low, high = mean_and_interval(per_seed, logarithmic=logarithmic)
        look = style(index)
        axes.plot(x, middle, label=name, markevery=max(len(x) // 8, 1), **look)
        if len(per_seed) > 1 and np.isfinite(low[-1] + high[-1]):
            place = x[-1] + (0.03 + 0.022 * index) * width
            axes.plot([place, place], [low[-1], high[-1]], color=look["color"], linewidth=2, solid_capstyle="butt")
            axes.plot(place, middle[-1], color=look["color"], marker=look["marker"], markersize=4)


def curves_shown(seeds: int, *, logarithmic: bool = False) -> str:
    """What `curves` shows, for a caption."""
    if seeds < 2:
        return "Lines: one seed."
    return f"Lines: {_mean(logarithmic)} of {seeds} seeds; bars at the right: 95 % t-intervals at the end."


def points(axes: Axes, x: np.ndarray, per_seed: np.ndarray, label: str, index: int, *, logarithmic: bool) -> None:
    """Mean over seeds of `[S, N]` at `x` [N], joined by a line, each with its 95 % t-interval as a bar."""
    middle, low, high = mean_and_interval(per_seed, logarithmic=logarithmic)
    look = style(index)
    axes.plot(x, middle, label=label, **look | {"linewidth": 1.0})
    if len(per_seed) > 1:
        axes.vlines(x, low, high, color=look["color"], linewidth=1.8)


def mean_and_interval(per_seed: np.ndarray, *, logarithmic: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over seeds of `[S, N]` and its 95 % t-interval, `[N]` each; if asked for, those of the logarithms.

    Values without a logarithm are left out; where all are, the result is NaN.
    """
    if not logarithmic:
        return per_seed.mean(0), *t_interval(per_seed)
    values = np.log(np.where(per_seed > 0, per_seed, np.nan))
    low, high = t_interval(values)
    return np.exp(values.mean(0)), np.exp(low), np.exp(high)


def _mean(logarithmic: bool) -> str:
    return "geometric mean" if logarithmic else "mean"


def small_multiples(count: int, *, width: float = 2.35, height: float = 1.9) -> tuple[Figure, list[Axes]]:
    """A figure with so many small panels that share their axes, four in a row at most."""
    rows = -(-count // 4)
    columns = -(-count // rows)
    figure_, grid = figure(columns, rows, sharex=True, sharey=True)
    figure_.set_size_inches(width * columns + 0.5, height * rows + 0.7)
    panels = list(grid.flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    for axes in panels[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)
    return figure_, panels[:count]


def floor_line(axes: Axes, value: float, label: str, index: int) -> None:
    """A horizontal line at an error floor, named beside its right end, where no curve is.

    A logarithmic axis has no place for a value of zero or less, which is left out there.
    """
    if axes.get_yscale() == "log" and value <= 0:
        return
    axes.axhline(value, color=COLOURS[index % len(COLOURS)], linewidth=0.9, linestyle=(0, (2, 2)))
    axes.annotate(
        textwrap.fill(label, 24),
        (1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=7,
        color=COLOURS[index % len(COLOURS)] if index % len(COLOURS) < len(COLOURS) - 1 else "#555555",
    )


def limit_to_values(axes: Axes, values: Sequence[np.ndarray]) -> None:
    """Limit an axis to what was measured: intervals of few seeds may reach far beyond it."""
    every = np.concatenate([np.ravel(part) for part in values])
    every = every[np.isfinite(every)]
    if len(every):
        margin = 0.1 * (float(np.ptp(every)) or 1.0)
        axes.set_ylim(float(every.min()) - margin, float(every.max()) + margin)


def legend_below(figure: Figure, axes: Axes, columns: int = 8) -> None:
    """One legend for the whole figure, below its panels."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), columns), frameon=False)


class _PlainLogFormatter(LogFormatter):
    """Labels the ticks that Matplotlib would label on a logarithmic axis, without powers of ten."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return number(x) if super().__call__(x, pos) else ""


def save(figure: Figure, path: Path, title: str) -> None:
    """Write a figure under its title, which says the finding."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log" and isinstance(axis.get_major_formatter(), LogFormatter):
                axis.set_major_formatter(_PlainLogFormatter())
                axis.set_minor_formatter(_PlainLogFormatter(labelOnlyBase=False, minor_thresholds=(1, 0.4)))
    characters = int(figure.get_figwidth() * 10)  # that fit beside each other
    figure.suptitle(textwrap.fill(title, characters), fontsize=10.5, fontweight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": ""})
    plt.close(figure)
