"""Which objective: by name, or by what an environment's targets ask for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.make import import_object
from r2d2_burnin.learning.objectives.base import Objective
from r2d2_burnin.settings import OBJECTIVES


def objective_class(name: str) -> type[Objective]:
    """The objective with a name of `settings.OBJECTIVES`, or of a class `module:Class`.

    Raises:
        ValueError: for a module or class that does not exist, or is no objective.
    """
    entry = OBJECTIVES.get(name)
    loaded = import_object("objective", name if entry is None else entry.reference)
    if not (isinstance(loaded, type) and issubclass(loaded, Objective)):
        raise ValueError(
            f"objective: got {name!r}, expected a class that inherits from {Objective.__module__}.Objective"
        )
    return loaded


def objective_defaults(name: str) -> Mapping[str, Any]:
    """Settings of a run that this objective has its own defaults of."""
    return OBJECTIVES[name].defaults if name in OBJECTIVES else objective_class(name).defaults


STEPS_LOOKED_AT = 50
"""Steps of one episode in which `auto` looks for a target; an objective on targets looks at a hundred times as many."""


def choose_objective(name: str, env: gym.Env[Any, Any]) -> str:
    """The objective of that name, or for `auto` the one that the environment's targets ask for.

    An environment says what its targets are by an attribute `target_space`: `Discrete` for classes, `Box` for numbers.
    Without the attribute they are taken for numbers. An environment without targets is one for Q-learning: where
    `reset` gives none, the first steps of an episode of random actions are looked at. What is called a target and is no
    number, such as a place to go to, is no target. Where a `target_space` is declared all the same, a warning says so.

    Raises:
        ValueError: for an objective on `info["target"]` and an environment that gives none, or none that is a number,
            and for more classes than a network can have outputs.
    """
    if name == "auto":
        problem = spaces.missing_targets(env, STEPS_LOOKED_AT)
        name = next(name for name in OBJECTIVES if objective_class(name).suits(env, has_targets=problem is None))
        if problem is not None and spaces.target_space(env) is not None:
            print(
                f"warning: objective: auto takes {name}, although a target_space is declared: {problem}",
                file=sys.stderr,
            )
    elif objective_class(name).reads_targets and (problem := spaces.missing_targets(env, 100 * STEPS_LOOKED_AT)):
        raise ValueError(f"objective: got {name!r}, but {problem}")
    objective_class(name).check_spaces(env)
    return name
