"""What passes between the parts of the library: episodes, batches of fragments, and what a run measured."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True)
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

    def __len__(self) -> int:
        return len(self.observations)


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

    @property
    def uncut(self) -> float:
        """What the agent itself reaches in the same episodes."""
        return self.outcomes[-1]


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
