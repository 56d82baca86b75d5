"""Comparisons with the results that a test wants, as if runs had given them."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.burnin_compare.comparison import Comparison
from r2d2_burnin.data import Measurement, TrainingResult
from r2d2_burnin.settings import EnvironmentSettings, TrainingSettings

REGRESSION = TrainingSettings(objective="regression")
CONTROL = TrainingSettings(EnvironmentSettings("CartPole-v1"), objective="q-learning")


EPISODES = np.linspace(0.98, 1.02, 20)
"""How the outcomes of episodes scatter around their mean."""


def run(metrics: dict[str, float], **more: Any) -> TrainingResult:
    """A run with one measurement of each metric, at its end."""
    fields = {"seconds": 1.0, "longest_start": 60, "streams": "a", "processed_steps": 1000}
    return TrainingResult([Measurement(2000, name, value) for name, value in metrics.items()], **{**fields, **more})


def regression_comparison(
    errors: dict[str, list[float]],
    *,
    fresh: dict[str, float] | None = None,
    constant: float | None = 500.0,
    episodes: np.ndarray = EPISODES,
    **more: Any,
) -> Comparison:
    """A comparison on Count in which initializations reached these errors, seed by seed."""
    seeds = tuple(range(max(map(len, errors.values()))))
    comparison = Comparison(REGRESSION, tuple(errors), seeds)
    for name, values in errors.items():
        for seed, value in enumerate(values):
            metrics = {"train_loss": value, "eval_error": value}
            if fresh is not None:
                metrics |= {"fresh_loss": fresh[name], "fresh_loss_standard_error": 0.7}
            baselines = {} if constant is None else {"best constant answer": (constant * episodes[::-1]).tolist()}
            outcomes = (value * episodes).tolist()
            comparison.runs[name, seed] = run(metrics, outcomes=outcomes, baselines=baselines, **more)
    return comparison


def control_comparison(
    returns: dict[str, list[float]], *, random: float = 0.0, constant: float | None = None
) -> Comparison:
    """A comparison on CartPole in which initializations reached these returns, seed by seed."""
    comparison = Comparison(CONTROL, tuple(returns), tuple(range(max(map(len, returns.values())))))
    for name, values in returns.items():
        for seed, value in enumerate(values):
            baselines = {"random actions": (random + 0.1 * (EPISODES - 1)).tolist()}
            if constant is not None:
                baselines["best constant action"] = (constant + 0.1 * (1 - EPISODES)).tolist()
            outcomes = (value + EPISODES - 1).tolist()
            metrics = {"episode_return": value, "random_return": random}
            comparison.runs[name, seed] = run(metrics, outcomes=outcomes, baselines=baselines, streams=name)
    return comparison
