"""What a fault of a replay is to the audit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

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
        return facts.state_verdict(self.name, self.title, self.needs)


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
