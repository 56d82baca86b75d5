"""A sequence goes on over the end of an episode, and the state with it."""

from __future__ import annotations

import numpy as np

from r2d2_burnin.diagnostics.audit.deciding import FEWEST, LEVEL, leaning, mean_test
from r2d2_burnin.diagnostics.audit.evidence import WINDOW, Trial
from r2d2_burnin.diagnostics.audit.facts import Facts
from r2d2_burnin.diagnostics.audit.faults.protocol import DirectFault
from r2d2_burnin.diagnostics.audit.layout import firsts, slots
from r2d2_burnin.diagnostics.audit.result import Verdict
from r2d2_burnin.diagnostics.audit.unrolling import chosen

NEEDS = "is_last, or episode as [N, L]"


def _find(facts: Facts, name: str, title: str) -> Verdict:
    marked = _marked(facts)
    if marked is not None and len(marked):
        reason = "An episode ends inside of them, and is_first does not mark what follows as a beginning."
        return facts.found(name, title, marked, reason)
    if facts.sequences.outputs is None:
        if marked is not None:
            return facts.ruled_out(name, title, "Whatever follows an episode's end is marked as a beginning.")
        return facts.undecided(
            name, title, "Nothing shows where episodes end inside sequences.", f"{NEEDS}, or outputs"
        )
    passes = _Pass(facts, every=marked is None)
    carried, doubt = passes.carried()
    if len(carried):
        reason = "is_first marks a beginning inside of them, but outputs as acted go on from the state before it."
        return facts.found(name, title, carried, reason)
    unmarked, seen = passes.unmarked()
    if len(unmarked):
        reason = (
            "Outputs as acted agree with the network up to a step that is_first does not mark, and from there on with a"
            " reset state: an episode begins there."
        )
        return facts.found(name, title, unmarked, reason)
    if doubt:
        return facts.undecided(name, title, doubt, "outputs as acted of a smaller age")
    if marked is None and not seen:
        return facts.undecided(name, title, "Outputs as acted agree too little with the network to show it.", NEEDS)
    return facts.ruled_out(name, title, "Wherever an episode begins, flags and outputs as acted show a reset.")


def _marked(facts: Facts) -> np.ndarray | None:
    """Sequences in which an episode ends without a flag after it; None where nothing shows ends."""
    sequences = facts.sequences
    by_step = sequences.episode is not None and np.ndim(sequences.episode) == 2
    if sequences.is_last is None and not by_step:
        return None
    found = []
    for rows in sequences.rows_in_pieces(sequences.observations):
        mask = np.asarray(sequences.mask[rows], np.bool_)
        first, order = firsts(mask, sequences.is_first[rows]), slots(mask)
        ends = np.zeros((len(mask), mask.shape[1] - 1), np.bool_)
        if sequences.is_last is not None:
            ends |= np.take_along_axis(np.asarray(sequences.is_last[rows]).astype(np.bool_), order, 1)[:, :-1]
        if by_step:
            numbers = np.take_along_axis(np.asarray(sequences.episode[rows]), order, 1)
            ends |= numbers[:, 1:] != numbers[:, :-1]
        inside = np.arange(1, mask.shape[1]) < mask.sum(1)[:, None]
        found.append(rows.start + np.flatnonzero((ends & inside & ~first[:, 1:]).any(1)))
    return np.concatenate(found)


