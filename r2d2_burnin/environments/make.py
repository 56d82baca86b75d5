"""Environments by id, single and vectorised, with the user's wrappers, ready for the actor.

Whatever the id, the observation space is a Box of numbers and the action space `Discrete(n)` from 0: composite spaces
go through Gymnasium's own flattening, and a MultiDiscrete action becomes its index.
"""

from __future__ import annotations

import functools
import importlib
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AsyncVectorEnv, VectorEnv

from r2d2_burnin.environments.guard import EnvironmentGuard
from r2d2_burnin.environments.namespaces import register_namespace
from r2d2_burnin.environments.native import NoNativeVersion, make_native, spec_of
from r2d2_burnin.environments.returned_values import shown, shown_space
from r2d2_burnin.environments.vector import GuardedVectorEnv
from r2d2_burnin.environments.wrapper_calls import WrapperCall
from r2d2_burnin.runtime.errors import did_you_mean
from r2d2_burnin.settings import EnvironmentSettings, copy_of_kwargs

SLOW_STEP = 2e-3
"""Seconds of a step from which on `auto` steps environments in worker processes: an exchange costs less than that."""

MOST_ACTIONS = 2**16
"""Outputs of a network, at most. They are recorded at every step: so many take 256 KB a step, 2.7 GB for the 10,240
steps that a round of acting has by default."""

MOST_INPUTS = 2**20
"""Numbers of an observation, at most: so many take 4 MB a step, and 128 MB in the first layer's 32 units."""

_USABLE = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)


def make(settings: EnvironmentSettings) -> gym.Env[np.ndarray, np.integer[Any]]:
    """The environment, wrapped, guarded and flattened.

    Raises:
        ValueError: for an unknown id or wrapper, settings that the environment refuses, or spaces that cannot be used.
    """
    arguments = copy_of_kwargs(settings.env_kwargs)
    if settings.max_episode_steps is not None:
        arguments["max_episode_steps"] = settings.max_episode_steps
    calls = [WrapperCall.parse(text) for text in settings.wrappers]
    register_namespace(settings.env)
    try:
        # The guard below checks what Gymnasium's own checker would warn about, into the progress bars.
        env: gym.Env[Any, Any] = gym.make(settings.env, disable_env_checker=True, **arguments)
    except gym.error.Error as error:
        raise ValueError(f"env: got {settings.env!r}, expected an id that gymnasium.make knows ({error})") from None
    except ValueError as error:  # a setting that is refused
        raise ValueError(f"env: {settings.env!r} could not be made: {error}") from error
    except Exception as error:  # whatever a user's environment raises for its settings
        raise ValueError(f"env: {settings.env!r} could not be made: {type(error).__name__}: {error}") from error
    for call in calls:
        env = call.apply(import_object("wrappers", call.name), env)
    check_spaces(_space(env, "observation_space", settings.env), _space(env, "action_space", settings.env))
    env = EnvironmentGuard(env, settings.env)
    if not isinstance(env.observation_space, spaces.Box):
        env = gym.wrappers.FlattenObservation(env)
    if not _is_plain(env.action_space):
        env = FlattenAction(env)
    return env


def make_vector(settings: EnvironmentSettings, num_envs: int) -> VectorEnv[Any, Any, Any]:
    """`num_envs` of them at once, in the way that `settings.vectorization` names.

    Raises:
        ValueError: as `make` does, for `native` where the environment has no such version, and where environments of
            the same settings have different spaces.
    """
    way = settings.vectorization
    make_single = functools.partial(make, settings)
    vector: VectorEnv[Any, Any, Any]
    if way in ("auto", "native"):
        try:
            vector = make_native(settings, make_single, num_envs)
            return vector
        except NoNativeVersion as error:
            if way == "native":
                raise ValueError(f"vectorization: got 'native', but {error}, expected sync, async or auto") from None
            if error.raised:
                _warn(f"vectorization: {error}; auto takes single environments")
    in_processes = way == "async" or (way == "auto" and _seconds_of_a_step(make_single) > SLOW_STEP)
    try:
        if in_processes:
            # A process of its own may not have imported what registers an id without a module.
            spec = None if ":" in settings.env else spec_of(settings.env)
            make_registered = functools.partial(_make_registered, settings, spec)
            vector = _QuietAsyncVectorEnv([make_registered] * num_envs, context="spawn")
        else:
            vector = GuardedVectorEnv(make_single, num_envs)
    except RuntimeError as error:  # Gymnasium's, where spaces differ
        raise ValueError(
            f"env: {settings.env!r} could not be made {num_envs} times, expected environments of the same settings to"
            f" have the same spaces ({error})"
        ) from error
    vector.spec = spec_of(settings.env)  # errors name the environment by it
    return vector


def _make_registered(settings: EnvironmentSettings, spec: EnvSpec | None) -> gym.Env[np.ndarray, np.integer[Any]]:
    """The environment; its id is registered first, as it is in the process that `spec` comes from."""
    if spec is not None:
        gym.registry.setdefault(spec.id, spec)
    return make(settings)


@functools.cache
def _warn(message: str) -> None:
    """Print a warning, once in a process: vector environments are made for every run."""
    print(f"warning: {message}", file=sys.stderr)


