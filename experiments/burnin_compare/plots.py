"""The pictures of a comparison: what it found, and the courses behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.burnin_compare.comparison import Comparison, profile
from experiments.burnin_compare.verdict import finding
from experiments.common import plots
from experiments.common.report import Picture
from r2d2_burnin.runtime.formatting import NEGLIGIBLE, listed, number

FORGETTING = (
    "Every network is compared with itself, so that a small ΔQ at the last step need not be good: one that was trained"
    " from zero states has not learned to use what came before a fragment, and by the fragment's last step its start"
    " state hardly matters, however large its error. One that remembers carries a wrong start state along."
)
"""Why `zero` may look better than others at the last step."""

OTHERS = {
    "delta_q_last_exact": "last step, against the exact state",
    "delta_q_first": "first step, against the actor's state",
    "delta_q_last": "last step, against the actor's state",
}
"""Titles of the measures of ΔQ that are shown beside that at the first step against the exact state."""


def draw(comparison: Comparison, out: Path) -> dict[str, Picture]:
    """Write the pictures of a comparison to `out`; returns them by name, the answer's picture first."""
    return {
        "outcome": _outcome(comparison, out / "outcome.png"),
        "learning_curves": _learning_curves(comparison, out / "learning_curves.png"),
        "error_by_position": _error_by_position(comparison, out / "error_by_position.png"),
        "delta_q": _delta_q(comparison, out / "delta_q.png"),
        "delta_q_others": _other_delta_q(comparison, out / "delta_q_others.png"),
    }


def delta_q_scale(comparison: Comparison) -> str:
    """What ΔQ is relative to, in words."""
    return comparison.objective.scale_name


def _ends(comparison: Comparison, metric: str) -> dict[str, np.ndarray]:
    """A metric at the end of training, seeds `[S]` by strategy, where it was measured."""
    finals = {name: np.array(list(comparison.final(name, metric).values())) for name in comparison.strategies}
    return {name: values for name, values in finals.items() if len(values)}


def _outcome(comparison: Comparison, path: Path) -> Picture:
    """What is judged, and beside it ΔQ at the first step against the exact state, at the end of training."""
    outcome, order = comparison.outcome, comparison.strategies
    figure, grid = plots.figure(2, sharey=True)
    figure.set_size_inches(8.2, 0.42 * len(order) + 1.9)
    left, right = grid[0]
    reached, logarithmic = _ends(comparison, outcome.metric), not outcome.higher_is_better
    if logarithmic and any((values <= 0).any() for values in reached.values()):
        logarithmic = False
    plots.ends(left, reached, order, logarithmic=logarithmic)
    for index, (name, mean) in enumerate(comparison.baselines().items()):
        label = f"{name}: {number(mean)}"
        left.axvline(mean, color=plots.GREY, linewidth=1.1, linestyle=plots.DASHES[2 + index % 2], label=label)
    left.set_xlabel(f"{outcome.name}, whole fresh episodes")
    plots.ends(right, _ends(comparison, "delta_q_first_exact"), order, logarithmic=True)
    right.set_xlabel("ΔQ at the first step, against the exact state")
    if left.get_legend_handles_labels()[1]:
        plots.legend_below(figure, left)
    seeds = len(comparison.seeds)
    shown = _for_both(
        outcome.name, plots.ends_shown(seeds, logarithmic=logarithmic), "ΔQ", plots.ends_shown(seeds, logarithmic=True)
    )
    baselines = f", with {' and '.join(comparison.baselines())} in grey" if comparison.baselines() else ""
    caption = (
        f"At the end of training: {outcome.name} over whole fresh episodes{baselines}; and ΔQ at the first trained step"
        f" against the exact state. {shown}"
    )
    return plots.save(figure, path, finding(comparison), caption)


def _for_both(first: str, of_first: str, second: str, of_second: str) -> str:
    """What two panels show, for a caption: once where it is the same."""
    return of_first if of_first == of_second else f"Of {first}: {of_first} Of {second}: {of_second}"


