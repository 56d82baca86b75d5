"""How much memory agents use, over seeds: curves, numbers and sentences."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from experiments.common.report import Table
from experiments.common.statistics import Estimate, estimate
from r2d2_burnin.data import MemoryUse
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.objectives import Outcome
from r2d2_burnin.runtime.formatting import number

HOW_TO_READ = (
    "With k steps of memory an output is that of the network unrolled from its initial state over the last k steps and"
    " the current one, and the agent acts by it (Kapturowski et al., ICLR 2019, figure 5). k = 0 is the current"
    " observation alone.",
    "The number stated is the smallest k that is enough: with it, and with every larger number tried, tests show that"
    " less than a margin is lost. Both tests are paired over the same episodes: a t-test, and one that allows for"
    " episodes that were not seen (Gaffke, 2005; of successes and failures it is the exact binomial test).",
    "The number is too small in at most one case of twenty, if no unseen episode loses more than the worst one that was"
    " seen with this memory or the next smaller ones (where none of them fails: more than the agent has learned).",
    "With few episodes the number is too large. The page says how many are needed: without any failure about 60 for a"
    " margin of 5 % and 300 for 1 %, twice as many where an agent acts with a choice of memories.",
    "An agent that was trained from stored states or from whole episodes never started from a zero state in the middle"
    " of an episode. Part of what it loses by a cut may come from that. So the number is how much memory this agent"
    " needs, not how much the task does.",
)
"""What the figures are."""


@dataclasses.dataclass(frozen=True)
class MemoryResults:
    """Measurements by initialization and seed."""

    task: str
    outcome: Outcome
    runs: dict[str, dict[int, MemoryUse]]

    @property
    def measured(self) -> dict[str, dict[int, MemoryUse]]:
        """Those of initializations that have any."""
        return {name: by_seed for name, by_seed in self.runs.items() if by_seed}

    def used(self, name: str) -> list[int]:
        """Steps of memory of each seed in which something was learned."""
        return [run.used for run in self.runs[name].values() if run.used is not None]

    def estimated(self, name: str) -> list[int]:
        """`MemoryUse.estimate` of each seed in which something was learned."""
        return [run.estimate for run in self.runs[name].values() if run.estimate is not None]

    def estimate(self, name: str, value_of: Callable[[MemoryUse], float]) -> Estimate | None:
        """A number of each measurement of an initialization, over seeds; those that have none are left out."""
        values = [value_of(run) for run in self.runs[name].values()]
        return estimate([value for value in values if np.isfinite(value)])

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Memories that were tried in all seeds `[K]`, and the outcomes with them `[S, K]`."""
        by_seed = [dict(zip(run.steps, run.outcomes, strict=True)) for run in self.runs[name].values()]
        steps = sorted(set.intersection(*(set(outcomes) for outcomes in by_seed)))
        return np.array(steps), np.array([[outcomes[k] for k in steps] for outcomes in by_seed])


def summary(results: MemoryResults) -> dict[str, Any]:
    """The content of `summary.json`."""
    return {
        "env": results.task,
        "strategies": {name: entry(results, name) for name in results.runs},
        "findings": sentences(results),
    }


def entry(results: MemoryResults, name: str) -> dict[str, Any]:
    """What `summary.json` says of an initialization: `memory_steps`, their estimate, and the curve behind them.

    `memory_steps` are shown by a test to be enough; `memory_steps_estimate` are `MemoryUse.estimate`.
    """
    shown = estimate([float(used) for used in results.used(name)])
    means = estimate([float(steps) for steps in results.estimated(name)])
    content: dict[str, Any] = {
        "memory_steps": None if shown is None else shown.as_json(),
        "memory_steps_estimate": None if means is None else means.as_json(),
        "memory_curve": None,
    }
    if results.runs[name]:
        memories, outcomes = results.curve(name)
        finite = outcomes[np.isfinite(outcomes).all(1)]
        content["memory_curve"] = {
            "steps": memories.tolist(),
            results.outcome.metric: finite.mean(0).tolist() if len(finite) else None,
            "per_seed": finite.tolist(),
        }
    return content