class _Pass:
    """All steps of sequences from their stored states, without any reset, beside outputs as acted.

    Args:
        facts: of the sequences.
        every: pass over every sequence, not only over those in which a beginning is marked.
    """

    def __init__(self, facts: Facts, *, every: bool) -> None:
        self._facts = facts
        layout = facts.layout
        self._rounding = max(1e-4, 4 * facts.precision.spacing)
        inside = layout.until < layout.count
        rows = np.flatnonzero(inside | every)
        self._carried: list[tuple[np.ndarray, np.ndarray]] = []
        self._unmarked: list[np.ndarray] = []
        self._seen = 0
        # Of about one length, so that few steps after the last one are computed in vain.
        for piece in facts.unroller.pieces(rows[np.argsort(layout.count[rows], kind="stable")]):
            self._look(piece)

    def carried(self) -> tuple[np.ndarray, str]:
        """Sequences whose outputs go on over a marked beginning; else why that cannot be told, or an empty text."""
        if not self._carried:
            return np.empty(0, np.int64), ""
        rows = np.concatenate([rows for rows, _ in self._carried])
        trial = Trial(*np.concatenate([values for _, values in self._carried], 1))
        exact = (trial.tried <= self._rounding) & (trial.tried <= 0.1 * trial.own)
        if exact.any():
            return np.sort(rows[exact]), ""
        if np.mean(trial.own <= self._rounding) > 0.5 and np.mean(trial.apart > 3 * self._rounding) > 0.5:
            return np.empty(0, np.int64), ""
        mean, p, count = mean_test(leaning(trial))
        if p <= LEVEL and mean <= -0.3 and np.median(trial.tried / np.maximum(trial.own, 1e-12)) <= 0.6:
            return np.sort(rows[trial.tried < trial.own]), ""
        if p <= LEVEL and mean >= 0.3:
            return np.empty(0, np.int64), ""
        few = f"only {count} sequences tell" if count < FEWEST else f"mean of u {mean:.2g}, p {p:.1g}"
        return np.empty(0, np.int64), f"Outputs as acted do not tell whether the state was reset inside ({few})."

    def unmarked(self) -> tuple[np.ndarray, bool]:
        """Sequences whose outputs show a reset that is not marked; and whether half of all agreed well enough."""
        rows = np.sort(np.concatenate([np.empty(0, np.int64), *self._unmarked]))
        return rows, self._seen >= len(self._facts.sequences) / 2

    def _look(self, rows: np.ndarray) -> None:
        facts, layout = self._facts, self._facts.layout
        unroller, until, count = facts.unroller, layout.until[rows], layout.count[rows]
        steps = int(count.max())
        begins = layout.begins[rows]
        start = chosen(begins, unroller.initial(len(rows)), unroller.stored(rows))
        given = unroller.outputs(unroller.observations(rows, 0, steps), start)
        acted = unroller.acted(rows, 0, steps)
        scale = np.maximum(np.abs(acted).max((1, 2)), np.finfo(np.float32).tiny)
        off = np.linalg.norm(given - acted, axis=-1) / scale[:, None]
        numbers = np.arange(steps)
        if (marked := until < count).any():
            own, tried, apart = self._after(rows[marked], until[marked], given[marked])
            self._carried.append((rows[marked], np.stack([own, tried, apart])))
        wrong = (off > self._rounding) & (numbers < until[:, None])
        agrees = off[:, 0] <= self._rounding
        self._seen += int(agrees.sum())
        jumps = np.argmax(wrong, 1)
        candidates = agrees & wrong.any(1)
        if candidates.any():
            _, given_reset, _ = self._after(rows[candidates], jumps[candidates], given[candidates], swapped=True)
            self._unmarked.append(rows[candidates][given_reset <= self._rounding])

    def _after(self, rows: np.ndarray, steps: np.ndarray, given: np.ndarray, *, swapped: bool = False) -> np.ndarray:
        """Errors `[3, n]` of a reset state, of the state carried on (or the other way round), and their distance.

        Over the first steps from step `steps` `[n]` of each sequence on, up to its end.
        """
        unroller, layout = self._facts.unroller, self._facts.layout
        window = min(WINDOW, self._facts.sequences.length)
        places = steps[:, None] + np.arange(window)
        counts = places < layout.count[rows][:, None]
        places = np.minimum(places, layout.count[rows][:, None] - 1)
        x = unroller.observations_at(rows, places)
        reset = unroller.outputs(x, unroller.initial(len(rows)))
        carried = np.take_along_axis(given, places[..., None], 1)
        acted = unroller.acted_at(rows, places)
        scale = np.maximum(np.abs(acted).max((1, 2)), np.finfo(np.float32).tiny)
        pairs = [(reset, acted), (carried, acted), (reset, carried)]
        if swapped:
            pairs[:2] = pairs[1::-1]
        squares = [(np.square(a - b).sum(-1) * counts).sum(1) / counts.sum(1) for a, b in pairs]
        return np.asarray(np.sqrt(np.stack(squares)) / scale)


FAULT = DirectFault("crosses_end", "Sequences cross an episode's end without a reset", _find)