def _learning_curves(comparison: Comparison, path: Path) -> Picture:
    figure, grid = plots.figure(2)
    loss_axes, error_axes = grid[0]
    outcome, names = comparison.outcome, comparison.strategies
    plots.curves(loss_axes, {name: comparison.curve(name, "train_loss") for name in names}, logarithmic=True)
    reached = {name: comparison.curve(name, outcome.metric) for name in names}
    plots.curves(error_axes, reached, logarithmic=not outcome.higher_is_better)
    floors: dict[float, list[str]] = {}
    for name in names:
        floor = comparison.floors[name]
        if floor and floor > NEGLIGIBLE and comparison.of(name):
            floors.setdefault(round(floor, 9), []).append(name)
    looks = plots.looks(names)
    for floor, of_floor in floors.items():
        label = f"floor of {', '.join(of_floor)}: {number(floor, digits=4)}"
        plots.floor_line(loss_axes, floor, label, looks[of_floor[0]]["color"])
    loss = comparison.objective.loss_name
    loss_axes.set(xlabel="learner updates", ylabel=f"training loss ({loss})", title="on fragments")
    error_axes.set(xlabel="learner updates", ylabel=outcome.name, title="on whole fresh episodes")
    if outcome.higher_is_better:
        drawn = [curve[1] for curve in reached.values() if curve is not None]
        plots.limit_to_values(error_axes, [*drawn, np.array([*comparison.baselines().values()])])
        _environment_steps(comparison, error_axes)
    _baselines(comparison, error_axes)
    for axes in (loss_axes, error_axes):
        axes.grid(alpha=0.25)
    plots.legend_below(figure, error_axes)
    seeds = len(comparison.seeds)
    logarithmic = plots.curves_shown(seeds, logarithmic=True)
    shown = _for_both(
        "loss", logarithmic, outcome.name, plots.curves_shown(seeds, logarithmic=not outcome.higher_is_better)
    )
    of_floors = ", with error floors (dotted), which no predictor can beat there" if floors else ""
    of_baselines = f", with {' and '.join(comparison.baselines())} in grey" if comparison.baselines() else ""
    caption = (
        f"Over training: the loss on replayed fragments{of_floors}; and {outcome.name} over whole fresh"
        f" episodes{of_baselines}. {shown}"
    )
    return plots.save(figure, path, finding(comparison), caption)


def _environment_steps(comparison: Comparison, axes: Axes) -> None:
    """A second axis, at the top: environment steps beside learner updates."""
    settings = comparison.settings
    slope = settings.new_steps / settings.updates_between
    first = settings.initial_steps - settings.new_steps

    def thousands_of_steps(updates: np.ndarray) -> np.ndarray:
        return (first + slope * updates) / 1e3

    def updates_of(thousands: np.ndarray) -> np.ndarray:
        return (1e3 * thousands - first) / slope

    second = axes.secondary_xaxis("top", functions=(thousands_of_steps, updates_of))  # type: ignore[arg-type]
    second.set_xlabel("environment steps (thousands)")


MOST_STARTS = 15
"""Starts of fragments in an episode beyond which lines for them would hide the curves."""

TOO_CLOSE = 0.12
"""Part of an axis within which two labels would overlap."""


def _baselines(comparison: Comparison, axes: Axes) -> None:
    """What random actions and the best constant answer reach, the same for every strategy; labels side by side."""
    baselines = comparison.baselines()
    low, high = axes.get_ylim()
    close = len(baselines) > 1 and np.ptp(list(baselines.values())) < TOO_CLOSE * (high - low)
    together = "; ".join(f"{name}: {number(mean)}" for name, mean in baselines.items())
    for index, (name, mean) in enumerate(baselines.items()):
        label = f"{name}: {number(mean)}" if not close else "" if index else together
        plots.floor_line(axes, mean, label, plots.GREY)


def _error_by_position(comparison: Comparison, path: Path) -> Picture:
    """A panel a strategy: its error or reward by step of an episode, with the reference's and where fragments start."""
    outcome, logarithmic = comparison.outcome, comparison.outcome.logarithmic
    measured = {name: profile(comparison, name) for name in comparison.strategies}
    profiles = {name: values for name, values in measured.items() if values is not None}
    figure, panels = plots.small_multiples(max(len(profiles), 1), x_label="step of the episode")
    longest = max((values.shape[1] for values in profiles.values()), default=0)
    reference, period = profiles.get(str(comparison.reference)), comparison.settings.replay.period
    looks = plots.looks(comparison.strategies)
    starts = range(period, longest, period) if longest <= (MOST_STARTS + 1) * period else ()
    for axes, (name, values) in zip(panels, profiles.items(), strict=False):
        steps = np.arange(1, values.shape[1] + 1)
        for start in starts:
            axes.axvline(start + 1, color=plots.GREY, linewidth=0.4, alpha=0.6, zorder=0)
        if reference is not None and name != comparison.reference:
            middle, _, _ = plots.mean_and_interval(reference, logarithmic=logarithmic)
            axes.plot(np.arange(1, len(middle) + 1), middle, color=plots.GREY, linewidth=1.2)
        plots.band(axes, steps, values, looks[name], logarithmic=logarithmic)
        axes.set_yscale("log" if logarithmic else "linear")
        floor = comparison.floors[name]
        if floor and floor > NEGLIGIBLE:
            axes.axhline(floor, color=plots.COLOURS[4], linewidth=0.9, linestyle=(0, (2, 2)))
        axes.set_title(name, fontsize=9)
    figure.supylabel("reward" if outcome.higher_is_better else outcome.name, fontsize=9)
    means = {name: values.mean(0) for name, values in profiles.items()}
    title = _profile_finding(means, of_rewards=outcome.higher_is_better)
    what = "Error"
    if outcome.higher_is_better:
        what = "Reward (mean over all episodes; one that has ended earns nothing more)"
    floors = " Dotted: the mean error floor on fragments; it does not bound an error over whole episodes."
    has_floor = any((comparison.floors[name] or 0) > NEGLIGIBLE for name in profiles)
    grey = f"; grey: {comparison.reference}" if reference is not None and len(profiles) > 1 else ""
    starts_shown = " Vertical lines: steps at which fragments start." if starts else ""
    caption = (
        f"{what} at each step of whole fresh episodes, after training{grey}.{starts_shown}"
        f"{floors if has_floor else ''} {plots.bands(len(comparison.seeds), logarithmic=logarithmic)}"
    )
    return plots.save(figure, path, title, caption)


