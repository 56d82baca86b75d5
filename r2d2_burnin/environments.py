"""Environments by id, single and vectorised, with the user's wrappers, ready for the actor.

Whatever the id, the observation space is a Box of numbers and the action space `Discrete(n)` from 0: composite spaces
go through Gymnasium's own flattening, and a MultiDiscrete action becomes its index.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv

from r2d2_burnin.environment_guard import EnvironmentGuard
from r2d2_burnin.settings import EnvironmentSettings

SLOW_STEP = 2e-3
"""Seconds of a step from which on `auto` steps environments in worker processes: an exchange costs less than that."""

_USABLE = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)


def make(settings: EnvironmentSettings) -> gym.Env[np.ndarray, np.integer[Any]]:
    """The environment, wrapped, guarded and flattened.

    Raises:
        ValueError: for an unknown id or wrapper, settings that the environment refuses, or spaces that cannot be used.
    """
    arguments = dict(settings.env_kwargs)
    if settings.max_episode_steps is not None:
        arguments["max_episode_steps"] = settings.max_episode_steps
    try:
        # The guard below checks what Gymnasium's own checker would warn about, into the progress bars.
        env: gym.Env[Any, Any] = gym.make(settings.env, disable_env_checker=True, **arguments)
    except gym.error.Error as error:
        raise ValueError(f"env: got {settings.env!r}, expected an id that gymnasium.make knows ({error})") from None
    except ValueError:
        raise
    except Exception as error:  # whatever a user's environment raises for its settings
        raise ValueError(f"env: {settings.env!r} could not be made: {type(error).__name__}: {error}") from error
    for name in settings.wrappers:
        env = import_object("wrappers", name)(env)
        if not isinstance(env, gym.Env):
            raise ValueError(f"wrappers: {name} returned {env!r}, expected an environment")
    check_spaces(env.observation_space, env.action_space)
    env = EnvironmentGuard(env, settings.env)
    if not isinstance(env.observation_space, spaces.Box):
        env = gym.wrappers.FlattenObservation(env)
    if not _is_plain(env.action_space):
        env = FlattenAction(env)
    return env


def make_vector(settings: EnvironmentSettings, num_envs: int) -> VectorEnv[Any, Any, Any]:
    """`num_envs` of them at once, in the way that `settings.vectorization` names.

    Raises:
        ValueError: as `make` does, and for `native` where the environment has no such version.
    """
    way = settings.vectorization
    native = _has_native_version(settings)
    if way == "native" and not native:
        raise ValueError(
            f"vectorization: got 'native', but {settings.env} has no vectorised version that takes these wrappers and"
            " settings, expected sync, async or auto"
        )
    if native and way in ("auto", "native"):
        return gym.make_vec(settings.env, num_envs=num_envs, **settings.env_kwargs)
    one = functools.partial(make, settings)
    vector: VectorEnv[Any, Any, Any]
    if way == "async" or (way == "auto" and _seconds_of_a_step(one) > SLOW_STEP):
        vector = AsyncVectorEnv([one] * num_envs, context="spawn")
    else:
        vector = SyncVectorEnv([one] * num_envs)
    vector.spec = gym.spec(settings.env.rpartition(":")[2])  # errors name the environment by it
    return vector


def close(env: VectorEnv[Any, Any, Any], *, at_once: bool = False) -> None:
    """Close a vector environment; `at_once` does not wait for worker processes, one of which may hang."""
    if isinstance(env, AsyncVectorEnv):
        env.close(terminate=at_once)
    else:
        env.close()


def import_object(setting: str, name: str) -> Callable[..., Any]:
    """What `module:attribute` names.

    Raises:
        ValueError: naming the setting, when there is no such thing.
    """
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise ValueError(f"{setting}: got {name!r}, expected module:name, for example my_package.my_module:MyClass")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ValueError(f"{setting}: module {module!r} of {name!r} cannot be imported ({error})") from None
    except AttributeError:
        raise ValueError(f"{setting}: module {module!r} has no {attribute!r}") from None
    if not callable(found):
        raise ValueError(f"{setting}: got {name!r}, a {type(found).__name__}, expected something to call")
    return found  # type: ignore[no-any-return]


def check_spaces(observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
    """Raise a ValueError that names the space which cannot be used, and a wrapper that would help."""
    _check_observation_space(observation_space, "observation space")
    if not isinstance(action_space, spaces.Discrete | spaces.MultiDiscrete):
        hint = (
            "; gymnasium.wrappers.DiscretizeAction makes a Box of actions discrete"
            if isinstance(action_space, spaces.Box)
            else ""
        )
        raise ValueError(f"env: got action space {action_space}, expected a Discrete or MultiDiscrete one{hint}")


def _check_observation_space(space: spaces.Space[Any], place: str) -> None:
    if isinstance(space, spaces.Dict):
        for name, part in space.spaces.items():
            _check_observation_space(part, f"{place}'s entry {name!r}")
    elif isinstance(space, spaces.Tuple):
        for index, part in enumerate(space.spaces):
            _check_observation_space(part, f"{place}'s entry {index}")
    elif not isinstance(space, _USABLE):
        hint = (
            "for a MiniGrid mission --wrappers minigrid.wrappers:ImgObsWrapper does"
            if "Mission" in type(space).__name__
            else "gymnasium.wrappers.FilterObservation does, in a function of yours named by --wrappers"
        )
        raise ValueError(
            f"env: got as {place} {type(space).__name__} ({space}), expected Box, Discrete, MultiBinary, MultiDiscrete,"
            f" or Tuple or Dict of those; a wrapper has to leave it out or turn it into numbers: {hint}"
        )


class FlattenAction(gym.ActionWrapper[Any, Any, Any]):
    """Actions `Discrete(n)` from 0 for an environment whose actions are MultiDiscrete, or Discrete from elsewhere."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        inner: Any = env.action_space
        count = inner.n if isinstance(inner, spaces.Discrete) else np.prod(inner.nvec)
        self.action_space = spaces.Discrete(int(count))

    def action(self, action: Any) -> Any:
        """The inner action of an index; a MultiDiscrete one counts its last axis fastest."""
        inner: Any = self.env.action_space
        if isinstance(inner, spaces.Discrete):
            return inner.start + action
        offsets = np.reshape(np.unravel_index(int(action), inner.nvec.ravel()), inner.nvec.shape)
        return (inner.start + offsets).astype(inner.dtype)


def _is_plain(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Discrete) and int(space.start) == 0


def _has_native_version(settings: EnvironmentSettings) -> bool:
    limited = settings.max_episode_steps is not None or "max_episode_steps" in settings.env_kwargs
    if settings.wrappers or limited:
        return False
    env = make(settings)
    raw = env.unwrapped
    usable = isinstance(raw.observation_space, spaces.Box) and _is_plain(raw.action_space)
    found = env.spec is not None and env.spec.vector_entry_point is not None
    env.close()
    return usable and found


def _seconds_of_a_step(one: Callable[[], gym.Env[Any, Any]], steps: int = 20) -> float:
    """Median time of a step of a single environment with random actions."""
    env = one()
    env.reset(seed=0)
    env.action_space.seed(0)
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        seconds.append(time.perf_counter() - began)
        if terminated or truncated:
            env.reset()
    env.close()
    return float(np.median(seconds))