class _QuietAsyncVectorEnv(AsyncVectorEnv):
    """Gymnasium's, without the traceback of a worker's error on the terminal: the error itself says enough."""

    def _raise_if_errors(self, successes: Any) -> None:
        level, gym.logger.min_level = gym.logger.min_level, gym.logger.ERROR + 1
        try:
            super()._raise_if_errors(successes)
        finally:
            gym.logger.min_level = level


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
        imported_module = importlib.import_module(module)
    except Exception as error:  # whatever a user's module raises when it is imported
        reason = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"{setting}: module {module!r} of {name!r} cannot be imported ({reason})") from None
    try:
        imported = getattr(imported_module, attribute)
    except AttributeError:
        hint = did_you_mean(attribute, dir(imported_module))
        raise ValueError(
            f"{setting}: got {name!r}, expected a name that module {module!r} has; it has no {attribute!r}{hint}"
        ) from None
    if not callable(imported):
        raise ValueError(f"{setting}: got {name!r}, a {type(imported).__name__}, expected something to call")
    return imported  # type: ignore[no-any-return]


def _space(env: gym.Env[Any, Any], name: str, env_id: str) -> spaces.Space[Any]:
    """The space that an environment has as attribute `name`.

    Raises:
        ValueError: where it has none, or what is no space.
    """
    expected = "expected a space of gymnasium.spaces, set in __init__ or in the class"
    try:
        space = getattr(env, name)
    except AttributeError as error:
        if name not in str(error):  # of something else, inside a property
            raise ValueError(f"env: {env_id!r}: {name} raised AttributeError: {error}, {expected}") from error
        raise ValueError(f"env: {env_id!r} has no attribute {name}, {expected}") from None
    except Exception as error:  # whatever a property raises
        raise ValueError(f"env: {env_id!r}: {name} raised {type(error).__name__}: {error}, {expected}") from error
    if not isinstance(space, spaces.Space):
        kind = type(space)
        old = " (gymnasium.spaces takes the place of gym.spaces)" if kind.__module__.split(".")[0] == "gym" else ""
        raise ValueError(f"env: {env_id!r} has as {name} {shown(space)}, a {kind.__name__}, {expected}{old}")
    return space


def check_spaces(observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
    """Raise a ValueError that names the space which cannot be used, and a wrapper that would help."""
    _check_observation_space(observation_space, "observation space")
    inputs = _numbers(observation_space)
    if inputs > MOST_INPUTS:
        raise ValueError(
            f"env: got observation space {shown_space(observation_space)}, flattened {inputs} numbers a step (one for"
            f" each value of a Discrete), expected at most {MOST_INPUTS}; a wrapper that codes it in fewer helps:"
            " gymnasium.wrappers.TransformObservation, in a function of yours named by --wrappers"
        )
    if not isinstance(action_space, spaces.Discrete | spaces.MultiDiscrete):
        hint = (
            "; gymnasium.wrappers.DiscretizeAction makes a Box of actions discrete"
            if isinstance(action_space, spaces.Box)
            else ""
        )
        raise ValueError(
            f"env: got action space {shown_space(action_space)}, expected a Discrete or MultiDiscrete one{hint}"
        )
    count = _count(action_space)
    if count > MOST_ACTIONS:
        raise ValueError(
            f"env: got action space {shown_space(action_space)}, which has {count} actions, expected at most"
            f" {MOST_ACTIONS}, as a network has one output for each; a wrapper that offers fewer helps:"
            " gymnasium.wrappers.TransformAction, in a function of yours named by --wrappers"
        )


def _count(space: spaces.Discrete | spaces.MultiDiscrete) -> int:
    """Elements of a space, exactly."""
    return int(space.n) if isinstance(space, spaces.Discrete) else math.prod(map(int, space.nvec.ravel()))


def _numbers(space: spaces.Space[Any]) -> int:
    """Numbers that Gymnasium's flattening makes of an observation; a Box is not flattened."""
    if isinstance(space, spaces.Dict):
        return sum(map(_numbers, space.spaces.values()))
    if isinstance(space, spaces.Tuple):
        return sum(map(_numbers, space.spaces))
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return sum(map(int, space.nvec.ravel()))
    return math.prod(map(int, space.shape or ()))


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
        self.action_space = spaces.Discrete(_count(inner))

    def action(self, action: Any) -> Any:
        """The inner action of an index; a MultiDiscrete one counts its last axis fastest."""
        inner: Any = self.env.action_space
        if isinstance(inner, spaces.Discrete):
            return inner.start + action
        sizes = inner.nvec.ravel().tolist()
        offsets, rest = [0] * len(sizes), int(action)
        for axis in range(len(sizes) - 1, -1, -1):  # NumPy's own has a limit of axes
            rest, offsets[axis] = divmod(rest, sizes[axis])
        return (inner.start + np.reshape(offsets, inner.nvec.shape)).astype(inner.dtype)


def _is_plain(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Discrete) and int(space.start) == 0


def _seconds_of_a_step(make_single: Callable[[], gym.Env[Any, Any]], steps: int = 20) -> float:
    """Median time of a step of a single environment with random actions."""
    env = make_single()
    env.reset(seed=0)
    env.action_space.seed(0)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        seconds.append(time.perf_counter() - start)
        if terminated or truncated:
            env.reset()
    env.close()
    return float(np.median(seconds))
