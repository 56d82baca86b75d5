"""The initial state is stored where an episode goes on: it was not stored at all, or reset by mistake."""

from __future__ import annotations

import numpy as np

from r2d2_burnin.diagnostics.audit.evidence import Evidence
from r2d2_burnin.diagnostics.audit.facts import STATES_NEED, Facts
from r2d2_burnin.diagnostics.audit.faults.another_sequence import explains
from r2d2_burnin.diagnostics.audit.faults.protocol import DirectFault
from r2d2_burnin.diagnostics.audit.hypotheses import AS_STORED, Hypothesis, States
from r2d2_burnin.diagnostics.audit.result import Verdict
from r2d2_burnin.diagnostics.audit.unrolling import Leaves, Unroller, distances

TRIED = 256
"""Steps from the initial state that show whether a network may stay there."""


def _find(facts: Facts, name: str, title: str) -> Verdict:
    rows = facts.initial_but_going_on
    if not len(rows):
        return facts.ruled_out(name, title, "No sequence that goes on has the initial state.")
    rows = rows[~np.isin(rows, explains(facts, rows))]
    if not len(rows):
        return facts.ruled_out(name, title, "Initial states where an episode goes on are those of other sequences.")
    right, wrong = _compared(facts, rows)
    staying = _share_that_stays(facts)
    left = rows[~np.isin(rows, right)]
    if len(left) and staying == 0:
        reason = (
            f"Their stored state is the network's initial state, which it leaves at each of {TRIED} steps tried, and"
            " is_first marks no beginning. (If sequences are meant to start from zeros, nothing is wrong but the name:"
            " the burn-in below then starts from the zero state.)"
        )
        return facts.found(name, title, left, reason)
    if len(wrong):
        reason = "Their stored state is the initial one, and what they are compared with shows another."
        return facts.found(name, title, wrong, reason)
    if len(right) == len(rows):
        return facts.ruled_out(
            name, title, "Initial states where an episode goes on are the states that the actor had."
        )
    reason = (
        f"{len(left)} sequences have the initial state, but the network stays in it at {100 * staying:.2g} % of steps:"
        " it may be right."
    )
    return facts.undecided(name, title, reason, facts.more(STATES_NEED))


def _compared(facts: Facts, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sequences whose initial state is seen to be right, and to be wrong, where the evidence could tell."""
    right, wrong = np.empty(0, np.int64), np.empty(0, np.int64)
    for evidence, fresh in _that_tell(facts):
        chosen = rows[np.isin(rows, evidence.rows)]
        own = evidence.trial(AS_STORED, chosen).own
        right = np.union1d(right, chosen[own <= evidence.rounding])
        if fresh:
            wrong = np.union1d(wrong, chosen[own > 10 * evidence.rounding])
    return right, wrong[~np.isin(wrong, right)]


def _that_tell(facts: Facts) -> list[tuple[Evidence, bool]]:
    """Evidence that other stored states would change, and whether most stored states agree with it to rounding."""
    telling = []
    for judgement in facts.judgements:
        evidence = judgement.evidence
        sample = facts.sample(facts.initial_but_going_on)
        sample = sample[np.isin(sample, evidence.rows)]
        if not len(sample) or not len(facts.going_on):
            continue
        apart = evidence.trial(Hypothesis("", "", _of_others(facts.going_on)), sample).apart
        if np.mean(apart > 3 * evidence.rounding) >= 0.5:
            fresh = len(judgement.reproduced) > len(judgement.unexplained)
            telling.append((evidence, fresh))
    return telling


def _of_others(pool: np.ndarray) -> States:
    def states(unroller: Unroller, rows: np.ndarray) -> Leaves:
        return unroller.stored(pool[np.arange(len(rows)) % len(pool)])

    return states


def _share_that_stays(facts: Facts) -> float:
    """Share of steps from the initial state, with observations of these sequences, that end in the initial state."""
    rows = facts.sample(np.arange(len(facts.sequences)), TRIED)
    initial = facts.unroller.initial(len(rows))
    _, after = facts.unroller.unroll(facts.unroller.observations(rows, 0, 1), initial)
    return float(np.mean(distances(after, initial) <= 1e-6))


FAULT = DirectFault("zeros_inside", "Zeros are stored where an episode goes on", _find)
