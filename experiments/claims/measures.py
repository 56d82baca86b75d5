"""What claims are about: quantities of a run, all above zero, of which ratios are taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.equal_cost import at_equal_cost
from experiments.burnin_compare.memory import memory_results
from r2d2_burnin.data import MemoryUse

Values = dict[int, float]
"""A quantity by seed."""

ValuesOf = Callable[[Comparison, str, str], Values]
"""A quantity of an initialization in a comparison, next to that of another one."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """A quantity of runs."""

    unit: str
    """What a ratio is that of: `2 times the ..`."""
    values: ValuesOf
    is_outcome: bool = True
    """Whether claims are about it: it is tested, and says nothing of agents that have learned nothing. Otherwise it is
    measured alone, such as a cost."""


def _error(comparison: Comparison, strategy: str, other: str) -> Values:
    return comparison.outcomes().get(strategy, {})


def _error_at_equal_seconds(comparison: Comparison, strategy: str, other: str) -> Values:
    """The error after as many seconds of updates as the faster one of the two spends in its whole training."""
    both = dataclasses.replace(comparison, strategies=(strategy, other), reference=other)
    equal = at_equal_cost(both, strategy).get("update_seconds")
    if equal is None:
        return {}
    updates = dict.fromkeys(comparison.seeds, equal.updates)
    return comparison.final(strategy, comparison.outcome.metric, updates)


def _metric(name: str) -> ValuesOf:
    return lambda comparison, strategy, other: comparison.final(strategy, name)


def _over_stored(values: ValuesOf) -> ValuesOf:
    """A quantity in relation to that of `stored` in the same comparison and seed."""

    def ratios(comparison: Comparison, strategy: str, other: str) -> Values:
        stored = values(comparison, "stored", other)
        return {seed: v / stored[seed] for seed, v in values(comparison, strategy, other).items() if stored.get(seed)}

    return ratios


DELTA_Q = _metric("delta_q_first_exact")


def _memory(value_of: Callable[[MemoryUse, int], float | None]) -> ValuesOf:
    """A number of the measure of memory, from it and T.

    Seeds in which nothing was learned are left out, and those in which a cut makes the agent better: it suffers from
    what it remembers, which says nothing of what it uses.
    """

    def values(comparison: Comparison, strategy: str, other: str) -> Values:
        runs = memory_results(comparison).runs.get(strategy, {})
        steps = comparison.settings.replay.sequence_length
        found = {
            seed: value_of(run, steps) for seed, run in runs.items() if run.used is not None and run.better is None
        }
        return {seed: value for seed, value in found.items() if value is not None}

    return values


def _loss_by_a_cut(run: MemoryUse, steps: int) -> float | None:
    """The error with the most steps of memory, up to T, that were tried, in relation to the error uncut."""
    tried = [i for i, memory in enumerate(run.steps) if memory <= steps]
    return run.outcomes[tried[-1]] / run.uncut if tried and run.uncut > 0 else None


MEASURES: dict[str, Measure] = {
    "error": Measure("error", _error),
    "error at equal seconds": Measure("error after as many seconds of updates", _error_at_equal_seconds),
    "ΔQ": Measure("ΔQ at the first trained step, against the exact state", DELTA_Q),
    "error over that of stored": Measure("ratio of the error to that of stored states", _over_stored(_error)),
    "ΔQ over that of stored": Measure(
        "ratio of ΔQ at the first trained step to that of stored states", _over_stored(DELTA_Q)
    ),
    "age of states": Measure("age of replayed states, in learner updates", _metric("staleness"), is_outcome=False),
    "memory": Measure(
        "steps of memory used, in seeds in which no cut makes an agent better", _memory(lambda run, steps: run.estimate)
    ),
    "loss by a cut": Measure("error with memory cut to one fragment, over that uncut", _memory(_loss_by_a_cut)),
    "time of an update": Measure(
        "time of an update",
        lambda comparison, strategy, other: {s: run.update_seconds for s, run in comparison.of(strategy).items()},
        is_outcome=False,
    ),
}
"""Measures by name."""
