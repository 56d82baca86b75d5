"""One task at several learning rates: what every initialization reaches at its own best, and what holds at all."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from experiments.burnin_compare.comparison import Comparison, split_by_learning
from experiments.burnin_compare.verdict import contrast_sentence
from experiments.common.report import Table
from experiments.common.statistics import Contrast, Pair, compare_pairs, estimate, pairs_with


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The comparisons of one task by learning rate."""

    task: str
    by_rate: dict[float, Comparison]
    beside: tuple[Pair, ...] = ()
    """What other sweeps of the same report compare: Holm's correction is over these, too."""

    @property
    def first(self) -> Comparison:
        """Any of the comparisons, for what they share."""
        return next(iter(self.by_rate.values()))

    def at_best(self) -> dict[str, dict[int, float]]:
        """Outcomes at each initialization's own best rate, by strategy and seed."""
        rates = {name: self.best_rate(name) for name in self.first.strategies}
        return {name: self.by_rate[rate].outcomes()[name] for name, rate in rates.items() if rate is not None}

    def best_rate(self, strategy: str) -> float | None:
        """The rate with the best mean over seeds (of errors: of their logarithms), among those with the most seeds.

        It is chosen by the outcomes that it is then judged by, for each initialization in the same way, so outcomes at
        the best rate are a little better than they would be on other seeds. Choosing for each seed by the other seeds
        avoids that, but makes the seeds' outcomes depend on each other, which the tests do not bear.
        """
        outcomes = {rate: comparison.outcomes().get(strategy, {}) for rate, comparison in self.by_rate.items()}
        most = max(map(len, outcomes.values()))
        whole = {rate: list(by_seed.values()) for rate, by_seed in outcomes.items() if by_seed and len(by_seed) == most}
        if not whole:
            return None
        if self.first.outcome.higher_is_better:
            return max(whole, key=lambda rate: float(np.mean(whole[rate])))
        tiny = np.finfo(float).tiny
        return min(whole, key=lambda rate: float(np.mean(np.log(np.maximum(whole[rate], tiny)))))

    def contrasts(self) -> tuple[Contrast, ...]:
        """Every other initialization against the reference, each at its own best rate; none where neither has learned.

        Identical initializations get a direction in some 6 % of sweeps at most.
        """
        if self.nothing_learned:
            return ()
        pairs = self.pairs()
        contrasts = compare_pairs([*pairs, *self.beside])
        rates = {name: self.best_rate(name) for name in self.at_best()}
        learned = {name: self.by_rate[rate].learned()[name] for name, rate in rates.items() if rate is not None}
        return split_by_learning(contrasts[: len(pairs)], learned)[0]

    def pairs(self) -> list[Pair]:
        """Every other initialization with the reference; none where that has no finished run."""
        outcomes, reference = self.at_best(), str(self.first.reference)
        if reference not in outcomes:
            return []
        return pairs_with(outcomes, reference, higher_is_better=self.first.outcome.higher_is_better)

    @property
    def nothing_learned(self) -> bool:
        """Whether nothing was learned at any rate."""
        return all(comparison.nothing_learned for comparison in self.by_rate.values())

    def sentences(self) -> list[str]:
        """What holds at each initialization's own best rate, and whether single rates say otherwise."""
        if self.nothing_learned:
            return ["NOTHING LEARNED: at no learning rate is any run shown to be better than its baseline."]
        at_rates = [
            {contrast.strategy: contrast.direction for contrast in comparison.contrasts()}
            for comparison in self.by_rate.values()
        ]
        sentences = []
        for contrast in self.contrasts():
            directions = [by_strategy.get(contrast.strategy) for by_strategy in at_rates]
            counts = [f"{word} at {directions.count(word)}" for word in ("worse", "better") if word in directions]
            single = f"of {len(directions)} single rates {' and '.join(counts)}" if counts else "at no single rate"
            sentence = contrast_sentence(self.first, contrast, margin=False).rstrip(".")
            sentences.append(f"Each at its own best rate, {sentence}; {single}.")
        edges = [
            name for name in self.first.strategies if self.best_rate(name) in (min(self.by_rate), max(self.by_rate))
        ]
        if sentences:
            sentences.append(
                "The best rate of an initialization is the one with the best mean over seeds. It is chosen by the same"
                " outcomes that are compared here, for each initialization in the same way; on other seeds, outcomes at"
                " these rates would on average be a little worse."
            )
        if edges:
            sentences.append(
                f"The best rate of {', '.join(edges)} is at the edge of those tried: others may be better."
            )
        return sentences

    def table(self, strategies: tuple[str, ...]) -> Table:
        """Outcomes by rate, and at the own best rate, one row a strategy."""
        best = self.at_best()
        rows = []
        for name in strategies:
            cells = [comparison.estimate(name, comparison.outcome.metric) for comparison in self.by_rate.values()]
            cells.append(estimate(list(best.get(name, {}).values())))
            rate = self.best_rate(name)
            texts = ["-" if cell is None else str(cell) for cell in cells]
            rows.append([name, *texts, "-" if rate is None else f"{rate:g}"])
        return Table(
            ["initialization", *(f"{rate:g}" for rate in self.by_rate), "own best", "its rate"], rows, MEANINGS
        )

    def as_json(self, strategies: tuple[str, ...]) -> dict[str, Any]:
        """The form that `summary.json` has."""
        best = self.at_best()
        at_best = {name: estimate(list(best.get(name, {}).values())) for name in strategies}
        return {
            "rates": list(self.by_rate),
            "best_rate": {name: self.best_rate(name) for name in strategies},
            "at_best": {name: None if value is None else value.as_json() for name, value in at_best.items()},
            "contrasts": [contrast.as_json() for contrast in self.contrasts()],
        }


MEANINGS = {
    "own best": "The outcome at the learning rate that is best for this initialization.",
    "its rate": "The learning rate that is best for this initialization, by the outcomes shown here.",
}
"""What columns show, by header."""
