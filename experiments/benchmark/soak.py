"""Soak: one worker makes run after run, as long as it is asked to; memory, file handles and processes must not grow."""

from __future__ import annotations

import dataclasses
import itertools
import multiprocessing
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Row
from r2d2_burnin.initialization import parse
from r2d2_burnin.runtime.tensorflow import use_one_thread
from r2d2_burnin.settings import EnvironmentSettings, TrainingSettings
from r2d2_burnin.training.checkpoint import Checkpoints
from r2d2_burnin.training.trainer import Trainer

STRATEGIES = ("stored", "refreshed+20", "learned", "full")


class Interrupted(Exception):
    """Interrupts a run half way, which is then resumed from its checkpoint."""


def soak(settings: Settings) -> list[Row]:
    """Growth of a worker's memory in MB an hour, by a line through all but the first third of what was measured.

    Every cycle makes a run of each kind, one that is interrupted and resumed, and one with environments in processes.
    """
    use_one_thread()
    common = TrainingSettings(objective="regression", updates=400, measure_every=100, evaluation_episodes=64)
    guess = dataclasses.replace(
        common,
        # Short episodes: longer and longer ones would compile further programs, which XLA keeps, and hide what leaks.
        environment=EnvironmentSettings("CartPole-v1", max_episode_steps=20, vectorization="async"),
        objective="q-learning",
        num_envs=2,
        evaluation_episodes=2,
        updates=40,
        initial_steps=500,
        new_steps=40,
    )
    trainer, control = Trainer(common), Trainer(guess)
    began = time.monotonic()
    samples: list[tuple[float, float, int, int, int]] = []
    for seed in itertools.count():
        for name in STRATEGIES:
            trainer.run(parse(name), seed)
        _interrupt_and_resume(trainer, seed)
        control.run(parse("stored"), seed)
        samples.append((time.monotonic() - began, *_resources_in_use()))
        if time.monotonic() - began > 60 * settings.minutes:
            break
    hours, megabytes, handles, processes, threads = np.array(samples[len(samples) // 3 :]).T
    slope = float(np.polyfit(hours / 3600, megabytes, 1)[0]) if len(hours) > 1 else float("nan")
    work = f"soak, {settings.minutes:g} minutes, {len(samples)} cycles of {len(STRATEGIES) + 2} runs"
    ends = [("file handles", handles), ("child processes", processes), ("threads", threads)]
    return [
        Row(work, "memory growth an hour", slope, "MB", "memory at the end", megabytes[-1], megabytes[-1] / slope),
        *(
            Row(work, f"{name} at the end", values[-1], "", "after a third", values[0], values[0] / max(values[-1], 1))
            for name, values in ends
        ),
    ]


def _interrupt_and_resume(trainer: Trainer, seed: int) -> None:
    def interrupt(update: int, status: str) -> None:
        if update >= 200:
            raise Interrupted

    with tempfile.TemporaryDirectory() as directory:
        for progress in (interrupt, None):
            checkpoints = Checkpoints(Path(directory), every=100, identity={"seed": seed})
            try:
                trainer.run(parse("stored"), seed, progress, checkpoints=checkpoints)
            except Interrupted:
                continue


def _resources_in_use() -> tuple[float, int, int, int]:
    """Resident memory in MB, open file handles, child processes, threads."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    handles = len(list(Path("/proc/self/fd").iterdir()))
    return memory, handles, len(multiprocessing.active_children()), threading.active_count()
