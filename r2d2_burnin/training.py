"""One training run: a seed and an initialization, from the first episode to the last measurement."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin import environments, spaces
from r2d2_burnin.actor import Act, Actor, ActorStep
from r2d2_burnin.discrepancy import DiscrepancyMeasure
from r2d2_burnin.evaluation import Evaluation, evaluate
from r2d2_burnin.initialization import Initialization
from r2d2_burnin.learner import Learner
from r2d2_burnin.measurements import Measurement, TrainingResult
from r2d2_burnin.network_factory import make_network
from r2d2_burnin.objectives import EpsilonGreedy, QLearning, make_objective
from r2d2_burnin.q_learning import epsilon_ladder
from r2d2_burnin.quiet_tensorflow import tf
from r2d2_burnin.replay import Replay
from r2d2_burnin.settings import ReplaySettings, TrainingSettings

Progress = Callable[[int, str], None]
"""Told the number of updates made so far, and a few words on how it goes."""

Observer = Callable[[int, Replay, Learner], None]
"""Called after each measurement with the updates made so far; may look, and must change nothing."""

LONGEST_PROFILE = 1000
"""Steps of an episode whose errors or rewards are reported one by one."""


class Trainer:
    """Makes runs of the same settings one after another, compiling their programs once.

    Raises:
        ValueError: for an environment, space, network or objective that cannot be used.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        single = environments.make(settings.environment)
        self.actions = spaces.actions(single.action_space)
        self.objective = make_objective(
            spaces.choose_objective(settings.objective, single), self.actions, settings.q_learning
        )
        agent = settings.q_learning if isinstance(self.objective, QLearning) else None
        self.inputs = spaces.input_space(single.observation_space, single.action_space, agent)
        single.close()
        self._build(seed=0)

    def run(
        self,
        initialization: Initialization,
        seed: int,
        progress: Progress | None = None,
        observer: Observer | None = None,
    ) -> TrainingResult:
        """Train a network from scratch; the same seed gives the same streams to every initialization."""
        began = time.perf_counter()
        acting_env = environments.make_vector(self.settings.environment, self.settings.num_envs)
        evaluation_env = environments.make_vector(self.settings.environment, self.settings.evaluation_episodes)
        try:
            result = self._train(initialization, seed, acting_env, evaluation_env, progress, observer)
        finally:
            acting_env.close()
            evaluation_env.close()
        return dataclasses.replace(result, seconds=time.perf_counter() - began)

    def _train(
        self,
        initialization: Initialization,
        seed: int,
        acting_env: VectorEnv[Any, Any, Any],
        evaluation_env: VectorEnv[Any, Any, Any],
        progress: Progress | None,
        observer: Observer | None,
    ) -> TrainingResult:
        settings = self.settings
        seeds = np.random.SeedSequence(seed).generate_state(5) >> 1  # environments take seeds of 31 bits
        parameter_seed, acting_seed, sampling_seed, evaluation_seed, exploration_seed = (int(one) for one in seeds)
        self._start_anew(parameter_seed)
        learner = self._learner(initialization)
        generator = np.random.default_rng(sampling_seed)
        replay = Replay(
            settings.replay,
            initialization,
            self.objective,
            self.inputs,
            reference_every=reference_every(settings.replay) if observer is None else 1,
        )
        actor = Actor(
            acting_env,
            self.actor_step,
            self._policy(exploration_seed),
            seed=acting_seed,
            inputs=self.inputs,
            longest=settings.replay.replay_capacity,
        )
        measurements: list[Measurement] = []
        evaluation: Evaluation | None = None
        seconds: list[float] = []
        batch_bytes = 0

        steps, update = settings.initial_steps, 0
        while update < settings.updates:
            self._collect(actor, replay, learner, steps)
            steps = settings.new_steps

            count = min(settings.updates_between, settings.updates - update)
            rows = replay.sample(generator, count, settings.batch_size)
            batches = replay.batch(rows)
            staleness = float(np.mean([replay.staleness(rows[i], update + i) for i in range(count)]))
            began = time.perf_counter()
            losses, priorities, states = learner.update(batches)
            seconds.append((time.perf_counter() - began) / count)
            batch_bytes = sum(np.asarray(leaf).nbytes for leaf in tf.nest.flatten(batches)) // count
            replay.set_priorities(rows.ravel(), priorities.ravel())
            replay.refresh(rows, states, update)
            before, update = update, update + count
            actor.update = update
            measurements.append(Measurement(update, "train_loss", float(losses.mean())))
            measurements.append(Measurement(update, "staleness", staleness))

            if update == settings.updates or update // settings.measure_every > before // settings.measure_every:
                # Uniformly, whatever training draws by: the fragments measured are those of every initialization.
                draws = generator.choice(replay.all_rows(), settings.measured_fragments)
                rows = replay.rows_with_references(settings.measured_fragments, int(draws[0]))
                discrepancies, _ = self.measure(replay.batch(rows), replay.references(rows), learner.learned_state)
                for metric, values in discrepancies._asdict().items():
                    measurements.append(Measurement(update, metric, float(values.mean())))
                evaluation = self._evaluate(evaluation_env, evaluation_seed)
                if evaluation.error is not None:
                    measurements.append(Measurement(update, "eval_error", evaluation.error))
                measurements.append(Measurement(update, "episode_return", evaluation.episode_return))
                if observer is not None:
                    observer(update, replay, learner)
            if progress is not None:
                progress(update, f"loss {losses.mean():.3g}{_words(evaluation)}")

        if evaluation is not None:
            measurements += self._final_measurements(evaluation, initialization, learner, update)
        if isinstance(self.objective, QLearning):
            chance = self._evaluate(evaluation_env, evaluation_seed, epsilon=1.0)
            measurements.append(Measurement(update, "random_return", chance.episode_return))
        update_seconds = float(np.median(seconds[1:] or seconds))  # the first call may compile
        return TrainingResult(measurements, 0.0, update_seconds, replay.nbytes - replay.reference_bytes, batch_bytes)

    def _build(self, *, seed: int) -> None:
        settings = self.settings
        self.network = make_network(settings.network, self.inputs, self.objective, seed=seed)
        self._target_network = None
        if isinstance(self.objective, QLearning):
            self._target_network = make_network(settings.network, self.inputs, self.objective, seed=seed)
        self._learners: dict[str, Learner] = {}
        self.actor_step = ActorStep(self.network)
        self.measure = DiscrepancyMeasure(self.network, self.objective.values)

    def _start_anew(self, seed: int) -> None:
        """Draw the parameters of `seed`; a network of the user's is made anew, as only its factory can draw them."""
        if self.settings.network.network is not None:
            self._build(seed=seed)
        else:
            self.network.initialize(seed)

    def _learner(self, initialization: Initialization) -> Learner:
        """A learner that starts anew; those that neither refresh nor learn states share their compiled programs."""
        refreshes, learns = initialization.start == "refreshed", initialization.start == "learned"
        kind = initialization.start if refreshes or learns else ""
        if kind not in self._learners:
            settings = self.settings
            self._learners[kind] = Learner(
                self.network,
                self.objective,
                settings.learner,
                updates=settings.updates,
                target_network=self._target_network,
                target_update_period=settings.q_learning.target_update_period,
                priority_eta=settings.replay.priority_eta,
                refresh_period=settings.replay.period if refreshes else None,
                learns_state=learns,
            )
        self._learners[kind].reset()
        return self._learners[kind]

    def _policy(self, seed: int) -> Act:
        """How the actor chooses: by its epsilon in Q-learning; guesses need no exploration."""
        if not isinstance(self.objective, QLearning):
            return self.objective.act
        agent = self.settings.q_learning
        epsilons = epsilon_ladder(self.settings.num_envs, epsilon=agent.epsilon, alpha=agent.alpha)
        return EpsilonGreedy(self.objective, self.actions, epsilons, seed=seed)

    def _collect(self, actor: Actor, replay: Replay, learner: Learner, steps: int) -> None:
        """Act for `steps` steps, and on until replay holds an episode; rate new fragments where priorities count."""
        added = [replay.add(episode) for episode in actor.collect(steps)]
        while not len(replay):
            added += [replay.add(episode) for episode in actor.collect(1)]
        if self.settings.replay.priority_exponent == 0 or not added:
            return
        rows = np.intersect1d(np.concatenate(added), replay.all_rows())
        size = self.settings.batch_size
        for chunk in np.resize(rows, (-(-len(rows) // size), size)):  # whole chunks: one program to compile
            replay.set_priorities(chunk, learner.priorities(replay.batch(chunk)))

    def _evaluate(self, env: VectorEnv[Any, Any, Any], seed: int, epsilon: float | None = None) -> Evaluation:
        """Evaluate with the settings' epsilon, or with another one (1: actions at random)."""
        epsilon = self.settings.q_learning.evaluation_epsilon if epsilon is None else epsilon
        act: Act = self.objective.act
        if isinstance(self.objective, QLearning) and epsilon > 0:
            act = EpsilonGreedy(self.objective, self.actions, np.full(env.num_envs, epsilon), seed=seed)
        longest = self.settings.replay.replay_capacity
        actor = Actor(env, self.actor_step, act, seed=seed, inputs=self.inputs, longest=longest)
        return evaluate(actor, None if isinstance(self.objective, QLearning) else self.objective.error)

    def _final_measurements(
        self, evaluation: Evaluation, initialization: Initialization, learner: Learner, update: int
    ) -> list[Measurement]:
        found = []
        if not isinstance(self.objective, QLearning):
            loss, standard_error = self._fresh_loss(evaluation, initialization, learner)
            found += [("fresh_loss", loss), ("fresh_loss_standard_error", standard_error)]
        for name, profile in (("eval_error", evaluation.error_by_position), ("reward", evaluation.reward_by_position)):
            if profile is not None:
                values = profile[:LONGEST_PROFILE].tolist()
                found += [(f"{name}_at_step_{position}", value) for position, value in enumerate(values)]
        return [Measurement(update, metric, value) for metric, value in found]

    def _fresh_loss(
        self, evaluation: Evaluation, initialization: Initialization, learner: Learner
    ) -> tuple[float, float]:
        """Mean loss on fragments that were never trained, and its standard error over episodes.

        An error floor holds for these. The loss on replayed fragments can sink a little below it, since the network
        fits the noise of what replay holds.
        """
        replay = Replay(self.settings.replay, initialization, self.objective, self.inputs)
        for episode in evaluation.episodes:
            replay.add(episode)
        rows = replay.all_rows()
        size = self.settings.measured_fragments
        chunks = np.resize(rows, (-(-len(rows) // size), size))  # whole chunks: no further program to compile
        losses, masks = [], []
        for chunk in chunks:
            batch = replay.batch(chunk)
            _, outputs = self.measure(batch, replay.references(chunk), learner.learned_state)
            losses.append(np.where(batch.mask, self.objective.losses(outputs, outputs, batch.labels).loss, 0.0))
            masks.append(batch.mask)
        of_fragments = np.concatenate(losses).sum(1)[: len(rows)]
        trained = np.concatenate(masks).sum(1)[: len(rows)]
        _, owners = np.unique(replay.episodes_of(rows), return_inverse=True)
        sums, counts = np.bincount(owners, of_fragments), np.bincount(owners, trained)
        mean = float(sums.sum() / counts.sum())
        deviations = (sums - mean * counts) / counts.mean()
        return mean, float(deviations.std() / np.sqrt(len(counts)))


def reference_every(settings: ReplaySettings) -> int:
    """One in so many fragments keeps the references of ΔQ: enough to measure, few beside the states of training."""
    return max(1, min(64, settings.replay_capacity // settings.period // 256))


def _words(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return ""
    if evaluation.error is None:
        return f", return {evaluation.episode_return:.3g}"
    return f", evaluation error {evaluation.error:.3g}"
