"""The state after the first step is stored, or the one before the step before: an index that is off by one."""

from __future__ import annotations

from collections.abc import Sequence

from r2d2_burnin.diagnostics.audit.facts import Facts
from r2d2_burnin.diagnostics.audit.faults.protocol import StateFault
from r2d2_burnin.diagnostics.audit.hypotheses import Hypothesis


def _early(facts: Facts) -> Sequence[Hypothesis]:
    return [Hypothesis("one_step_early", "stored states are those of one step earlier", shift=-1)]


def _late(facts: Facts) -> Sequence[Hypothesis]:
    return [Hypothesis("one_step_late", "stored states are those after the first step", shift=1)]


EARLY = StateFault("one_step_early", "Stored states are one step early", _early, needs="episode with first_step")
LATE = StateFault("one_step_late", "Stored states are one step late", _late)
