"""The tasks of bit streams, one file each, and their registry.

A task is a frozen dataclass of its settings with the members of `envs.tasks.task.Task`: what the target of each bit is,
and how many different targets there are. A new one is one file here and one line in `TASKS`, or a class in a module of
your own with a line that registers an id:

    # my_tasks.py
    import dataclasses
    import numpy as np
    import envs

    @dataclasses.dataclass(frozen=True)
    class Repeats:
        "How often the last bit has come in a row, at most `most`."

        most: int = 3
        is_class = True

        def values(self, bits: np.ndarray) -> np.ndarray:  # [..., L] to [..., L]
            repeats = np.ones_like(bits)
            for t in range(1, bits.shape[-1]):
                same = bits[..., t] == bits[..., t - 1]
                repeats[..., t] = np.where(same, np.minimum(repeats[..., t - 1] + 1, self.most), 1)
            return repeats

        def size(self, length: int) -> int:
            return self.most + 1

    envs.register_task("Mine/Repeats-v0", Repeats)

Its id is then `my_tasks:Mine/Repeats-v0`, for `gymnasium.make` and for every `--env`; `most`, `length` and `p` are its
settings. Its error floors are known once it has a method `unseen` too (`envs.tasks.task.TaskWithFloor`).
"""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from envs.tasks.count import Count
from envs.tasks.parity import Parity
from envs.tasks.recall import Recall
from envs.tasks.task import Task
from envs.tasks.window_count import WindowCount

TASKS: dict[str, type[Task]] = {
    "Count": Count,
    "WindowCount": WindowCount,
    "Parity": Parity,
    "Recall": Recall,
}
"""The registry: task NAME has the id `BitStream/NAME-v0`."""


def make_task(task: str | type[Task], settings: dict[str, Any]) -> Task:
    """Build a task, given by its name in `TASKS` or as a class, from its own settings.

    Raises:
        ValueError: for an unknown task or setting, a setting's wrong value, or a class that is no task; the message
            names it.
    """
    if isinstance(task, str):
        if task not in TASKS:
            raise ValueError(f"task: got {task!r}, expected one of {', '.join(TASKS)}")
        task = TASKS[task]
    names = list(inspect.signature(task).parameters)
    for name in settings:
        if name not in names:
            known = ["length", "p", *names]
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise ValueError(f"{name}: {task.__name__} has no such setting, expected one of {', '.join(known)}{hint}")
    built = task(**settings)
    if not isinstance(built, Task):
        raise ValueError(f"task: got {task.__name__}, expected a class with is_class, values and size (envs.tasks)")
    return built
