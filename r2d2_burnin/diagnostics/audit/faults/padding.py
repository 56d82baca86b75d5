"""The state has been advanced over padding, which has to leave it as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2d2_burnin.diagnostics.audit.deciding import Outcome, judge
from r2d2_burnin.diagnostics.audit.evidence import Trial
from r2d2_burnin.diagnostics.audit.facts import Facts
from r2d2_burnin.diagnostics.audit.hypotheses import AS_STORED, Hypothesis
from r2d2_burnin.diagnostics.audit.layout import Layout
from r2d2_burnin.diagnostics.audit.result import Verdict
from r2d2_burnin.diagnostics.audit.unrolling import Unroller, chosen

NAME = "over_padding"
TITLE = "States are advanced over padding"

OVER = Hypothesis(NAME, "states have been advanced over padding", over_padding=True)


class GapEvidence:
    """Outputs as acted after padding inside a sequence, with the state passed through it, or advanced over it."""

    name = "outputs as acted after padding inside sequences"
    clearly = 0.6

    def __init__(self, unroller: Unroller, layout: Layout, mask: object, rows: np.ndarray, spacing: float) -> None:
        self._unroller = unroller
        self._layout = layout
        self._mask = mask
        self.rounding = max(1e-4, 4 * spacing)
        self.rows = rows

    def trial(self, hypothesis: Hypothesis, rows: np.ndarray) -> Trial:
        """Compare, over the steps after the first padding, `[n]` each."""
        parts = [self._trial(piece) for piece in self._unroller.pieces(rows)]
        own, tried, apart = np.concatenate(parts, 1) if parts else np.empty((3, 0))
        return Trial(own, own if hypothesis is AS_STORED else tried, apart)

    def misfit(self, row: int, others: np.ndarray) -> np.ndarray:
        """Nothing: other sequences' states are not tried."""
        return np.full(len(others), np.inf)

    def beside(self, rows: np.ndarray) -> np.ndarray:
        """Nothing, for the same reason."""
        return np.zeros((len(rows), 1))

    def _trial(self, rows: np.ndarray) -> np.ndarray:
        unroller, mask = self._unroller, np.asarray(self._mask[rows], np.bool_)  # type: ignore[index]
        begins = self._layout.begins[rows]
        start = chosen(begins, unroller.initial(len(rows)), unroller.stored(rows))
        steps = int(self._layout.until[rows].max())
        passed = unroller.outputs(unroller.observations(rows, 0, steps), start)
        advanced = unroller.outputs(unroller.with_padding(rows), start)
        acted = unroller.acted(rows, 0, steps)
        places = np.argsort(~mask, 1, kind="stable")[:, :steps] - self._layout.left[rows][:, None]
        # After the first gap a step's slot, counted from the first one, is larger than its number.
        after = (places > np.arange(steps)) & (np.arange(steps) < self._layout.until[rows][:, None])
        advanced = np.take_along_axis(advanced, np.clip(places, 0, None)[..., None], 1)
        scale = np.maximum(np.abs(acted).max((1, 2)), np.finfo(np.float32).tiny)
        pairs = ((passed, acted), (advanced, acted), (passed, advanced))
        count = after.sum(1)
        return np.stack(
            [
                np.sqrt(
                    np.divide(
                        (np.square(a - b).sum(-1) * after).sum(1),
                        count,
                        out=np.full(len(rows), np.nan),
                        where=count > 0,
                    )
                )
                / scale
                for a, b in pairs
            ]
        )


class _Padding:
    """The fault: before the first step of a sequence, or inside of it."""

    name = NAME

    def hypotheses(self, facts: Facts) -> Sequence[Hypothesis]:
        """States that have been advanced over the padding before the first step."""
        return [OVER]

    def verdict(self, facts: Facts) -> Verdict:
        """What stored states before the first step, and outputs after padding, say."""
        padded, gaps = facts.layout.left > 0, facts.layout.gaps
        if not (padded | gaps).any():
            return facts.ruled_out(NAME, TITLE, "There is no padding before the last step of any sequence.")
        outcomes, decided = self._inside(facts), []
        of_stored = facts.outcomes(NAME)
        outcomes += [outcome for outcome in of_stored if outcome.status == "found"]
        rows = [outcome.rows for outcome in outcomes if outcome.status == "found"]
        if rows:
            reason = next(outcome.reason for outcome in outcomes if outcome.status == "found")
            return facts.found(NAME, TITLE, np.unique(np.concatenate(rows)), reason)
        beginnings = facts.layout.begins & padded
        if beginnings.any():
            decided.append("Sequences that begin an episode after padding do not have a state advanced over it.")
        if gaps.any():
            if not outcomes or outcomes[0].status == "undecided":
                reason = outcomes[0].reason if outcomes else "Nothing shows the state after padding inside sequences."
                return facts.undecided(NAME, TITLE, reason, facts.more("outputs"))
            decided.append(outcomes[0].reason)
        if (padded & ~facts.layout.begins).any():
            if not any(outcome.status == "ruled out" for outcome in of_stored):
                reason = "Nothing shows the state before the padding of sequences that begin inside an episode."
                return facts.undecided(NAME, TITLE, reason, "episode with first_step")
            decided.append(next(outcome.reason for outcome in of_stored if outcome.status == "ruled out"))
        return facts.ruled_out(NAME, TITLE, decided[0])

    def _inside(self, facts: Facts) -> list[Outcome]:
        rows = np.flatnonzero(facts.layout.gaps)
        if not len(rows) or facts.sequences.outputs is None:
            return []
        mask = facts.sequences.mask
        evidence = GapEvidence(facts.unroller, facts.layout, mask, rows, facts.precision.spacing)
        return [*judge(evidence, [OVER], rows, facts.rng).outcomes]


FAULT = _Padding()
