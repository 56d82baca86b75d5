"""The pictures of the counting studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from experiments.common import plots
from experiments.common.report import Picture
from experiments.counting.article_errors import SeedRange, known_errors
from experiments.counting.records import CarriedState, TrainedStudy
from experiments.counting.results import StudyResults
from experiments.counting.studies import MEASURES, StudySettings, best_constant_error
from r2d2_burnin.runtime.formatting import number


def draw(results: StudyResults, out: Path) -> dict[str, Picture]:
    """Write the pictures of the studies that were made to `out`; returns them by name."""
    trained, settings = results.trained, results.settings
    length, seeds = settings.length, len(results.by_seed)
    band = f"Lines: median of {seeds} seeds; bands: 10th to 90th percentile." if seeds > 1 else "One seed."
    ends = f"Lines: median of {seeds} seeds; bars at the right: 10th to 90th percentile." if seeds > 1 else "One seed."
    pictures = {}
    if trained:
        caption = (
            f"Mean squared error while training: last-step at the last step, every-step over all steps; validation on"
            f" {settings.validation} sequences beside the {settings.sequences} training sequences. {band}"
        )
        pictures["learning_curves"] = _learning_curves(trained, settings, out / "learning_curves.png", caption)
        known = any(known_errors(study, settings) for study in trained)
        article = " Thick bars: lowest to highest seed of the article's own code, as in the legend." if known else ""
        caption = (
            f"Mean squared error of the count on fresh sequences of every length; training length {length} (dotted)."
            f"{article} {band}"
        )
        pictures["error_at_length"] = _error_at_length(trained, settings, out / "error_at_length.png", caption)
    if results.carried:
        caption = (
            f"A sequence of {length} bits is split; the second part starts from the carried state, from a zero state,"
            " or from a state that older parameters computed. This is replay in small: a fragment of an episode has to"
            f" start from some state, and the stored one is stale. {ends}"
        )
        pictures["carried_state"] = _split(results.carried, out / "carried_state.png", caption)
    return pictures


def _band(axes: Axes, x: np.ndarray, values: np.ndarray, label: str, index: int) -> None:
    """Median over seeds of `[S, N]` at `x` [N], with the 10th to 90th percentile as a band."""
    look = plots.style(index)
    axes.plot(x, np.median(values, 0), label=label, markevery=max(len(x) // 8, 1), **look)
    if len(values) > 1:
        low, high = np.percentile(values, [10, 90], axis=0)
        axes.fill_between(x, low, high, color=look["color"], alpha=0.2, linewidth=0)


def _unhyphenated(study: str) -> str:
    """A study's name without its hyphen, at which a title could be wrapped."""
    return study.replace("-", " ")


