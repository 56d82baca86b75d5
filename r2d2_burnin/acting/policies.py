"""Policies: which actions are taken, from a network's outputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Act = Callable[[np.ndarray], np.ndarray]
"""Chooses actions `[S, N]` of S steps from outputs `[S, N, A]`."""


def greedy(outputs: np.ndarray) -> np.ndarray:
    """The actions `[...]` of the largest outputs `[..., A]`."""
    return np.asarray(np.argmax(outputs, axis=-1))


class EpsilonGreedy:
    """The best action, or with each environment's own probability a random one.

    Args:
        best: the best actions `[...]` by outputs `[..., A]`.
        actions: A.
        epsilons: probabilities `[N]` of a random action.
        seed: of the random numbers.
    """

    def __init__(self, best: Act, actions: int, epsilons: np.ndarray, *, seed: int) -> None:
        self._best = best
        self._actions = actions
        self._epsilons = epsilons
        self._generator = np.random.default_rng(seed)

    @property
    def generator(self) -> np.random.Generator:
        """What random actions are drawn by."""
        return self._generator

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        """Actions `[S, N]` from outputs `[S, N, A]`; random numbers are drawn step by step."""
        steps, size = outputs.shape[:2]
        chances, random = np.empty((steps, size)), np.empty((steps, size), np.int64)
        for step in range(steps):
            self._generator.random(out=chances[step])
            random[step] = self._generator.integers(self._actions, size=size)
        return np.where(chances < self._epsilons, random, self._best(outputs))


class ConstantAction:
    """The same action `[S, N]` whatever the outputs `[S, N, A]`."""

    def __init__(self, action: int) -> None:
        self._action = action

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        """The action, for every step and environment."""
        return np.full(outputs.shape[:2], self._action)


def epsilon_ladder(environments: int, *, epsilon: float, alpha: float) -> np.ndarray:
    """Exploration `[N]` of N actors: epsilon^(1 + alpha i / (N - 1)) (Horgan et al., 2018, section 4.1)."""
    ladder = np.arange(environments) / max(environments - 1, 1)
    return np.asarray(epsilon ** (1 + alpha * ladder))
