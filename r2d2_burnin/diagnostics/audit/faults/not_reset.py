"""Another state than the initial one is stored where an episode begins."""

from __future__ import annotations

import numpy as np

from r2d2_burnin.diagnostics.audit.evidence import OutputEvidence
from r2d2_burnin.diagnostics.audit.facts import Facts
from r2d2_burnin.diagnostics.audit.faults.another_sequence import explains
from r2d2_burnin.diagnostics.audit.faults.protocol import DirectFault
from r2d2_burnin.diagnostics.audit.hypotheses import Hypothesis
from r2d2_burnin.diagnostics.audit.layout import HOW_EPISODES_BEGIN
from r2d2_burnin.diagnostics.audit.result import Verdict
from r2d2_burnin.diagnostics.audit.unrolling import Leaves, Unroller, distances


def _find(facts: Facts, name: str, title: str) -> Verdict:
    rows = facts.beginning_otherwise
    if not facts.layout.begins.any():
        return facts.undecided(name, title, "No sequence begins an episode.", "sequences that do")
    if not len(rows):
        return facts.ruled_out(name, title, "Every sequence that begins an episode has the network's initial state.")
    judgement = facts.of_beginnings
    explained = [outcome.rows for outcome in judgement.outcomes if outcome.status == "found"]
    rows = rows[~np.isin(rows, np.concatenate([explains(facts, rows), *explained]))]
    if not len(rows):
        return facts.ruled_out(name, title, "Other faults explain the stored states of beginnings.")
    if _is_an_older_initial_state(facts, rows):
        reason = "The stored states of beginnings are one state each age: initial states of older parameters."
        return facts.ruled_out(name, title, reason)
    begins = int(facts.layout.begins.sum())
    reason = f"Of {begins} sequences that begin an episode, these have another stored state than the initial one."
    if begins == len(facts.sequences) and len(rows) > begins / 2:
        reason += f" All sequences are marked so: does is_first mark where slices begin? ({HOW_EPISODES_BEGIN}.)"
    return facts.found(name, title, rows, reason + _what_the_actor_did(facts, rows))


def _is_an_older_initial_state(facts: Facts, rows: np.ndarray) -> bool:
    """Whether a trained initial state has changed since: states of one age are the same then."""
    if not any(leaf.any() for leaf in facts.unroller.initial(1)) or facts.precision.name is not None:
        return False
    ages = np.zeros(len(rows)) if facts.sequences.age is None else np.asarray(facts.sequences.age)[rows]
    for age in np.unique(ages):
        chosen = facts.sample(rows[ages == age])
        stored = facts.unroller.stored(chosen)
        if (distances(stored, [np.broadcast_to(leaf[:1], leaf.shape) for leaf in stored]) > 1e-5).any():
            return False
    return len(rows) > len(np.unique(ages))


def _what_the_actor_did(facts: Facts, rows: np.ndarray) -> str:
    """Whether the actor had the initial state, as far as its outputs show."""
    if facts.sequences.outputs is None:
        return ""
    evidence = OutputEvidence(facts.unroller, facts.layout, None, rows, facts.precision.spacing)
    sample = facts.sample(evidence.rows)
    if not len(sample):
        return ""

    def initial(unroller: Unroller, chosen: np.ndarray) -> Leaves:
        return unroller.initial(len(chosen))

    trial = evidence.trial(Hypothesis("", "", initial), sample)
    if np.mean(trial.own <= evidence.rounding) > 0.5:
        return " The actor had the stored state too, as its outputs show: it was not reset either."
    if np.mean(trial.tried <= evidence.rounding) > 0.5:
        return (
            " The actor had the initial state, as its outputs show: it does no harm where the learner resets at"
            " is_first."
        )
    return ""


FAULT = DirectFault("not_reset", "States are not reset where an episode begins", _find)