def _learning_curves(
    trained: dict[str, list[TrainedStudy]], settings: StudySettings, path: Path, caption: str
) -> Picture:
    figure, grid = plots.figure(len(trained), sharey=True)
    finals = []
    for axes, (study, by_seed) in zip(grid[0], trained.items(), strict=True):
        for index, kind in ((1, "train"), (0, "validation")):
            values = np.array([getattr(seed.curves, kind) for seed in by_seed])
            _band(axes, np.arange(1, settings.epochs + 1), values, kind, index)
        constant = best_constant_error(study, settings.length)
        axes.axhline(constant, color="#444444", linestyle=(0, (1, 2)), linewidth=1, label="best constant answer")
        finals.append(f"{number(float(np.median(values[:, -1])))} ({_unhyphenated(study)})")
        axes.set(xlabel="epoch", title=study, yscale="log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    grid[0, 0].set_ylabel("mean squared error")
    plots.legend_below(figure, grid[0, 0])
    return plots.save(figure, path, f"Validation error after {settings.epochs} epochs: {', '.join(finals)}", caption)


def _error_at_length(
    trained: dict[str, list[TrainedStudy]], settings: StudySettings, path: Path, caption: str
) -> Picture:
    figure, grid = plots.figure(1)
    figure.set_size_inches(8.2, 5.0)  # ranges are short on a logarithmic axis
    axes, length = grid[0, 0], settings.length
    worst = []
    for index, (study, by_seed) in enumerate(trained.items()):
        errors = np.array([seed.error_at_length for seed in by_seed])
        last = np.array([seed.error_at_last_step for seed in by_seed])
        lengths = np.arange(1, errors.shape[1] + 1)
        _band(axes, lengths, errors, f"{study}, {MEASURES[study]}", index)
        if not np.array_equal(errors, last):
            _band(axes, lengths, last, f"{study}, {MEASURES['last-step']} alone", 4)
        _ranges(axes, known_errors(study, settings), study, plots.COLOURS[index])
        worst.append(f"{number(float(np.median(last[:, :length].max(1))))} ({_unhyphenated(study)})")
    axes.axvline(length, color="#444444", linestyle=(0, (1, 2)), linewidth=1)
    axes.set(xlabel="sequence length (bits)", ylabel="mean squared error", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return plots.save(figure, path, f"Largest error on the way to {length} bits: {', '.join(worst)}", caption)


def _ranges(axes: Axes, known: dict[int, SeedRange], study: str, colour: str) -> None:
    """Vertical bars from the lowest to the highest of the article's seeds, at each known length."""
    if not known:
        return
    low, high = (np.array([getattr(article, end) for article in known.values()]) for end in ("low", "high"))
    label = f"{study}, the article's code ({next(iter(known.values())).seeds} seeds)"
    middle = np.sqrt(low * high)
    axes.errorbar(
        list(known),
        middle,
        [middle - low, high - middle],
        fmt="none",
        color=colour,
        capsize=6,
        capthick=2,
        elinewidth=5,
        zorder=4,
        label=label,
    )


def _cost(by_seed: list[CarriedState]) -> str:
    """Mean error over all places to split, from zero, the oldest stored and the carried state."""
    oldest = [name for name in by_seed[0].split_errors() if name not in ("unsplit", "carried", "zero")][:1]
    names = ["zero", *oldest, "carried"]
    means = [float(np.median([np.mean(study.split_errors()[name]) for study in by_seed])) for name in names]
    texts = [f"from a state {name.removeprefix('stored, ')}" for name in oldest]
    texts = ["from a zero state", *texts, "from the carried one"]
    return ", ".join(f"{number(mean)} {text}" for text, mean in zip(texts, means, strict=True))


def _looks(names: Sequence[str]) -> dict[str, plots.Look]:
    """Looks of the states that a second part starts from: those of the initializations that start so."""
    same = plots.looks(["zero", "full", "stored"])
    older = [name for name in names if name not in ("zero", "carried")]
    stored = {
        name: same["stored"] | {"linestyle": plots.DASHES[i % 5], "marker": "sPX*d"[i % 5]}
        for i, name in enumerate(older)
    }
    return {"zero": same["zero"], "carried": same["full"], **stored}


def _split(by_seed: list[CarriedState], path: Path, caption: str) -> Picture:
    figure, grid = plots.figure(1)
    figure.set_size_inches(7.6, 4.4)
    axes = grid[0, 0]
    splits = np.array(by_seed[0].split)
    names = [name for name in by_seed[0].split_errors() if name != "unsplit"]  # equal to the carried, the table says
    looks = _looks(names)
    for index, name in enumerate(names):
        values = np.array([study.split_errors()[name] for study in by_seed])
        look = looks[name]
        axes.plot(splits, np.median(values, 0), label=name, markevery=max(len(splits) // 8, 1), **look)
        if len(values) > 1:  # bands would hide each other
            place = splits[-1] + (0.02 + 0.018 * index) * np.ptp(splits)
            axes.plot([place, place], np.percentile(values[:, -1], [10, 90]), color=look["color"], linewidth=2.5)
            axes.plot(place, np.median(values[:, -1]), **look)
    axes.set(xlabel="the sequence is split after this bit", ylabel="mean squared error after the split", yscale="log")
    axes.set_xticks(splits[:: max(len(splits) // 9, 1)])
    axes.grid(alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return plots.save(figure, path, f"Mean squared error after a split: {_cost(by_seed)}", caption)
