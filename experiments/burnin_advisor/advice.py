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
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.initialization import Stored, parse
from r2d2_burnin.settings import EnvironmentSettings, LearnerSettings, TrainingSettings

FEWEST_EPISODES = 16
"""Episodes without which no burn-in is judged: `r2d2_burnin.burn_in_advice.FEWEST_FRAGMENTS`, without TensorFlow."""


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
    from r2d2_burnin.diagnostics.burn_in_advice import advise
    from r2d2_burnin.networks.weights import get_weights, set_weights
    from r2d2_burnin.testing import record_episodes

    task, seed, path = payload
    trainer = trainer_for(task.training)
    old, age, staleness = _parameters(trainer, task, seed, path, progress)
    today = get_weights(trainer.network)
    set_weights(trainer.network, old)
    episodes = record_episodes(
        trainer.network,
        task.training.environment,
        count=task.episodes,
        num_envs=task.training.num_envs,
        inputs=trainer.inputs,
        seed=seed,
        act=trainer.objective.act,
        longest=task.training.replay.replay_capacity,
    )
    set_weights(trainer.network, today)
    replay = task.training.replay
    try:
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
    except ValueError as error:
        lengths = sorted(len(episode) for episode in episodes)
        raise ValueError(
            f"{error} (sequence_length is {replay.sequence_length}; {task.training.environment.env} gave episodes of"
            f" {lengths[0]} to {lengths[-1]} steps){_kept(task, path)}"
        ) from None
    burn_ins = sorted({m.burn_in for m in advice.measures if m.start == "stored"})
    content = {
        **dataclasses.asdict(advice),
        "sentence": advice.sentence,
        "stored_age": age,
        "staleness": staleness,
        "costs": [_cost(trainer, episodes, k) for k in burn_ins],
    }
    write_sealed(path, _without_nan(content))


def _parameters(
    trainer: Any, task: Task, seed: int, path: Path, progress: Report
) -> tuple[list[np.ndarray], int | None, float | None]:
    """Give the trainer's network today's parameters; returns those that stored states come from, and their age.

    The age is in updates, None where it is not known; beside it the mean staleness of the training, None without one.
    Trained parameters are kept beside the result before anything else is done.
    """
    from r2d2_burnin.networks.weights import get_weights, set_weights
    from r2d2_burnin.training import checkpoint

    if task.checkpoint is not None:
        checkpoint.load(task.stored_checkpoint or task.checkpoint, trainer.network)
        old = get_weights(trainer.network)
        checkpoint.load(task.checkpoint, trainer.network)
        return old, None if task.stored_checkpoint is not None else 0, None
    old, age, staleness = _train(trainer, task, seed, progress)
    today = get_weights(trainer.network)
    checkpoint.save(_kept_today(path), trainer.network)
    set_weights(trainer.network, old)
    checkpoint.save(_kept_stored(path), trainer.network)
    set_weights(trainer.network, today)
    return old, age, staleness


def _train(trainer: Any, task: Task, seed: int, progress: Report) -> tuple[list[np.ndarray], int, float]:
    """Train; returns the parameters that stored states come from, how many updates ago that is, and their mean age."""
    from r2d2_burnin.networks.weights import get_weights

    settings = task.training
    ages = kept_ages(settings.updates, settings.updates_between)
    snapshots: dict[int, list[np.ndarray]] = {}

    def after_round(update: int, words: str) -> None:
        if settings.updates - update in ages:
            snapshots[settings.updates - update] = get_weights(trainer.network)
        progress(update, words)

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


def check_task(task: Task) -> None:
    """Look at the environment before anything is trained.

    Raises:
        ValueError: for episodes that are certainly too short to judge any burn-in, and for a training of one round,
            which leaves no older parameters that stored states could come from.
    """
    training = task.training
    if task.checkpoint is None and training.updates <= training.updates_between:
        raise ValueError(
            f"updates: got {training.updates}, expected more than updates_between ({training.updates_between}): states"
            f" are stored with the parameters of a round before; the nearest is {training.updates_between + 1}"
        )
    length, why = longest_episode(training.environment, training.replay.sequence_length)
    if length is None:
        return
    got = f"sequence_length: got {training.replay.sequence_length}, but episodes of {training.environment.env} {why}"
    if length == 1:
        raise ValueError(f"{got}: a network needs no memory there, and no burn-in")
    period = min(training.replay.period, length - 1)
    raise ValueError(
        f"{got}, so that every fragment begins an episode and no burn-in is needed; expected less than {length}, the"
        f" nearest is --sequence-length {length - 1} --period {period}"
    )


def longest_episode(environment: EnvironmentSettings, enough: int) -> tuple[int | None, str]:
    """The most steps that an episode can have, and where that is known from; None where it is not, or above `enough`.

    It is known where the environment states `max_episode_steps`, and where several episodes of random actions all have
    the same length. Random episodes of different lengths say nothing of those of a trained agent.
    """
    env = environments.make(environment)
    try:
        env.action_space.seed(0)
        lengths = set()
        for episode in range(FEWEST_EPISODES):
            env.reset(seed=episode)
            length, ended = 0, False
            while not ended:
                if length == enough:
                    return None, ""  # longer than that
                _, _, terminated, truncated, _ = env.step(env.action_space.sample())
                length, ended = length + 1, terminated or truncated
            lengths.add(length)
        stated = None if env.spec is None else env.spec.max_episode_steps
        if stated is not None and stated <= enough:
            return stated, f"have at most {stated} steps (max_episode_steps)"
        if len(lengths) == 1:
            length = lengths.pop()
            return length, f"have {length} steps (so had all of {FEWEST_EPISODES} with random actions)"
        return None, ""
    except EnvironmentFault as error:
        raise ValueError(str(error)) from None
    finally:
        env.close()


def _kept_today(path: Path) -> Path:
    """Where the trained parameters of a run are kept."""
    return path.with_suffix(".npz")


def _kept_stored(path: Path) -> Path:
    """Where the older parameters are kept, those that stored states come from."""
    return path.with_name(f"{path.stem}_stored.npz")


def _kept(task: Task, path: Path) -> str:
    """Where the trained parameters are, for a run that trained them and could give no advice."""
    if task.checkpoint is not None:
        return ""
    return (
        f"; the trained parameters are kept, for another try: --checkpoint {_kept_today(path)} --stored-checkpoint"
        f" {_kept_stored(path)}"
    )


def _cost(trainer: Any, episodes: Sequence[Any], burn_in: int, repetitions: int = 5) -> dict[str, float]:
    """Time of an update, and bytes of a fragment in a batch and in replay, with a burn-in of `burn_in` steps."""
    from r2d2_burnin.learning.learner import Learner
    from r2d2_burnin.networks.weights import get_weights, set_weights
    from r2d2_burnin.replay.buffer import Replay
    from r2d2_burnin.runtime.tensorflow import tf

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
