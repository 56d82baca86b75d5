"""An environment's own vectorised version, where it has one that plays the same as the single environment."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from gymnasium.envs import registration
from gymnasium.vector import VectorEnv

from r2d2_burnin.settings import EnvironmentSettings, copy_of_kwargs

MAKE_VEC_ARGUMENTS = ("id", "num_envs", "vectorization_mode", "vector_kwargs", "wrappers")
"""Arguments of `gymnasium.make_vec` itself: settings of an environment with such a name do not get through."""


class NoNativeVersion(Exception):
    """Why an environment has no vectorised version that can be used; `raised` if it has one, and that raised."""

    def __init__(self, reason: str, *, raised: bool = False) -> None:
        super().__init__(reason)
        self.raised = raised


def make_native(settings: EnvironmentSettings, single: Callable[[], gym.Env[Any, Any]], num_envs: int) -> Any:
    """The vectorised version of an environment, as `gymnasium.make_vec` makes it.

    Args:
        settings: of the environment.
        single: makes a single environment, whose spaces the vectorised one has to have.
        num_envs: sub-environments.

    Raises:
        NoNativeVersion: where there is none that takes these settings, or it raises.
    """
    if settings.wrappers or settings.max_episode_steps is not None or "max_episode_steps" in settings.env_kwargs:
        raise NoNativeVersion(f"{settings.env} has no vectorised version that takes wrappers or a limit of steps")
    env = single()
    try:
        raw = env.unwrapped
        spec = spec_of(settings.env)
        _check_spec(spec, settings)
        observations, actions = raw.observation_space, raw.action_space
        if not isinstance(observations, spaces.Box) or not isinstance(actions, spaces.Discrete) or actions.start != 0:
            raise NoNativeVersion(
                f"{settings.env} has no vectorised version that can be used: its spaces have to be flattened"
            )
    finally:
        env.close()
    try:
        vector = gym.make_vec(settings.env, num_envs=num_envs, **copy_of_kwargs(settings.env_kwargs))
    except Exception as error:  # whatever a user's environment raises for its settings
        raise NoNativeVersion(
            f"the vectorised version of {settings.env} could not be made ({type(error).__name__}: {error})", raised=True
        ) from error
    _check_spaces(vector, observations, actions, settings.env)
    return vector


def spec_of(env_id: str) -> registration.EnvSpec:
    """What `gymnasium.make` finds for an id, which may name a module, and leave the version out."""
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    namespace, plain, version = registration.parse_env_id(name)
    if version is None and name not in registration.registry:
        version = registration.find_highest_version(namespace, plain)
    return gym.spec(registration.get_env_id(namespace, plain, version))


def _check_spec(spec: registration.EnvSpec, settings: EnvironmentSettings) -> None:
    """Raise NoNativeVersion unless `gymnasium.make_vec` makes what `gymnasium.make` makes with these settings."""
    if spec.vector_entry_point is None:
        raise NoNativeVersion(f"{settings.env} has no vectorised version")
    if spec.additional_wrappers:
        names = ", ".join(wrapper.name for wrapper in spec.additional_wrappers)
        raise NoNativeVersion(
            f"{settings.env} has no vectorised version that takes the wrappers it is registered with ({names})"
        )
    keywords = {**spec.kwargs, **settings.env_kwargs}
    if taken := [name for name in MAKE_VEC_ARGUMENTS if name in keywords]:
        raise NoNativeVersion(
            f"{settings.env} has no vectorised version that takes {', '.join(taken)}, which gymnasium.make_vec reads"
            " itself"
        )
    if spec.max_episode_steps is not None:
        keywords["max_episode_steps"] = spec.max_episode_steps
    try:
        entry_point = spec.vector_entry_point
        creator = registration.load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    except Exception as error:  # whatever a user's module raises when it is imported
        raise NoNativeVersion(
            f"the vectorised version {entry_point} of {settings.env} cannot be imported"
            f" ({type(error).__name__}: {error})",
            raised=True,
        ) from error
    try:
        inspect.signature(creator).bind(num_envs=1, **keywords)
    except TypeError as error:
        raise NoNativeVersion(
            f"{settings.env} has no vectorised version that takes its settings"
            f" {', '.join(f'{name}={value!r}' for name, value in keywords.items())} ({error})"
        ) from None
    except ValueError:  # no signature can be had
        pass


def _check_spaces(
    vector: VectorEnv[Any, Any, Any], observations: spaces.Box, actions: spaces.Discrete, env_id: str
) -> None:
    """Raise NoNativeVersion unless the sub-environments have the spaces of a single environment."""
    box, discrete = (getattr(vector, f"single_{name}_space", None) for name in ("observation", "action"))
    same = (
        isinstance(box, spaces.Box)
        and (box.shape, box.dtype) == (observations.shape, observations.dtype)
        and isinstance(discrete, spaces.Discrete)
        and (discrete.n, discrete.start) == (actions.n, actions.start)
    )
    if not same:
        vector.close()
        raise NoNativeVersion(
            f"the vectorised version of {env_id} has the spaces {box} and {discrete}, the single one {observations} and"
            f" {actions}",
            raised=True,
        )
