"""A small run, checkpoints of it, and what interrupts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from r2d2_burnin.settings import EnvironmentSettings, NetworkSettings, ReplaySettings, TrainingSettings
from r2d2_burnin.training.checkpoint import Checkpoints

SMALL = TrainingSettings(
    environment=EnvironmentSettings("BitStream/Count-v0", {"length": 13}),
    network=NetworkSettings(4),
    replay=ReplaySettings(5, 3, 300),
    objective="regression",
    updates=120,
    batch_size=4,
    num_envs=3,
    initial_steps=250,
    new_steps=50,
    updates_between=10,
    measure_every=30,
    measured_fragments=4,
    evaluation_episodes=3,
)


class Interrupted(Exception):
    """What a test interrupts a run with."""


def interrupt_at(update: int) -> Any:
    def progress(done: int, status: str) -> None:
        if done >= update:
            raise Interrupted

    return progress


def checkpoints(directory: Path, warnings: list[str] | None = None, **more: Any) -> Checkpoints:
    keywords: dict[str, Any] = {"every": 20, "identity": {"seed": 3}, **more}
    return Checkpoints(directory, warn=(warnings if warnings is not None else []).append, **keywords)
