"""The stored state belongs to another sequence: indices that were drawn twice, or arrays in different orders."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence

import numpy as np

from r2d2_burnin.diagnostics.audit.deciding import (
    FEWEST_SINGLE,
    LEAST_SHARE,
    LEVEL,
    MUCH_BETTER,
    Judgement,
    independence,
    lowest_mean,
    mean_leaning,
    mean_test,
)
from r2d2_burnin.diagnostics.audit.evidence import Evidence
from r2d2_burnin.diagnostics.audit.facts import STATES_NEED, Facts
from r2d2_burnin.diagnostics.audit.hypotheses import AS_STORED, Hypothesis, States
from r2d2_burnin.diagnostics.audit.layout import first_episodes
from r2d2_burnin.diagnostics.audit.result import Verdict
from r2d2_burnin.diagnostics.audit.unrolling import Leaves, Unroller, flat

NAME = "another_sequence"
TITLE = "Stored states are those of another sequence"

TARGETS = 12
"""Sequences whose state is looked for among the others'."""

POOL = 1000
"""Other sequences among which it is looked for, at most."""

NEAREST = 4
"""Of these, the ones that are looked at closely."""


def _hypotheses(facts: Facts) -> Sequence[Hypothesis]:
    count = len(facts.sequences)
    if count < 3:
        return ()
    return [
        Hypothesis(NAME, f"each sequence has the state of the one {place} it", _stored_at(offset, count))
        for offset, place in ((1, "before"), (-1, "after"))
        if not _are_steps(facts)
    ]


def _are_steps(facts: Facts) -> bool:
    """Whether most sequences begin one step after the one before them: its state is then their own, one step early."""
    first = facts.sequences.first_step
    if facts.sequences.episode is None or first is None:
        return False
    episodes = first_episodes(facts.sequences, facts.layout)
    return bool(np.mean((np.diff(episodes) == 0) & (np.diff(np.asarray(first).astype(np.int64)) == 1)) > 0.5)


def _stored_at(offset: int, count: int) -> States:
    """The right state of sequence n is stored at n + offset."""

    def states(unroller: Unroller, rows: np.ndarray) -> Leaves:
        return unroller.stored((rows + offset) % count)

    return states


MOST_TOGETHER = 256
"""Sequences whose states are tested for depending on what they belong to, at most."""

MOST_EXCHANGED, OTHERS = 256, 3
"""Sequences among which those are looked for whose stale states have changed places, at most, and how many others'
states each of them is compared with."""

BY_CHANCE = 1 / 3
"""How often a state of the exchanged ones fits a sequence whose own state is right, as a part of how often it fits an
exchanged one, at most."""

UNFIT, FIT = 0.6, 0.35
"""A state fits no better than another sequence's does where its error is above the first part of that one's, and fits
where it is below the second."""

UNRELATED = 0.05
"""Where this test's p is larger, they do not."""


@dataclasses.dataclass(frozen=True)
class Attribution:
    """Sequences whose state is another's."""

    rows: np.ndarray  # of the sequences that go on, those that were seen to be concerned
    count: int | None  # how many these stand for; None where each one was tried
    prevails: bool  # whether at least half of what no other hypothesis explains is so
    ruled_out: bool
    reason: str
    looked_at: np.ndarray | None = None  # all sequences that were; None where it is a share of a few


NONE = np.empty(0, np.int64)


def attribute(facts: Facts) -> Attribution:
    """Find sequences with the state of another one: of a neighbour, of one that has the same state, or of any."""
    found = [outcome for outcome in facts.outcomes(NAME) if outcome.status == "found"]
    known = np.unique(np.concatenate([NONE, *(outcome.rows for outcome in found)]))
    reasons = [outcome.reason for outcome in found]
    copies = _copies(facts)
    copies = copies[~np.isin(copies, known)]
    if len(copies):
        reasons.append(f"{len(copies)} have exactly the state of another sequence, whose state it is.")
    known = np.union1d(known, copies)
    best = Attribution(known, None, False, False, "There is nothing to compare the stored states with.")
    for judgement in facts.judgements:
        best = _searched(facts, judgement, known)
        if len(best.rows):
            break
    count = None if best.count is None else min(best.count + len(known), len(facts.sequences))
    rows = np.union1d(known, best.rows)
    if len(rows):
        reasons += [best.reason] if len(best.rows) else []
        going_on = len(facts.going_on)
        prevails = best.prevails or len(known) >= going_on / 2
        return Attribution(rows, count, prevails, False, " ".join(dict.fromkeys(reasons)), best.looked_at)
    return best


