"""The content of a comparison's `summary.json`."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.equal_cost import at_equal_cost
from experiments.burnin_compare.memory import memory_results, memory_sentences
from experiments.common.statistics import Estimate, estimate
from experiments.memory_use.results import entry as memory_entry
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import environment_steps

MEASURED = (
    "train_loss",
    "eval_error",
    "episode_return",
    "delta_q_first",
    "delta_q_last",
    "delta_q_first_exact",
    "delta_q_last_exact",
    "staleness",
    "reward_scale",
)
"""Metrics of every strategy."""


def summary(comparison: Comparison) -> dict[str, Any]:
    """The content of `summary.json`, but for the status of the job."""
    settings, learned = comparison.settings, comparison.learned()
    memory = memory_results(comparison)
    return {
        "env": settings.environment.env,
        "objective": settings.objective,
        "sequence_length": settings.replay.sequence_length,
        "period": settings.replay.period,
        "updates": settings.updates,
        "seeds": list(comparison.seeds),
        "strategies": {
            name: _entry(comparison, name, learned.get(name, {})) | memory_entry(memory, name)
            for name in comparison.strategies
        },
        "environment_steps": environment_steps(settings, settings.updates),
        "reference": comparison.reference,
        "contrasts": [contrast.as_json() for contrast in comparison.contrasts()],
        "streams_differ": comparison.streams_differ(),
        "memory": memory_sentences(comparison),
    }


def _entry(comparison: Comparison, name: str, learned: dict[int, bool]) -> dict[str, Any]:
    """What a strategy reached and what it cost."""
    initialization = parse(name)
    entry: dict[str, Any] = {"start": initialization.start, "burn_in": initialization.burn_in}
    entry["trained_steps"] = initialization.trained_steps or comparison.settings.replay.sequence_length
    for metric in (*MEASURED, "fresh_loss", "random_return"):
        entry[metric] = _json(comparison.estimate(name, metric))
    if not initialization.stores_states:
        entry["staleness"] = None
    runs = comparison.of(name).values()
    for key in ("seconds", "update_seconds", "processed_steps"):
        entry[key] = _json(estimate([float(getattr(run, key)) for run in runs]))
    for key, baseline in (("constant_error", "best constant answer"), ("constant_return", "best constant action")):
        reached = [run.baselines.get(baseline, []) for run in runs]
        entry[key] = _json(estimate([float(np.mean(values)) for values in reached if values]))
    costs = at_equal_cost(comparison, name)
    for key in ("processed_steps", "update_seconds"):
        entry[f"at_equal_{key}"] = costs[key].as_json() if key in costs else None
    entry["learned_seeds"] = [seed for seed, better in learned.items() if better] if learned else None
    entry["floor"] = comparison.floors[name]
    return entry


def _json(value: Estimate | None) -> dict[str, object] | None:
    return None if value is None else value.as_json()
