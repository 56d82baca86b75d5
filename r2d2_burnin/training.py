"""One training run: a seed and an initialization, from the first episode to the last measurement."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin import spaces
from r2d2_burnin.actor import Actor, ActorStep
from r2d2_burnin.discrepancy import DiscrepancyMeasure
from r2d2_burnin.evaluation import Evaluation, evaluate
from r2d2_burnin.initialization import Initialization
from r2d2_burnin.learner import Learner
from r2d2_burnin.measurements import Measurement, TrainingResult
from r2d2_burnin.networks import DenseRecurrentNetwork
from r2d2_burnin.objectives import make_objective
from r2d2_burnin.replay import Replay
from r2d2_burnin.settings import TrainingSettings

Progress = Callable[[int, str], None]
"""Told the number of updates made so far, and a few words on how it goes."""


class Trainer:
    """Makes runs of the same settings one after another, compiling their programs once.

    Raises:
        ValueError: for an environment, space or objective that cannot be used.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        single = gym.make(settings.env, **settings.env_kwargs)
        features = spaces.features(single.observation_space)
        actions = spaces.actions(single.action_space)
        self.objective = make_objective(spaces.choose_objective(settings.objective, single), actions)
        single.close()
        self.network = DenseRecurrentNetwork(features, self.objective.outputs, settings.network)
        self.learner = Learner(self.network, self.objective, settings.learner, updates=settings.updates)
        self._actor_step = ActorStep(self.network)
        self._measure = DiscrepancyMeasure(self.network)

    def run(self, initialization: Initialization, seed: int, progress: Progress | None = None) -> TrainingResult:
        """Train a network from scratch; the same seed gives the same streams to every initialization."""
        began = time.perf_counter()
        settings = self.settings
        seeds = np.random.SeedSequence(seed).generate_state(4) >> 1  # environments take seeds of 31 bits
        parameter_seed, acting_seed, sampling_seed, evaluation_seed = (int(one) for one in seeds)
        self.network.initialize(parameter_seed)
        self.learner.reset()
        generator = np.random.default_rng(sampling_seed)
        replay = self._make_replay(initialization)
        acting_env = self._make_vec(settings.num_envs)
        evaluation_env = self._make_vec(settings.evaluation_episodes)
        actor = Actor(acting_env, self._actor_step, self.objective.act, seed=acting_seed)
        episodes = actor.episodes()
        measurements: list[Measurement] = []
        evaluation: Evaluation | None = None

        wanted, update = settings.initial_episodes, 0
        while update < settings.updates:
            for episode in itertools.islice(episodes, wanted):
                replay.add(episode)
            wanted = settings.new_episodes

            count = min(settings.updates_between, settings.updates - update)
            rows = replay.sample(generator, count, settings.batch_size)
            losses = self.learner.update(replay.batch(rows))
            staleness = float(np.mean([replay.staleness(rows[i], update + i) for i in range(count)]))
            before, update = update, update + count
            actor.update = update
            measurements.append(Measurement(update, "train_loss", float(losses.mean())))
            measurements.append(Measurement(update, "staleness", staleness))

            if update == settings.updates or update // settings.measure_every > before // settings.measure_every:
                rows = replay.sample(generator, settings.measured_fragments)
                discrepancies, _ = self._measure(replay.batch(rows), replay.references(rows))
                for metric, values in discrepancies._asdict().items():
                    measurements.append(Measurement(update, metric, float(values.mean())))
                evaluation = evaluate(evaluation_env, self._actor_step, self.objective, seed=evaluation_seed)
                measurements.append(Measurement(update, "eval_error", evaluation.error))
                measurements.append(Measurement(update, "episode_return", evaluation.episode_return))
            if progress is not None:
                error = "" if evaluation is None else f", evaluation error {evaluation.error:.3g}"
                progress(update, f"loss {losses.mean():.3g}{error}")

        if evaluation is not None:
            loss, standard_error = self._fresh_loss(evaluation, initialization)
            measurements.append(Measurement(update, "fresh_loss", loss))
            measurements.append(Measurement(update, "fresh_loss_standard_error", standard_error))
            for position, value in enumerate(evaluation.error_by_position):
                measurements.append(Measurement(update, f"eval_error_at_step_{position}", float(value)))
        acting_env.close()
        evaluation_env.close()
        return TrainingResult(measurements, time.perf_counter() - began)

    def _fresh_loss(self, evaluation: Evaluation, initialization: Initialization) -> tuple[float, float]:
        """Mean loss on fragments that were never trained, and its standard error over episodes.

        An error floor holds for these. The loss on replayed fragments can sink a little below it, since the network
        fits the noise of what replay holds.
        """
        replay = self._make_replay(initialization)
        for episode in evaluation.episodes:
            replay.add(episode)
        rows = replay.all_rows()
        size = self.settings.measured_fragments
        chunks = np.resize(rows, (-(-len(rows) // size), size))  # whole chunks: no further program to compile
        losses = []
        for chunk in chunks:
            batch = replay.batch(chunk)
            _, outputs = self._measure(batch, replay.references(chunk))
            losses.append(np.where(batch.mask, np.asarray(self.objective.loss(outputs, batch.targets)), 0.0))
        of_fragments = np.concatenate(losses).sum(1)[: len(rows)]
        trained = np.concatenate([replay.batch(chunk).mask for chunk in chunks]).sum(1)[: len(rows)]
        _, owners = np.unique(replay.episodes_of(rows), return_inverse=True)
        sums, counts = np.bincount(owners, of_fragments), np.bincount(owners, trained)
        mean = float(sums.sum() / counts.sum())
        deviations = (sums - mean * counts) / counts.mean()
        return mean, float(deviations.std() / np.sqrt(len(counts)))

    def _make_replay(self, initialization: Initialization) -> Replay:
        return Replay(
            capacity=self.settings.replay_capacity,
            sequence_length=self.settings.sequence_length,
            period=self.settings.period,
            initialization=initialization,
        )

    def _make_vec(self, num_envs: int) -> VectorEnv[Any, Any, Any]:
        return gym.make_vec(self.settings.env, num_envs=num_envs, **self.settings.env_kwargs)
