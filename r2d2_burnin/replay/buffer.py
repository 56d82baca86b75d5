"""Recurrent replay: fragments of episodes, together with the recurrent states that the actor had there.

The steps of an episode are kept once, however many fragments share them, and whole, so that `full` can start from the
episode's first step. Of the states only those are kept that something asks for: before a fragment's first processed
step (the stored state, where fragments start from it), and, for a random sample of the fragments, before the first and
the last trained step (the references of ΔQ).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from r2d2_burnin.data import Episode, FragmentBatch, References
from r2d2_burnin.replay.batching import Batcher, Composer, WholePast
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.replay.store import EpisodeStore, Labelling, Positions, StartState, rows_of
from r2d2_burnin.replay.sum_tree import SumTree, importance_weights
from r2d2_burnin.runtime import archive, nests
from r2d2_burnin.settings import ReplaySettings

SMALLEST_PRIORITY = 1e-6


class Replay:
    """Fragments of the newest episodes, up to a capacity in steps; the oldest episodes go first.

    Args:
        settings: capacity in steps, cutting of episodes into fragments, priorities.
        initialization: decides which states are stored, and what batches start from.
        objective: decides which labels are stored, and how many steps batches look ahead.
        inputs: what the network sees of a step; by default the observation alone.
        references: chooses the fragments whose references of ΔQ are stored; by default all of them.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        initialization: StartState,
        objective: Labelling,
        inputs: Composer | None = None,
        *,
        references: ReferenceSample | None = None,
    ) -> None:
        self.settings = settings
        self.initialization = initialization
        self._store = EpisodeStore(settings, initialization, objective)
        self._batcher = Batcher(self._store, objective.lookahead, inputs)
        self._references = ReferenceSample(every=True) if references is None else references
        uniform = settings.priority_exponent == 0 and settings.start_exponent == 0
        self._priorities = None if uniform else SumTree()

    def __len__(self) -> int:
        """Fragments stored."""
        return len(self._store.fragments)

    @property
    def steps(self) -> int:
        """Steps stored."""
        return self._store.step_count

    @property
    def nbytes(self) -> int:
        """Memory in use, in bytes."""
        priorities = 0 if self._priorities is None else self._priorities.nbytes
        return self._store.nbytes + priorities + self._references.nbytes

    @property
    def reference_bytes(self) -> int:
        """Memory of the references of ΔQ, in bytes: what training could do without."""
        return self._references.nbytes

    @property
    def longest_start(self) -> int:
        """Largest first trained step of a fragment so far, counted from its episode's first step."""
        return self._store.latest_start

    def add(self, *episodes: Episode) -> np.ndarray:
        """Keep whole episodes and cut them into fragments, making room for them; returns their row numbers `[n]`.

        Where fragments are drawn by priority, new ones have the priority 1 until `set_priorities` is called.

        Raises:
            ValueError: for an episode that is longer than the capacity.
        """
        capacity = self.settings.replay_capacity
        lengths = [len(episode) for episode in episodes]
        if max(lengths, default=0) > capacity:
            raise ValueError(
                f"replay_capacity: got {capacity} steps, but an episode has {max(lengths)}; expected at least"
                f" {max(lengths)}"
            )
        before, begin, steps = self._store.fragments.end, 0, 0
        for i, length in enumerate(lengths):
            if steps + length > capacity:
                self._add(episodes[begin:i])
                begin, steps = i, 0
            steps += length
        if episodes:
            self._add(episodes[begin:])
        return np.arange(before, self._store.fragments.end)

    def _add(self, episodes: Sequence[Episode]) -> None:
        """Add episodes that fit together."""
        lengths = [len(episode) for episode in episodes]
        first, end = self._store.forget_oldest(self.steps + sum(lengths) - self.settings.replay_capacity)
        if end > first:
            self._references.drop(end)
            if self._priorities is not None:
                self._priorities.drop(end - first)
        positions = [self._store.positions(length) for length in lengths]
        begin = self._store.fragments.end
        self._store.add(episodes, positions)
        self._add_references(begin, episodes, positions)
        if self._priorities is not None:
            starts = [p.starts + episode.first_step for p, episode in zip(positions, episodes, strict=True)]
            self._priorities.append(start_weights(np.concatenate(starts), self.settings))

    def _add_references(self, begin: int, episodes: Sequence[Episode], positions: Sequence[Positions]) -> None:
        """Offer the fragments of new episodes, with rows from `begin` on, to the sample of references."""
        trained, last = (np.concatenate([getattr(of, name) for of in positions]) for name in ("trained", "last"))
        owners = np.repeat(np.arange(len(episodes)), [len(of_episode.starts) for of_episode in positions])

        def states_of(chosen: np.ndarray) -> list[np.ndarray]:
            numbers, begins = np.unique(owners[chosen], return_index=True)
            leaves = list(zip(*(nests.flatten(episodes[i].states) for i in numbers.tolist()), strict=True))
            steps_of = [np.split(rows[chosen], begins[1:]) for rows in (trained, last)]
            return [rows_of(of_episodes, steps) for steps in steps_of for of_episodes in leaves]

        reference = 2 * sum(leaf.nbytes for leaf in self._store.state_leaves)
        self._references.limit_memory(self.settings.replay_capacity * self._store.steps.row_bytes, reference)
        self._references.add(begin + np.arange(len(trained)), states_of)

    def sample(self, generator: np.random.Generator, *shape: int) -> np.ndarray:
        """Draw fragments, with replacement, uniformly or by priority and start: row numbers, of the given shape.

        Raises:
            ValueError: when nothing has been added yet.
        """
        _check_not_empty(len(self))
        if self._priorities is not None:
            return self._priorities.sample(generator, shape)
        return generator.integers(self._store.fragments.first, self._store.fragments.end, shape)

    def set_priorities(self, rows: np.ndarray, priorities: np.ndarray) -> None:
        """Change the priorities `[n]` of fragments `[n]`; without effect where they do not count."""
        if self._priorities is not None and self.settings.priority_exponent > 0:
            # A fragment without any error may still be drawn: its error may come back.
            floored = np.maximum(priorities, SMALLEST_PRIORITY)
            of_start = start_weights(self.starts(rows), self.settings) if self.settings.start_exponent else 1.0
            self._priorities.set(rows, of_start * floored**self.settings.priority_exponent)

    def refresh(self, rows: np.ndarray, states: Any, update: int) -> None:
        """Overwrite stored states by those that updates have just recomputed.

        Args:
            rows: the fragments `[U, B]` that were replayed.
            states: nest of `[U, B, M, ...]` at the starts of the M fragments that follow each in its episode.
            update: learner updates made before the first of the U.
        """
        self._store.refresh(rows, states, np.broadcast_to(update + np.arange(len(rows))[:, None], rows.shape))

    def batch(self, rows: np.ndarray) -> FragmentBatch:
        """Fragments of row numbers `[*batch_shape]`, initialized as `initialization` says; ValueError while empty."""
        _check_not_empty(len(self))
        return self._batcher.batch(rows, self.initialization, self._weights(rows))

    def references(self, rows: np.ndarray) -> References:
        """What ΔQ compares the same fragments with, for fragments whose references are kept.

        Raises:
            ValueError: for other fragments.
        """
        leaves = self._references.take(rows)
        half = len(leaves) // 2
        return References(
            exact=self._batcher.batch(rows, WholePast(), self._weights(rows)),
            state_first=nests.pack(self._store.state_structure, leaves[:half]),
            state_last=nests.pack(self._store.state_structure, leaves[half:]),
        )

    def draw_measured(self, count: int) -> np.ndarray:
        """Rows `[count]` of fragments whose references are kept, at random over all positions of all episodes."""
        return self._references.draw(count)

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything stored, as arrays that need no pickle."""
        state = archive.with_prefix("references", self._references.get_state()) | self._store.get_state()
        if self._priorities is not None:
            state |= archive.with_prefix("priorities", self._priorities.get_state())
        return state

    def set_state(self, state: dict[str, np.ndarray], state_structure: Any) -> None:
        """Go on from what `get_state` returned; `state_structure` is a nest like the network's states."""
        self._references.set_state(archive.part("references", state))
        self._store.set_state(state, state_structure)
        if self._priorities is not None:
            self._priorities.set_state(archive.part("priorities", state))

    def all_rows(self) -> np.ndarray:
        """Row numbers `[n]` of all fragments stored, oldest first."""
        return np.arange(self._store.fragments.first, self._store.fragments.end)

    def episodes_of(self, rows: np.ndarray) -> np.ndarray:
        """A number `[*batch_shape]` that fragments of the same episode share, and no others."""
        return self._store.fragments.take("episode", rows)

    def starts(self, rows: np.ndarray) -> np.ndarray:
        """First trained steps `[*batch_shape]` of fragments, further ones apart, counted from their episode's first."""
        places = self._store.places(rows)
        return np.asarray(self._store.starts(rows, places) + places[..., 3])

    def staleness(self, rows: np.ndarray, update: int) -> np.ndarray:
        """Learner updates `[*batch_shape]` since the states of the given fragments were stored."""
        return update - self._store.fragments.take("update", rows)

    def _weights(self, rows: np.ndarray) -> np.ndarray:
        if self._priorities is None or self.settings.importance_exponent == 0:
            return np.ones(rows.shape, np.float32)
        priorities = self._priorities.get(rows)
        return importance_weights(priorities, self._priorities.total, len(self), self.settings.importance_exponent)


def _check_not_empty(fragments: int) -> None:
    if not fragments:
        raise ValueError("replay: got a request for fragments while empty, expected an episode to be added first")


def start_weights(starts: np.ndarray, settings: ReplaySettings) -> np.ndarray:
    """How often fragments `[n]` are drawn by their first trained steps `[n]`; 1 at an episode's start."""
    return np.asarray((1 + starts / settings.sequence_length) ** -settings.start_exponent)
