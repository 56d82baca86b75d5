"""One task at several learning rates: what every initialization reaches at its own best, and what holds at all."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from experiments.common.comparison import Comparison
from experiments.common.statistics import Contrast, compare_all, estimate
from experiments.common.verdict import contrast_sentence


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The comparisons of one task by learning rate."""

    task: str
    by_rate: dict[float, Comparison]

    @property
    def first(self) -> Comparison:
        """Any of the comparisons, for what they share."""
        return next(iter(self.by_rate.values()))

    def at_best(self) -> dict[str, dict[int, float]]:
        """Outcomes at each initialization's own best rate, by strategy and seed.

        The rate of a seed is the best one by the mean over the other seeds: a rate that is chosen by the outcomes which
        it is then judged by looks better than it is.
        """
        outcomes = {rate: comparison.outcomes() for rate, comparison in self.by_rate.items()}
        found: dict[str, dict[int, float]] = {}
        for name in self.first.strategies:
            by_rate = {rate: by_strategy[name] for rate, by_strategy in outcomes.items() if name in by_strategy}
            common = set.intersection(*(set(by_seed) for by_seed in by_rate.values())) if by_rate else set()
            for seed in sorted(common):
                others = sorted(common - {seed}) or [seed]
                rate = self._best({rate: [by_seed[o] for o in others] for rate, by_seed in by_rate.items()})
                found.setdefault(name, {})[seed] = by_rate[rate][seed]
        return found

    def best_rate(self, strategy: str) -> float | None:
        """The rate with the best mean over all seeds."""
        values = {
            rate: list(comparison.outcomes().get(strategy, {}).values()) for rate, comparison in self.by_rate.items()
        }
        values = {rate: found for rate, found in values.items() if found}
        return self._best(values) if values else None

    def contrasts(self) -> tuple[Contrast, ...]:
        """Every other initialization against the reference, each at its own best rate."""
        outcomes, reference = self.at_best(), str(self.first.reference)
        if reference not in outcomes:
            return ()
        return compare_all(outcomes, reference, higher_is_better=self.first.outcome.higher_is_better)

    def sentences(self) -> list[str]:
        """What holds at each initialization's own best rate, and whether single rates say otherwise."""
        at_rates = [
            {contrast.strategy: contrast.direction for contrast in comparison.contrasts()}
            for comparison in self.by_rate.values()
        ]
        sentences = []
        for contrast in self.contrasts():
            directions = [found.get(contrast.strategy) for found in at_rates]
            same = sum(one is not None and one == contrast.direction for one in directions)
            other = sum(one is not None and one != contrast.direction for one in directions)
            sentence = contrast_sentence(self.first, contrast)
            at_rate = f"at {same} of {len(directions)} single rates the same direction, at {other} another one"
            sentences.append(f"Each at its own best rate, {sentence.rstrip('.')}; {at_rate}.")
        return sentences

    def table(self, strategies: tuple[str, ...]) -> tuple[list[str], list[list[str]]]:
        """Headers and rows: outcomes by rate, and at the own best rate, one row a strategy."""
        best = self.at_best()
        rows = []
        for name in strategies:
            cells = [comparison.estimate(name, comparison.outcome.metric) for comparison in self.by_rate.values()]
            cells.append(estimate(list(best.get(name, {}).values())))
            rate = self.best_rate(name)
            told = ["-" if cell is None else str(cell) for cell in cells]
            rows.append([name, *told, "-" if rate is None else f"{rate:g}"])
        return ["initialization", *(f"{rate:g}" for rate in self.by_rate), "own best", "its rate"], rows

    def as_json(self, strategies: tuple[str, ...]) -> dict[str, Any]:
        """The form that `summary.json` has."""
        best = self.at_best()
        at_best = {name: estimate(list(best.get(name, {}).values())) for name in strategies}
        return {
            "rates": list(self.by_rate),
            "best_rate": {name: self.best_rate(name) for name in strategies},
            "at_best": {name: None if found is None else found.as_json() for name, found in at_best.items()},
            "contrasts": [contrast.as_json() for contrast in self.contrasts()],
        }

    def _best(self, values: dict[float, list[float]]) -> float:
        sign = -1.0 if self.first.outcome.higher_is_better else 1.0
        return min(values, key=lambda rate: sign * float(np.mean(values[rate])))
