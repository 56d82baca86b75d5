"""Error floors of what is really played: after wrappers and time limits, or unknown."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Sequence
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import FlattenObservation, OrderEnforcing, PassiveEnvChecker, TimeLimit

from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.guard import EnvironmentGuard
from r2d2_burnin.initialization import Initialization, parse
from r2d2_burnin.learning.objectives import objective_class
from r2d2_burnin.settings import TrainingSettings

_HARMLESS = (OrderEnforcing, PassiveEnvChecker, FlattenObservation, environments.FlattenAction, EnvironmentGuard)
"""Wrappers that change nothing of what is seen, asked or when episodes end."""


def error_floors(settings: TrainingSettings, strategies: Sequence[str]) -> dict[str, float | None]:
    """Error floor of each strategy's loss on fragments; None where it is not known.

    It is the environment's own (`error_floor`), for episodes as long as they are played: time limits, by flag, by
    `env_kwargs` or by registration, shorten them. An environment inside any other wrapper is not the one that the
    floor belongs to.
    """
    unknown: dict[str, float | None] = dict.fromkeys(strategies)
    if settings.environment.wrappers or not objective_class(settings.objective).reads_targets:
        return unknown
    env = environments.make(settings.environment)
    try:
        floor_of = getattr(env.unwrapped, "error_floor", None)
        known, limit = _time_limit(env)
        if not callable(floor_of) or not known:
            return unknown
        if limit is not None and "length" not in inspect.signature(floor_of).parameters:
            return unknown
        more = {} if limit is None else {"length": limit}
        return {name: _floor(floor_of, settings, name, more) for name in strategies}
    finally:
        env.close()


def _time_limit(env: gym.Env[Any, Any]) -> tuple[bool, int | None]:
    """Whether all wrappers of an environment are known, and the smallest of its time limits, in steps, if any."""
    limits = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, TimeLimit):
            limits.append(int(env._max_episode_steps))  # Gymnasium has no public name for it
        elif not isinstance(env, _HARMLESS):
            return False, None
        env = env.env
    return True, min(limits, default=None)


def _floor(floor_of: Any, settings: TrainingSettings, strategy: str, more: dict[str, int]) -> float | None:
    initialization = parse(strategy)
    parameters = inspect.signature(floor_of).parameters
    trained = initialization.trained_steps
    if not initialization.has_floor or (trained is not None and "trained_steps" not in parameters):
        return None
    if trained is not None:
        more = {**more, "trained_steps": trained}
    try:
        return float(
            floor_of(
                burn_in=sys.maxsize if initialization.burn_in is None else initialization.burn_in,
                **_seen(initialization, parameters),
                sequence_length=settings.replay.sequence_length,
                period=settings.replay.period,
                loss=objective_class(settings.objective).loss_name,
                **more,
            )
        )
    except (ValueError, TypeError):  # another loss than the environment knows floors for, or other arguments
        return None


def _seen(initialization: Initialization, parameters: Collection[str]) -> dict[str, Any]:
    """What a predictor sees of an episode, as `error_floor` asks for it: as facts, or by one of three names."""
    past, start = initialization.sees_the_past, initialization.knows_the_start
    if "sees_the_past" in parameters or "start" not in parameters:
        return {"sees_the_past": past, "knows_the_start": start}
    return {"start": "stored" if past else "learned" if start else "zero"}
