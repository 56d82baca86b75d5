"""Recorded episodes made to fit a network: states in its own nest, and those computed that were not recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from r2d2_burnin.acting.protocols import NetworkStep
from r2d2_burnin.data import Episode
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.runtime import nests

MOST_EPISODES = 64
"""Episodes that are computed at once."""


def network_inputs(episode: Episode, inputs: InputSpace | None) -> np.ndarray:
    """What the network saw at the steps of an episode `[L, F]`; by default the observations alone."""
    return np.asarray(episode.observations, np.float32) if inputs is None else inputs.of_episode(episode)


def fitted_episodes(step: NetworkStep, episodes: Sequence[Episode], inputs: InputSpace | None) -> list[Episode]:
    """The episodes with their states in the network's nest; those without states have the network's present ones.

    Raises:
        ValueError: for states that are not those of the network, naming the array, and for episodes of which some have
            states and others have none.
    """
    without = [episode for episode in episodes if not nests.flatten(episode.states)]
    if not without:
        initial = step.network.initial_state(1)
        return [_in_nest_of(initial, number, episode, step) for number, episode in enumerate(episodes)]
    if len(without) < len(episodes):
        raise ValueError(
            f"episodes: got {len(without)} without states and {len(episodes) - len(without)} with them, expected all of"
            " one kind"
        )
    completed: list[Episode] = []
    for begin in range(0, len(episodes), MOST_EPISODES):
        completed += _with_states(step, episodes[begin : begin + MOST_EPISODES], inputs)
    return completed


def _in_nest_of(initial: Any, number: int, episode: Episode, step: NetworkStep) -> Episode:
    leaves = nests.flatten(episode.states)
    expected = [step.to_numpy(leaf) for leaf in nests.flatten(initial)]
    if len(leaves) != len(expected):
        raise ValueError(
            f"episodes: episode {number} has states of {len(leaves)} arrays, expected those of the network,"
            f" {len(expected)}"
        )
    for i, (leaf, like) in enumerate(zip(leaves, expected, strict=True)):
        if leaf.shape != (len(episode), *like.shape[1:]):
            raise ValueError(
                f"episodes: state/{i} of episode {number} has shape {list(leaf.shape)}, expected"
                f" {[len(episode), *like.shape[1:]]}: the network's state before each of {len(episode)} steps"
            )
    return dataclasses.replace(episode, states=nests.pack(initial, leaves))


def _with_states(step: NetworkStep, episodes: Sequence[Episode], inputs: InputSpace | None) -> list[Episode]:
    """The episodes with the states and outputs that the network has in them, computed side by side."""
    sequences = [network_inputs(episode, inputs) for episode in episodes]
    longest, count = max(map(len, sequences)), len(sequences)
    padded = np.stack([np.pad(x, ((0, longest - len(x)), (0, 0))) for x in sequences])
    state = step.network.initial_state(count)
    outputs, states = [], []
    never = np.zeros(count, np.bool_)
    for t in range(longest):
        states.append([step.to_numpy(leaf) for leaf in nests.flatten(state)])
        output, _, state = step(padded[:, t], state, never)
        outputs.append(step.to_numpy(output))
    of_steps = np.stack(outputs, 1)
    leaves = [np.stack(column, 1) for column in zip(*states, strict=True)]
    return [
        dataclasses.replace(
            episode,
            outputs=of_steps[i, : len(episode)],
            states=nests.pack(state, [leaf[i, : len(episode)] for leaf in leaves]),
        )
        for i, episode in enumerate(episodes)
    ]