def finding(results: MemoryResults) -> str:
    """One sentence: the steps of memory that each initialization's agents use."""
    measured = results.measured
    if not measured:
        return f"{results.task}: memory use was not measured"
    used = {name: results.used(name) for name in measured}
    stated = {name: steps for name, steps in used.items() if steps}
    if not stated:
        return f"{results.task}: nothing is shown to have been learned, so no memory use is stated"
    if not any(map(any, stated.values())):
        return f"{results.task}: {_names(stated)} use no memory{_cannot_matter(stated)}"
    texts = [f"{name} {_at_most(results, name)}{_steps(steps)}" for name, steps in stated.items()]
    missing = [name for name in measured if name not in stated]
    nothing = f"; not shown to have learned: {_names(missing)}" if missing else ""
    return f"{results.task}: steps of memory used: {', '.join(texts)}{nothing}"


def sentences(results: MemoryResults) -> list[str]:
    """What can be said of memory, in words."""
    measured = results.measured
    if not measured:
        return []
    lines = []
    used = {name: results.used(name) for name in measured if results.used(name)}
    if used and not any(map(any, used.values())):
        lines.append(
            f"Memory: {_names(used)} use none: the current observation is enough for what these agents"
            f" reach{_cannot_matter(used)}."
        )
    elif used:
        texts = [f"{name} uses {_at_most(results, name)}{_in_words(steps)}" for name, steps in used.items()]
        several = " (median over seeds, and their range)" if any(len(steps) > 1 for steps in used.values()) else ""
        lines.append(f"Memory{several}: {'; '.join(texts)}. {_margin(results)}")
    lines += _unproven(results)
    lines += _ranges(results)
    lines += _worse_again(results)
    lines += _better_with_a_cut(results)
    failed = {
        name: sum(run.used is None for run in by_seed.values())
        for name, by_seed in measured.items()
        if any(run.used is None for run in by_seed.values())
    }
    if failed:
        texts = [f"{name} in {count} of {len(measured[name])} seeds" for name, count in failed.items()]
        lines.append(f"Memory use is not stated where nothing is shown to have been learned: {', '.join(texts)}.")
    return lines


def table(results: MemoryResults) -> Table:
    """Memory used and what it is worth, one row an initialization."""
    columns: dict[str, Callable[[MemoryUse], float]] = {
        f"{results.outcome.name}, uncut": lambda run: run.uncut,
        "with k = 0": lambda run: run.outcomes[0],
        f"{baseline_name(results)} in these episodes": lambda run: run.baseline,
        "margin": lambda run: run.margin if run.learned else math.nan,
    }
    rows = []
    for name, by_seed in results.runs.items():
        steps = results.used(name)
        values = [results.estimate(name, value_of) for value_of in columns.values()]
        episodes = sorted({run.episodes for run in by_seed.values()})
        rows.append(
            [
                name,
                f"{_at_most(results, name)}{_steps(steps)}" if steps else "-",
                *("-" if value is None else str(value) for value in values),
                " to ".join(str(count) for count in dict.fromkeys((episodes[0], episodes[-1]))) if episodes else "-",
            ]
        )
    uncut, without, baseline, margin = columns
    meanings = {
        "steps of memory used": "The smallest number that is shown to be enough, median over seeds, and in brackets"
        " their range.",
        uncut: "With the recurrent state of the whole episode, mean over seeds.",
        without: "With the current observation alone.",
        baseline: "What can be had without having learned anything.",
        margin: "The most that may be lost for a number of steps to count as enough.",
        "episodes": "In which every number of steps was tried, of each seed.",
    }
    return Table(["initialization", "steps of memory used", *columns, "episodes"], rows, meanings)


def _margin(results: MemoryResults) -> str:
    share = f"{100 * results.outcome.margin:.3g}%"
    return (
        f"With that many steps or more, the loss in {results.outcome.name} is shown to be less than {share} of what"
        f" separates the uncut agent from {baseline_name(results)}."
    )


def _cannot_matter(names: Iterable[str]) -> str:
    """What follows where none of these initializations' agents uses memory.

    Those that are never shown the past in training may use none for that reason alone.
    """
    if any(parse(name).sees_the_past for name in names):
        return ", so initializations cannot matter to them here"
    return ", which may be because they were trained without the past: compare with full"


