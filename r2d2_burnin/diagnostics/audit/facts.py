"""What all faults are judged by, computed once: which states are initial, and what the evidence says of hypotheses."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from r2d2_burnin.diagnostics.audit import deciding
from r2d2_burnin.diagnostics.audit.consecutive import (
    Consecutive,
    ExactStates,
    exact_states,
    find_consecutive,
)
from r2d2_burnin.diagnostics.audit.deciding import FEWEST, Judgement, Outcome, judge, subset
from r2d2_burnin.diagnostics.audit.evidence import BeginEvidence, ConsecutiveEvidence, Evidence, OutputEvidence
from r2d2_burnin.diagnostics.audit.hypotheses import Hypothesis
from r2d2_burnin.diagnostics.audit.layout import Layout, first_episodes
from r2d2_burnin.diagnostics.audit.precision import Precision, read_precision
from r2d2_burnin.diagnostics.audit.result import Verdict
from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences
from r2d2_burnin.diagnostics.audit.unrolling import Unroller, distances

MOST_CONSECUTIVE = 2048
"""Sequences that are compared with earlier ones, at most."""

MOST_BESIDE_OUTPUTS = 192
"""The same where outputs as acted are there too."""

EXAMPLES = 5
"""Numbers of sequences that a verdict gives."""

STATES_NEED = "outputs, or episode with first_step"
"""What decides whether a state is right."""

Shared = TypeVar("Shared")

MakeHypotheses = Callable[["Facts"], Sequence[Hypothesis]]


class Facts:
    """The sequences, the network, and what they say together; computed when first asked for.

    Args:
        sequences: what the replay returned.
        layout: of these.
        unroller: of the network.
        hypotheses: make what is tried on stored states.
        seed: of the random subsets.
        wrong_axes: arrays of the state whose axes were in another order than the network's, and what was wrong.
    """

    def __init__(
        self,
        sequences: ReplaySequences,
        layout: Layout,
        unroller: Unroller,
        hypotheses: Sequence[MakeHypotheses],
        seed: int,
        wrong_axes: Mapping[int, str],
    ) -> None:
        self.sequences = sequences
        self.layout = layout
        self.unroller = unroller
        self.rng = np.random.default_rng(seed)
        self.wrong_axes = wrong_axes
        self._make = hypotheses
        self.spoilt = np.empty(0, np.int64)
        self._shared: dict[str, Any] = {}

    def once(self, key: str, compute: Callable[[Facts], Shared]) -> Shared:
        """What `compute` makes of these facts, for several faults."""
        if key not in self._shared:
            self._shared[key] = compute(self)
        shared: Shared = self._shared[key]
        return shared

    @functools.cached_property
    def consecutive(self) -> Consecutive | None:
        """Which sequences follow each other; None without episode numbers and first steps."""
        return find_consecutive(self.sequences, self.layout)

    @functools.cached_property
    def precision(self) -> Precision:
        """What the stored states have been rounded to."""
        return read_precision(self.sequences, self.unroller, self.rng)

    @functools.cached_property
    def is_initial(self) -> np.ndarray:
        """Whether each sequence's stored state `[N]` is the network's initial state."""
        pieces = []
        for rows in self.unroller.pieces(np.arange(len(self.sequences))):
            off = distances(self.unroller.stored(rows), self.unroller.initial(len(rows)))
            pieces.append(off <= max(1e-6, 4 * self.precision.spacing))
        return np.concatenate(pieces)

    @functools.cached_property
    def going_on(self) -> np.ndarray:
        """Sequences that do not begin an episode, and whose stored state is not the initial one."""
        return np.flatnonzero(~self.layout.begins & ~self.is_initial)

    @functools.cached_property
    def initial_but_going_on(self) -> np.ndarray:
        """Sequences that do not begin an episode, whose stored state is the initial one."""
        return np.flatnonzero(~self.layout.begins & self.is_initial)

    @functools.cached_property
    def beginning_otherwise(self) -> np.ndarray:
        """Sequences that begin an episode, whose stored state is another one than the initial one."""
        return np.flatnonzero(self.layout.begins & ~self.is_initial)

    @functools.cached_property
    def unjudged(self) -> np.ndarray:
        """Sequences that go on, whose stored state these arrays cannot show to be right or wrong."""
        shown = np.zeros(len(self.sequences), np.bool_)
        if self.sequences.outputs is not None:
            shown |= self.layout.until >= 2
        if self.consecutive is not None:
            shown |= self.consecutive.before >= 0
        return np.setdiff1d(self.going_on, np.flatnonzero(shown))

    @property
    def _most(self) -> int:
        return MOST_CONSECUTIVE if self.sequences.outputs is None else MOST_BESIDE_OUTPUTS

    @functools.cached_property
    def exact(self) -> ExactStates:
        """Exact states, of a random subset of episodes."""
        if self.consecutive is None:
            return ExactStates(np.empty(0, np.int64), [])
        episodes = first_episodes(self.sequences, self.layout)
        return exact_states(self.unroller, self.layout, self.consecutive, episodes, self._most, self.rng)

    @functools.cached_property
    def evidences(self) -> tuple[Evidence, ...]:
        """What shows whether states of sequences that do not begin an episode are right."""
        rows = np.flatnonzero(~self.layout.begins)
        spacing = self.precision.spacing
        found: list[Evidence] = []
        if self.sequences.outputs is not None:
            found.append(OutputEvidence(self.unroller, self.layout, self.consecutive, rows, spacing))
        if self.consecutive is not None:
            rows = rows[self.consecutive.before[rows] >= 0]
            covered = np.intersect1d(rows, self.exact.rows)
            rows = covered if len(covered) >= FEWEST else subset(rows, self._most, self.rng)
            found.append(ConsecutiveEvidence(self.unroller, self.layout, self.consecutive, self.exact, rows, spacing))
        return tuple(evidence for evidence in found if len(evidence.rows))

    @functools.cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        """Each kind of evidence on the sequences that go on."""
        hypotheses = [hypothesis for make in self._make for hypothesis in make(self)]
        return tuple(judge(evidence, hypotheses, self.going_on, self.rng) for evidence in self.evidences)

    @functools.cached_property
    def of_beginnings(self) -> Judgement:
        """What the stored states of sequences that begin an episode are, if not the initial one."""
        evidence = BeginEvidence(self.unroller, self.layout, self.beginning_otherwise, self.precision.spacing)
        hypotheses = [hypothesis for make in self._make for hypothesis in make(self)]
        moved = [hypothesis for hypothesis in hypotheses if hypothesis.shift > 0 or hypothesis.over_padding]
        return judge(evidence, moved, self.beginning_otherwise, self.rng)

    @functools.cached_property
    def unexplained(self) -> tuple[tuple[Evidence, np.ndarray], ...]:
        """Evidence, and the sequences that neither agree with it nor are explained by a hypothesis."""
        return tuple((judgement.evidence, judgement.unexplained) for judgement in self.judgements)

    def outcomes(self, fault: str) -> list[Outcome]:
        """What all evidence says of the hypotheses of one fault."""
        judgements = [*self.judgements, *([self.of_beginnings] if len(self.beginning_otherwise) else [])]
        return [o for judgement in judgements for o in judgement.outcomes if o.hypothesis.fault == fault]

    def more(self, needs: str) -> str:
        """What would decide a hypothesis besides what is there already."""
        missing = []
        if self.sequences.outputs is None:
            missing.append("outputs")
        if self.consecutive is None:
            missing.append("episode with first_step")
        if not missing:
            return "outputs as acted of sequences that were replayed at a smaller age"
        return ", or ".join(missing) if needs == STATES_NEED else needs

    def found(
        self,
        fault: str,
        title: str,
        rows: np.ndarray,
        reason: str,
        *,
        of: int | None = None,
        looked_at: np.ndarray | None = None,
        spoils: bool = True,
    ) -> Verdict:
        """A fault in the sequences `rows`; `of` is their number where it is estimated from those `looked_at`.

        One that `spoils` their states is left out where staleness is measured; an estimated one leaves only those that
        were looked at, if it is known which.
        """
        if spoils:
            every = np.arange(len(self.sequences))
            unseen = every[:0] if of is None else every if looked_at is None else np.setdiff1d(every, looked_at)
            self.spoilt = np.union1d(self.spoilt, np.union1d(rows, unseen))
        count = len(rows) if of is None else of
        examples = tuple(int(row) for row in rows[:EXAMPLES])
        return Verdict(fault, title, "found", count, len(self.sequences), of is not None, examples, reason)

    def undecided(self, fault: str, title: str, reason: str, *needs: str) -> Verdict:
        """A fault that these arrays cannot decide."""
        return Verdict(fault, title, "undecided", 0, len(self.sequences), False, (), reason, needs)

    def ruled_out(self, fault: str, title: str, reason: str) -> Verdict:
        """A fault that these arrays rule out."""
        return Verdict(fault, title, "ruled out", 0, len(self.sequences), False, (), reason)

    def sample(self, rows: np.ndarray, size: int = deciding.SUBSET) -> np.ndarray:
        """A random subset of sequences."""
        return subset(rows, size, self.rng)
