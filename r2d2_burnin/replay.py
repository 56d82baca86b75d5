"""Recurrent replay: fragments of episodes, together with the recurrent states that the actor had there.

The steps of an episode are kept once, however many fragments share them, and whole, so that `full` can start from the
episode's first step. Of the states only those are kept that something asks for: before a fragment's first processed
step (the stored state), and before its first and last trained steps (the references of ΔQ).
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from r2d2_burnin.episodes import Episode
from r2d2_burnin.fragments import burn_in_starts, check_fragment_settings, fragment_starts, trained_lengths
from r2d2_burnin.initialization import Initialization
from r2d2_burnin.quiet_tensorflow import tf
from r2d2_burnin.ring import Ring


class FragmentBatch(NamedTuple):
    """B fragments as the learner wants them; `batch_shape` axes may stand for B."""

    observations: np.ndarray  # [B, T, F]
    targets: np.ndarray  # [B, T] float32
    mask: np.ndarray  # [B, T] bool: trained steps, False after an episode's end
    burn_in_observations: np.ndarray  # [B, k, F]
    burn_in_mask: np.ndarray  # [B, k] bool: False for the padding before an episode's start
    start_state: Any  # nest of [B, ...]: the state before the first processed step, as stored
    from_initial_state: np.ndarray  # [B] bool: start from the network's initial state instead


class References(NamedTuple):
    """What ΔQ compares B fragments with."""

    exact: FragmentBatch  # the same fragments, from their episode's first step
    state_first: Any  # nest of [B, ...]: the actor's state before the first trained step
    state_last: Any  # nest of [B, ...]: the actor's state before the last trained step


class Replay:
    """Fragments of the newest episodes, up to `capacity` steps; the oldest episodes go first.

    Args:
        capacity: steps kept at most.
        sequence_length: trained steps of a fragment, T.
        period: steps between the starts of fragments.
        initialization: decides which states are kept, and what batches start from.

    Raises:
        ValueError: for settings under which some steps would never be trained.
    """

    def __init__(self, *, capacity: int, sequence_length: int, period: int, initialization: Initialization) -> None:
        check_fragment_settings(sequence_length, period)
        if capacity < 1:
            raise ValueError(f"capacity: got {capacity}, expected at least 1 step")
        self.capacity = capacity
        self.sequence_length = sequence_length
        self.period = period
        self.initialization = initialization
        self._steps = Ring()
        self._fragments = Ring()
        self._episodes: deque[tuple[int, int]] = deque()  # steps and fragments of each episode, oldest first
        self._state_structure: Any = None
        self._longest_prefix = 0

    def __len__(self) -> int:
        """Fragments kept."""
        return len(self._fragments)

    @property
    def steps(self) -> int:
        """Steps kept."""
        return len(self._steps)

    @property
    def nbytes(self) -> int:
        """Memory in use, in bytes."""
        return self._steps.nbytes + self._fragments.nbytes

    def add(self, episode: Episode) -> None:
        """Keep a whole episode and cut it into fragments, making room for it first.

        Raises:
            ValueError: for an episode that is longer than the capacity.
        """
        length = len(episode)
        if length > self.capacity:
            raise ValueError(
                f"capacity: got {self.capacity} steps, but an episode has {length}; expected at least {length}"
            )
        while self.steps + length > self.capacity:
            steps, fragments = self._episodes.popleft()
            self._steps.drop(steps)
            self._fragments.drop(fragments)

        starts = fragment_starts(length, self.sequence_length, self.period)
        lengths = trained_lengths(starts, length, self.sequence_length)
        processed = burn_in_starts(starts, self.initialization.burn_in)
        self._state_structure = episode.states
        rows = {
            "episode": np.full(len(starts), self._steps.end, np.int64),
            "start": starts,
            "length": lengths,
            "update": episode.updates[processed],
        }
        for name, positions in (("stored", processed), ("first", starts), ("last", starts + lengths - 1)):
            for i, leaf in enumerate(tf.nest.flatten(episode.states)):
                rows[f"{name}/{i}"] = leaf[positions]
        self._fragments.append(rows)
        self._steps.append({"observations": episode.observations, "targets": episode.targets.astype(np.float32)})
        self._episodes.append((length, len(starts)))
        self._longest_prefix = max(self._longest_prefix, int(starts[-1]))

    def sample(self, generator: np.random.Generator, *shape: int) -> np.ndarray:
        """Draw fragments uniformly, with replacement: their row numbers, of the given shape.

        Raises:
            ValueError: when nothing has been added yet.
        """
        if not len(self):
            raise ValueError("replay: got a request for fragments while empty, expected an episode to be added first")
        return generator.integers(self._fragments.first, self._fragments.end, shape)

    def batch(self, rows: np.ndarray) -> FragmentBatch:
        """Fragments of the given row numbers `[*batch_shape]`, initialized as the replay's initialization says."""
        return self._batch(rows, self.initialization)

    def references(self, rows: np.ndarray) -> References:
        """What ΔQ compares the same fragments with."""
        return References(
            exact=self._batch(rows, Initialization("zero", None)),
            state_first=self._states("first", rows),
            state_last=self._states("last", rows),
        )

    def all_rows(self) -> np.ndarray:
        """Row numbers `[n]` of all fragments kept, oldest first."""
        return np.arange(self._fragments.first, self._fragments.end)

    def episodes_of(self, rows: np.ndarray) -> np.ndarray:
        """A number `[*batch_shape]` that fragments of the same episode share, and no others."""
        return self._fragments.take("episode", rows)

    def staleness(self, rows: np.ndarray, update: int) -> np.ndarray:
        """Learner updates `[*batch_shape]` since the states of the given fragments were stored."""
        return update - self._fragments.take("update", rows)

    def _batch(self, rows: np.ndarray, initialization: Initialization) -> FragmentBatch:
        episode = self._fragments.take("episode", rows)[..., None]
        start = self._fragments.take("start", rows)[..., None]
        length = self._fragments.take("length", rows)[..., None]
        offsets = np.arange(self.sequence_length)
        mask = offsets < length
        trained = episode + start + np.minimum(offsets, length - 1)

        # Rounded up, so that longer and longer episodes seldom change the shape of a compiled program.
        longest = -(-self._longest_prefix // self.sequence_length) * self.sequence_length
        burn_in = longest if initialization.burn_in is None else initialization.burn_in
        before = start - burn_in + np.arange(burn_in)
        burn_in_mask = before >= 0
        burned_in = episode + np.maximum(before, 0)
        return FragmentBatch(
            observations=_zero_padding(self._steps.take("observations", trained), mask),
            targets=_zero_padding(self._steps.take("targets", trained), mask),
            mask=mask,
            burn_in_observations=_zero_padding(self._steps.take("observations", burned_in), burn_in_mask),
            burn_in_mask=burn_in_mask,
            start_state=self._states("stored", rows),
            from_initial_state=np.full(rows.shape, initialization.start == "zero") | (start[..., 0] <= burn_in),
        )

    def _states(self, name: str, rows: np.ndarray) -> Any:
        leaves = tf.nest.flatten(self._state_structure)
        return tf.nest.pack_sequence_as(
            self._state_structure, [self._fragments.take(f"{name}/{i}", rows) for i in range(len(leaves))]
        )


def _zero_padding(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values `[..., T, *]`, set to 0 in place where `mask` `[..., T]` is False."""
    if not mask.all():
        values[~mask] = 0
    return values
