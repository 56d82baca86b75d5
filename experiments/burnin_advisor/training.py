"""The advice of one seed, in a worker process: train or load a network, record episodes, measure burn-ins and costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.burnin_advisor.results import Cost, SeedAdvice
from experiments.burnin_advisor.settings import RunSpecification, Task
from experiments.common.jobs import Report, Worker
from experiments.common.results import to_json, without_nan, write_sealed
from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.burn_in_advice import advise
from r2d2_burnin.diagnostics.burn_in_measures import Advice
from r2d2_burnin.initialization import Stored, parse
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.networks.weights import get_weights, set_weights
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime.tensorflow import tf, use_one_thread
from r2d2_burnin.settings import LearnerSettings
from r2d2_burnin.testing import record_episodes
from r2d2_burnin.training import checkpoint
from r2d2_burnin.training.trainer import Trainer


def advise_seed(run: RunSpecification, progress: Report, worker: Worker) -> None:
    """Measure, and write the `SeedAdvice` to `run.path`; trained parameters are kept beside it."""
    task, path = run.task, run.path
    use_one_thread()
    trainer = worker.shared(Trainer, task.training)
    old, age, staleness = _parameters(trainer, task, run.seed, path, progress)
    today = get_weights(trainer.network)
    set_weights(trainer.network, old)
    assert isinstance(task.episodes, int)  # files are another module's
    episodes = record_episodes(
        trainer.network,
        task.training.environment,
        count=task.episodes,
        num_envs=task.training.num_envs,
        inputs=trainer.inputs,
        seed=run.seed,
        act=trainer.objective.act,
        longest=task.training.replay.replay_capacity,
    )
    set_weights(trainer.network, today)
    advice = _advise(trainer, task, episodes, path)
    burn_ins = sorted({m.burn_in for m in advice.measures if m.start == "stored"})
    result = SeedAdvice(advice, age, staleness, [_cost(trainer, episodes, k) for k in burn_ins])
    write_sealed(path, without_nan(to_json(result)))


def _advise(trainer: Trainer, task: Task, episodes: list[Episode], path: Path) -> Advice:
    """The advice on recorded episodes; an error says what they were, and where the trained parameters are."""
    replay = task.training.replay
    try:
        return advise(
            trainer.network,
            episodes,
            objective=trainer.objective,
            inputs=trainer.inputs,
            sequence_length=replay.sequence_length,
            period=replay.period,
            longest=task.longest,
            tolerance=task.tolerance,
        )
    except ValueError as error:
        lengths = sorted(len(episode) for episode in episodes)
        raise ValueError(
            f"{error} (sequence_length is {replay.sequence_length}; {task.training.environment.env} gave episodes of"
            f" {lengths[0]} to {lengths[-1]} steps){_where_parameters_are(task, path)}"
        ) from None


def _parameters(
    trainer: Trainer, task: Task, seed: int, path: Path, progress: Report
) -> tuple[list[np.ndarray], int | None, float | None]:
    """Give the trainer's network today's parameters; returns those that stored states come from, and their age.

    The age is in updates, None where it is not known; beside it the mean staleness of the training, None without one.
    Trained parameters are kept beside the result before anything else is done.
    """
    if task.checkpoint is not None:
        checkpoint.load(task.stored_checkpoint or task.checkpoint, trainer.network, inputs=trainer.inputs)
        old = get_weights(trainer.network)
        checkpoint.load(task.checkpoint, trainer.network, inputs=trainer.inputs)
        return old, None if task.stored_checkpoint is not None else 0, None
    old, age, staleness = _train(trainer, task, seed, progress)
    today = get_weights(trainer.network)
    checkpoint.save(_today_path(path), trainer.network, inputs=trainer.inputs)
    set_weights(trainer.network, old)
    checkpoint.save(_stored_path(path), trainer.network, inputs=trainer.inputs)
    set_weights(trainer.network, today)
    return old, age, staleness


def _train(trainer: Trainer, task: Task, seed: int, progress: Report) -> tuple[list[np.ndarray], int, float]:
    """Train; returns the parameters that stored states come from, how many updates ago that is, and their mean age."""
    settings = task.training
    ages = kept_ages(settings.updates, settings.updates_between)
    snapshots: dict[int, list[np.ndarray]] = {}

    def after_round(update: int, status: str) -> None:
        if settings.updates - update in ages:
            snapshots[settings.updates - update] = get_weights(trainer.network)
        progress(update, status)

    result = trainer.run(parse(task.trained_with), seed, after_round)
    staleness = result.final("staleness") or 0.0
    age = nearest_age(staleness, list(snapshots))
    return snapshots[age], age, staleness


def kept_ages(updates: int, updates_between: int) -> set[int]:
    """The ages, in updates before the end of a training, whose parameters are kept for stored states.

    The actor changes its parameters between two rounds of `updates_between` updates and at no other time, so all stored
    states come from the parameters after some round. The last 16 rounds are kept, and from there on one in so many that
    two kept ages are at most 1/8 of the smaller one apart: what is kept does not grow with the length of a training.
    """
    ages, wanted = set(), 0.0
    for end in [updates, *reversed(range(updates_between, updates, updates_between))]:
        age = updates - end
        if age >= wanted:
            ages.add(age)
            wanted = age + (1 if age < 16 * updates_between else age / 8)
    return ages


def nearest_age(staleness: float, ages: Sequence[int]) -> int:
    """The one of `ages` that is nearest to a mean staleness, in updates; 0 only where the staleness is 0."""
    possible = [age for age in ages if age > 0 or staleness == 0]
    return min(possible, key=lambda age: abs(age - staleness))


def _today_path(path: Path) -> Path:
    """Where the trained parameters of a run are kept."""
    return path.with_suffix(".npz")


def _stored_path(path: Path) -> Path:
    """Where the older parameters are kept, those that stored states come from."""
    return path.with_name(f"{path.stem}_stored.npz")


def _where_parameters_are(task: Task, path: Path) -> str:
    """Where the trained parameters are, for a run that trained them and could give no advice."""
    if task.checkpoint is not None:
        return ""
    return (
        f"; the trained parameters are kept, for another try: --checkpoint {_today_path(path)} --stored-checkpoint"
        f" {_stored_path(path)}"
    )


def _cost(trainer: Trainer, episodes: Sequence[Episode], burn_in: int, repetitions: int = 5) -> Cost:
    """Time of an update, and bytes of a fragment in a batch and in replay, with a burn-in of `burn_in` steps."""
    settings = trainer.settings
    today = get_weights(trainer.network)
    replay = Replay(settings.replay, Stored(burn_in), trainer.objective, trainer.inputs)
    replay.add(*episodes)
    learner = Learner(trainer.network, trainer.objective, LearnerSettings(), updates=1 << 20)
    generator, count = np.random.default_rng(0), min(settings.updates_between, 10)
    seconds = []
    for _ in range(repetitions + 1):
        batches = replay.batch(replay.sample(generator, count, settings.batch_size))
        began = time.perf_counter()
        learner.update(batches)
        seconds.append((time.perf_counter() - began) / count)
    set_weights(trainer.network, today)
    fragment = replay.batch(replay.all_rows()[:1])
    return Cost(
        burn_in=burn_in,
        update_seconds=float(np.median(seconds[1:])),  # the first one compiles
        burn_in_bytes=fragment.burn_in_observations.nbytes + fragment.burn_in_mask.nbytes,
        state_bytes=sum(np.asarray(leaf).nbytes for leaf in tf.nest.flatten(fragment.start_state)),
    )
