"""What passes between the parts of the library: episodes, batches of fragments, and what a run measured."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from r2d2_burnin.runtime import nests


@dataclasses.dataclass(frozen=True, repr=False)
class Episode:
    """One episode of L steps, whole or a part of a longer one, without any dummy transition."""

    observations: np.ndarray  # [L, O] flat, float32 or bytes
    actions: np.ndarray  # [L]
    rewards: np.ndarray  # [L] the reward that followed each action
    targets: np.ndarray | None  # [L] what the environment calls info["target"]; None where it has none
    outputs: np.ndarray  # [L, A] the network's outputs as the actor acted
    states: Any  # nest of [L, ...]: the recurrent state before each step
    updates: np.ndarray  # [L] learner updates made when each step was taken
    terminated: bool  # False: truncated, so that the value of what would have followed counts
    final_observation: np.ndarray  # [O] the observation after the last step
    environment: int  # index of the sub-environment
    first_step: int = 0  # of the whole episode; above 0 in the later parts of one that was cut
    previous_action: int = -1  # before the first step; -1 where the whole episode begins
    previous_reward: float = 0.0

    def __len__(self) -> int:
        return len(self.observations)

    def __repr__(self) -> str:
        end = "terminated" if self.terminated else "truncated"
        return f"Episode({len(self)} steps, return {self.rewards.sum(dtype=float):g}, {end})"

    @classmethod
    def from_arrays(
        cls,
        observations: Any,
        actions: Any,
        rewards: Any,
        *,
        terminated: bool,
        states: Any = (),
        outputs: Any = None,
        updates: Any = 0,
        targets: Any = None,
        final_observation: Any = None,
        environment: int = 0,
    ) -> Episode:
        """An episode of L steps that another program has recorded.

        Args:
            observations: `[L, ...]`, flattened to `[L, O]`; bytes stay bytes, all else becomes float32.
            actions: `[L]`, numbers of actions from 0.
            rewards: `[L]`, the reward that followed each action.
            terminated: False where the episode was truncated.
            states: nest of `[L, ...]`, the recurrent state before each step, as the actor had it; an empty tuple for
                none: measures then compute the states that the network has now.
            outputs: `[L, A]`, the network's outputs as the actor acted; None for none.
            updates: `[L]`, or one number: the learner updates made when each step was taken.
            targets: `[L]`, what the environment calls `info["target"]`; None for none.
            final_observation: `[...]`, the observation after the last step; by default NaN, or 0 for bytes: only
                objectives that look ahead read it.
            environment: index of the sub-environment.

        Raises:
            ValueError: naming the array, for one of another length or with numbers that are not finite.
        """
        if not np.size(observations):
            raise ValueError("observations: got an episode without steps, expected at least one")
        seen = _flat("observations", observations)
        steps = len(seen)
        return cls(
            observations=seen,
            actions=_actions(actions, steps),
            rewards=_finite("rewards", _row("rewards", rewards, steps)).astype(np.float32),
            targets=None if targets is None else _row("targets", targets, steps),
            outputs=_outputs(outputs, steps),
            states=nests.pack(states, [_state(i, leaf, steps) for i, leaf in enumerate(nests.flatten(states))]),
            updates=_row("updates", np.full(steps, updates) if np.ndim(updates) == 0 else updates, steps).astype(int),
            terminated=bool(terminated),
            final_observation=_final_observation(final_observation, seen),
            environment=environment,
        )


def _rows(name: str, array: Any, steps: int, axes: int | None = None) -> np.ndarray:
    """An array of numbers with one row a step."""
    rows = np.asarray(array)
    expected = "" if axes is None else f" of {axes} axes"
    if rows.dtype.kind not in "fciub" and "float" not in rows.dtype.name:
        raise ValueError(f"{name}: got an array of {rows.dtype}, expected numbers")
    if rows.ndim == 0 or len(rows) != steps or axes not in (None, rows.ndim):
        raise ValueError(f"{name}: got shape {list(rows.shape)}, expected {steps} rows{expected}, one a step")
    return rows


def _row(name: str, array: Any, steps: int) -> np.ndarray:
    """An array `[L]`; one of `[L, 1]` will do."""
    rows = _rows(name, array, steps)
    if rows.size != steps:
        raise ValueError(f"{name}: got shape {list(rows.shape)}, expected [{steps}], one number a step")
    return rows.reshape(steps)


def _finite(name: str, rows: np.ndarray) -> np.ndarray:
    if rows.dtype.kind in "fc" and not (finite := np.isfinite(rows)).all():
        step = int(np.argwhere(~finite)[0][0])
        raise ValueError(f"{name}: got {rows[step].tolist()} at step {step}, expected finite numbers")
    return rows


def _actions(actions: Any, steps: int) -> np.ndarray:
    acted = _row("actions", actions, steps)
    if acted.dtype.kind not in "iu" or acted.min() < 0:
        raise ValueError(f"actions: got {acted.dtype} from {acted.min()} on, expected whole numbers from 0")
    return acted.astype(np.int64)


def _outputs(outputs: Any, steps: int) -> np.ndarray:
    if outputs is None:
        return np.zeros((steps, 0), np.float32)
    return _finite("outputs", _rows("outputs", outputs, steps, 2))


def _final_observation(observation: Any, seen: np.ndarray) -> np.ndarray:
    """The observation `[O]` after those seen `[L, O]`; NaN, or 0 for bytes, where it is not known."""
    if observation is None:
        return np.full(seen.shape[1], 0 if seen.dtype == np.uint8 else np.nan, seen.dtype)
    last = _flat("final_observation", np.asarray(observation)[None])[0]
    if last.shape != seen[0].shape:
        raise ValueError(f"final_observation: got {last.size} numbers, expected {seen.shape[1]}")
    return np.asarray(last, seen.dtype)


def _state(number: int, leaf: Any, steps: int) -> np.ndarray:
    return _finite(f"state/{number}", _rows(f"state/{number}", leaf, steps))


def _flat(name: str, array: Any) -> np.ndarray:
    """Observations `[L, O]`: bytes stay bytes, all else becomes float32."""
    rows = _rows(name, array, len(np.atleast_1d(np.asarray(array))))
    flat = rows.reshape(len(rows), -1)
    return flat if flat.dtype == np.uint8 else _finite(name, flat.astype(np.float32))


class FragmentBatch(NamedTuple):
    """B fragments as the learner wants them; `batch_shape` axes may stand for B."""

    processed: np.ndarray  # [B, k + T + n, F] the network's inputs, of burn-in, trained steps and n to look ahead at
    labels: dict[str, np.ndarray]  # [B, T] each: what the objective asks of the trained steps
    mask: np.ndarray  # [B, T] bool: trained steps, False after an episode's end
    weights: np.ndarray  # [B] importance weights
    burn_in_mask: np.ndarray  # [B, k] bool: False for the padding before an episode's start
    start_state: Any  # nest of [B, ...]: the state before the first processed step, as stored
    from_initial_state: np.ndarray  # [B] bool: start from the network's initial state instead

    @property
    def burn_in_observations(self) -> np.ndarray:
        """Inputs `[B, k, F]` of the steps of burn-in."""
        return self.processed[..., : self.burn_in_mask.shape[-1], :]

    @property
    def observations(self) -> np.ndarray:
        """Inputs `[B, T + n, F]` of the trained steps, and of n after them to look ahead at."""
        return self.processed[..., self.burn_in_mask.shape[-1] :, :]


class References(NamedTuple):
    """What ΔQ compares B fragments with."""

    exact: FragmentBatch  # the same fragments, from their episode's first step
    state_first: Any  # nest of [B, ...]: the actor's state before the first trained step
    state_last: Any  # nest of [B, ...]: the actor's state before the last trained step


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One number, and the learner update after which it was measured."""

    update: int
    metric: str
    value: float
    step: int | None = None  # of the episode, from 0, where a metric is measured at each

    @property
    def name(self) -> str:
        """The metric and the step, as result files have them."""
        return self.metric if self.step is None else f"{self.metric}_{self.step}"


