"""Outcomes after a cost that all strategies have paid: as many processed steps, or as many seconds of updates."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from experiments.burnin_compare.comparison import Comparison
from experiments.common.statistics import Estimate, estimate
from r2d2_burnin.data import TrainingResult


@dataclasses.dataclass(frozen=True)
class EqualCost:
    """An outcome after a cost that all strategies have paid."""

    cost: float  # steps, or seconds
    updates: float  # that this strategy makes for it
    measured_update: int  # the last one by then at which the outcome was measured
    outcome: Estimate

    def as_json(self) -> dict[str, Any]:
        """The form that `summary.json` has."""
        costs = {"cost": self.cost, "updates": self.updates, "measured_update": self.measured_update}
        return {**costs, **self.outcome.as_json()}


def at_equal_cost(comparison: Comparison, strategy: str) -> dict[str, EqualCost]:
    """Outcomes where every strategy has processed as many steps, and where its updates have taken as long.

    The cheapest strategy's whole training sets the amount. It is the time of updates without compiling and acting: the
    median of an update's time, in the seed where it is smallest, as other work slows a shared machine down. An outcome
    that was first measured after that is left out.
    """
    costs = {}
    finished = {name: list(comparison.of(name).values()) for name in comparison.strategies if comparison.of(name)}
    for key, cost_of in (("processed_steps", _processed_steps), ("update_seconds", _update_seconds)):
        totals = {name: cost_of(runs, comparison.settings.updates) for name, runs in finished.items()}
        smallest = min(totals.values(), default=0.0)
        if strategy not in totals or smallest <= 0:
            continue
        updates = comparison.settings.updates * smallest / totals[strategy]
        metric = comparison.outcome.metric
        values = comparison.final(strategy, metric, dict.fromkeys(comparison.seeds, updates))
        outcome = estimate(list(values.values()))
        if outcome is not None:
            measured = (m.update for run in finished[strategy] for m in run.measurements if m.metric == metric)
            last = max(update for update in measured if update <= updates)
            costs[key] = EqualCost(smallest, updates, last, outcome)
    return costs


def _processed_steps(runs: Sequence[TrainingResult], updates: int) -> float:
    return sum(run.processed_steps for run in runs) / len(runs)


def _update_seconds(runs: Sequence[TrainingResult], updates: int) -> float:
    return min(run.update_seconds for run in runs) * updates
