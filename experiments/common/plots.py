"""Pictures: one style, and colours that survive printing and colour-blindness (Okabe and Ito, 2008)."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import LogFormatter

from experiments.common.report import Picture
from experiments.common.statistics import t_interval
from r2d2_burnin.initialization import Initialization, parse
from r2d2_burnin.runtime.formatting import NEGLIGIBLE, number
from r2d2_burnin.runtime.pictures import NARROW, pixels, png

COLOURS = ("#D55E00", "#0072B2", "#E69F00", "#56B4E9", "#000000", "#009E73", "#CC79A7", "#999999")
GREY = COLOURS[-1]
DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2, 1, 2)))
MARKERS = "os^Dvp*X"

FREE_COLOURS = (COLOURS[2], COLOURS[3], GREY)
FREE_MARKERS = "pX*Ph"
"""Of initializations that have none of their own."""

Look = dict[str, Any]
"""Colour, dashes and marker of a line, as Matplotlib's `plot` takes them."""


def style(index: int) -> Look:
    """The look of the line with this index; no two of the first eight agree in any two of colour, dashes, marker."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 4,
        "linewidth": 1.6,
    }


def looks(names: Sequence[str]) -> dict[str, Look]:
    """The look of each initialization, the same in every picture.

    Those of one class share a colour and a marker. With burn-in the line is dashed and the marker hollow; with a number
    of trained steps of its own the marker is half filled. Classes without a colour get free ones, in the order of
    `names`.
    """
    colours, markers = itertools.cycle(FREE_COLOURS), itertools.cycle(FREE_MARKERS)
    shared: dict[type[Initialization], tuple[str, str]] = {}
    taken: set[tuple[Any, ...]] = set()
    by_name = {}
    for name in names:
        initialization = parse(name)
        kind = type(initialization)
        if kind not in shared:
            shared[kind] = kind.colour or next(colours), kind.marker or next(markers)
        colour, marker = shared[kind]
        filling = "none" if initialization.burn_in else "full" if initialization.trained_steps is None else "left"
        place = _dashes(initialization, {place for *of, place in taken if of == [kind, filling]})
        taken.add((kind, filling, place))
        by_name[name] = style(0) | {
            "color": colour,
            "marker": marker,
            "linestyle": DASHES[place],
            "fillstyle": "full" if filling == "none" else filling,
            "markerfacecolor": "white" if filling == "none" else colour,
            "markerfacecoloralt": "white",
            "markersize": 5,
        }
    return by_name


def _dashes(initialization: Initialization, taken: set[int]) -> int:
    """The index of an initialization's dashes, by the size of its steps; the next one where its kin have it."""
    steps = initialization.burn_in or initialization.trained_steps or 0
    if not steps:
        return 0
    places = [1 + (steps.bit_length() - 1 + shift) % (len(DASHES) - 1) for shift in range(len(DASHES) - 1)]
    return next((place for place in places if place not in taken), places[0])


