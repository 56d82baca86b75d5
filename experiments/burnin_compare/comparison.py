"""A comparison's runs, and what they add up to: estimates, contrasts, what was learned, error floors, leaks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from experiments.burnin_compare.floors import error_floors
from experiments.common.statistics import (
    LEVEL,
    Contrast,
    Estimate,
    Pair,
    compare_pairs,
    episodes_needed,
    estimate,
    holm,
    is_better,
    pairs_with,
)
from r2d2_burnin.data import TrainingResult
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.objectives import Objective, Outcome, objective_class
from r2d2_burnin.settings import TrainingSettings


@dataclasses.dataclass
class Comparison:
    """Finished runs by strategy and seed, of one training setting."""

    settings: TrainingSettings
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: dict[tuple[str, int], TrainingResult] = dataclasses.field(default_factory=dict)
    reference: str | None = None
    """What the others are compared with; by default full, else stored, else the first strategy."""
    preset: str = ""
    """Which preset was taken by itself, and why."""
    beside: tuple[Pair, ...] = ()
    """What else the same report compares: Holm's correction is over these, too."""

    def __post_init__(self) -> None:
        if self.reference is None:
            self.reference = default_reference(self.strategies)

    @property
    def objective(self) -> type[Objective]:
        """What networks are trained on."""
        return objective_class(self.settings.objective)

    @property
    def outcome(self) -> Outcome:
        """What strategies are judged by."""
        return self.objective.outcome

    @functools.cached_property
    def floors(self) -> dict[str, float | None]:
        """Error floors of the strategies' losses on fragments; None where they are not known."""
        return error_floors(self.settings, self.strategies)

    def of(self, strategy: str) -> dict[int, TrainingResult]:
        """The finished runs of one strategy, by seed."""
        return {seed: self.runs[strategy, seed] for seed in self.seeds if (strategy, seed) in self.runs}

    def final(self, strategy: str, metric: str, updates: Mapping[int, float] | None = None) -> dict[int, float]:
        """A metric at the end of training, by seed; with `updates`, at these updates of each seed instead.

        Seeds in which it was not measured by then are left out.
        """
        fewest = self.outcome.evaluations if metric == self.outcome.metric else 1
        values = {
            seed: run.final(metric, fewest=fewest, until=None if updates is None else updates[seed])
            for seed, run in self.of(strategy).items()
        }
        return {seed: value for seed, value in values.items() if value is not None}

    def estimate(self, strategy: str, metric: str) -> Estimate | None:
        """A metric at the end of training, over seeds."""
        return estimate(list(self.final(strategy, metric).values()))

    def outcomes(self) -> dict[str, dict[int, float]]:
        """The outcome of every strategy that has finished runs, by seed."""
        outcomes = {name: self.final(name, self.outcome.metric) for name in self.strategies}
        return {name: by_seed for name, by_seed in outcomes.items() if by_seed}

    def contrasts(self) -> tuple[Contrast, ...]:
        """Every other strategy against the reference, where one of the two has learned something, or may have.

        None while the reference has no finished run. Holm's correction is over all of them, `uncompared` ones too, and
        over those `beside` them.
        """
        return self._contrasts()[0]

    def uncompared(self) -> tuple[Contrast, ...]:
        """The other ones: neither the strategy nor the reference has learned anything."""
        return self._contrasts()[1]

    def _contrasts(self) -> tuple[tuple[Contrast, ...], tuple[Contrast, ...]]:
        pairs = self.pairs()
        return split_by_learning(compare_pairs([*pairs, *self.beside])[: len(pairs)], self.learned())

    def tests_of_the_report(self) -> int:
        """Tests that Holm's correction is over: those of this comparison, and those `beside` them."""
        return sum(contrast.is_tested for contrast in compare_pairs([*self.pairs(), *self.beside]))

    def pairs(self) -> list[Pair]:
        """Every strategy but the reference with the reference; none while that has no finished run."""
        outcomes, reference = self.outcomes(), self.reference
        if reference is None or reference not in outcomes:
            return []
        return pairs_with(outcomes, reference, higher_is_better=self.outcome.higher_is_better)

    def baseline(self, strategy: str) -> dict[int, float]:
        """What a strategy has to beat, by seed: the better of what random actions and constant answers reach."""
        values_of = {seed: self._baseline_of(run) for seed, run in self.of(strategy).items()}
        return {seed: float(np.mean(values)) for seed, values in values_of.items() if values}

    def baselines(self) -> dict[str, float]:
        """Mean over all runs of what each baseline reaches, by its name."""
        values_of: dict[str, list[float]] = {}
        for run in self.runs.values():
            for name, values in run.baselines.items():
                values_of.setdefault(name, []).extend(values)
        return {name: float(np.mean(values)) for name, values in values_of.items() if values}

    def learned(self) -> dict[str, dict[int, bool]]:
        """Whether each run is better than its baseline in its last evaluation's episodes, by strategy and seed.

        One-sided paired tests over episodes, with Holm's correction over all runs. Runs without a baseline, or with too
        few episodes, are left out.
        """
        higher, untestable = self.outcome.higher_is_better, self.untestable()
        p_values = {
            key: is_better(self.runs[key].outcomes, baseline, higher_is_better=higher)
            for key, baseline in self._paired_baselines().items()
            if key not in untestable
        }
        adjusted, _ = holm(p_values)
        return {
            name: {seed: adjusted[name, seed] <= LEVEL for seed in self.of(name) if (name, seed) in adjusted}
            for name in self.strategies
            if self.of(name)
        }

    @property
    def rewards_are_zero(self) -> bool:
        """Whether no run has seen a reward that is not zero, in training or in an evaluation."""
        seen = [any(self.final(name, "reward_scale").values()) for name in self.strategies]
        parts = [part for run in self.runs.values() for part in (run.outcomes, *run.baselines.values())]
        earned = [value for part in parts for value in part]
        return not self.objective.reads_targets and not any(seen) and not any(earned)

    @property
    def nothing_learned(self) -> bool:
        """Whether no run is shown to be better than its baseline, though there is one, and episodes enough to test."""
        runs = [learned for by_seed in self.learned().values() for learned in by_seed.values()]
        return bool(runs) and not any(runs)

    @property
    def episodes_needed(self) -> int:
        """Episodes that a run's last evaluation needs for a test of what it has learned."""
        return episodes_needed(len(self._paired_baselines()))

    def untestable(self) -> dict[tuple[str, int], int]:
        """Runs whose last evaluation has too few episodes to test whether they learned, and how many it has."""
        counts, needed = {key: len(of_run) for key, of_run in self._paired_baselines().items()}, self.episodes_needed
        return {key: count for key, count in counts.items() if count < needed}

    def _paired_baselines(self) -> dict[tuple[str, int], list[float]]:
        """What each run has to beat in each of its last evaluation's episodes; runs without a baseline are left out."""
        baselines = {key: self._baseline_of(run) for key, run in self.runs.items()}
        return {key: values for key, values in baselines.items() if 0 < len(values) == len(self.runs[key].outcomes)}

    @property
    def evaluations(self) -> int:
        """Evaluations of the run that has the fewest."""
        counts = [sum(m.metric == self.outcome.metric for m in run.measurements) for run in self.runs.values()]
        return min(counts, default=0)

    def measured_fragments(self) -> int | None:
        """Distinct fragments of the measurement of ΔQ that had the fewest; None if that was not counted."""
        return min((run.measured_fragments for run in self.runs.values() if run.measured_fragments), default=None)

    def _baseline_of(self, run: TrainingResult) -> list[float]:
        sign = 1 if self.outcome.higher_is_better else -1
        return max(
            run.baselines.values(), key=lambda values: sign * float(np.mean(values)) if values else -np.inf, default=[]
        )

    def streams_differ(self) -> bool | None:
        """Whether strategies saw different observations with the same seed; None where nothing can be compared."""
        checksums = [
            {run.streams for (_, other), run in self.runs.items() if other == seed and run.streams is not None}
            for seed in self.seeds
        ]
        several = [seed for seed in self.seeds if sum(other == seed for _, other in self.runs) > 1]
        return any(len(of_seed) > 1 for of_seed in checksums) if several and all(checksums) else None

    def cannot_differ(self) -> list[str]:
        """Strategies that start every fragment from the exact state: their burn-in reaches every episode's start."""
        names = []
        for name in self.strategies:
            initialization = parse(name)
            burn_in, alone = initialization.burn_in, initialization.trained_steps is not None
            longest = [run.longest_start for run in self.of(name).values()]
            reaches = all(start is not None and burn_in is not None and burn_in >= start for start in longest)
            if longest and reaches and not alone:  # other trained steps are other losses
                names.append(name)
        return names

    def curve(self, strategy: str, metric: str) -> tuple[np.ndarray, np.ndarray] | None:
        """A metric over training: updates `[N]` and values `[S, N]`; None if it was not measured."""
        runs = [[m for m in run.measurements if m.metric == metric] for run in self.of(strategy).values()]
        if not runs or not runs[0]:
            return None
        return np.array([m.update for m in runs[0]]), np.array([[m.value for m in run] for run in runs])

    def rows(self) -> Iterator[tuple[str, int, int, str, float]]:
        """All measurements, as `metrics.csv` has them."""
        for strategy in self.strategies:
            for seed, run in self.of(strategy).items():
                for m in run.measurements:
                    yield strategy, seed, m.update, m.name, m.value


