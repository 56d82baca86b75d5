"""The three pictures of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.verdict import finding
from experiments.common import plots

TOO_CLOSE = 0.12
"""Part of an axis within which two labels would overlap."""


def draw(comparison: Comparison, out: Path) -> dict[str, str]:
    """Write the pictures of a comparison to `out`; returns their captions by file name."""
    _learning_curves(comparison, out / "learning_curves.png")
    _error_by_position(comparison, out / "error_by_position.png")
    _delta_q(comparison, out / "delta_q.png")
    seeds, higher = len(comparison.seeds), comparison.outcome.higher_is_better
    logarithmic = plots.bands(seeds, logarithmic=True)
    of_loss = f"{logarithmic} Right: {plots.bands(seeds)}" if higher else logarithmic
    position = "Error"
    if comparison.outcome.higher_is_better:
        position = "Reward (mean over all episodes; one that has ended earns nothing more)"
    return {
        "learning_curves.png": "Left: training loss on replayed fragments, with the error floors (dotted, if there are"
        " any) that no predictor can beat there from what its initialization shows it. Right:"
        f" {comparison.outcome.name} over whole fresh episodes, which these floors do not bound, with"
        f" what random actions and constant answers reach (dotted). {of_loss}",
        "error_by_position.png": f"{position} at each step of whole fresh episodes, after training."
        f" {plots.bands(seeds, logarithmic=_logarithmic_profile(comparison))}",
        "delta_q.png": f"ΔQ: distance between the outputs from the state tried and from a reference state, relative to"
        f" {delta_q_scale(comparison)}, at a fragment's first and last trained step. Upper row: against the state that"
        " the actor had there (as R2D2 reports it); lower row: against the exact state under today's parameters."
        f" Values below 1e-6, which are rounding, are not drawn. {logarithmic}",
    }


def delta_q_scale(comparison: Comparison) -> str:
    """What ΔQ is relative to, in words."""
    return comparison.objective.scale_name


def _learning_curves(comparison: Comparison, path: Path) -> None:
    figure, grid = plots.figure(2)
    loss_axes, error_axes = grid[0]
    returns = []
    outcome = comparison.outcome
    floors: dict[float, list[int]] = {}
    for index, name in enumerate(comparison.strategies):
        for axes, metric in ((loss_axes, "train_loss"), (error_axes, comparison.outcome.metric)):
            curve = comparison.curve(name, metric)
            if curve is not None:
                plots.band(axes, *curve, name, index, logarithmic=axes is loss_axes or not outcome.higher_is_better)
                if axes is error_axes:
                    returns.append(curve[1])
        floor = comparison.floors[name]
        if floor and floor > 1e-9 and comparison.of(name):
            floors.setdefault(round(floor, 9), []).append(index)
    for floor, indices in floors.items():
        names = ", ".join(comparison.strategies[i] for i in indices)
        plots.floor_line(loss_axes, floor, f"floor of {names}: {floor:.4g}", indices[0])
    loss = comparison.objective.loss_name
    loss_axes.set(xlabel="learner updates", ylabel=f"training loss ({loss})", title="on fragments", yscale="log")
    error_axes.set(xlabel="learner updates", ylabel=outcome.name, title="on whole fresh episodes")
    if outcome.higher_is_better:
        plots.limit_to_values(error_axes, [*returns, np.array([*comparison.baselines().values()])])
        _environment_steps(comparison, error_axes)
    else:
        error_axes.set_yscale("log")
    _baselines(comparison, error_axes)
    for axes in (loss_axes, error_axes):
        axes.grid(alpha=0.25)
    plots.legend_below(figure, error_axes)
    plots.save(figure, path, finding(comparison))


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


def _baselines(comparison: Comparison, axes: Axes) -> None:
    """What random actions and the best constant answer reach, the same for every strategy; labels side by side."""
    baselines = comparison.baselines()
    low, high = axes.get_ylim()
    close = len(baselines) > 1 and np.ptp(list(baselines.values())) < TOO_CLOSE * (high - low)
    together = "; ".join(f"{name}: {mean:.3g}" for name, mean in baselines.items())
    for index, (name, mean) in enumerate(baselines.items()):
        label = f"{name}: {mean:.3g}" if not close else "" if index else together
        plots.floor_line(axes, mean, label, len(plots.COLOURS) - 1)


def _error_by_position(comparison: Comparison, path: Path) -> None:
    figure, grid = plots.figure(1)
    axes = grid[0, 0]
    outcome = comparison.outcome
    profiles: dict[str, np.ndarray] = {}
    for index, name in enumerate(comparison.strategies):
        values = comparison.profile(name)
        if values is not None:
            profiles[name] = values.mean(0)
            steps = np.arange(1, values.shape[1] + 1)
            plots.band(axes, steps, values, name, index, logarithmic=_logarithmic_profile(comparison))
    axes.set_yscale("log" if _logarithmic_profile(comparison) else "linear")
    axes.set(xlabel="step of the episode", ylabel="reward" if outcome.higher_is_better else outcome.name)
    axes.grid(alpha=0.25)
    plots.legend_below(figure, axes, columns=4)
    plots.save(figure, path, _profile_finding(profiles, of_rewards=outcome.higher_is_better))


def _profile_finding(profiles: dict[str, np.ndarray], *, of_rewards: bool) -> str:
    """What errors or rewards `[L]` by step of an episode say, by strategy."""
    say: Callable[[np.ndarray], str]
    if not of_rewards:
        what, say = "Step of the largest error", _largest
    elif all((rewards >= 0).all() for rewards in profiles.values()):
        what, say = "Step by which half of the reward is earned", _half_way
    else:  # where rewards are lost too, half of their sum says nothing
        what, say = "Mean reward of a step in the second half of the episode", _second_half
    return f"{what}: {'; '.join(f'{name} {say(values)}' for name, values in profiles.items())}"


def _largest(errors: np.ndarray) -> str:
    """The step of the largest error `[L]`; NaN is a step without a target."""
    return str(int(np.where(np.isnan(errors), -np.inf, errors).argmax()) + 1)


def _second_half(rewards: np.ndarray) -> str:
    """The mean of the second half of rewards `[L]`."""
    return f"{rewards[len(rewards) // 2 :].mean():.2g}"


def _logarithmic_profile(comparison: Comparison) -> bool:
    return comparison.outcome.logarithmic


def _half_way(rewards: np.ndarray) -> str:
    """The step by which half of the rewards `[L]` is earned."""
    total = rewards.sum()
    return str(int((rewards.cumsum() >= total / 2).argmax()) + 1) if total > 0 else "never"


def _delta_q(comparison: Comparison, path: Path) -> None:
    figure, grid = plots.figure(2, 2, sharex=True, sharey=True)
    panels = {
        "delta_q_first": (grid[0, 0], "first trained step, against stored state"),
        "delta_q_last": (grid[0, 1], "last trained step, against stored state"),
        "delta_q_first_exact": (grid[1, 0], "first trained step, against exact state"),
        "delta_q_last_exact": (grid[1, 1], "last trained step, against exact state"),
    }
    shown: list[float] = []
    for metric, (axes, title) in panels.items():
        for index, name in enumerate(comparison.strategies):
            curve = comparison.curve(name, metric)
            if curve is not None:
                updates, values = curve
                # Identical states differ by rounding alone; below this they count as equal.
                visible = np.where(values > 1e-6, values, np.nan)
                plots.band(axes, updates, visible, name, index, logarithmic=True)
                if np.isfinite(visible).any():
                    shown.append(float(np.nanmax(visible)))
        axes.set_yscale("log")
        axes.set_title(title, fontsize=9)
        axes.grid(alpha=0.25)
    for axes in grid[1]:
        axes.set_xlabel("learner updates")
    for axes in grid[:, 0]:
        axes.set_ylabel("ΔQ")
    plots.legend_below(figure, grid[0, 0])
    largest = max(shown, default=1.0)  # of single seeds: bands of few seeds may reach far beyond
    grid[0, 0].set_ylim(bottom=max(grid[0, 0].get_ylim()[0], 1e-4), top=3 * largest)
    ends = [(name, comparison.estimate(name, "delta_q_first_exact")) for name in comparison.strategies]
    texts = "; ".join(f"{name} {end.mean:.2g}" for name, end in ends if end is not None and end.mean > 1e-6)
    plots.save(figure, path, f"ΔQ at the first trained step against the exact state, at the end: {texts or 'none'}")
