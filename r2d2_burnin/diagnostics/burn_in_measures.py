"""The measured answer to how long burn-in must be, apart from what measures it (`burn_in_advice`): no TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal

from r2d2_burnin.diagnostics.closed_form import ClosedForm
from r2d2_burnin.diagnostics.forgetting import Forgetting

FEWEST_FRAGMENTS = 16
"""Fragments, each of another episode, without which a burn-in is not judged."""

HARDLY_FALLS = 0.5
"""Where the longest burn-in leaves this part of ΔQ or more, storing states is recommended."""


def smallest_sufficient(grid: Sequence[int], suffices: Callable[[int], bool]) -> int | None:
    """The smallest burn-in from which on every longer one of an ascending `grid` suffices; None where there is none.

    What lies between it and the one before it in the grid is halved.
    """
    smallest = None
    for k in reversed(grid):
        if not suffices(k):
            break
        smallest = k
    if smallest is None:
        return None
    place = grid.index(smallest)
    failing = grid[place - 1] if place else smallest - 1
    while smallest - failing > 1:
        middle = (smallest + failing) // 2
        smallest, failing = (middle, failing) if suffices(middle) else (smallest, middle)
    return smallest


@dataclasses.dataclass(frozen=True)
class BurnInMeasures:
    """What one burn-in, from one kind of start state, does on recorded episodes; see the module's text for the terms.

    ΔQ is against the exact state. All but the two `delta_q_all` are over the judged fragments.
    """

    start: Literal["zero", "stored"]
    burn_in: int  # steps, k
    fragments: int  # judged, the same for every burn-in
    episodes: int  # that these fragments belong to
    delta_q_first: float  # at the first trained step: mean over episodes
    delta_q_first_upper: float  # .. its one-sided 95 % upper bound
    delta_q_first_q95: float  # .. 95 % quantile over fragments
    delta_q_last: float  # the same at the last trained step
    delta_q_last_upper: float
    delta_q_last_q95: float
    delta_q_all_upper: float  # over all fragments that do not begin an episode: the larger bound of the two steps
    delta_q_all_q95: float  # .. the larger quantile of the two steps
    failed_episodes: int  # with a judged fragment whose ΔQ is above the tolerance at one of the two steps
    failed_share_upper: float  # 95 % upper bound of the share of such episodes
    state_error: float  # L2 distance of the start state from the exact one, mean over fragments
    loss: float  # the objective's, a trained step
    loss_exact: float  # the same from the exact state
    changed_actions: float  # share of trained steps whose best action is another one than from the exact state

    @property
    def worst(self) -> float:
        """The largest of the six bounds and quantiles, which has to be within tolerance; infinite if one is NaN."""
        criterion = [
            *(self.delta_q_first_upper, self.delta_q_last_upper, self.delta_q_all_upper),
            *(self.delta_q_first_q95, self.delta_q_last_q95, self.delta_q_all_q95),
        ]
        return math.inf if any(math.isnan(value) for value in criterion) else max(criterion)

    @property
    def short_words(self) -> str:
        """Mean ΔQ in words."""
        return f"ΔQ is {self.delta_q_first:.3g} at the first and {self.delta_q_last:.3g} at the last trained step"

    @property
    def words(self) -> str:
        """ΔQ in words: means, bounds and quantiles."""
        return (
            f"{self.short_words} on average, with 95 % upper bounds {self.delta_q_first_upper:.3g} and"
            f" {self.delta_q_last_upper:.3g} and 95 % quantiles {self.delta_q_first_q95:.3g} and"
            f" {self.delta_q_last_q95:.3g} (over all fragments that do not begin an episode, at the worse of the two"
            f" steps: bound {self.delta_q_all_upper:.3g}, quantile {self.delta_q_all_q95:.3g})"
        )


@dataclasses.dataclass(frozen=True)
class Advice:
    """The measured answer."""

    verdict: str  # "zero state is enough", "burn-in suffices", or "none up to N steps"
    burn_in: int | None  # the smallest from which on all that were tried are within tolerance; None where there is none
    longest: int  # the longest burn-in that was tried
    possible: int  # the longest one that the episodes can judge
    judged_from: int  # the step from which on fragments are judged, S
    tolerance: float
    measures: list[BurnInMeasures]
    forgetting: Forgetting
    closed_form: ClosedForm | None = None  # None: a network whose recurrence does not say it

    @property
    def sentence(self) -> str:
        """The verdict in words, with its evidence."""
        zero = {m.burn_in: m for m in self.measures if m.start == "zero"}
        none = zero[0]
        if self.burn_in is None:
            return " ".join(self._reasons_for_none(zero))
        measures = zero[self.burn_in]
        excluded = (
            f"In {measures.failed_episodes} of {measures.episodes} episodes it is above the tolerance: failures in more"
            f" than {100 * measures.failed_share_upper:.2g} % of episodes are excluded (95 %), rarer ones are not."
        )
        if self.burn_in == 0:
            return f"The zero state is enough: {none.words}, within the tolerance of {self.tolerance:g}. {excluded}"
        return (
            f"A burn-in of {self.burn_in} steps from the zero state suffices: {measures.words}, within the tolerance of"
            f" {self.tolerance:g}. {excluded} Without burn-in {none.short_words}."
        )

    def _reasons_for_none(self, zero: dict[int, BurnInMeasures]) -> list[str]:
        none, last = zero[0], zero[max(zero)]
        reasons = [f"No burn-in that was tried is enough: {self.verdict}, at a tolerance of {self.tolerance:g}."]
        after = "Without burn-in" if last.burn_in == 0 else f"After {last.burn_in} steps from the zero state"
        reasons.append(f"{after} {last.words}." + (f" Without burn-in {none.short_words}." if last.burn_in else ""))
        within = [f"{k}" for k, m in sorted(zero.items()) if m.worst <= self.tolerance]
        if within:
            reasons.append(f"Within tolerance at {', '.join(within)} steps, but not at all longer ones tried.")
        if self.longest < self.possible:
            reasons.append(f"Longer ones, which these episodes can judge up to {self.possible} steps, were not tried.")
        else:
            reasons.append("These episodes cannot judge a longer one.")
        return [*reasons, *self._what_to_do(none, last)]

    def _what_to_do(self, none: BurnInMeasures, last: BurnInMeasures) -> list[str]:
        """What the evidence asks for where no burn-in that was tried is enough; nothing where it does not tell."""
        forgetting = self.forgetting
        stored = next(m for m in self.measures if m.start == "stored" and m.burn_in == 0)
        store = f"Store states: from stored ones {stored.short_words}."
        if forgetting.kept:
            fall = f"fell by {100 * forgetting.tail_fall:.2g} %" if forgetting.tail_fall > 0 else "did not fall"
            return [
                f"The network does not forget a wrong state: after {len(forgetting.errors) - 1} steps the state error"
                f" is {100 * forgetting.left:.3g} % of its first value, and it {fall} over the last half of them.",
                store,
            ]
        before, after = (max(m.delta_q_first, m.delta_q_last) for m in (none, last))
        if self.longest == self.possible > 0 and after >= HARDLY_FALLS * before > 0:
            left = 100 * after / before
            return [f"At the worse of the two steps {left:.0f} % of ΔQ is left after this burn-in.", store]
        if forgetting.steps is not None:
            return [
                f"A wrong state is forgotten, with a forgetting time of {forgetting.steps:.3g} steps: a longer burn-in"
                " may be enough."
            ]
        return []
