"""Registration with Gymnasium: importing `envs` registers its environments, and bit streams can be added."""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

from envs.bit_stream import BitStreamEnv
from envs.t_maze import PassiveTMazeEnv
from envs.tasks import TASKS
from envs.tasks.task import Task
from envs.vector import BitStreamVectorEnv

T_MAZE = "TMaze/Passive-v0"
"""Id of the passive T-maze."""


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
    """Register every task of `envs.tasks` as `BitStream/NAME-v0`, and the T-maze as `TMaze/Passive-v0`."""
    for name, task in TASKS.items():
        register_task(f"BitStream/{name}-v0", task)
    if T_MAZE not in registry:
        # Gymnasium's type of an entry point takes any keyword; one that the class does not have is refused when called.
        register(T_MAZE, entry_point=PassiveTMazeEnv)  # type: ignore[arg-type]