def _profile_finding(profiles: Mapping[str, np.ndarray], *, of_rewards: bool) -> str:
    """What errors or rewards `[L]` by step of an episode say, by strategy."""
    say: Callable[[np.ndarray], str]
    if not of_rewards:
        what, say = "The error is largest at step", _largest
    elif all((rewards >= 0).all() for rewards in profiles.values()):
        what, say = "Half of the reward is earned by step", _half_way
    else:  # where rewards are lost too, half of their sum says nothing
        what, say = "In the second half of an episode a step earns, on average,", _second_half
    by_text: dict[str, list[str]] = {}
    for name, values in profiles.items():
        by_text.setdefault(say(values), []).append(name)
    return f"{what} {', '.join(f'{text} ({listed(names)})' for text, names in by_text.items())}"


def _largest(errors: np.ndarray) -> str:
    """The step of the largest error `[L]`; NaN is a step without a target."""
    return str(int(np.where(np.isnan(errors), -np.inf, errors).argmax()) + 1)


def _second_half(rewards: np.ndarray) -> str:
    """The mean of the second half of rewards `[L]`."""
    return number(float(rewards[len(rewards) // 2 :].mean()))


def _half_way(rewards: np.ndarray) -> str:
    """The step by which half of the rewards `[L]` is earned."""
    total = rewards.sum()
    return str(int((rewards.cumsum() >= total / 2).argmax()) + 1) if total > 0 else "-"


def _delta_q_curves(comparison: Comparison, axes: Axes, metric: str) -> list[float]:
    """Draw one measure of ΔQ over training; returns the largest value of each strategy's seeds."""
    shown = {}
    for name in comparison.strategies:
        curve = comparison.curve(name, metric)
        if curve is not None:  # identical states differ by rounding alone; such values count as equal
            shown[name] = curve[0], np.where(curve[1] > NEGLIGIBLE, curve[1], np.nan)
    plots.curves(axes, {name: shown.get(name) for name in comparison.strategies}, logarithmic=True)
    axes.set_xlabel("learner updates")
    axes.grid(alpha=0.25)
    return [float(np.nanmax(values)) for _, values in shown.values() if np.isfinite(values).any()]


def _limit_delta_q(axes: Axes, largest: list[float]) -> None:
    """Limits that intervals of few seeds, which may reach far beyond all values, do not decide."""
    axes.set_ylim(bottom=max(axes.get_ylim()[0], 1e-4), top=3 * max(largest, default=1.0))


def _delta_q(comparison: Comparison, path: Path) -> Picture:
    figure, grid = plots.figure(1)
    figure.set_size_inches(7.2, 4.2)
    axes = grid[0, 0]
    _limit_delta_q(axes, _delta_q_curves(comparison, axes, "delta_q_first_exact"))
    axes.set_ylabel("ΔQ at the first step, against the exact state")
    if axes.get_legend_handles_labels()[1]:
        plots.legend_below(figure, axes)
    ends = [(name, comparison.estimate(name, "delta_q_first_exact")) for name in comparison.strategies]
    texts = "; ".join(f"{name} {number(end.mean)}" for name, end in ends if end is not None and end.mean > NEGLIGIBLE)
    title = f"ΔQ at the first trained step against the exact state, at the end: {texts or 'none'}"
    caption = (
        "ΔQ at a fragment's first trained step over training: the distance between the outputs from the state tried and"
        f" from the exact state under today's parameters, relative to {delta_q_scale(comparison)}. What is about 0 is"
        f" not drawn. {plots.curves_shown(len(comparison.seeds), logarithmic=True)}"
    )
    return plots.save(figure, path, title, caption)


def _other_delta_q(comparison: Comparison, path: Path) -> Picture:
    figure, panels = plots.small_multiples(len(OTHERS), width=3.0, height=2.7)
    handles: dict[str, Any] = {}
    largest: list[float] = []
    for axes, (metric, title) in zip(panels, OTHERS.items(), strict=True):
        largest += _delta_q_curves(comparison, axes, metric)
        axes.set_title(title, fontsize=9)
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    panels[0].set_ylabel("ΔQ")
    _limit_delta_q(panels[0], largest)
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=8, frameon=False)
    caption = (
        "ΔQ at a fragment's last trained step against the exact state; and at the first and the last step against the"
        f" state that the actor had there, as R2D2 reports it. {FORGETTING} What is about 0 is"
        f" not drawn. {plots.curves_shown(len(comparison.seeds), logarithmic=True)}"
    )
    return plots.save(figure, path, "ΔQ at the last trained step, and against the states that the actor had", caption)
