"""Batches of fragments, read from the store of replay."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from r2d2_burnin.data import FragmentBatch
from r2d2_burnin.replay.fragments import first_trained
from r2d2_burnin.replay.store import EpisodeStore, StartState


class Composer(Protocol):
    """What replay asks of an input space."""

    @property
    def previous_action(self) -> bool:
        """Whether the network sees its previous action."""

    @property
    def previous_reward(self) -> bool:
        """Whether the network sees the previous reward."""

    @property
    def reward_scale(self) -> float:
        """What rewards are divided by."""

    def compose(self, observations: np.ndarray, actions: np.ndarray | None, rewards: np.ndarray | None) -> np.ndarray:
        """Inputs `[..., F]` from observations `[..., O]`, previous actions `[...]` and previous rewards `[...]`."""


class WholePast:
    """Fragments from their episode's first step on, for the exact states."""

    burn_in = None
    trained_steps = None  # as many as the store's fragments have
    stores_states = False

    def from_initial_state(self, begins: np.ndarray) -> np.ndarray:
        """All of them."""
        return np.ones_like(begins)


class Batcher:
    """Reads batches of fragments.

    Args:
        store: what is read.
        lookahead: steps after the trained ones, n.
        inputs: what the network sees of a step; None: the observation alone.
    """

    def __init__(self, store: EpisodeStore, lookahead: int, inputs: Composer | None) -> None:
        self._store = store
        self._lookahead = lookahead
        self._inputs = inputs

    def batch(self, rows: np.ndarray, start: StartState, weights: np.ndarray) -> FragmentBatch:
        """Fragments of the given row numbers `[*batch_shape]`, with their weights, as `start` says."""
        store, settings = self._store, self._store.settings
        place = store.places(rows)
        starts = store.starts(rows, place)
        trained_from = first_trained(starts, store.further_steps)
        first, left = place[..., 0] + trained_from, place[..., 2] - trained_from
        burn_in = self._whole_past() if start.burn_in is None else start.burn_in
        trained, lookahead = store.trained_steps, self._lookahead
        burn_in_mask = np.arange(burn_in) >= (burn_in - trained_from)[..., None]
        mask = known = np.arange(trained) < left[..., None]
        if store.further_steps:  # an episode's first fragments end before they have all of them
            mask = known & (np.arange(trained) < (starts - trained_from + settings.sequence_length)[..., None])
        # The final observation, after the last step, is looked ahead at but never trained.
        known = np.arange(trained + lookahead) <= left[..., None] if lookahead else known
        labels = {name: store.steps.windows(f"label/{name}", first, trained) for name in store.labels}
        _zero_padding(mask, *labels.values())
        if self._inputs is not None and self._inputs.reward_scale != 1:
            labels = store.labelling.scale_rewards(labels, self._inputs.reward_scale)
        return FragmentBatch(
            processed=self._seen(first - burn_in, np.concatenate([burn_in_mask, known], -1)),
            labels=labels,
            mask=mask,
            weights=weights,
            burn_in_mask=burn_in_mask,
            start_state=store.stored_states(rows),
            from_initial_state=start.from_initial_state((trained_from <= burn_in) & (place[..., 3] == 0)),
        )

    def _whole_past(self) -> int:
        """Steps that reach back to every episode's start, rounded up.

        Longer and longer episodes change the shape of a compiled program, and each program takes some 20 MB: there are
        but two for each doubling of the length.
        """
        longest = self._store.longest_start
        quantum = max(self._store.settings.sequence_length, 1 << max(longest.bit_length() - 2, 0))
        return -(-longest // quantum) * quantum

    def _seen(self, first: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The network's inputs `[..., T, F]` of T steps from the `first` [...] on, zeros where `mask` is False."""
        steps, length = self._store.steps, mask.shape[-1]
        seen = np.asarray(steps.windows("observations", first, length), np.float32)
        if self._inputs is not None:
            actions = steps.windows("previous_action", first, length) if self._inputs.previous_action else None
            rewards = steps.windows("previous_reward", first, length) if self._inputs.previous_reward else None
            seen = self._inputs.compose(seen, actions, rewards)
        _zero_padding(mask, seen)
        return seen


def _zero_padding(mask: np.ndarray, *arrays: np.ndarray) -> None:
    """Set values `[..., T, *]` to 0, in place, where `mask` `[..., T]` is False."""
    # Numbers of whole steps: NumPy takes half the time, or less, that it takes for a mask of two axes and more.
    padding = (~mask).ravel().nonzero()[0]
    if len(padding):
        for values in arrays:
            values.reshape(-1, *values.shape[mask.ndim :])[padding] = 0
