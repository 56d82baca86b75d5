"""How the cost of an update grows with hidden size, T, batch and the capacity of replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmark.replay import idle_episode
from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Row, measure
from experiments.common.plots import COLOURS, figure, write
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.runtime.tensorflow import use_one_thread
from r2d2_burnin.settings import LearnerSettings, NetworkSettings, ReplaySettings

BASE = {"hidden size": 64, "T": 40, "batch": 64, "capacity": 40_000}
VALUES = {
    "hidden size": (32, 64, 128, 256, 512),
    "T": (20, 40, 80, 160, 320),
    "batch": (16, 32, 64, 128, 256),
    "capacity": (10_000, 40_000, 160_000, 640_000, 2_560_000),
}

POWERS = {"hidden size": 2, "T": 1, "batch": 1, "capacity": 0}
"""How the cost of large sizes grows: the multiplications of a recurrent layer, and nothing that searches replay."""


def scaling(settings: Settings) -> list[Row]:
    """Milliseconds of an update with everything that belongs to it: draw by priority, train, set priorities."""
    use_one_thread()
    costs: dict[str, np.ndarray] = {}
    result = []
    for name, values in VALUES.items():
        candidates = {str(value): update(**{**BASE, name: value}) for value in values}
        seconds = measure(candidates, min(settings.repetitions, 7), calls=3)
        costs[name] = np.array([np.median(seconds[str(value)]) for value in values]) * 1e3
        x = np.log([float(value) for value in values])
        slope = float(np.polyfit(x, np.log(costs[name]), 1)[0])
        work, first, last = f"cost of an update against {name}", values[0], values[-1]
        label = f"{name} {last:,} (slope {slope:.2f} in log-log)"
        ratio = costs[name][0] / costs[name][-1]
        result.append(Row(work, label, costs[name][-1], "ms", f"{name} {first:,}", costs[name][0], ratio))
    draw(costs, settings.out / "scaling.png")
    return result


def update(**sizes: int) -> Callable[[], Any]:
    """An update from a full replay."""
    units, steps, batch, capacity = (sizes[name] for name in BASE)
    network = DenseRecurrentNetwork(1, 1, NetworkSettings(units))
    objective = Regression(2)
    learner = Learner(network, objective, LearnerSettings(), updates=100_000)
    settings = ReplaySettings(steps, steps // 2, capacity, priority_exponent=0.9)
    # Zero initialization stores few states: a large capacity fits into memory.
    replay = Replay(settings, parse("zero"), objective, references=ReferenceSample())
    generator = np.random.default_rng(0)
    length = 1000
    state = np.broadcast_to(np.zeros(units, np.float32), (length, units))
    episode = idle_episode(generator.integers(0, 2, (length, 1)).astype(np.float32), state)
    for _ in range(capacity // length):
        replay.add(episode)

    def draw_and_update() -> None:
        rows = replay.sample(generator, 1, batch)
        outcome = learner.update(replay.batch(rows))
        replay.set_priorities(rows.ravel(), outcome.priorities.ravel())

    return draw_and_update


def draw(curves: dict[str, np.ndarray], path: Path) -> None:
    """The four curves, each with a line of slope 1 through its last point."""
    picture, axes = figure(2, 2)
    picture.set_size_inches(7.27, 6.4)  # 800 pixels wide
    for ax, (name, costs) in zip(axes.flat, curves.items(), strict=True):
        values = np.array(VALUES[name], float)
        ax.loglog(values, costs, "o-", color=COLOURS[1], label="measured")
        power = POWERS[name]
        label = {0: "constant", 1: "proportional", 2: "proportional to its square"}[power]
        ax.loglog(values, costs[-1] * (values / values[-1]) ** power, "--", color=COLOURS[7], label=label)
        ax.set_xlabel({"T": "trained steps T", "capacity": "capacity of replay (steps)"}.get(name, name))
        ax.set_xticks(values, [_short(value) for value in VALUES[name]])
        low, high = min(costs) / 2.5, max(costs) * 2.5
        ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if low < tick < high]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.set_ylabel("ms an update")
        ax.set_ylim(low, high)
        ax.grid(alpha=0.25)
        ax.legend(frameon=False, loc="lower right")
    write(picture, path, "Cost of an update: linear in T and batch, flat in the capacity of replay")


def _short(value: int) -> str:
    """A number of steps that fits below a tick."""
    return f"{value / 1e6:.3g}M" if value >= 1e6 else f"{value / 1e3:g}k" if value >= 1e4 else f"{value}"
