"""Networks that remember the last k steps alone: to act with, and over recorded episodes for every k at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from r2d2_burnin.networks.protocol import RecurrentNetwork, State, Tensor
from r2d2_burnin.networks.unrolling import unroll_step_by_step, where
from r2d2_burnin.runtime import nests
from r2d2_burnin.runtime.compiled import Compiled
from r2d2_burnin.runtime.tensorflow import tf

BLOCK = 16
"""Steps of a compiled unroll over recorded episodes."""

ROWS = 1024
"""Unrolls in a compiled call, B."""


class CutNetwork:
    """A network whose output at step t is that of an unroll from its initial state over steps max(0, t - memory)..t.

    It has S recurrent states, each begun one step later than the one before, and anew after `memory` + 1 steps. All of
    them advance at every step, and the oldest one gives the output.

    Args:
        network: what is cut; its variables are shared.
        slots: S, of which `memory` + 1 are used.
    """

    def __init__(self, network: RecurrentNetwork, slots: int) -> None:
        self._network = network
        self._slots = slots
        # A variable, so that one compiled program serves every memory that fits; 64 bits, for graphics cards too.
        self._memory = tf.Variable(0, dtype=tf.int64, trainable=False)

    @property
    def trainable_variables(self) -> Sequence[Any]:
        """Those of the network."""
        return self._network.trainable_variables

    def remember(self, memory: int) -> None:
        """Cut to the last `memory` steps from now on.

        Raises:
            ValueError: for more than there are slots for.
        """
        if not 0 <= memory < self._slots:
            raise ValueError(f"memory: got {memory}, expected 0 to {self._slots - 1} for {self._slots} slots")
        self._memory.assign(memory)

    def initial_state(self, batch_size: Any) -> State:
        """Steps since the episode's start `[B]`, and S states of the network, a nest of `[B, S, ...]`."""
        return tf.zeros([batch_size], tf.int64), self._split(self._network.initial_state(batch_size * self._slots))

    def step(self, observations: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: outputs `[B, A]` and the new state from observations `[B, F]`."""
        (time, states), used = state, self._memory + 1
        begins = tf.range(self._slots, dtype=tf.int64)[None] == (time % used)[:, None]  # [B, S]
        initial = self._network.initial_state(observations.shape[0] * self._slots)
        before = where(tf.reshape(begins, [-1]), initial, self._joined(states))
        outputs, after = self._network.step(tf.repeat(observations, self._slots, axis=0), before)
        oldest = tf.where(time < used, tf.zeros_like(time), (time + 1) % used)
        return tf.gather(self._split(outputs), oldest, axis=1, batch_dims=1), (time + 1, self._split(after))

    def unroll(self, observations: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Many steps, one by one."""
        return unroll_step_by_step(self, observations, state, mask)

    def _split(self, nest: Any) -> Any:
        """`[B * S, ...]` as `[B, S, ...]`."""
        return tf.nest.map_structure(lambda leaf: tf.reshape(leaf, [-1, self._slots, *leaf.shape[1:]]), nest)

    def _joined(self, nest: Any) -> Any:
        """`[B, S, ...]` as `[B * S, ...]`."""
        return tf.nest.map_structure(lambda leaf: tf.reshape(leaf, [-1, *leaf.shape[2:]]), nest)


class EveryStart:
    """Unrolls a network from its initial state, begun at every step of recorded episodes.

    What the unroll begun at step s puts out at step s + k is the output there with memory k: half of L^2 steps give the
    outputs with every memory.
    """

    def __init__(self, network: RecurrentNetwork) -> None:
        self._network = network
        self._unroll = Compiled(lambda inputs, state: network.unroll(inputs, state))

    def __call__(
        self, inputs: np.ndarray, lengths: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, int, np.ndarray]]:
        """Yield blocks of outputs: the episode `[R]` and first step `[R]` of R unrolls, the memory k of the first
        column, and outputs `[R, C, A]` with memories k to k + C - 1; those beyond an episode's end mean nothing.

        Args:
            inputs: of E episodes, `[E, L, F]`, padded behind their ends.
            lengths: of the episodes, `[E]`.
        """
        padded = np.pad(inputs, ((0, 0), (0, BLOCK), (0, 0)))
        episodes = np.repeat(np.arange(len(lengths)), lengths)
        starts = np.concatenate([np.arange(length) for length in lengths])
        # Whole chunks of rows: one program to compile.
        state = [np.asarray(leaf) for leaf in nests.flatten(self._network.initial_state(ROWS))]
        leaves = [np.resize(leaf, (len(starts), *leaf.shape[1:])) for leaf in state]
        for memory in range(0, int(lengths.max(initial=0)), BLOCK):
            alive = starts + memory < lengths[episodes]
            episodes, starts, leaves = episodes[alive], starts[alive], [leaf[alive] for leaf in leaves]
            steps = (starts + memory)[:, None] + np.arange(BLOCK)
            outputs, leaves = self._advance(padded, episodes, steps, leaves)
            yield episodes, starts, memory, outputs

    def _advance(
        self, inputs: np.ndarray, episodes: np.ndarray, steps: np.ndarray, leaves: list[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Outputs `[R, C, A]` and the leaves of the states after steps `[R, C]` of some episodes `[R]`."""
        structure, outputs, after = self._network.initial_state(1), [], []
        for first in range(0, len(episodes), ROWS):
            chunk = np.resize(np.arange(first, min(first + ROWS, len(episodes))), ROWS)
            state = nests.pack(structure, [leaf[chunk] for leaf in leaves])
            output, state = self._unroll(inputs[episodes[chunk, None], steps[chunk]], state)
            used = min(ROWS, len(episodes) - first)
            outputs.append(np.asarray(output, np.float32)[:used])
            after.append([np.asarray(leaf)[:used] for leaf in nests.flatten(state)])
        return np.concatenate(outputs), [np.concatenate(parts) for parts in zip(*after, strict=True)]