FEWEST_MEMORY_EPISODES = 8
"""Episodes without which nothing is tested of memory."""


@dataclasses.dataclass(frozen=True)
class MemoryUse:
    """How much memory an agent uses: what it reaches when its recurrent state is cut to the last k steps."""

    steps: list[int]  # [K] memories k, ascending; the last is that of the longest episode: the agent itself
    outcomes: list[float]  # [K] mean return or error over episodes
    p_values: list[float]  # [K] one-sided p that more than `margin` is lost
    used: (
        int | None
    )  # the smallest k from which on every one tested loses less than `margin`; None: nothing was learned
    too_few: int | None  # the largest k that was tested and is not shown to be enough; None where all are
    alone: int | None  # the smallest k that is shown to be enough, whatever larger ones are; None where none is
    better: int | None  # the k with which it is shown to reach most more than without a cut, by more than `margin`
    learned: bool  # whether the agent itself is shown to be better than the baseline
    baseline: float  # mean outcome of what learns nothing: random actions, or the best constant answer
    margin: float  # in the unit of the outcome
    episodes: int  # that were tested
    unproven: int | None = None  # the smallest k < `used` that more episodes like these could show to be enough
    needed: int | None = None  # about how many; None where there is no such k

    @property
    def uncut(self) -> float:
        """What the agent itself reaches in the same episodes."""
        return self.outcomes[-1]

    @property
    def estimate(self) -> int | None:
        """The smallest k from which on none loses more than `margin` in the mean, without a test; None: not learned.

        `used` is what these episodes prove: at most so many steps. It also depends on how much they vary, so that the
        estimates are what to compare between agents.
        """
        if not self.learned:
            return None
        sign = 1.0 if self.uncut > self.baseline else -1.0
        failing = [i for i, outcome in enumerate(self.outcomes) if sign * (self.uncut - outcome) > self.margin]
        return self.steps[failing[-1] + 1 if failing else 0]


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What a run measured."""

    measurements: list[Measurement]
    seconds: float
    update_seconds: float = 0.0  # median time of a learner update, without what compiling took
    replay_bytes: int = 0  # memory of replay at the run's end
    batch_bytes: int = 0  # memory of an update's batch
    processed_steps: int = 0  # steps that the network processed in all updates: burn-in and trained steps
    longest_start: int | None = None  # largest first trained step of a fragment, counted from its episode's first step
    streams: str | None = None  # checksum of all observations that were acted on, in order, and of where episodes end
    measured_fragments: int | None = None  # distinct ones of the measurement of ΔQ that had the fewest
    outcomes: list[float] = dataclasses.field(default_factory=list)  # error or return of each last evaluation episode
    baselines: dict[str, list[float]] = dataclasses.field(default_factory=dict)  # of what learns nothing, in the same
    memory: MemoryUse | None = None  # of the trained agent; None where it was not measured

    def final(self, metric: str, *, last: float = 0.1, fewest: int = 1, until: float | None = None) -> float | None:
        """Mean of a metric over the end of training, None if it was not measured.

        Args:
            metric: its name.
            last: this part of the updates counts, and at least
            fewest: so many measurements, as far as there are as many.
            until: what comes after this update does not count; by default all does. None where that is everything.
        """
        mine = [m for m in self.measurements if m.metric == metric and (until is None or m.update <= until)]
        if not mine:
            return None
        begin = (1 - last) * mine[-1].update
        chosen = [m.value for m in mine if m.update > begin]
        if len(chosen) < fewest:
            chosen = [m.value for m in mine[-fewest:]]
        return float(np.mean(chosen))
