"""Single environments of this process as a vector environment that checks what they return as one batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from r2d2_burnin.environments.batches import join_flags, join_infos, join_rewards, joint
from r2d2_burnin.environments.guard import EnvironmentFault, EnvironmentGuard, Step

Batch = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]
"""Observations `[N, ...]`, rewards `[N]`, terminations `[N]`, truncations `[N]`, and the infos joined."""


class GuardedVectorEnv(SyncVectorEnv):
    """N guarded environments, stepped one after another; the same as Gymnasium's `SyncVectorEnv` of them, but faster.

    A step goes past the guards and past the flattening of observations, straight to the environments inside. What they
    return is then checked and flattened as one batch. Where that cannot be done, the guards check each environment's
    part, with the same outcome and the same messages as if they had been asked at once. Autoreset is next-step.

    Args:
        make_single: makes an environment, as `environments.make` does.
        num_envs: N.

    Raises:
        RuntimeError: where environments have different spaces.
        EnvironmentFault: by `reset` and `step`, as the guards raise it.
    """

    is_guarded = True
    """Whether what it returns has been checked: numbers finite in float32, of the shapes of its spaces."""

    def __init__(self, make_single: Callable[[], gym.Env[Any, Any]], num_envs: int) -> None:
        super().__init__([make_single] * num_envs)
        wrappers, _ = _split(self.envs[0])
        self._guards = [_split(env)[1] for env in self.envs]
        self._actions = [wrapper.action for wrapper in wrappers if isinstance(wrapper, gym.ActionWrapper)]
        self._space = self._guards[0].observation_space
        self._flat = not isinstance(self._space, spaces.Box)
        self._joint = joint(self._space, flat=self._flat)
        self._calls: list[Callable[[Any], Any]] = [guard.env.step for guard in self._guards]
        self._ended = np.zeros(num_envs, np.bool_)
        self._lengths = np.zeros(num_envs, np.int64)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Reset all environments, or those that Gymnasium's option `reset_mask` names."""
        mask = (options or {}).get("reset_mask")  # which Gymnasium takes out of the options
        observations, infos = super().reset(seed=seed, options=options)
        chosen = slice(None) if mask is None else mask
        self._ended[chosen] = False
        self._lengths[chosen] = 0
        return np.asarray(observations), infos

    def step(self, actions: np.ndarray) -> Batch:
        """Take actions `[N]`; environments whose episode has ended are reset instead.

        Raises:
            ValueError: for another number of actions.
        """
        if len(actions) != self.num_envs:
            raise ValueError(f"actions: got {len(actions)}, expected one for each of {self.num_envs} environments")
        returned = self._returned(actions)
        batch = self._joined(returned)
        if batch is None:
            batch = self._stacked(self._checked(returned))
            self._joint.widen()
        self._ended = batch[2] | batch[3]
        return batch

    def _returned(self, actions: np.ndarray) -> list[Any]:
        """What `step` of each environment returned; for one that was reset a step with a reward of 0."""
        inner = list(actions)
        for action_of in self._actions:
            inner = [action_of(action) for action in inner]
        calls = self._calls
        if self._ended.any():
            calls = calls.copy()
            for i in np.flatnonzero(self._ended):
                calls[i] = functools.partial(_step_by_reset, self._guards[i])
        self._lengths = np.where(self._ended, 0, self._lengths + 1)
        returned: list[Any] = []
        try:
            for call, action in zip(calls, inner, strict=True):
                returned.append(call(action))
        except Exception as error:
            number = len(returned)
            self._checked(returned)  # whatever is wrong with an environment before this one comes first
            if isinstance(error, EnvironmentFault):
                raise
            self._guards[number].steps = int(self._lengths[number])
            raise self._guards[number].step_fault(inner[number], error) from error
        return returned

    def _joined(self, returned: list[Any]) -> Batch | None:
        """What the environments returned as one batch; None where the guards have to look at it."""
        if set(map(type, returned)) != {tuple} or set(map(len, returned)) != {5}:
            return None
        observations, rewards, terminations, truncations, infos = zip(*returned, strict=True)
        joined = (
            self._joint.join(observations),
            join_rewards(rewards),
            join_flags(terminations),
            join_flags(truncations),
            join_infos(infos),
        )
        return None if any(part is None for part in joined) else joined  # type: ignore[return-value]

    def _checked(self, returned: list[Any]) -> list[Step]:
        """What the environments returned, or the first of them, by their guards one after another."""
        steps = []
        for guard, length, values in zip(self._guards, self._lengths.tolist(), returned, strict=False):
            guard.steps = length
            steps.append(guard.checked_step(values))
        return steps

    def _stacked(self, steps: list[Step]) -> Batch:
        """Checked steps as one batch."""
        observations, rewards, terminations, truncations, infos = zip(*steps, strict=True)
        if self._flat:
            observations = tuple(spaces.flatten(self._space, observation) for observation in observations)
        joined = join_infos(infos)
        assert joined is not None
        return (
            np.array(observations, self.single_observation_space.dtype),
            np.array(rewards, np.float64),
            np.array(terminations, np.bool_),
            np.array(truncations, np.bool_),
            joined,
        )


def _split(env: gym.Env[Any, Any]) -> tuple[list[gym.Wrapper[Any, Any, Any, Any]], EnvironmentGuard]:
    """The wrappers around a guard, from the outermost one, and the guard."""
    wrappers: list[gym.Wrapper[Any, Any, Any, Any]] = []
    while not isinstance(env, EnvironmentGuard):
        assert isinstance(env, gym.ActionWrapper | gym.wrappers.FlattenObservation)
        wrappers.append(env)
        env = env.env
    return wrappers, env


def _step_by_reset(guard: EnvironmentGuard, action: Any) -> Step:
    """Begin an episode; what a step of next-step autoreset then returns."""
    observation, info = guard.reset()
    return observation, 0.0, False, False, info
