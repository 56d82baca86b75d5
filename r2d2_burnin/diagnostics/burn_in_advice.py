"""How long must burn-in be? A measured answer for one network and episodes that it, or an older self, has acted.

Every burn-in is tried on the same recorded episodes, from the zero state and from the stored states, and compared with
the exact state: the one from the episode's first step with today's parameters.

**Which fragments.** All burn-ins are measured on the same fragments, so that curves over burn-in compare like with
like: those that start at step S or later, the *judged* ones. Two needs conflict: a long burn-in needs a long past,
which few fragments have; and a burn-in that covers all of the past is exact whatever the network does, so that it
proves nothing. S is therefore the latest start that half of the episodes (and 16) have, and the longest burn-in leaves
out so many steps of each past that a network which weighs all steps alike, as a count does, would be wrong by twice the
tolerance: d of S steps, with d / (S - d + T) >= 2 tolerance. Where a shorter `longest` is asked for, S is the earliest
start that leaves out so many, and more fragments count. As late fragments are only a part of what training replays, a
burn-in also has to be good enough over **all** fragments that do not begin an episode. (Those with less past than the
burn-in start from the exact state there, as they do in training.)

**What is good enough.** Both a one-sided 95 % upper bound of ΔQ's mean over episodes and the 95 % quantile of ΔQ over
fragments are within the tolerance, at the first and at the last trained step. Episodes are the units of the bound:
fragments of one episode are not independent, so an episode counts with the mean of its fragments. The quantile is over
fragments, as replay draws them. Neither knows of failures that did not occur: 64 episodes without any exclude failures
in more than 4.6 % of episodes (95 %), and 7 of 100 samples of 64 miss an error in 4 % of episodes. The answer says
which share is excluded. Burn-ins are tested from the longest one down to the first that fails, so that trying many
does not raise the 5 % of the bounds.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from r2d2_burnin.acting.callable_step import step_of
from r2d2_burnin.data import Episode, FragmentBatch
from r2d2_burnin.diagnostics.burn_in_measures import FEWEST_FRAGMENTS, Advice, BurnInMeasures, smallest_sufficient
from r2d2_burnin.diagnostics.closed_form import Decays
from r2d2_burnin.diagnostics.confidence import share_bound, upper_bound
from r2d2_burnin.diagnostics.discrepancy_choice import discrepancy_measure
from r2d2_burnin.diagnostics.forgetting import fit_forgetting
from r2d2_burnin.diagnostics.recorded_states import MOST_EPISODES, fitted_episodes, network_inputs
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.initialization import Full, Stored, Zero
from r2d2_burnin.learning.objectives import Objective, Outputs, trained_steps
from r2d2_burnin.networks.adapters import AnyNetwork
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime import nests
from r2d2_burnin.settings import ReplaySettings

LENGTH = 20
"""Trained steps of a fragment, if it is not said how many."""

STARTS = {start.start: start for start in (Zero, Stored)}
"""Start states that are tried, by name."""


def advise(
    network: AnyNetwork,
    episodes: Sequence[Episode],
    *,
    objective: Objective | None = None,
    inputs: InputSpace | None = None,
    sequence_length: int | None = None,
    period: int | None = None,
    longest: int | None = None,
    tolerance: float = 0.05,
) -> Advice:
    """Measure burn-ins of 0, 1, 2, 4, 8, .. steps, and find the smallest one that is good enough.

    Args:
        network: with today's parameters; of any framework.
        episodes: recorded ones, with the states that replay would store: a random sample, none chosen by its length.
            Where none has states, they are the network's present ones.
        objective: what the network's outputs mean; by default the best action is that of the largest output.
        inputs: the space of the network's inputs; by default the observation alone.
        sequence_length: trained steps of a fragment, T; by default 20, and where most episodes are not longer than
            that, half of the median episode.
        period: steps between the starts of fragments; by default half of T.
        longest: longest burn-in to try, in steps; by default the longest one that the episodes can judge.
        tolerance: largest ΔQ that is good enough: of the mean's upper bound and of the 95 % quantile, at the first and
            at the last trained step.

    Raises:
        ValueError: for episodes that are too few or too short to judge any burn-in.
    """
    settings = _fragments(episodes, sequence_length, period)
    trial = _Trial(network, episodes, objective or Outputs(), inputs, settings, longest, tolerance)
    longest = trial.longest
    grid = [0, *(2**i for i in range(longest.bit_length()) if 2**i < longest), longest][: None if longest else 1]
    smallest, measures = _smallest(grid, lambda k: trial.measure("zero", k), tolerance)
    decays = trial.decays()
    computed = None
    if decays is not None and decays.layers == 1:
        computed, _ = _smallest(grid, functools.partial(trial.computed, decays), tolerance)
    stored = [trial.measure("stored", k) for k in grid]
    verdict = "burn-in suffices" if smallest else "zero state is enough"
    return Advice(
        verdict=none_up_to(longest) if smallest is None else verdict,
        burn_in=smallest,
        longest=longest,
        possible=trial.possible,
        judged_from=trial.judged_from,
        tolerance=tolerance,
        measures=[*(measures[k] for k in sorted(measures)), *stored],
        forgetting=fit_forgetting(*trial.decay()),
        closed_form=None if decays is None else decays.closed_form(computed),
    )


def _fragments(episodes: Sequence[Episode], sequence_length: int | None, period: int | None) -> ReplaySettings:
    if sequence_length is None:
        median = int(np.median([len(episode) for episode in episodes])) if episodes else LENGTH
        sequence_length = LENGTH if median > LENGTH else max(median // 2, 1)
    return ReplaySettings(sequence_length, max(sequence_length // 2, 1) if period is None else period, 1 << 62)


def _smallest(
    grid: Sequence[int], measure: Callable[[int], BurnInMeasures], tolerance: float
) -> tuple[int | None, dict[int, BurnInMeasures]]:
    """The smallest burn-in that is good enough, None where there is none, and all that were measured to find it."""
    measures = {k: measure(k) for k in grid}

    def suffices(k: int) -> bool:
        if k not in measures:
            measures[k] = measure(k)
        return measures[k].worst <= tolerance

    return smallest_sufficient(grid, suffices), measures


def none_up_to(steps: int) -> str:
    """The verdict where no burn-in of up to so many steps is good enough."""
    return f"none up to {steps} steps"


def steps_left_out(start: int, sequence_length: int, tolerance: float) -> int:
    """Steps that the longest burn-in judged leaves out of the past of a fragment that starts at `start`, d.

    d / (start - d + T) >= 2 tolerance: a count, which weighs all steps alike, would be wrong by twice the tolerance.
    """
    return max(1, math.ceil(2 * tolerance * (start + sequence_length) / (1 + 2 * tolerance)))


class _Trial:
    """The recorded episodes as fragments, and what is the same for every burn-in."""

    def __init__(
        self,
        network: AnyNetwork,
        episodes: Sequence[Episode],
        objective: Objective,
        inputs: InputSpace | None,
        settings: ReplaySettings,
        longest: int | None,
        tolerance: float,
    ) -> None:
        self._step = step_of(network)
        self._objective = objective
        self._episodes = fitted_episodes(self._step, episodes, inputs)
        self._inputs = inputs
        self._tolerance = tolerance
        self._measure = discrepancy_measure(network, objective.values, objective.scale)
        self._replay = Replay(settings, Full(), objective, inputs)
        self._replay.add(*self._episodes)
        rows = self._replay.all_rows()
        self._rows = rows[self._replay.starts(rows) > 0]
        self._owners = self._replay.episodes_of(self._rows)
        starts = self._replay.starts(self._rows)
        latest = _latest_starts(starts, self._owners)
        self._enough = max(FEWEST_FRAGMENTS, len(latest) // 2)
        self.judged_from = int(np.sort(latest)[-self._enough])

        def longest_from(start: int) -> int:
            return start - steps_left_out(start, settings.sequence_length, tolerance)

        self.possible = max(longest_from(self.judged_from), 0)
        self.longest = self.possible if longest is None else min(longest, self.possible)
        while self.judged_from > 1 and longest_from(self.judged_from - 1) >= self.longest:
            self.judged_from -= 1
        self._judged = starts >= self.judged_from
        self._references = self._replay.references(self._rows)
        _, self._exact = self._measured(self._replay.batch(self._rows))

    def measure(self, start: Literal["zero", "stored"], burn_in: int) -> BurnInMeasures:
        replay = Replay(self._replay.settings, STARTS[start](burn_in), self._objective, self._inputs)
        replay.add(*self._episodes)
        return self._measures(start, burn_in, replay.batch(self._rows))

    def computed(self, decays: Decays, burn_in: int) -> BurnInMeasures:
        """The same of a burn-in from the zero state whose end is computed from the factors, not unrolled."""
        ends = self._replay.starts(self._rows)
        begins = np.maximum(ends - burn_in, 0)
        episodes = self._replay.episodes_of(self._rows) - self._replay.episodes_of(self._replay.all_rows()).min()
        exact = self._exact_states
        initial = [leaf[0, episodes] for leaf in exact]
        wrong = [start - leaf[begins, episodes] for start, leaf in zip(initial, exact, strict=True)]
        left = decays.after(wrong, episodes, begins, ends)
        leaves = [(leaf[ends, episodes] + part).astype(leaf.dtype) for leaf, part in zip(exact, left, strict=True)]
        replay = Replay(self._replay.settings, Stored(), self._objective, self._inputs)
        replay.add(*self._episodes)
        batch = replay.batch(self._rows)
        return self._measures("zero", burn_in, batch._replace(start_state=nests.pack(batch.start_state, leaves)))

    def decays(self) -> Decays | None:
        """The factors of a network that has them; None for one that does not."""
        state_decays = getattr(self._step.network, "state_decays", None)
        if state_decays is None:
            return None
        parts = []
        for begin in range(0, len(self._padded), MOST_EPISODES):
            if (factors := state_decays(self._padded[begin : begin + MOST_EPISODES])) is None:
                return None
            parts.append([np.asarray(leaf) for leaf in nests.flatten(factors)])
        leaves = [np.concatenate(columns, 1) for columns in zip(*parts, strict=True)]
        return Decays(nests.pack(factors, leaves), np.array([len(episode) for episode in self._episodes]))

    def _measures(self, start: Literal["zero", "stored"], burn_in: int, batch: FragmentBatch) -> BurnInMeasures:
        discrepancies, outputs = self._measured(batch)
        judged, owners = self._judged, self._owners
        act = self._objective.act
        changed = act(outputs.reshape(-1, outputs.shape[-1])) != act(self._exact.reshape(-1, outputs.shape[-1]))
        first, last = discrepancies.delta_q_first_exact, discrepancies.delta_q_last_exact
        of_first, of_last = (_summary(values[judged], owners[judged]) for values in (first, last))
        everywhere = [_summary(values, owners) for values in (first, last)]
        within = np.maximum(first, last) <= self._tolerance
        episodes = len(np.unique(owners[judged]))
        failed = len(np.unique(owners[judged & ~within]))
        return BurnInMeasures(
            start=start,
            burn_in=burn_in,
            fragments=int(judged.sum()),
            episodes=episodes,
            delta_q_first=of_first[0],
            delta_q_first_upper=of_first[1],
            delta_q_first_q95=of_first[2],
            delta_q_last=of_last[0],
            delta_q_last_upper=of_last[1],
            delta_q_last_q95=of_last[2],
            delta_q_all_upper=float(np.max([upper for _, upper, _ in everywhere])),
            delta_q_all_q95=float(np.max([q95 for _, _, q95 in everywhere])),
            failed_episodes=failed,
            failed_share_upper=share_bound(failed, episodes),
            state_error=float(discrepancies.state_error[judged].mean()),
            loss=self._loss(outputs, batch, judged),
            loss_exact=self._loss(self._exact, batch, judged),
            changed_actions=float(changed.reshape(batch.mask.shape)[judged][batch.mask[judged]].mean()),
        )

    def _measured(self, batch: FragmentBatch) -> tuple[Any, np.ndarray]:
        return self._measure(batch, self._references)

    @functools.cached_property
    def _padded(self) -> np.ndarray:
        """The network's inputs of all episodes `[E, L, F]`, padded at the end."""
        sequences = [network_inputs(episode, self._inputs) for episode in self._episodes]
        longest = max(len(x) for x in sequences)
        return np.stack([np.pad(x, ((0, longest - len(x)), (0, 0))) for x in sequences])

    @functools.cached_property
    def _exact_states(self) -> list[np.ndarray]:
        """The arrays `[L + 1, E, ...]` of the exact states before each step of all episodes, and after the last."""
        exact = self._step.network.initial_state(len(self._episodes))
        states, never = [], np.zeros(len(self._episodes), np.bool_)
        for t in range(self._padded.shape[1] + 1):
            states.append([self._step.to_numpy(leaf) for leaf in nests.flatten(exact)])
            if t < self._padded.shape[1]:
                _, _, exact = self._step(self._padded[:, t], exact, never)
        return [np.stack(leaves) for leaves in zip(*states, strict=True)]

    def _loss(self, outputs: np.ndarray, batch: Any, counts: np.ndarray) -> float:
        """Mean loss of trained steps; targets that look ahead do so within the fragment."""
        ahead = self._objective.lookahead
        # The exact outputs end with the fragment.
        trained = self._objective.steps_within(batch.mask, batch.labels)
        outputs = np.pad(outputs, ((0, 0), (0, ahead), (0, 0)))
        losses = self._objective.losses(outputs, outputs, batch.labels)
        trained = np.asarray(trained_steps(trained, losses))  # steps without a target have no loss
        if not trained[counts].any():
            return float("nan")
        return float(np.asarray(losses.loss)[counts][trained[counts]].mean())

    def decay(self) -> tuple[np.ndarray, np.ndarray]:
        """State errors `[B, J + 1]` after 0, 1, .. J steps of burn-in from the zero state, and their episodes `[B]`.

        J is three quarters of the length that half of the episodes (and 16) have; the zero state is put in place of the
        exact one a quarter of that length, or more, after an episode's first step.
        """
        lengths = [len(episode) for episode in self._episodes]
        length = int(np.sort(lengths)[-self._enough])
        first = max(length // 4, 1)
        steps = length - first
        starts = [(i, s) for i, end in enumerate(lengths) for s in range(first, end - steps + 1, steps)]
        owners, begins = (np.array(column) for column in zip(*starts, strict=True))
        tried = self._step.network.initial_state(len(starts))
        never = np.zeros(len(starts), np.bool_)
        errors = []
        for j in range(steps + 1):
            leaves = [leaf[begins + j, owners] for leaf in self._exact_states]
            errors.append(self._measure.distance(tried, nests.pack(tried, leaves)))
            if j < steps:
                _, _, tried = self._step(self._padded[owners, begins + j], tried, never)
        return np.stack(errors, 1), owners


def _latest_starts(starts: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """The latest start `[E]` of each episode's fragments, from starts `[n]` and episodes `[n]`.

    Raises:
        ValueError: for too few fragments or episodes.
    """
    numbers, places = np.unique(owners, return_inverse=True)
    hint = "record more episodes, longer ones, or give a smaller sequence_length"
    if len(starts) < FEWEST_FRAGMENTS:
        raise ValueError(
            f"episodes: got {len(starts)} fragments that do not begin an episode, expected at least {FEWEST_FRAGMENTS},"
            f" each of another episode: {hint}"
        )
    if len(numbers) < FEWEST_FRAGMENTS:
        raise ValueError(
            f"episodes: got {len(numbers)} with a fragment that does not begin them, expected at least"
            f" {FEWEST_FRAGMENTS}: {hint}"
        )
    latest = np.zeros(len(numbers), np.int64)
    np.maximum.at(latest, places, starts)
    return latest


def _summary(values: np.ndarray, owners: np.ndarray) -> tuple[float, float, float]:
    """Mean over episodes, its upper bound, and the 95 % quantile over fragments, of values `[n]` of episodes `[n]`."""
    _, places = np.unique(owners, return_inverse=True)
    by_episode = np.bincount(places, values) / np.bincount(places)
    # The smallest value that 95 % of the fragments do not exceed: no interpolation towards what is within tolerance.
    quantile = float(np.quantile(values, 0.95, method="inverted_cdf"))
    return float(by_episode.mean()), upper_bound(by_episode), quantile
