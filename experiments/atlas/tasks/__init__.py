"""Tasks by name, and groups of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.atlas.tasks.bit_streams import BIT_STREAMS, OTHERS
from experiments.atlas.tasks.published import PUBLISHED
from experiments.atlas.tasks.task import Benchmark, PublishedResult, Task

__all__ = ["GROUPS", "TASKS", "Benchmark", "PublishedResult", "Task", "expand"]

TASKS = {task.name: task for task in (*BIT_STREAMS, *OTHERS, *PUBLISHED)}
"""All tasks by name."""

GROUPS = {
    "bit-streams": ("count", "window-count", "recall", "count-for-reward", "position-only-cart-pole"),
    "popgym": tuple(task.name for task in PUBLISHED),
}
"""Names that stand for several tasks."""


def expand(names: Sequence[str]) -> tuple[str, ...]:
    """Names of tasks, those of groups in their place; a task that comes again is left out."""
    return tuple(dict.fromkeys(_expanded(names)))


def _expanded(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield from GROUPS.get(name, (name,))
