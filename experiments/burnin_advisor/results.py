"""The advice of all seeds, the verdict over them, and the content of `summary.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from experiments.burnin_advisor.settings import Settings
from experiments.common.results import to_json, without_nan
from r2d2_burnin.diagnostics.burn_in_measures import Advice, BurnInMeasures


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a burn-in costs."""

    burn_in: int  # steps
    update_seconds: float  # median time of an update
    burn_in_bytes: int  # of a fragment in a batch
    state_bytes: int  # of a stored state


@dataclasses.dataclass(frozen=True)
class SeedAdvice:
    """The advice of one seed, as it is kept in `runs/`."""

    advice: Advice
    stored_age: int | None  # of the parameters of stored states, in learner updates; None: not known
    staleness: float | None  # mean staleness in training, in learner updates; None: nothing was trained
    costs: list[Cost]

    def measures(self, start: Literal["zero", "stored"]) -> dict[int, BurnInMeasures]:
        """What each burn-in from one kind of start state does, by its steps."""
        return {m.burn_in: m for m in self.advice.measures if m.start == start}

    def as_json(self) -> dict[str, Any]:
        """The form that `summary.json` has."""
        content = to_json(self)
        advice = content.pop("advice")
        return dict(without_nan({**advice, "sentence": self.advice.sentence, **content}))


def burn_ins_of_all(seeds: Sequence[SeedAdvice], start: Literal["zero", "stored"]) -> list[int]:
    """Burn-ins from one kind of start state that all seeds measured, from the shortest, in steps."""
    return sorted(set.intersection(*(set(seed.measures(start)) for seed in seeds)))


@dataclasses.dataclass(frozen=True)
class AdviceResults:
    """The advice of the seeds that have finished."""

    settings: Settings
    by_seed: dict[int, SeedAdvice]

    @property
    def overall(self) -> Overall:
        """The verdict over the seeds that have finished, of which there is one at least."""
        return overall([seed.advice for seed in self.by_seed.values()], recorded=bool(self.settings.files))


@dataclasses.dataclass(frozen=True)
class Overall:
    """The verdict over seeds."""

    verdict: str
    burn_in: int | None  # good enough for every seed; None where there is none
    burn_in_by_seed: list[int | None]
    sentence: str


def overall(advice: list[Advice], *, recorded: bool = False) -> Overall:
    """A burn-in that is good enough for every seed, or none up to the longest that failed.

    Args:
        advice: of each seed; of `recorded` episodes, which have no seed, one.
        recorded: whether the episodes were read from files.
    """
    burn_ins = [seed.burn_in for seed in advice]
    failed = [seed.longest for seed in advice if seed.burn_in is None]
    seeds = "the only seed" if len(advice) == 1 else f"all {len(advice)} seeds"
    seeds = "the recorded episodes" if recorded else seeds
    if failed:
        # A seed for which nothing up to its longest burn-in is enough rules these out for all seeds together.
        verdict = f"none up to {max(failed)} steps"
        return Overall(
            verdict, None, burn_ins, f"No burn-in from the zero state is shown to be enough for {seeds}: {verdict}"
        )
    if burn_in := max(k for k in burn_ins if k is not None):
        sentence = f"A burn-in of {burn_in} steps from the zero state suffices for {seeds}"
        return Overall("burn-in suffices", burn_in, burn_ins, sentence)
    sentence = f"The zero state is enough for {seeds}, without burn-in"
    return Overall("zero state is enough", 0, burn_ins, sentence)


def summary(results: AdviceResults) -> dict[str, Any]:
    """The content of `summary.json`."""
    settings, by_seed = results.settings, results.by_seed
    total = to_json(results.overall) if by_seed else {}
    return {
        "env": None if settings.files else settings.training.environment.env,
        "objective": None if settings.files else settings.training.objective,
        "tolerance": settings.tolerance,
        **total,
        "seeds": {str(seed): content.as_json() for seed, content in by_seed.items()},
    }