def _copies(facts: Facts) -> np.ndarray:
    """Sequences whose state is right for another sequence, but not for them."""
    right = np.unique(np.concatenate([NONE, *(judgement.reproduced for judgement in facts.judgements)]))
    wrong = np.concatenate([judgement.unexplained for judgement in facts.judgements] + [facts.beginning_otherwise])
    wrong = np.setdiff1d(wrong, right)
    if not len(wrong):
        return NONE
    unroller = facts.unroller
    of_right = {key for piece in unroller.pieces(right) for key in _keys(unroller.stored(piece))}
    same = [key in of_right for piece in unroller.pieces(wrong) for key in _keys(unroller.stored(piece))]
    return np.union1d(wrong[np.array(same, np.bool_)], _right_for_neighbours(facts, wrong))


def _right_for_neighbours(facts: Facts, wrong: np.ndarray) -> np.ndarray:
    """Those of the sequences `wrong` whose state agrees to rounding where the one before or after them stands."""
    count, found = len(facts.sequences), NONE
    for offset in (1, -1):
        hypothesis = Hypothesis(NAME, "", _stored_at(-offset, count))
        for evidence in facts.evidences:
            neighbours = (wrong + offset) % count
            chosen = wrong[np.isin(neighbours, evidence.rows)]
            trial = evidence.trial(hypothesis, (chosen + offset) % count)
            with np.errstate(invalid="ignore"):
                found = np.union1d(found, chosen[trial.tried <= evidence.rounding])
    return found


def _keys(leaves: Leaves) -> list[bytes]:
    """A digest of each of n states."""
    rows = [np.ascontiguousarray(leaf).reshape(len(leaf), -1) for leaf in leaves]
    return [hashlib.sha256(b"".join(row[i].tobytes() for row in rows)).digest() for i in range(len(rows[0]))]


def _searched(facts: Facts, judgement: Judgement, known: np.ndarray) -> Attribution:
    evidence, rows = judgement.evidence, judgement.unexplained
    rows = rows[~np.isin(rows, known)]
    if not len(rows):
        seen = [o for o in judgement.outcomes if o.hypothesis.fault == NAME]
        ruled_out = len(judgement.reproduced) > 0 and all(outcome.status == "ruled out" for outcome in seen)
        reason = seen[0].reason if seen else f"What is left agrees with {evidence.name} to rounding."
        return Attribution(NONE, None, False, ruled_out and len(facts.sequences) > 2, reason)
    targets = facts.sample(rows, TARGETS)
    pool = facts.sample(np.flatnonzero(~facts.is_initial), POOL)
    best, own = _best_of_others(evidence, targets, pool), evidence.trial(AS_STORED, targets).own
    hits = targets[best <= np.minimum(evidence.rounding, 0.1 * own)]
    if len(hits):
        share = len(hits) / len(targets)
        count = None if len(targets) == len(rows) else max(round(share * len(rows)), len(hits))
        reason = (
            f"Of {len(targets)} sequences that no other fault explains, {len(hits)} agree with {evidence.name} to"
            f" rounding from the stored state of another sequence."
        )
        return Attribution(hits, count, share >= 0.5, False, reason)
    exchanged = _exchanged(facts, evidence, rows, known)
    return exchanged if len(exchanged.rows) else _like_any_other(facts, evidence, judgement.unexplained)


