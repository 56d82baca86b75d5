"""What a fault of a replay is to the audit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from r2d2_burnin.diagnostics.audit.deciding import Outcome
from r2d2_burnin.diagnostics.audit.evidence import OutputEvidence
from r2d2_burnin.diagnostics.audit.facts import STATES_NEED, Facts
from r2d2_burnin.diagnostics.audit.hypotheses import Hypothesis
from r2d2_burnin.diagnostics.audit.result import Verdict


class Fault(Protocol):
    """A way in which a replay can be wrong."""

    @property
    def name(self) -> str:
        """The key of its verdict."""

    def hypotheses(self, facts: Facts) -> Sequence[Hypothesis]:
        """What stored states may be if it holds; all hypotheses are tried together. None for other faults."""

    def verdict(self, facts: Facts) -> Verdict:
        """Whether it was found."""


@dataclasses.dataclass(frozen=True)
class StateFault:
    """A fault that is nothing but hypotheses about stored states."""

    name: str
    title: str
    make: Callable[[Facts], Sequence[Hypothesis]]
    needs: str = STATES_NEED

    def hypotheses(self, facts: Facts) -> Sequence[Hypothesis]:
        """What stored states may be."""
        return self.make(facts)

    def verdict(self, facts: Facts) -> Verdict:
        """What the evidence says."""
        return state_verdict(facts, self.name, self.title, self.needs)


@dataclasses.dataclass(frozen=True)
class DirectFault:
    """A fault that the arrays show by themselves, or that has evidence of its own."""

    name: str
    title: str
    find: Callable[[Facts, str, str], Verdict]

    def hypotheses(self, facts: Facts) -> Sequence[Hypothesis]:
        """None."""
        return ()

    def verdict(self, facts: Facts) -> Verdict:
        """What `find` says."""
        return self.find(facts, self.name, self.title)


def state_verdict(facts: Facts, fault: str, title: str, needs: str = STATES_NEED) -> Verdict:
    """The verdict on a fault that is nothing but hypotheses."""
    outcomes = facts.outcomes(fault)
    found = [outcome for outcome in outcomes if outcome.status == "found"]
    if found:
        rows = np.unique(np.concatenate([outcome.rows for outcome in found]))
        going_on = np.intersect1d(rows, facts.going_on)
        covered = max(outcome.tested for outcome in found)
        of = None
        if len(going_on) and covered < len(facts.going_on) and not _tried_on_all(facts, found):
            of = len(rows) + round(len(going_on) / covered * (len(facts.going_on) - covered))
        return facts.found(fault, title, rows, found[0].reason, of=of, looked_at=_looked_at(facts, found))
    by_detail: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_detail.setdefault(outcome.hypothesis.detail, []).append(outcome)
    open_ = [each for each in by_detail.values() if all(outcome.status == "undecided" for outcome in each)]
    if not outcomes:
        return facts.undecided(fault, title, "There is nothing to compare the stored states with.", needs)
    if open_:
        reason = max((outcome for outcome in open_[0]), key=lambda outcome: outcome.tested).reason
        return facts.undecided(fault, title, reason, facts.more(needs))
    reason = next(outcome.reason for outcome in outcomes if outcome.status == "ruled out")
    return facts.ruled_out(fault, title, reason)


def _tried_on_all(facts: Facts, found: Sequence[Outcome]) -> bool:
    """Whether evidence that covers every sequence has found them, but those too short for it."""
    return any(
        judgement.evidence.name == OutputEvidence.name and outcome in judgement.outcomes
        for judgement in facts.judgements
        for outcome in found
    )


def _looked_at(facts: Facts, outcomes: Sequence[Outcome]) -> np.ndarray:
    """Sequences that the evidence of some outcomes covers."""
    covering = [j.evidence.rows for j in facts.judgements if any(outcome in j.outcomes for outcome in outcomes)]
    return np.unique(np.concatenate([np.empty(0, np.int64), *covering]))