def figure(columns: int, rows: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure with a grid of axes, laid out so that nothing overlaps.

    It is none of pyplot's, which would keep it, and choose a backend for the whole process.
    """
    matplotlib.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    drawn = Figure(figsize=(4.6 * columns + 0.6, 3.4 * rows + 0.5), layout="constrained")
    return drawn, drawn.subplots(rows, columns, squeeze=False, **options)


def band(axes: Axes, x: np.ndarray, per_seed: np.ndarray, look: Look, *, logarithmic: bool = False) -> None:
    """Mean over seeds of `[S, N]` at `x` [N], with its 95 % t-interval as a band, and every seed as a thin line.

    On a logarithmic axis mean and interval are those of the logarithms, as in the tests; values that have none are left
    out.
    """
    middle, low, high = mean_and_interval(per_seed, logarithmic=logarithmic)
    axes.plot(x, middle, markevery=max(len(x) // 8, 1), **look)
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
    by_name = looks(order)
    for place, name in enumerate(order):
        values = rows.get(name, np.array([]))
        if not len(values):
            continue
        if logarithmic and values.min() < NEGLIGIBLE:
            text = "0" if not values.any() else "about 0"
            axes.text(0.015, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
            continue
        middle, low, high = mean_and_interval(values[:, None], logarithmic=logarithmic)
        look = by_name[name]
        if len(values) > 1:
            axes.plot(values, np.full(len(values), place + 0.26), "o", color=look["color"], alpha=0.5, markersize=2.5)
            axes.plot([low[0], high[0]], [place, place], color=look["color"], linewidth=2.2, solid_capstyle="butt")
        axes.plot(middle[0], place, **look | {"markersize": 7})
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
    by_look = looks(list(by_name))
    for index, (name, curve) in enumerate(by_name.items()):
        if curve is None or not np.isfinite(curve[1]).any():
            continue
        x, per_seed = curve
        middle, low, high = mean_and_interval(per_seed, logarithmic=logarithmic)
        look = by_look[name]
        axes.plot(x, middle, label=name, markevery=max(len(x) // 8, 1), **look)
        if len(per_seed) > 1 and np.isfinite(low[-1] + high[-1]):
            place = x[-1] + (0.03 + 0.022 * index) * width
            axes.plot([place, place], [low[-1], high[-1]], color=look["color"], linewidth=2, solid_capstyle="butt")
            axes.plot(place, middle[-1], **look)


def curves_shown(seeds: int, *, logarithmic: bool = False) -> str:
    """What `curves` shows, for a caption."""
    if seeds < 2:
        return "Lines: one seed."
    return f"Lines: {_mean(logarithmic)} of {seeds} seeds; bars at the right: 95 % t-intervals at the end."


def points(axes: Axes, x: np.ndarray, per_seed: np.ndarray, label: str, look: Look, *, logarithmic: bool) -> None:
    """Mean over seeds of `[S, N]` at `x` [N], joined by a line, each with its 95 % t-interval as a bar."""
    middle, low, high = mean_and_interval(per_seed, logarithmic=logarithmic)
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


def small_multiples(
    count: int, *, x_label: str = "", width: float = 2.35, height: float = 1.9
) -> tuple[Figure, list[Axes]]:
    """A figure with so many small panels that share their axes, four in a row at most; the lowest ones are labelled."""
    rows = -(-count // 4)
    columns = -(-count // rows)
    figure_, grid = figure(columns, rows, sharex=True, sharey=True)
    figure_.set_size_inches(width * columns + 0.5, height * rows + 0.7)
    panels = list(grid.flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    for axes in panels[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(x_label)
    return figure_, panels[:count]


def floor_line(axes: Axes, value: float, label: str, colour: str) -> None:
    """A horizontal line at an error floor, named beside its right end, where no curve is.

    A logarithmic axis has no place for a value of zero or less, which is left out there.
    """
    if axes.get_yscale() == "log" and value <= 0:
        return
    axes.axhline(value, color=colour, linewidth=0.9, linestyle=(0, (2, 2)))
    axes.annotate(
        textwrap.fill(label, 24),
        (1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=7,
        color="#555555" if colour == GREY else colour,
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


def save(figure: Figure, path: Path, title: str, caption: str, *, narrow: Figure | None = None) -> Picture:
    """Write a figure under its title, and keep it for pages, which say titles in their own text.

    Args:
        figure: is changed where `narrow` is None.
        path: of the PNG file.
        title: says the finding.
        caption: says what is drawn.
        narrow: the same for narrow pages; by default the figure with its panels below each other.
    """
    wide = write(figure, path, title)
    if narrow is None:
        narrow = figure
        _stack(narrow)
    return Picture(title, caption, png(wide), png(_pixels(narrow, 180)))


def write(figure: Figure, path: Path, title: str) -> np.ndarray:
    """Write a figure under its title, which says the finding; returns what is below the title."""
    below = _pixels(figure, 110)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(np.concatenate([_heading(title, below.shape[1], 110), below])))
    return below


def _pixels(figure: Figure, dpi: int) -> np.ndarray:
    """The figure as RGB `[H, W, 3]`, without powers of ten on its axes."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log" and isinstance(axis.get_major_formatter(), LogFormatter):
                axis.set_major_formatter(_PlainLogFormatter())
                axis.set_minor_formatter(_PlainLogFormatter(labelOnlyBase=False, minor_thresholds=(1, 0.4)))
    return pixels(figure, dpi)


def _heading(title: str, width: int, dpi: int) -> np.ndarray:
    """A title on white as RGB `[H, width, 3]`, in as many lines as it takes."""
    lines = textwrap.wrap(title, int(width / dpi * 10))  # characters that fit beside each other
    strip = Figure(figsize=(width / dpi, 0.2 * len(lines) + 0.08))
    strip.text(0.5, 0.0, "\n".join(lines), fontsize=10.5, fontweight="bold", ha="center", va="bottom")
    return _pixels(strip, dpi)


def _stack(figure: Figure) -> None:
    """Lay a figure out for narrow pages: panels below each other, or two in a row where they are small."""
    panels = [axes for axes in figure.axes if axes.get_visible()]
    specs = {axes: axes.get_subplotspec() for axes in panels}
    first = specs[panels[0]]
    assert first is not None
    old = first.get_gridspec()
    width, height = figure.get_size_inches()
    columns = 2 if len(panels) > 1 and width / old.ncols < 3.0 else 1
    rows = -(-len(panels) // columns)
    _label_alone(panels, specs, columns)
    for axes in figure.axes:
        if axes not in panels:
            axes.remove()
    grid = GridSpec(rows, columns, figure=figure)
    for place, axes in enumerate(panels):
        axes.set_subplotspec(grid[place // columns, place % columns])
        axes.set_title(textwrap.fill(axes.get_title().replace("\n", " "), 46 // columns), fontsize=9)
        axes.set_ylabel(textwrap.fill(axes.get_ylabel(), 34))
    legend_lines = _narrow_legends(figure)
    figure.set_size_inches(NARROW, rows * min(height / old.nrows, 3.0) + 0.19 * legend_lines)


def _label_alone(panels: Sequence[Axes], specs: Mapping[Axes, Any], columns: int) -> None:
    """Label axes that a panel beside them or below them labelled before."""
    by_place = {(spec.rowspan.start, spec.colspan.start): axes for axes, spec in specs.items()}
    in_rows = any(row > 0 for row, _ in by_place)  # panels of a single row have a label each
    for place, axes in enumerate(panels):
        row, column = specs[axes].rowspan.start, specs[axes].colspan.start
        left = by_place.get((row, 0), axes)
        below = by_place[max(key for key in by_place if key[1] == column)]
        axes.set_ylabel(axes.get_ylabel() or left.get_ylabel())
        if columns == 1 or not axes.get_shared_y_axes().joined(axes, left):
            axes.tick_params(labelleft=True)
        else:
            axes.tick_params(labelleft=place % columns == 0)
            axes.set_ylabel(axes.get_ylabel() if place % columns == 0 else "")
        last = place + columns >= len(panels)
        shares = in_rows and not last and axes.get_shared_x_axes().joined(axes, panels[place + columns])
        axes.set_xlabel("" if shares else axes.get_xlabel() or below.get_xlabel())
        axes.tick_params(labelbottom=not shares)


def _narrow_legends(figure: Figure) -> int:
    """Put legends below the figure into as few columns as fit; returns how many lines they have."""
    lines = 0
    for legend in list(figure.legends):
        labels = [text.get_text() for text in legend.get_texts()]
        columns = max(int(54 // (max(map(len, labels), default=1) + 7)), 1)
        title = legend.get_title().get_text()
        handles = [handle for handle in legend.legend_handles if handle is not None]
        legend.remove()
        size = 9 if max(map(len, labels), default=1) < 48 else 7.5
        options: dict[str, Any] = {"loc": "outside lower center", "ncols": columns, "frameon": False, "fontsize": size}
        figure.legend(handles, labels, title=title or None, **options)
        lines += -(-len(labels) // columns) + bool(title)
    return lines
