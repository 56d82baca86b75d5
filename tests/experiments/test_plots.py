"""Pictures: looks that belong to initializations, layouts, and axes on which not everything fits."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.common import plots
from r2d2_burnin.initialization import Stored
from r2d2_burnin.runtime import pictures


@pytest.mark.parametrize(("scale", "lines"), [("log", 1), ("linear", 3)])
def test_a_logarithmic_axis_has_no_line_at_zero_or_below(scale: str, lines: int, tmp_path: Path) -> None:
    figure, grid = plots.figure(1)
    axes = grid[0, 0]
    axes.plot([1, 2, 3], [0.1, 1.0, 10.0])
    axes.set_yscale(scale)
    for value in (0.0, -1.0, 0.5):
        plots.floor_line(axes, value, f"constant: {value}", plots.GREY)
    assert len(axes.texts) == len(axes.lines) - 1 == lines
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.save(figure, tmp_path / "picture.png", "A title", "A caption")


class Own(Stored):
    """A user's initialization."""


OWN = f"{__name__}:Own"


def test_a_look_belongs_to_its_initialization() -> None:
    names = ["zero", "stored", "refreshed", "learned", "full"]
    alone = plots.looks(names)
    among = plots.looks(["full", "stored+40", "stored+20", OWN, "zero+20", "zero@40", "stored", "zero", "zero+21"])
    assert all(among[name] == alone[name] for name in set(among) & set(alone))
    assert plots.looks(["stored+20"])["stored+20"] == among["stored+20"]
    for of in ("color", "marker"):
        assert len({look[of] for look in alone.values()}) == len(names), of
        assert among["zero"][of] == among["zero+20"][of] == among["zero@40"][of] != among["stored+20"][of]
        assert among[OWN][of] not in [look[of] for look in alone.values()], of
    # In grey print, too, no two are the same.
    shown = [(look["marker"], look["linestyle"], look["markerfacecolor"], look["fillstyle"]) for look in among.values()]
    assert len(set(map(str, shown))) == len(among)
    assert among["zero+20"]["markerfacecolor"] == "white" != among["zero"]["markerfacecolor"]


def test_narrow_pictures_stack_panels_and_say_what_the_first_ones_said(tmp_path: Path) -> None:
    figure, grid = plots.figure(3, sharex=True, sharey=True)
    for axes, name in zip(grid[0], "abc", strict=True):
        axes.plot([1, 2], [1, 2], label=name * 20)
        axes.set(title=name, xlabel="steps")
    grid[0, 0].set_ylabel("error")
    plots.legend_below(figure, grid[0, 0])
    picture = plots.save(figure, tmp_path / "picture.png", "A title " * 20, "A caption")
    file, wide, narrow = (plt.imread(io.BytesIO(png)) for png in (_bytes(tmp_path), picture.wide, picture.narrow))
    assert np.abs(file[-len(wide) :] - wide).mean() < 1e-3  # of 1; shades along edges are rounded for each
    assert len(file) > len(wide)
    assert narrow.shape[0] > narrow.shape[1] < wide.shape[1]
    assert [axes.get_ylabel() for axes in figure.axes] == ["error"] * 3
    tops = [axes.get_position().y1 for axes in figure.axes]
    assert tops == sorted(tops, reverse=True)
    assert len(set(tops)) == 3


def _bytes(directory: Path) -> bytes:
    return (directory / "picture.png").read_bytes()


def test_pngs_keep_colours_of_areas_and_lines_and_round_those_of_edges() -> None:
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    for height, colour in enumerate(plots.COLOURS):
        axes.plot([0, 1], [height, height + 1], color=colour)
        axes.axhspan(height, height + 0.3, color=colour, alpha=0.15)
    rgb = pictures.pixels(figure, 110)
    after = np.round(255 * plt.imread(io.BytesIO(pictures.png(rgb)))[..., :3]).astype(int)
    colours, counts = np.unique(rgb.reshape(-1, 3), axis=0, return_counts=True)
    assert len(colours) > 256
    frequent = counts > 200
    assert frequent.sum() > 10
    assert {tuple(colour) for colour in colours[frequent]} <= {tuple(colour) for colour in after.reshape(-1, 3)}
    assert np.abs(after - rgb).mean() < 0.5
