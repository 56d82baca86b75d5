"""A comparison's runs, and what they add up to: metrics, summary, error floors, leaks."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.common.statistics import Estimate, estimate
from r2d2_burnin import environments
from r2d2_burnin.initialization import parse
from r2d2_burnin.measurements import Measurement, TrainingResult
from r2d2_burnin.settings import TrainingSettings

MEASURED = (
    "train_loss",
    "eval_error",
    "episode_return",
    "delta_q_first",
    "delta_q_last",
    "delta_q_first_exact",
    "delta_q_last_exact",
    "staleness",
)

LOSS_NAMES = {"regression": "squared error", "classification": "cross-entropy", "q-learning": "squared TD error"}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What strategies are judged by, over whole fresh episodes."""

    metric: str
    name: str
    unit: str  # what there is more or less of
    higher_is_better: bool = False
    profile: str = "eval_error"  # the metric by step of the episode


OUTCOMES = {
    "regression": Outcome("eval_error", "mean squared error", "error"),
    "classification": Outcome("eval_error", "error rate", "error"),
    "q-learning": Outcome("episode_return", "episode return", "return", higher_is_better=True, profile="reward"),
}


@dataclasses.dataclass
class Comparison:
    """Finished runs by strategy and seed, of one training setting."""

    settings: TrainingSettings
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: dict[tuple[str, int], TrainingResult] = dataclasses.field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """What strategies are judged by."""
        return OUTCOMES[self.settings.objective]

    def of(self, strategy: str) -> dict[int, TrainingResult]:
        """The finished runs of one strategy, by seed."""
        return {seed: self.runs[strategy, seed] for seed in self.seeds if (strategy, seed) in self.runs}

    def final(self, strategy: str, metric: str) -> dict[int, float]:
        """A metric at the end of training, by seed."""
        values = {seed: run.final(metric) for seed, run in self.of(strategy).items()}
        return {seed: value for seed, value in values.items() if value is not None}

    def estimate(self, strategy: str, metric: str) -> Estimate | None:
        """A metric at the end of training, over seeds."""
        return estimate(list(self.final(strategy, metric).values()))

    def curve(self, strategy: str, metric: str) -> tuple[np.ndarray, np.ndarray] | None:
        """A metric over training: updates `[N]` and values `[S, N]`; None if it was not measured."""
        runs = [[m for m in run.measurements if m.metric == metric] for run in self.of(strategy).values()]
        if not runs or not runs[0]:
            return None
        return np.array([m.update for m in runs[0]]), np.array([[m.value for m in run] for run in runs])

    def profile(self, strategy: str) -> np.ndarray | None:
        """Error or reward of the final evaluation at every step of an episode, `[S, L]`.

        Errors reach as far as the episodes of all seeds, and are NaN at steps without a target; a reward is 0 where
        all episodes of a seed have ended.
        """
        rows = [_by_position(run, f"{self.outcome.profile}_at_step_") for run in self.of(strategy).values()]
        if not any(rows):
            return None
        if self.outcome.higher_is_better:
            longest = max(map(len, rows))
            return np.array([row + [0.0] * (longest - len(row)) for row in rows])
        shortest = min(map(len, rows))
        return np.array([row[:shortest] for row in rows])

    def rows(self) -> Iterator[tuple[str, int, int, str, float]]:
        """All measurements, as `metrics.csv` has them."""
        for strategy in self.strategies:
            for seed, run in self.of(strategy).items():
                for m in run.measurements:
                    yield strategy, seed, m.update, m.metric, m.value


def content_of(result: TrainingResult) -> dict[str, Any]:
    """A finished run as its file has it."""
    return {**dataclasses.asdict(result), "measurements": [dataclasses.astuple(m) for m in result.measurements]}


def result_of(content: dict[str, Any]) -> TrainingResult:
    """A finished run from its file's content."""
    return TrainingResult(**{**content, "measurements": [Measurement(*row) for row in content["measurements"]]})


def _by_position(run: TrainingResult, prefix: str) -> list[float]:
    """Values of the metrics that a prefix and a position name, by position; NaN at those that were not measured."""
    found = {int(m.metric.removeprefix(prefix)): m.value for m in run.measurements if m.metric.startswith(prefix)}
    return [found.get(position, float("nan")) for position in range(max(found, default=-1) + 1)]


def error_floor(settings: TrainingSettings, strategy: str) -> float | None:
    """The environment's error floor for a strategy's training loss; None where the environment does not know one."""
    initialization = parse(strategy)
    env = environments.make(settings.environment).unwrapped
    floor_of = getattr(env, "error_floor", None)
    if floor_of is None or settings.environment.wrappers or settings.objective == "q-learning":
        return None
    try:
        return float(
            floor_of(
                "stored" if initialization.start == "refreshed" else initialization.start,
                sys.maxsize if initialization.burn_in is None else initialization.burn_in,
                sequence_length=settings.replay.sequence_length,
                period=settings.replay.period,
                loss=LOSS_NAMES[settings.objective],
            )
        )
    except ValueError:  # trained on another loss than the environment knows floors for
        return None


def summary(comparison: Comparison) -> dict[str, Any]:
    """The content of `summary.json`."""
    settings = comparison.settings
    strategies = {}
    for name in comparison.strategies:
        initialization = parse(name)
        entry: dict[str, Any] = {"start": initialization.start, "burn_in": initialization.burn_in}
        for metric in MEASURED:
            found = comparison.estimate(name, metric)
            entry[metric] = None if found is None else found.as_json()
        if initialization.start not in ("stored", "refreshed"):
            entry["staleness"] = None
        seconds = estimate([run.seconds for run in comparison.of(name).values()])
        entry["seconds"] = None if seconds is None else seconds.as_json()
        entry["floor"] = error_floor(settings, name)
        strategies[name] = entry
    return {
        "env": settings.environment.env,
        "objective": settings.objective,
        "sequence_length": settings.replay.sequence_length,
        "period": settings.replay.period,
        "updates": settings.updates,
        "seeds": list(comparison.seeds),
        "strategies": strategies,
    }


def leaks(comparison: Comparison) -> list[str]:
    """Strategies whose loss is below their error floor by more than sampling error: a leak in our code.

    The loss is the one on fresh fragments, never trained on, for which the floor holds; four standard errors of it
    (over episodes and seeds) make a leak.
    """
    found = []
    for name in comparison.strategies:
        floor = error_floor(comparison.settings, name)
        losses = list(comparison.final(name, "fresh_loss").values())
        if not floor or not losses:
            continue
        errors = list(comparison.final(name, "fresh_loss_standard_error").values())
        loss, error = float(np.mean(losses)), float(np.sqrt(np.sum(np.square(errors)))) / len(errors)
        if loss < floor - 4 * error:
            found.append(
                f"LEAK: {name} reached a loss of {loss:.4g} on fresh fragments, below its error floor of {floor:.4g} by"
                f" more than sampling error ({error:.2g}). No predictor can do that: our code shows it what it must not"
                " see. Please report this."
            )
    return found