def _best_of_others(evidence: Evidence, targets: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """The smallest error `[n]` of sequences `[n]` that another's stored state gives; infinite where none can."""
    best = np.full(len(targets), np.inf)
    for i, target in enumerate(targets):
        others = pool[pool != target]
        if not len(others):
            continue
        for other in others[np.argsort(evidence.misfit(int(target), others), kind="stable")[:NEAREST]]:
            hypothesis = Hypothesis(NAME, "", _stored_of(int(target), int(other)))
            best[i] = np.fmin(best[i], evidence.trial(hypothesis, targets[i : i + 1]).tried[0])
    return best


def _exchanged(facts: Facts, evidence: Evidence, rows: np.ndarray, known: np.ndarray) -> Attribution:
    """Stale states that fit their sequences no better than any other does, but fit each other's sequences.

    The others' states have to fit them well, and not those of others: else the network has become another one since, or
    its states are so alike that some fits anywhere.
    """
    none = Attribution(NONE, None, False, False, "")
    rows = facts.sample(rows, MOST_EXCHANGED)
    trials = [evidence.trial(Hypothesis(NAME, "", _of_any_other(facts)), rows) for _ in range(OTHERS)]
    own, other = trials[0].own, np.median([trial.tried for trial in trials], 0)
    with np.errstate(invalid="ignore"):
        misfits, right = rows[own > UNFIT * other], rows[own < FIT * other]
    if len(misfits) < max(FEWEST_SINGLE, LEAST_SHARE * len(rows)) or len(right) < len(rows) / 4:
        return none
    any_other = dict(zip(rows.tolist(), other.tolist(), strict=True))
    pool = np.union1d(misfits, known)

    def fitting(chosen: np.ndarray) -> np.ndarray:
        targets = facts.sample(chosen, 2 * TARGETS)
        limit = MUCH_BETTER * np.array([any_other[row] for row in targets.tolist()])
        return targets[_best_of_others(evidence, targets, pool) < limit]

    hits = fitting(misfits)
    tried = min(len(misfits), 2 * TARGETS)
    by_chance = len(fitting(right)) / min(len(right), 2 * TARGETS)
    if len(hits) < max(FEWEST_SINGLE, tried / 2) or by_chance > BY_CHANCE * len(hits) / tried:
        return none
    reason = (
        f"{len(misfits)} of {len(rows)} stored states fit {evidence.name} hardly better than those of other sequences"
        f" do, unlike the rest; of {tried} of these sequences, the state of another one fits {len(hits)} at least"
        f" {1 / MUCH_BETTER:g} times as well."
    )
    count = None if len(rows) == len(facts.going_on) else round(len(misfits) / len(rows) * len(facts.going_on))
    return Attribution(misfits, count, len(misfits) >= len(rows) / 2, False, reason, np.union1d(rows, known))


def _of_any_other(facts: Facts) -> States:
    """The stored state of a random other sequence that goes on, for each one."""
    places = facts.going_on
    other = dict(zip(places.tolist(), facts.rng.permutation(places).tolist(), strict=True))
    return lambda unroller, rows: unroller.stored(np.array([other.get(row, row) for row in rows.tolist()]))


def _stored_of(target: int, other: int) -> States:
    return lambda unroller, rows: unroller.stored(np.where(rows == target, other, rows))


def _like_any_other(facts: Facts, evidence: Evidence, rows: np.ndarray) -> Attribution:
    """Whether stale states fit their sequences no better than those of others do.

    With another sequence's state in place of its own, u is 1 on average if the own one is right, and 0 if it is no
    better than any other (see `deciding`). That may be because the network has become another one since; so the stored
    states must not depend on what they belong to, either, whatever the network was.
    """
    sample = facts.sample(rows, MOST_TOGETHER)
    trials = [evidence.trial(Hypothesis(NAME, "", _of_any_other(facts)), sample) for _ in range(OTHERS)]
    values = mean_leaning(trials)
    mean, p, count = mean_test(values, 0.5)
    numbers = f"(mean of u {mean:.2g} over {count} sequences, p {p:.1g})"
    unrelated = independence(flat(facts.unroller.stored(sample)), evidence.beside(sample), facts.rng) > UNRELATED
    if p <= LEVEL and mean <= 0.3 and unrelated:
        concerned = max(round((1 - max(mean, 0.0)) * len(rows)), 1)
        reason = (
            f"Stored states fit {evidence.name} hardly better than those of other sequences do {numbers},"
            " and do not depend on each other at all."
        )
        return Attribution(sample, concerned, True, False, reason)
    if p <= LEVEL and mean >= 0.7:
        most = max(math.ceil(100 * (1 - lowest_mean(values))), 1)
        reason = f"Stored states fit {evidence.name} better than others' do, all but {most} % at most {numbers}."
        return Attribution(NONE, None, False, True, reason)
    return Attribution(NONE, None, False, False, f"The stored states are too stale, or too few, to tell {numbers}.")


def explains(facts: Facts, rows: np.ndarray) -> np.ndarray:
    """Which of the sequences with an initial state though an episode goes on, or the other way round, are so by this.

    Where sequences have each other's states, those of beginnings and of others have changed places too: no more
    sequences can be so than have another's state anyway.
    """
    attribution = facts.once(NAME, attribute)
    concerned = len(attribution.rows) if attribution.count is None else attribution.count
    if attribution.prevails and len(rows) <= concerned:
        return rows
    return NONE


class _AnotherSequence:
    """The fault: neighbours' states, those of any other sequence, or states that are like any other."""

    name = NAME

    def hypotheses(self, facts: Facts) -> Sequence[Hypothesis]:
        """The states of neighbours."""
        return _hypotheses(facts)

    def verdict(self, facts: Facts) -> Verdict:
        """What was found among neighbours and others."""
        attribution = facts.once(NAME, attribute)
        if len(attribution.rows):
            extra = np.concatenate(
                [explains(facts, facts.initial_but_going_on), explains(facts, facts.beginning_otherwise)]
            )
            rows = np.unique(np.concatenate([attribution.rows, extra]))
            of = None if attribution.count is None else attribution.count + len(extra)
            return facts.found(NAME, TITLE, rows, attribution.reason, of=of, looked_at=attribution.looked_at)
        if attribution.ruled_out:
            return facts.ruled_out(NAME, TITLE, attribution.reason)
        return facts.undecided(NAME, TITLE, attribution.reason, facts.more(STATES_NEED))


FAULT = _AnotherSequence()
