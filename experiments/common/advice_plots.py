"""The picture of a burn-in advice: all of its evidence on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.common import plots


def draw(by_seed: list[dict[str, Any]], tolerance: float, title: str, path: Path) -> str:
    """Write the picture of the advices of all seeds to `path`; returns its caption."""
    figure, grid = plots.figure(2, 2)
    _discrepancies(grid[0, 0], by_seed, tolerance)
    _decay(grid[0, 1], by_seed)
    _losses(grid[1, 0], by_seed)
    _costs(grid[1, 1], by_seed)
    plots.legend_below(figure, grid[0, 0])
    plots.save(figure, path, title)
    seeds = f"Lines: mean over {len(by_seed)} seeds." if len(by_seed) > 1 else "One seed."
    return (
        "Upper left: ΔQ against the exact state by length of burn-in, with the tolerance (dotted) and the burn-in"
        " advised for each seed (triangles). Upper right: distance of the state from the exact one during burn-in from"
        " the zero state, one line a seed. Lower left: loss of the trained steps from the state tried (solid) and from"
        f" the exact state (dotted). Lower right: time of an update. {seeds}"
    )


def _curve(by_seed: list[dict[str, Any]], start: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Burn-ins that all seeds measured `[N]`, and the means of a measure over seeds there `[N]`."""
    measured = [{m["burn_in"]: m[name] for m in one["measures"] if m["start"] == start} for one in by_seed]
    common = sorted(set.intersection(*(set(one) for one in measured)))
    values = [[np.nan if one[k] is None else one[k] for k in common] for one in measured]
    return np.array(common), np.mean(values, 0)


def _discrepancies(axes: Axes, by_seed: list[dict[str, Any]], tolerance: float) -> None:
    index = 0
    for start in ("zero", "stored"):
        for which in ("first", "last"):
            burn_ins, values = _curve(by_seed, start, f"delta_q_{which}")
            visible = np.where(values > 1e-6, values, np.nan)  # identical states differ by rounding alone
            axes.plot(burn_ins, visible, label=f"from {start}, {which} trained step", **plots.style(index))
            index += 1
    axes.axhline(tolerance, color="#444444", linestyle=(0, (1, 2)), linewidth=1)
    for one in by_seed:
        if one["burn_in"] is not None:
            axes.plot(one["burn_in"], tolerance, "v", color="#444444", markersize=8)
    _axes(axes, "ΔQ against the exact state", "How far outputs are off")
    axes.set_yscale("log")


def _decay(axes: Axes, by_seed: list[dict[str, Any]]) -> None:
    for one in by_seed:
        errors = np.array(one["forgetting"]["errors"])
        axes.plot(np.arange(len(errors)), np.where(errors > 0, errors, np.nan), color=plots.COLOURS[4], linewidth=1.2)
    times = [one["forgetting"]["steps"] for one in by_seed]
    told = ", ".join("never" if time is None else f"{time:.3g}" for time in times)
    _axes(axes, "state error (L2)", f"How fast a zero state is forgotten (steps: {told})")
    axes.set_yscale("log")


def _losses(axes: Axes, by_seed: list[dict[str, Any]]) -> None:
    for index, start in ((0, "zero"), (2, "stored")):
        burn_ins, losses = _curve(by_seed, start, "loss")
        _, exact = _curve(by_seed, start, "loss_exact")
        axes.plot(burn_ins, losses, **plots.style(index))
        axes.plot(burn_ins, exact, color=plots.COLOURS[index], linestyle=(0, (1, 2)), linewidth=1)
    _axes(axes, "loss a trained step", "What it costs the loss")
    axes.set_yscale("log")


def _costs(axes: Axes, by_seed: list[dict[str, Any]]) -> None:
    burn_ins = [cost["burn_in"] for cost in by_seed[0]["costs"]]
    milliseconds = np.array([[1e3 * cost["update_seconds"] for cost in one["costs"]] for one in by_seed])
    axes.plot(burn_ins, milliseconds.mean(0), **plots.style(4))
    _axes(axes, "ms an update", "What burn-in costs the learner")
    axes.set_ylim(bottom=0)


def _axes(axes: Axes, label: str, title: str) -> None:
    axes.set_xscale("symlog", base=2, linthresh=1)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="steps of burn-in", ylabel=label)
    axes.set_title(title, fontsize=9)
    axes.grid(alpha=0.25)
