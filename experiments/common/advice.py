"""The advice of one seed: train or load a network, record episodes, measure burn-ins and what they cost."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.jobs import Report
from experiments.common.results import write_sealed
from experiments.common.trainers import trainer_for
from r2d2_burnin.initialization import Initialization, parse
from r2d2_burnin.settings import LearnerSettings, TrainingSettings


@dataclasses.dataclass(frozen=True)
class Task:
    """What a worker needs to know of one seed."""

    training: TrainingSettings
    checkpoint: Path | None
    stored_checkpoint: Path | None
    trained_with: str
    tolerance: float
    longest: int | None
    episodes: int


def advise_seed(payload: tuple[Task, int, Path], progress: Report) -> None:
    """One seed, in a worker process; its result is written before the worker reports it."""
    from r2d2_burnin import checkpoint
    from r2d2_burnin.burn_in_advice import advise
    from r2d2_burnin.networks import assign_parameters, parameters_of
    from r2d2_burnin.testing import record_episodes

    task, seed, path = payload
    trainer = trainer_for(task.training)
    if task.checkpoint is not None:
        checkpoint.load(task.stored_checkpoint or task.checkpoint, trainer.network)
        old = parameters_of(trainer.network)
        checkpoint.load(task.checkpoint, trainer.network)
        age = None if task.stored_checkpoint is not None else 0
    else:
        old, age = _train(trainer, task, seed, progress)
        checkpoint.save(path.with_suffix(".npz"), trainer.network)
    today = parameters_of(trainer.network)
    assign_parameters(trainer.network, old)
    episodes = record_episodes(
        trainer.network,
        task.training.environment,
        count=task.episodes,
        num_envs=min(task.episodes, task.training.num_envs),
        inputs=trainer.inputs,
        seed=10_000 + seed,
    )
    assign_parameters(trainer.network, today)
    replay = task.training.replay
    advice = advise(
        trainer.network,
        episodes,
        objective=trainer.objective,
        inputs=trainer.inputs,
        sequence_length=replay.sequence_length,
        period=replay.period,
        longest=task.longest,
        tolerance=task.tolerance,
    )
    burn_ins = sorted({m.burn_in for m in advice.measures if m.start == "stored"})
    content = {
        **dataclasses.asdict(advice),
        "sentence": advice.sentence,
        "stored_age": age,
        "costs": [_cost(trainer, episodes, k) for k in burn_ins],
    }
    write_sealed(path, _without_nan(content))


def _train(trainer: Any, task: Task, seed: int, progress: Report) -> tuple[list[np.ndarray], int]:
    """Train; returns the parameters of as many updates ago as stored states were old, and how many that is."""
    from r2d2_burnin.networks import parameters_of

    snapshots: dict[int, list[np.ndarray]] = {}

    def observe(update: int, replay: Any, learner: Any) -> None:
        snapshots[update] = parameters_of(trainer.network)

    result = trainer.run(parse(task.trained_with), seed, progress, observe)
    updates = task.training.updates
    age = result.final("staleness") or 0.0
    nearest = min(snapshots, key=lambda update: abs(updates - age - update))
    return snapshots[nearest], updates - nearest


def _cost(trainer: Any, episodes: Sequence[Any], burn_in: int, repetitions: int = 5) -> dict[str, float]:
    """Time of an update, and bytes of a fragment in a batch and in replay, with a burn-in of `burn_in` steps."""
    from r2d2_burnin.learner import Learner
    from r2d2_burnin.networks import assign_parameters, parameters_of
    from r2d2_burnin.quiet_tensorflow import tf
    from r2d2_burnin.replay import Replay

    settings = trainer.settings
    today = parameters_of(trainer.network)
    replay = Replay(settings.replay, Initialization("stored", burn_in), trainer.objective, trainer.inputs)
    replay.add(*episodes)
    learner = Learner(trainer.network, trainer.objective, LearnerSettings(), updates=1 << 20)
    generator, count = np.random.default_rng(0), min(settings.updates_between, 10)
    seconds = []
    for _ in range(repetitions + 1):
        batches = replay.batch(replay.sample(generator, count, settings.batch_size))
        began = time.perf_counter()
        learner.update(batches)
        seconds.append((time.perf_counter() - began) / count)
    assign_parameters(trainer.network, today)
    one = replay.batch(replay.all_rows()[:1])
    return {
        "burn_in": burn_in,
        "update_seconds": float(np.median(seconds[1:])),  # the first one compiles
        "burn_in_bytes": one.burn_in_observations.nbytes + one.burn_in_mask.nbytes,
        "state_bytes": sum(np.asarray(leaf).nbytes for leaf in tf.nest.flatten(one.start_state)),
    }


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content