def profile(comparison: Comparison, strategy: str) -> np.ndarray | None:
    """Error or reward of the final evaluation at every step of an episode, `[S, L]`.

    Errors reach as far as the episodes of all seeds, and are NaN at steps without a target; a reward is 0 where all
    episodes of a seed have ended.
    """
    outcome = comparison.outcome
    rows = [_by_step(run, f"{outcome.profile}_at_step") for run in comparison.of(strategy).values()]
    if not any(rows):
        return None
    if outcome.higher_is_better:
        longest = max(map(len, rows))
        return np.array([row + [0.0] * (longest - len(row)) for row in rows])
    shortest = min(map(len, rows))
    return np.array([row[:shortest] for row in rows])


def split_by_learning(
    contrasts: Sequence[Contrast], learned: Mapping[str, Mapping[int, bool]]
) -> tuple[tuple[Contrast, ...], tuple[Contrast, ...]]:
    """Contrasts of which one side has learned something in a seed, or may have, and those of which neither has.

    Args:
        contrasts: to split.
        learned: whether each run learned, by strategy and seed; where that was not tested, a strategy may have.
    """
    failed = {name for name, by_seed in learned.items() if by_seed and not any(by_seed.values())}
    neither = {contrast.strategy for contrast in contrasts if {contrast.strategy, contrast.reference} <= failed}
    return (
        tuple(contrast for contrast in contrasts if contrast.strategy not in neither),
        tuple(contrast for contrast in contrasts if contrast.strategy in neither),
    )


def default_reference(strategies: tuple[str, ...]) -> str:
    """What the others are compared with: full, else stored, else the first; never chosen by its outcome."""
    return next((name for name in ("full", "stored") if name in strategies), strategies[0])


def _by_step(run: TrainingResult, metric: str) -> list[float]:
    """Values of a metric at each step of an episode, `[L]`; NaN at those that were not measured."""
    values = {m.step: m.value for m in run.measurements if m.metric == metric and m.step is not None}
    return [values.get(step, float("nan")) for step in range(max(values, default=-1) + 1)]
