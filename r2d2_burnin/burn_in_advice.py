"""How long must burn-in be? A measured answer for one network and episodes that it, or an older self, has acted.

Every burn-in is tried on the same recorded episodes, from the zero state and from the stored states, and compared with
the exact state: the one from the episode's first step with today's parameters. Fragments whose past is shorter than
twice the burn-in do not count, since near an episode's start every burn-in sees almost everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import stats

from r2d2_burnin.actor import ActorStep
from r2d2_burnin.discrepancy import DiscrepancyMeasure, state_distance
from r2d2_burnin.episodes import Episode
from r2d2_burnin.initialization import Initialization
from r2d2_burnin.inputs import InputSpace
from r2d2_burnin.networks import RecurrentNetwork
from r2d2_burnin.objectives import Objective
from r2d2_burnin.quiet_tensorflow import tf
from r2d2_burnin.replay import Replay
from r2d2_burnin.settings import ReplaySettings

FEWEST_FRAGMENTS = 16
"""Fragments without which a burn-in is not judged."""
NEGLIGIBLE = 1e-3
"""Part of the first state error below which the decay is rounding, and no longer fitted."""


@dataclasses.dataclass(frozen=True)
class BurnInMeasures:
    """What one burn-in, from one kind of start state, does on recorded episodes: means over fragments."""

    start: Literal["zero", "stored"]
    burn_in: int  # steps, k
    fragments: int  # with a past of at least 2 k steps
    delta_q_first: float  # against the exact state
    delta_q_last: float
    state_error: float  # L2 distance of the start state from the exact one
    loss: float  # the objective's, a trained step
    loss_exact: float  # the same from the exact state
    changed_actions: float  # share of trained steps whose best action is another one than from the exact state


@dataclasses.dataclass(frozen=True)
class Forgetting:
    """How fast a wrong start state is forgotten: the state error after j steps is about e0 exp(-j / steps)."""

    steps: float | None  # None: it is not forgotten
    low: float | None  # 95 % interval over episodes; None: it reaches beyond every number
    high: float | None
    errors: list[float]  # mean state error after 0, 1, .. steps of burn-in from the zero state


@dataclasses.dataclass(frozen=True)
class Advice:
    """The measured answer."""

    verdict: Literal["zero state is enough", "burn-in suffices", "no burn-in suffices: store states"]
    burn_in: int | None  # the smallest within tolerance; None where there is none
    longest: int  # the longest burn-in that the episodes can judge
    tolerance: float
    measures: list[BurnInMeasures]
    forgetting: Forgetting

    @property
    def sentence(self) -> str:
        """The verdict in words, with its evidence."""
        zero = {m.burn_in: m for m in self.measures if m.start == "zero"}
        none, last = zero[0], zero[max(zero)]
        without = f"without burn-in ΔQ is {none.delta_q_first:.3g} at the first trained step"
        if self.burn_in is None:
            return (
                f"No burn-in suffices: store states. From the zero state ΔQ is {last.delta_q_first:.3g} even after"
                f" {last.burn_in} steps, above the tolerance of {self.tolerance:g} ({without})."
            )
        if self.burn_in == 0:
            return f"The zero state is enough: {without}, within the tolerance of {self.tolerance:g}."
        found = zero[self.burn_in]
        return (
            f"A burn-in of {self.burn_in} steps from the zero state suffices: ΔQ is {found.delta_q_first:.3g} at the"
            f" first and {found.delta_q_last:.3g} at the last trained step, within the tolerance of {self.tolerance:g};"
            f" {without}."
        )


def advise(
    network: RecurrentNetwork,
    episodes: Sequence[Episode],
    *,
    objective: Objective,
    inputs: InputSpace | None = None,
    sequence_length: int = 20,
    period: int = 10,
    longest: int | None = None,
    tolerance: float = 0.05,
) -> Advice:
    """Measure burn-ins of 0, 1, 2, 4, 8, .. steps, and find the smallest one within tolerance.

    Args:
        network: with today's parameters.
        episodes: recorded ones, with the states that replay would store.
        objective: what the network's outputs mean.
        inputs: the space of the network's inputs; by default the observation alone.
        sequence_length: trained steps of a fragment, T.
        period: steps between the starts of fragments.
        longest: longest burn-in to try; by default the longest one that the episodes can judge.
        tolerance: largest mean ΔQ, at the first and at the last trained step, that is good enough.

    Raises:
        ValueError: for episodes that are too short to judge any burn-in.
    """
    trial = _Trial(network, episodes, objective, inputs, ReplaySettings(sequence_length, period, 1 << 62))
    possible = trial.longest
    longest = possible if longest is None else min(longest, possible)
    grid = [0, *(2**i for i in range(longest.bit_length()) if 2**i < longest), longest][: None if longest else 1]
    measures = {k: trial.measure("zero", k) for k in grid}

    def suffices(k: int) -> bool:
        if k not in measures:
            measures[k] = trial.measure("zero", k)
        return max(measures[k].delta_q_first, measures[k].delta_q_last) <= tolerance

    # The smallest k from which on every longer one of the grid is good enough, then between it and the one before.
    good = [k for i, k in enumerate(grid) if all(suffices(longer) for longer in grid[i:])]
    found = good[0] if good else None
    if found:
        failing = grid[grid.index(found) - 1]
        while found - failing > 1:
            middle = (found + failing) // 2
            found, failing = (middle, failing) if suffices(middle) else (found, middle)
    stored = [trial.measure("stored", k) for k in grid]
    verdict: Any = "burn-in suffices" if found else "zero state is enough"
    return Advice(
        verdict="no burn-in suffices: store states" if found is None else verdict,
        burn_in=found,
        longest=longest,
        tolerance=tolerance,
        measures=[*(measures[k] for k in sorted(measures)), *stored],
        forgetting=_forgetting(*trial.decay(longest)),
    )


class _Trial:
    """The recorded episodes as fragments, and what is the same for every burn-in."""

    def __init__(
        self,
        network: RecurrentNetwork,
        episodes: Sequence[Episode],
        objective: Objective,
        inputs: InputSpace | None,
        settings: ReplaySettings,
    ) -> None:
        self._network = network
        self._objective = objective
        self._episodes = episodes
        self._inputs = inputs
        self._measure = DiscrepancyMeasure(network, objective.values, objective.scale)
        self._replay = Replay(settings, Initialization("zero", None), objective, inputs)
        self._replay.add(*episodes)
        rows = self._replay.all_rows()
        self._rows = rows[self._replay.starts(rows) > 0]
        starts = np.sort(self._replay.starts(self._rows))
        if len(starts) < FEWEST_FRAGMENTS:
            raise ValueError(
                f"episodes: got {len(starts)} fragments that do not begin an episode, expected at least"
                f" {FEWEST_FRAGMENTS}: record more episodes, longer ones, or give a smaller sequence_length"
            )
        self.longest = int(starts[-FEWEST_FRAGMENTS]) // 2
        _, self._exact = self._measured(self._replay)

    def measure(self, start: Literal["zero", "stored"], burn_in: int) -> BurnInMeasures:
        replay = Replay(self._replay.settings, Initialization(start, burn_in), self._objective, self._inputs)
        replay.add(*self._episodes)
        found, outputs = self._measured(replay)
        counts = self._replay.starts(self._rows) >= 2 * burn_in
        batch = replay.batch(self._rows)
        trained = batch.mask[counts]
        act = self._objective.act
        changed = act(outputs.reshape(-1, outputs.shape[-1])) != act(self._exact.reshape(-1, outputs.shape[-1]))
        return BurnInMeasures(
            start=start,
            burn_in=burn_in,
            fragments=int(counts.sum()),
            delta_q_first=float(found.delta_q_first_exact[counts].mean()),
            delta_q_last=float(found.delta_q_last_exact[counts].mean()),
            state_error=float(found.state_error[counts].mean()),
            loss=self._loss(outputs, batch, counts),
            loss_exact=self._loss(self._exact, batch, counts),
            changed_actions=float(changed.reshape(batch.mask.shape)[counts][trained].mean()),
        )

    def _measured(self, replay: Replay) -> tuple[Any, np.ndarray]:
        return self._measure(replay.batch(self._rows), self._replay.references(self._rows))

    def _loss(self, outputs: np.ndarray, batch: Any, counts: np.ndarray) -> float:
        """Mean loss of trained steps; targets that look ahead do so within the fragment."""
        ahead = self._objective.lookahead
        trained = batch.mask.copy()
        if ahead:
            # Only targets whose bootstrap lies among the fragment's own steps: the exact outputs end with it.
            reach = np.arange(batch.mask.shape[1]) + batch.labels["offsets"]
            trained &= (reach < batch.mask.sum(1, keepdims=True)) | (batch.labels["discounts"] == 0)
            outputs = np.pad(outputs, ((0, 0), (0, ahead), (0, 0)))
        if not trained[counts].any():
            return float("nan")
        losses = np.asarray(self._objective.losses(outputs, outputs, batch.labels).loss)
        return float(losses[counts][trained[counts]].mean())

    def decay(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """State errors `[B, steps + 1]` after 0, 1, .. steps of burn-in from the zero state, and their episodes `[B]`.

        Of every episode, fragments that are `steps` steps or more from its start count.
        """
        sequences = [
            np.asarray(e.observations, np.float32) if self._inputs is None else self._inputs.of_episode(e)
            for e in self._episodes
        ]
        starts = [
            (i, s)
            for i, e in enumerate(self._episodes)
            for s in range(steps, len(e) - steps + 1, max(self._replay.settings.period, steps))
        ]
        step = ActorStep(self._network)
        never = np.zeros(len(sequences), np.bool_)
        exact, states = self._network.initial_state(len(sequences)), []
        longest = max(len(x) for x in sequences)
        padded = np.stack([np.pad(x, ((0, longest - len(x)), (0, 0))) for x in sequences])
        for t in range(longest):
            states.append([leaf.numpy() for leaf in tf.nest.flatten(exact)])
            _, _, exact = step(padded[:, t], exact, never)
        owners, begins = (np.array(column) for column in zip(*starts, strict=True))
        tried = self._network.initial_state(len(starts))
        errors = []
        for j in range(steps + 1):
            places = np.minimum(begins + j, longest - 1)
            leaves = [
                np.stack([states[p][i][o] for p, o in zip(places, owners, strict=True)]) for i in range(len(states[0]))
            ]
            errors.append(np.asarray(state_distance(tried, tf.nest.pack_sequence_as(tried, leaves))))
            _, _, tried = step(padded[owners, places], tried, np.zeros(len(starts), np.bool_))
        return np.stack(errors, 1), owners


def _forgetting(errors: np.ndarray, owners: np.ndarray) -> Forgetting:
    """Fit the decay of the mean state error, and bootstrap the fit over episodes (percentile, 95 %)."""
    numbers, places = np.unique(owners, return_inverse=True)
    by_episode = np.stack([np.bincount(places, column) for column in errors.T], 1)  # [E, steps + 1] sums
    rate = _decay_rate(by_episode.sum(0))
    if len(numbers) < 2 or rate is None:
        low = high = None
    else:
        generator = np.random.default_rng(0)
        rates = []
        for _ in range(500):
            again = _decay_rate(by_episode[generator.integers(len(numbers), size=len(numbers))].sum(0))
            if again is not None:
                rates.append(again)
        low, high = (float(value) for value in np.percentile(rates, [2.5, 97.5]))
    return Forgetting(
        steps=_steps_of(rate),
        low=_steps_of(high),
        high=_steps_of(low),
        errors=errors.mean(0).tolist(),
    )


def _decay_rate(errors: np.ndarray) -> float | None:
    """Slope of -log error by step, by least squares over the steps before rounding takes over."""
    significant = errors > NEGLIGIBLE * errors[0]
    end = len(errors) if significant.all() else int(significant.argmin())
    if end < 2:
        return None
    return float(-stats.linregress(np.arange(end), np.log(errors[:end])).slope)


def _steps_of(rate: float | None) -> float | None:
    """Forgetting time of a decay rate; None where nothing decays."""
    return None if rate is None or rate <= 0 else 1 / rate
