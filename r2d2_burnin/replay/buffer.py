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
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.initialization.names import Initialization
from r2d2_burnin.learning.objectives import Objective
from r2d2_burnin.replay.fragments import burn_in_starts, fragment_starts, trained_lengths
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.replay.ring import Ring
from r2d2_burnin.replay.sum_tree import SumTree, importance_weights
from r2d2_burnin.runtime import archive, nests
from r2d2_burnin.settings import ReplaySettings

SMALLEST_PRIORITY = 1e-6


class Replay:
    """Fragments of the newest episodes, up to a capacity in steps; the oldest episodes go first.

    Args:
        settings: capacity in steps, cutting of episodes into fragments, priorities.
        initialization: decides which states are kept, and what batches start from.
        objective: decides which labels are kept, and how many steps batches look ahead.
        inputs: what the network sees of a step; by default the observation alone.
        references: chooses the fragments whose references of ΔQ are kept; by default all of them.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        initialization: Initialization,
        objective: Objective,
        inputs: InputSpace | None = None,
        *,
        references: ReferenceSample | None = None,
    ) -> None:
        self.settings = settings
        self.initialization = initialization
        self._objective = objective
        self._inputs = inputs
        self._labels: tuple[str, ...] = ()
        # An episode's steps, and its final observation as one row more.
        self._steps = Ring((initialization.burn_in or 0) + settings.sequence_length + objective.lookahead)
        self._episodes = Ring()  # where an episode's steps and fragments begin, and its steps, as [3]
        self._fragments = Ring()
        self._references = ReferenceSample(every=True) if references is None else references
        self._priorities = SumTree() if settings.priority_exponent > 0 else None
        self._state_structure: Any = None
        self._state_leaves: list[np.ndarray] = []  # [1, ...] each, for their shapes
        self._longest_prefix = 0
        self._known_positions: tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None

    def __len__(self) -> int:
        """Fragments kept."""
        return len(self._fragments)

    @property
    def steps(self) -> int:
        """Steps kept."""
        return len(self._steps) - len(self._episodes)

    @property
    def nbytes(self) -> int:
        """Memory in use, in bytes."""
        rings = (self._steps, self._episodes, self._fragments)
        priorities = 0 if self._priorities is None else self._priorities.nbytes
        return sum(sum(ring.nbytes.values()) for ring in rings) + priorities + self._references.nbytes

    @property
    def reference_bytes(self) -> int:
        """Memory of the references of ΔQ, in bytes: what training could do without."""
        return self._references.nbytes

    @property
    def longest_start(self) -> int:
        """Largest first trained step of a fragment so far, counted from its episode's first step."""
        return self._longest_prefix

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
        before, begin, steps = self._fragments.end, 0, 0
        for i, length in enumerate(lengths):
            if steps + length > capacity:
                self._add(episodes[begin:i], lengths[begin:i])
                begin, steps = i, 0
            steps += length
        if episodes:
            self._add(episodes[begin:], lengths[begin:])
        return np.arange(before, self._fragments.end)

    def _add(self, episodes: Sequence[Episode], lengths: Sequence[int]) -> None:
        """Add episodes that fit together; array by array, as each call of NumPy costs more than a small episode."""
        self._forget_oldest(self.steps + sum(lengths) - self.settings.replay_capacity)
        positions = [self._positions(length) for length in lengths]
        counts = np.array([len(starts) for starts, _, _ in positions])
        self._expect(lengths[0], int(counts[0]))
        self._state_structure = episodes[-1].states
        self._state_leaves = [leaf[:1] for leaf in nests.flatten(episodes[-1].states)]

        first_fragments = self._fragments.end + np.cumsum(counts) - counts
        first_steps = self._steps.end + np.cumsum(lengths) - lengths + np.arange(len(lengths))
        places = np.stack([first_steps, first_fragments, lengths], axis=1)
        steps = self._step_rows(episodes)
        self._add_references(episodes, positions, steps)
        processed = [first for _, _, first in positions]
        rows = {
            "episode": np.repeat(np.arange(len(episodes)) + self._episodes.end, counts).astype(np.int32),
            "update": _at([episode.updates for episode in episodes], processed).astype(np.int32),
        }
        if self.initialization.start in ("stored", "refreshed"):
            leaves = zip(*(nests.flatten(episode.states) for episode in episodes), strict=True)
            rows |= {f"stored/{i}": _at(of_episodes, processed) for i, of_episodes in enumerate(leaves)}
        self._episodes.append({"place": places})
        self._fragments.append(rows)
        self._steps.append(steps)
        if self._priorities is not None:
            self._priorities.append(np.ones(counts.sum()))
        self._longest_prefix = max(self._longest_prefix, *(int(starts[-1]) for starts, _, _ in positions))

    def _add_references(
        self,
        episodes: Sequence[Episode],
        positions: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
        steps: dict[str, np.ndarray],
    ) -> None:
        """Offer the fragments of new episodes, whose `steps` are given, to the sample of references."""
        starts, last = (np.concatenate([one[i] for one in positions]) for i in range(2))
        owners = np.repeat(np.arange(len(episodes)), [len(one[0]) for one in positions])

        def states_of(chosen: np.ndarray) -> list[np.ndarray]:
            numbers, begins = np.unique(owners[chosen], return_index=True)
            leaves = list(zip(*(nests.flatten(episodes[i].states) for i in numbers.tolist()), strict=True))
            steps_of = [np.split(rows[chosen], begins[1:]) for rows in (starts, last)]
            return [_at(of_episodes, steps) for steps in steps_of for of_episodes in leaves]

        a_step = sum(values[:1].nbytes for values in steps.values())
        reference = 2 * sum(leaf.nbytes for leaf in self._state_leaves)
        self._references.limit_memory(self.settings.replay_capacity * a_step, reference)
        self._references.add(self._fragments.end + np.arange(len(starts)), states_of)

    def _positions(self, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First and last trained steps, and first processed steps, of the fragments of an episode of `length` steps."""
        if self._known_positions is None or self._known_positions[0] != length:
            starts = fragment_starts(length, self.settings.sequence_length, self.settings.period)
            last = starts + trained_lengths(starts, length, self.settings.sequence_length) - 1
            self._known_positions = length, (starts, last, burn_in_starts(starts, self.initialization.burn_in))
        return self._known_positions[1]

    def _forget_oldest(self, steps: int) -> None:
        """Forget the oldest episodes that have so many steps at least together."""
        if steps <= 0:
            return
        # No more episodes than steps: what is added decides the cost of a look, not what is kept.
        end = min(self._episodes.first + steps + 1, self._episodes.end)
        places = self._episodes.take("place", np.arange(self._episodes.first, end))
        forgotten = int(np.searchsorted(places[:, 2].cumsum(), steps)) + 1
        self._episodes.drop(forgotten)
        step, fragment = self._steps.end, self._fragments.end
        if len(self._episodes):
            step, fragment = places[forgotten, :2].tolist()
        if self._priorities is not None:
            self._priorities.drop(fragment - self._fragments.first)
        self._steps.drop(step - self._steps.first)
        self._fragments.drop(fragment - self._fragments.first)
        self._references.drop(fragment)

    def _expect(self, steps: int, fragments: int) -> None:
        """Expect a whole replay of episodes like the first one."""
        if self._steps.end == 0:
            episodes = -(-self.settings.replay_capacity // steps)
            self._steps.expect(episodes * (steps + 1))
            self._episodes.expect(episodes)
            self._fragments.expect(episodes * fragments)

    def _step_rows(self, episodes: Sequence[Episode]) -> dict[str, np.ndarray]:
        labels = [self._objective.labels(episode) for episode in episodes]
        self._labels = tuple(labels[0])
        no_action, no_reward = np.array([-1], np.int32), np.zeros(1, np.float32)
        rows = {
            "observations": [part for e in episodes for part in (e.observations, e.final_observation[None])],
            # Of the step before: what the network sees beside the observation.
            "previous_action": [part for e in episodes for part in (no_action, e.actions)],
            "previous_reward": [part for e in episodes for part in (no_reward, e.rewards)],
            **{f"label/{n}": [part for one in labels for part in (one[n], one[n][-1:])] for n in self._labels},
        }
        types = {"previous_action": np.int32, "previous_reward": np.float32}
        return {name: np.concatenate(parts, dtype=types.get(name), casting="unsafe") for name, parts in rows.items()}

    def sample(self, generator: np.random.Generator, *shape: int) -> np.ndarray:
        """Draw fragments, with replacement, uniformly or by priority: their row numbers, of the given shape.

        Raises:
            ValueError: when nothing has been added yet.
        """
        if not len(self):
            raise ValueError("replay: got a request for fragments while empty, expected an episode to be added first")
        if self._priorities is not None:
            return self._priorities.sample(generator, shape)
        return generator.integers(self._fragments.first, self._fragments.end, shape)

    def set_priorities(self, rows: np.ndarray, priorities: np.ndarray) -> None:
        """Change the priorities `[n]` of fragments `[n]`; without effect where drawing is uniform."""
        if self._priorities is not None:
            # A fragment without any error may still be drawn: its error may come back.
            floored = np.maximum(priorities, SMALLEST_PRIORITY)
            self._priorities.set(rows, floored**self.settings.priority_exponent)

    def refresh(self, rows: np.ndarray, states: Any, update: int) -> None:
        """Overwrite stored states by those that updates have just recomputed.

        Args:
            rows: the fragments `[U, B]` that were replayed.
            states: nest of `[U, B, M, ...]` at the starts of the M fragments that follow each in its episode.
            update: learner updates made before the first of the U.
        """
        episodes = self._fragments.take("episode", rows)
        updates = np.broadcast_to(update + np.arange(len(rows))[:, None], rows.shape)
        leaves = nests.flatten(states)
        for ahead in range(leaves[0].shape[2] if leaves else 0):
            others = rows + ahead + 1
            exists = others < self._fragments.end
            exists &= self._fragments.take("episode", np.minimum(others, self._fragments.end - 1)) == episodes
            for i, leaf in enumerate(leaves):
                self._fragments.put(f"stored/{i}", others[exists], leaf[:, :, ahead][exists])
            self._fragments.put("update", others[exists], updates[exists])

    def batch(self, rows: np.ndarray) -> FragmentBatch:
        """Fragments of the given row numbers `[*batch_shape]`, initialized as the replay's initialization says."""
        return self._batch(rows, self.initialization)

    def references(self, rows: np.ndarray) -> References:
        """What ΔQ compares the same fragments with, for fragments whose references are kept.

        Raises:
            ValueError: for other fragments.
        """
        leaves = self._references.take(rows)
        half = len(leaves) // 2
        return References(
            exact=self._batch(rows, Initialization("zero", None)),
            state_first=nests.pack(self._state_structure, leaves[:half]),
            state_last=nests.pack(self._state_structure, leaves[half:]),
        )

    def draw_measured(self, count: int) -> np.ndarray:
        """Rows `[count]` of fragments whose references are kept, at random over all positions of all episodes."""
        return self._references.draw(count)

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything kept, as arrays that need no pickle."""
        rings = {"steps": self._steps, "episodes": self._episodes, "fragments": self._fragments}
        state = archive.with_prefix("references", self._references.get_state())
        for name, ring in rings.items():
            state |= archive.with_prefix(name, ring.get_state())
        if self._priorities is not None:
            state |= archive.with_prefix("priorities", self._priorities.get_state())
        state |= {f"leaf/{i}": leaf for i, leaf in enumerate(self._state_leaves)}
        return state | {"labels": np.array(self._labels, np.str_), "longest_prefix": np.array(self._longest_prefix)}

    def set_state(self, state: dict[str, np.ndarray], state_structure: Any) -> None:
        """Go on from what `get_state` returned; `state_structure` is a nest like the network's states."""
        rings = {"steps": self._steps, "episodes": self._episodes, "fragments": self._fragments}
        self._references.set_state(archive.part("references", state))
        for name, ring in rings.items():
            ring.set_state(archive.part(name, state))
        if self._priorities is not None:
            self._priorities.set_state(archive.part("priorities", state))
        leaves = archive.part("leaf", state)
        self._state_leaves = [leaves[str(i)] for i in range(len(leaves))]
        self._state_structure = state_structure
        self._labels = tuple(str(name) for name in state["labels"])
        self._longest_prefix = int(state["longest_prefix"])

    def all_rows(self) -> np.ndarray:
        """Row numbers `[n]` of all fragments kept, oldest first."""
        return np.arange(self._fragments.first, self._fragments.end)

    def episodes_of(self, rows: np.ndarray) -> np.ndarray:
        """A number `[*batch_shape]` that fragments of the same episode share, and no others."""
        return self._fragments.take("episode", rows)

    def starts(self, rows: np.ndarray) -> np.ndarray:
        """First trained steps `[*batch_shape]` of fragments, counted from their episode's first one."""
        place = self._episodes.take("place", self._fragments.take("episode", rows))
        return np.asarray((rows - place[..., 1]) * self.settings.period)

    def staleness(self, rows: np.ndarray, update: int) -> np.ndarray:
        """Learner updates `[*batch_shape]` since the states of the given fragments were stored."""
        return update - self._fragments.take("update", rows)

    def _batch(self, rows: np.ndarray, initialization: Initialization) -> FragmentBatch:
        place = self._episodes.take("place", self._fragments.take("episode", rows))
        start = (rows - place[..., 1]) * self.settings.period
        first, left = place[..., 0] + start, place[..., 2] - start
        burn_in = self._whole_prefix() if initialization.burn_in is None else initialization.burn_in
        trained, lookahead = self.settings.sequence_length, self._objective.lookahead
        burn_in_mask = np.arange(burn_in) >= (burn_in - start)[..., None]
        mask = np.arange(trained) < left[..., None]
        # The final observation, after the last step, is looked ahead at but never trained.
        known = np.arange(trained + lookahead) <= left[..., None] if lookahead else mask
        labels = {name: self._steps.windows(f"label/{name}", first, trained) for name in self._labels}
        _zero_padding(mask, *labels.values())
        return FragmentBatch(
            processed=self._seen(first - burn_in, np.concatenate([burn_in_mask, known], -1)),
            labels=labels,
            mask=mask,
            weights=self._weights(rows),
            burn_in_mask=burn_in_mask,
            start_state=self._stored_states(rows),
            from_initial_state=start <= (burn_in if initialization.start != "zero" else np.inf),
        )

    def _whole_prefix(self) -> int:
        """Steps that reach back to every episode's start, rounded up.

        Longer and longer episodes change the shape of a compiled program, and each program takes some 20 MB: there are
        but two for each doubling of the length.
        """
        quantum = max(self.settings.sequence_length, 1 << max(self._longest_prefix.bit_length() - 2, 0))
        return -(-self._longest_prefix // quantum) * quantum

    def _seen(self, first: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The network's inputs `[..., T, F]` of T steps from the `first` [...] on, zeros where `mask` is False."""
        steps = mask.shape[-1]
        seen = np.asarray(self._steps.windows("observations", first, steps), np.float32)
        if self._inputs is not None:
            actions = self._steps.windows("previous_action", first, steps) if self._inputs.previous_action else None
            rewards = self._steps.windows("previous_reward", first, steps) if self._inputs.previous_reward else None
            seen = self._inputs.compose(seen, actions, rewards)
        _zero_padding(mask, seen)
        return seen

    def _weights(self, rows: np.ndarray) -> np.ndarray:
        if self._priorities is None or self.settings.importance_exponent == 0:
            return np.ones(rows.shape, np.float32)
        priorities = self._priorities.get(rows)
        return importance_weights(priorities, self._priorities.total, len(self), self.settings.importance_exponent)

    def _stored_states(self, rows: np.ndarray) -> Any:
        """The stored states `[..., *]`; zeros where fragments never start from them."""
        if self.initialization.start in ("stored", "refreshed"):
            leaves = [self._fragments.take(f"stored/{i}", rows) for i in range(len(self._state_leaves))]
            return nests.pack(self._state_structure, leaves)
        zeros = [np.zeros((*rows.shape, *leaf.shape[1:]), leaf.dtype) for leaf in self._state_leaves]
        return nests.pack(self._state_structure, zeros)


def _at(arrays: Sequence[np.ndarray], rows: Sequence[np.ndarray]) -> np.ndarray:
    """The given rows `[n]` of each array, one after another."""
    return np.concatenate([array[chosen] for array, chosen in zip(arrays, rows, strict=True)])


def _zero_padding(mask: np.ndarray, *arrays: np.ndarray) -> None:
    """Set values `[..., T, *]` to 0, in place, where `mask` `[..., T]` is False."""
    # Numbers of whole steps: NumPy takes half the time, or less, that it takes for a mask of two axes and more.
    padding = (~mask).ravel().nonzero()[0]
    if len(padding):
        for values in arrays:
            values.reshape(-1, *values.shape[mask.ndim :])[padding] = 0