def baseline_name(results: MemoryResults) -> str:
    """What learns nothing."""
    return "random actions" if results.outcome.higher_is_better else "the best constant answer"


def _at_most(results: MemoryResults, name: str) -> str:
    """Said before a number that more episodes could make smaller."""
    return "at most " if any(run.unproven is not None for run in results.runs[name].values()) else ""


def _unproven(results: MemoryResults) -> list[str]:
    """What the episodes were too few to show."""
    texts, needed = [], episodes_needed(results)
    for name, by_seed in results.measured.items():
        runs = [run for run in by_seed.values() if run.unproven is not None]
        if runs:
            steps = _steps([run.unproven for run in runs if run.unproven is not None])
            texts.append(f"{name} with {steps} (in {len(runs)} of {len(by_seed)} seeds)")
    if not texts:
        return []
    return [
        f"Fewer steps may be enough, which these episodes cannot tell: {', '.join(texts)}. About"
        f" {needed} episodes can show it: python -m experiments.memory_use --checkpoint DIR --episodes {needed}."
    ]


def episodes_needed(results: MemoryResults) -> int:
    """About how many episodes can show that fewer steps are enough, in two digits; 0 where none are known to."""
    needed = max((run.needed or 0 for by_seed in results.measured.values() for run in by_seed.values()), default=0)
    unit = int(10 ** max(len(str(needed)) - 2, 0))
    return -(-needed // unit) * unit


def _ranges(results: MemoryResults) -> list[str]:
    """Where memories between the answer and the next smaller one were not tried."""
    coarse = {}
    for name, by_seed in results.measured.items():
        gaps = [
            (run.too_few + 1, run.used)
            for run in by_seed.values()
            if run.used is not None and run.too_few is not None and run.used - run.too_few > 1 and run.unproven is None
        ]
        if gaps:
            coarse[name] = f"{name} (at least {min(low for low, _ in gaps)}, at most {max(high for _, high in gaps)})"
    if not coarse:
        return []
    return [
        f"Not every memory was tried: the steps of {', '.join(coarse.values())} may be fewer. python -m"
        " experiments.memory_use --checkpoint finds the exact number."
    ]


def _worse_again(results: MemoryResults) -> list[str]:
    """Initializations of which, in most seeds, fewer steps are enough but some larger number is not."""
    texts = []
    for name, by_seed in results.measured.items():
        pairs = [(run.alone, run.used) for run in by_seed.values() if run.alone is not None and run.used is not None]
        humps = [alone for alone, used in pairs if alone < used]
        if humps and 2 * len(humps) > len(pairs):
            texts.append(f"{name} with {_steps(humps)} steps (in {len(humps)} of {len(pairs)} seeds)")
    if not texts:
        return []
    return [
        f"Fewer steps are enough, too: {', '.join(texts)}. With some number of steps between these and the one stated"
        " the agent is worse again, by what it carries over from them."
    ]


def _better_with_a_cut(results: MemoryResults) -> list[str]:
    """Initializations whose agents are better with a cut in most seeds in which they learned."""
    lines = []
    for name, by_seed in results.measured.items():
        better = [run for run in by_seed.values() if run.better is not None]
        learned = [run for run in by_seed.values() if run.used is not None]
        if better and 2 * len(better) > len(learned):
            cut = np.mean([run.outcomes[run.steps.index(run.better)] for run in better if run.better is not None])
            uncut = np.mean([run.uncut for run in better])
            steps = _steps([run.better for run in better if run.better is not None])
            lines.append(
                f"{name} is better with its memory cut, in {len(better)} of {len(learned)} seeds:"
                f" {results.outcome.name} {number(float(cut))} with {steps} steps, {number(float(uncut))} uncut. It"
                " goes wrong when it carries its state for longer."
            )
    return lines


def _steps(steps: list[int]) -> str:
    """Median, and range where it is wider."""
    low, high = min(steps), max(steps)
    return f"{np.median(steps):g}" + (f" ({low} to {high})" if low < high else "")


def _in_words(steps: list[int]) -> str:
    if not any(steps):
        return "none"
    return f"{_steps(steps)} {'step' if max(steps) == 1 else 'steps'} of memory"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
