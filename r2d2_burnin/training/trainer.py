"""Training runs of the same settings, one after another, from the first episode to the last measurement."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin.acting.actor import Act, Actor, ActorStep
from r2d2_burnin.data import Measurement, TrainingResult
from r2d2_burnin.diagnostics.discrepancy import DiscrepancyMeasure
from r2d2_burnin.diagnostics.evaluation import evaluate
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments import spaces
from r2d2_burnin.initialization.names import Initialization
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import EpsilonGreedy, QLearning, make_objective
from r2d2_burnin.learning.q_learning import epsilon_ladder
from r2d2_burnin.networks.factory import make_network
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.settings import TrainingSettings
from r2d2_burnin.training.checkpoint import CannotResume, Checkpoints
from r2d2_burnin.training.collector import Acting, LocalActing
from r2d2_burnin.training.run import TrainingRun

MOST_CONSTANT_ACTIONS = 64
"""Constant actions that are tried as a baseline: each takes an evaluation."""

Progress = Callable[[int, str], None]
"""Told the number of updates made so far, and a few words on how it goes."""

Observer = Callable[[int, Replay, Learner], None]
"""Called after each measurement with the updates made so far; may look, and must change nothing."""


class Trainer:
    """Makes runs of the same settings one after another, compiling their programs once.

    Raises:
        ValueError: for an environment, space, network or objective that cannot be used.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        single = environments.make(settings.environment)
        self.actions = spaces.actions(single.action_space)
        objective, classes = spaces.choose_objective(settings.objective, single), spaces.target_classes(single)
        self.settings = settings = dataclasses.replace(settings, objective=objective)
        self.objective = make_objective(objective, self.actions, settings.q_learning, classes=classes)
        self.targets = spaces.target_range(objective, single)
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
        *,
        checkpoints: Checkpoints | None = None,
        on_measurements: Callable[[list[Measurement]], None] | None = None,
    ) -> TrainingResult:
        """Train a network from scratch; the same seed gives the same streams to every initialization.

        With `checkpoints`, a run that was interrupted goes on from its last one, and ends with the same figures, to the
        bit, as one that was not.

        Args:
            initialization: what fragments start from.
            seed: of everything.
            progress: is told how it goes.
            observer: looks at replay and learner after each measurement.
            checkpoints: where and how often the run is put away.
            on_measurements: is given new measurements, after each round of updates; those of a checkpoint first.

        Raises:
            EnvironmentFault: when the environment raises, hangs, or returns what no training can use.
            TrainingDiverged: when a loss is not finite.
        """
        began = time.perf_counter()
        settings = self.settings
        acting_env = None if settings.actors else environments.make_vector(settings.environment, settings.num_envs)
        evaluation_env = environments.make_vector(settings.environment, settings.evaluation_episodes)
        run: TrainingRun | None = None
        try:
            begin = functools.partial(
                self._begin,
                initialization,
                seed,
                acting_env,
                evaluation_env,
                observed=observer is not None,
                resumable=checkpoints is not None,
            )
            run, spent, told = begin(), 0.0, 0
            if checkpoints is not None:
                try:
                    spent = checkpoints.restore(run)
                except CannotResume as error:
                    checkpoints.warn(str(error))
                    run = begin()
            while not run.finished:
                measures = run.advance()
                if measures and observer is not None:
                    observer(run.update, run.replay, run.learner)
                if on_measurements is not None:
                    on_measurements(run.measurements[told:])
                    told = len(run.measurements)
                if progress is not None:
                    progress(run.update, run.words)
                if checkpoints is not None and not run.finished:
                    checkpoints.save_if_due(run, spent + time.perf_counter() - began)
        finally:
            failed = run is None or not run.finished
            if run is not None:
                run.acting.close()
            for env in (acting_env, evaluation_env):
                if env is not None:
                    environments.close(env, at_once=failed)
        return dataclasses.replace(run.result(), seconds=spent + time.perf_counter() - began)

    def constant_returns(self, seed: int) -> list[float]:
        """Returns of the best constant action in the evaluation episodes of the run with this seed, one an episode.

        Of more than `MOST_CONSTANT_ACTIONS` actions, as many at even distances are tried.

        Raises:
            EnvironmentFault: when the environment raises, hangs, or returns what no training can use.
        """
        settings = self.settings
        env = environments.make_vector(settings.environment, settings.evaluation_episodes)
        count = min(self.actions, MOST_CONSTANT_ACTIONS)
        returns: list[list[float]] = []
        try:
            for action in np.linspace(0, self.actions - 1, count).round().astype(int).tolist():
                actor = Actor(
                    env,
                    self.actor_step,
                    functools.partial(_always, action),
                    seed=_seeds(seed).evaluation,
                    inputs=self.inputs,
                    longest=settings.replay.replay_capacity,
                    step_timeout=settings.environment.env_timeout,
                    keeps_states=False,
                    targets=None,
                )
                returns.append(evaluate(actor, None).returns)
        finally:
            environments.close(env)
        return max(returns, key=sum)

    def actor(
        self, acting_seed: int, exploration_seed: int, *, environments_of: np.ndarray
    ) -> tuple[Actor, VectorEnv[Any, Any, Any]]:
        """An actor with some of the `num_envs` environments [n], and these environments."""
        env = environments.make_vector(self.settings.environment, len(environments_of))
        return self._actor(env, acting_seed, exploration_seed, environments_of, resumable=False), env

    def _actor(
        self,
        env: VectorEnv[Any, Any, Any],
        acting_seed: int,
        exploration_seed: int,
        environments_of: np.ndarray,
        *,
        resumable: bool,
    ) -> Actor:
        return Actor(
            env,
            self.acting_step,
            self._policy(exploration_seed, environments_of),
            seed=acting_seed,
            inputs=self.inputs,
            longest=self.settings.replay.replay_capacity,
            step_timeout=self.settings.environment.env_timeout,
            keeps_actions=resumable and not hasattr(env, "get_state"),
            targets=self.targets,
        )

    def _begin(
        self,
        initialization: Initialization,
        seed: int,
        acting_env: VectorEnv[Any, Any, Any] | None,
        evaluation_env: VectorEnv[Any, Any, Any],
        *,
        observed: bool,
        resumable: bool,
    ) -> TrainingRun:
        settings = self.settings
        seeds = _seeds(seed)
        self._start_anew(seeds.parameters)
        acting: Acting
        if acting_env is None:
            from r2d2_burnin.training.ray_collector import RayActing

            acting = RayActing(settings, self.network, seed=seeds.acting)
        else:
            acting = LocalActing(
                self._actor(
                    acting_env, seeds.acting, seeds.exploration, np.arange(settings.num_envs), resumable=resumable
                ),
                self.network,
                self.acting_step.network,
                parameter_lag=settings.parameter_lag,
                updates_between=settings.updates_between,
            )
        return TrainingRun(
            self,
            initialization,
            sampling_seed=seeds.sampling,
            acting=acting,
            evaluation_env=evaluation_env,
            evaluation_seed=seeds.evaluation,
            evaluation_exploration_seed=seeds.evaluation_exploration,
            references=ReferenceSample(np.random.default_rng(seeds.measuring), every=observed),
        )

    def _build(self, *, seed: int) -> None:
        settings = self.settings
        self.network = make_network(settings.network, self.inputs, self.objective, seed=seed)
        self._target_network = None
        if isinstance(self.objective, QLearning):
            self._target_network = make_network(settings.network, self.inputs, self.objective, seed=seed)
        self._learners: dict[str, Learner] = {}
        self.actor_step = self.acting_step = ActorStep(self.network)
        if settings.parameter_lag:
            self.acting_step = ActorStep(make_network(settings.network, self.inputs, self.objective, seed=seed))
        self.measure = DiscrepancyMeasure(self.network, self.objective.values, self.objective.scale)

    def _start_anew(self, seed: int) -> None:
        """Draw the parameters of `seed`; a network of the user's is made anew, as only its factory can draw them."""
        if self.settings.network.network is not None:
            self._build(seed=seed)
        else:
            self.network.initialize(seed)

    def learner(self, initialization: Initialization) -> Learner:
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

    def _policy(self, seed: int, environments_of: np.ndarray) -> Act:
        """How the actor chooses: by its epsilon in Q-learning; guesses need no exploration."""
        if not isinstance(self.objective, QLearning):
            return self.objective.act
        agent = self.settings.q_learning
        epsilons = epsilon_ladder(self.settings.num_envs, epsilon=agent.epsilon, alpha=agent.alpha)
        return EpsilonGreedy(self.objective, self.actions, epsilons[environments_of], seed=seed)


class _Seeds(NamedTuple):
    """Seeds of everything in a run that is random, from one SeedSequence."""

    parameters: int
    acting: int
    sampling: int
    evaluation: int
    exploration: int
    evaluation_exploration: int
    measuring: np.random.SeedSequence


def _seeds(seed: int) -> _Seeds:
    sequence = np.random.SeedSequence(seed)
    # Environments take seeds of 31 bits.
    words = (sequence.generate_state(6) >> 1).tolist()
    parameters, acting, sampling, evaluation, exploration, evaluation_exploration = words
    measuring = sequence.spawn(1)[0]
    return _Seeds(parameters, acting, sampling, evaluation, exploration, evaluation_exploration, measuring)


def _always(action: int, outputs: np.ndarray) -> np.ndarray:
    """The same action `[S, N]` whatever the outputs `[S, N, A]`."""
    return np.full(outputs.shape[:2], action)
