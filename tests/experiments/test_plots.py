"""Pictures: what does not fit on an axis is left out, without a warning."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from experiments.common import plots


@pytest.mark.parametrize(("scale", "lines"), [("log", 1), ("linear", 3)])
def test_a_logarithmic_axis_has_no_line_at_zero_or_below(scale: str, lines: int, tmp_path: Path) -> None:
    figure, grid = plots.figure(1)
    axes = grid[0, 0]
    axes.plot([1, 2, 3], [0.1, 1.0, 10.0])
    axes.set_yscale(scale)
    for value in (0.0, -1.0, 0.5):
        plots.floor_line(axes, value, f"constant: {value}", 0)
    assert len(axes.texts) == len(axes.lines) - 1 == lines
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.save(figure, tmp_path / "picture.png", "A title")
