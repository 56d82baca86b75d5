"""Pictures: one style, and colours that survive printing and colour-blindness (Okabe and Ito, 2008)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.statistics import t_interval

COLOURS = ("#D55E00", "#0072B2", "#E69F00", "#56B4E9", "#000000", "#009E73", "#CC79A7", "#999999")
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
    values = np.log(np.where(per_seed > 0, per_seed, np.nan)) if logarithmic else per_seed
    middle, low, high = values.mean(0), *t_interval(values)
    if logarithmic:
        middle, low, high = np.exp(middle), np.exp(low), np.exp(high)
    look = style(index)
    axes.plot(x, middle, label=label, markevery=max(len(x) // 8, 1), **look)
    if len(per_seed) > 1:
        axes.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
        axes.plot(x, per_seed.T, color=look["color"], alpha=0.4, linewidth=0.5)


def bands(seeds: int, *, logarithmic: bool = False) -> str:
    """What `band` shows, for a caption."""
    if seeds < 2:
        return "One seed, no bands."
    mean = "geometric mean" if logarithmic else "mean"
    return f"Lines: {mean} of {seeds} seeds; bands: its 95 % t-interval; thin lines: single seeds."


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
        color=COLOURS[index % len(COLOURS)],
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


def save(figure: Figure, path: Path, title: str) -> None:
    """Write a figure under its title, which says the finding."""
    characters = int(figure.get_figwidth() * 10)  # that fit beside each other
    figure.suptitle(textwrap.fill(title, characters), fontsize=10.5, fontweight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": ""})
    plt.close(figure)
