"""Registration of bit streams with Gymnasium: importing `envs` registers its own, and others can be added."""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

from envs.bit_stream import BitStreamEnv
from envs.tasks import TASKS
from envs.tasks.task import Task
from envs.vector import BitStreamVectorEnv


def register_task(environment_id: str, task: type[Task]) -> None:
    """Register a bit stream with a task under an id such as `Mine/Repeats-v0`; an id that is registered stays as it is.

    Args:
        environment_id: as `gymnasium.make` will take it.
        task: a class as `envs.tasks` describes it; the environment takes its settings beside `length` and `p`.
    """
    # Classes, not their names, which Gymnasium would look up when an environment is made, in what is then on the path.
    if environment_id not in registry:
        register(
            environment_id,
            entry_point=BitStreamEnv,
            vector_entry_point=BitStreamVectorEnv,
            kwargs={"task": task},
        )


def register_envs() -> None:
    """Register every task of `envs.tasks` as `BitStream/NAME-v0`."""
    for name, task in TASKS.items():
        register_task(f"BitStream/{name}-v0", task)
