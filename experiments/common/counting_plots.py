"""The pictures of the counting studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.common import plots
from experiments.common.counting_studies import KNOWN_ERRORS


def draw(by_seed: list[dict[str, Any]], length: int, epochs: int, out: Path) -> dict[str, str]:
    """Write the pictures of the studies that were made to `out`; returns their captions by file name."""
    trained: list[str] = [study for study in ("last-step", "every-step") if study in by_seed[0]]
    seeds = len(by_seed)
    band = f"Lines: median of {seeds} seeds; bands: 10th to 90th percentile." if seeds > 1 else "One seed."
    captions = {}
    if trained:
        _learning_curves(by_seed, trained, epochs, out / "learning_curves.png")
        _error_at_length(by_seed, trained, length, out / "error_at_length.png")
        captions["learning_curves.png"] = f"Mean squared error while training. {band}"
        captions["error_at_length.png"] = (
            f"Mean squared error of the count after sequences of every length; training length {length} (dotted)."
            f" Crosses: the original code. {band}"
        )
    if "carried-state" in by_seed[0]:
        _split(by_seed, length, out / "carried_state.png")
        captions["carried_state.png"] = (
            f"A sequence of {length} bits is split; the second part starts from the carried state, from a zero state,"
            " or from a state that older parameters computed. This is replay in small: a fragment of an episode has to"
            f" start from some state, and the stored one is stale. {band}"
        )
    return captions


def _band(axes: Axes, x: np.ndarray, values: np.ndarray, label: str, index: int) -> None:
    """Median over seeds of `[S, N]` at `x` [N], with the 10th to 90th percentile as a band."""
    look = plots.style(index)
    axes.plot(x, np.median(values, 0), label=label, markevery=max(len(x) // 8, 1), **look)
    if len(values) > 1:
        low, high = np.percentile(values, [10, 90], axis=0)
        axes.fill_between(x, low, high, color=look["color"], alpha=0.2, linewidth=0)


def _learning_curves(by_seed: list[dict[str, Any]], trained: list[str], epochs: int, path: Path) -> None:
    figure, grid = plots.figure(len(trained), sharey=True)
    finals = []
    for axes, study in zip(grid[0], trained, strict=True):
        for index, kind in ((1, "train"), (0, "validation")):
            values = np.array([one[study]["curves"][kind] for one in by_seed])
            _band(axes, np.arange(1, epochs + 1), values, kind, index)
        finals.append(f"{study} {np.median(values[:, -1]):.2g}")
        axes.set(xlabel="epoch", title=study, yscale="log")
        axes.grid(alpha=0.25)
    grid[0, 0].set_ylabel("mean squared error")
    plots.legend_below(figure, grid[0, 0])
    plots.save(figure, path, f"Both targets are learned: validation error {', '.join(finals)}")


def _error_at_length(by_seed: list[dict[str, Any]], trained: list[str], length: int, path: Path) -> None:
    figure, grid = plots.figure(1)
    axes = grid[0, 0]
    for index, study in enumerate(trained):
        errors = np.array([one[study]["error_at_length"] for one in by_seed])
        _band(axes, np.arange(1, errors.shape[1] + 1), errors, study, index)
        if length == 20:
            known = KNOWN_ERRORS[study]
            axes.plot(list(known), list(known.values()), "x", color=plots.COLOURS[index], markersize=8)
    axes.axvline(length, color="#444444", linestyle=(0, (1, 2)), linewidth=1)
    axes.set(xlabel="sequence length", ylabel="mean squared error", yscale="log")
    axes.grid(alpha=0.25)
    plots.legend_below(figure, axes)
    title = "Trained on the last step alone, it cannot count on the way"
    plots.save(figure, path, title if "last-step" in trained else "Error at every sequence length")


def _cost(by_seed: list[dict[str, Any]]) -> str:
    """Mean error over all places to split, from zero and from the oldest stored state."""
    errors = by_seed[0]["carried-state"]["split_errors"]
    names = ["zero", *[name for name in errors if name.startswith("stored")][:1]]
    means = [np.median([np.mean(one["carried-state"]["split_errors"][name]) for one in by_seed]) for name in names]
    return "; ".join(f"{name}: error {mean:.2g}" for name, mean in zip(names, means, strict=True))


def _split(by_seed: list[dict[str, Any]], length: int, path: Path) -> None:
    figure, grid = plots.figure(1)
    axes = grid[0, 0]
    splits = np.array(by_seed[0]["carried-state"]["split"])
    for index, name in enumerate(by_seed[0]["carried-state"]["split_errors"]):
        if name == "unsplit":
            continue  # equal to the carried one, which the table says
        values = np.array([one["carried-state"]["split_errors"][name] for one in by_seed])
        _band(axes, splits, values, name, index)
    axes.set(xlabel="the sequence is split after this bit", ylabel="mean squared error after the split", yscale="log")
    axes.grid(alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    plots.save(figure, path, f"A zero state loses the count, a stored one ages ({_cost(by_seed)})")
