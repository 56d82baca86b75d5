"""Training runs of the same settings, one after another, from the first episode to the last measurement."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.policies import Act, ConstantAction
from r2d2_burnin.data import Measurement, MemoryUse, TrainingResult
from r2d2_burnin.diagnostics.evaluation import evaluate
from r2d2_burnin.diagnostics.evaluator import Evaluator
from r2d2_burnin.diagnostics.memory_use import MOST_EPISODES
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.initialization import Initialization, check_cut, check_trained_steps, parse
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import Objective
from r2d2_burnin.learning.task import Task, make_task
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.settings import MOST_CONSTANT_ACTIONS, EnvironmentSettings, TrainingSettings
from r2d2_burnin.training.checkpoint import CannotResume, Checkpoints
from r2d2_burnin.training.collector import Collector, LocalCollector
from r2d2_burnin.training.parts import Parts, make_parts
from r2d2_burnin.training.ray_collector import RayCollector
from r2d2_burnin.training.run import TrainingRun

Progress = Callable[[int, str], None]
"""Is given the number of updates made so far, and a status of a few words."""

Observer = Callable[[int, Replay, Learner], None]
"""Called after each measurement with the updates made so far; may look, and must change nothing."""


class Trainer:
    """Makes runs of the same settings one after another, compiling their programs once.

    Args:
        settings: of all runs, or the id of an environment, with the defaults that fit it.

    Raises:
        ValueError: for an environment, space, network or objective that cannot be used.
    """

    def __init__(self, settings: TrainingSettings | str) -> None:
        if isinstance(settings, str):
            settings = TrainingSettings(environment=EnvironmentSettings(settings))
        self.task: Task = make_task(settings)
        self.parts: Parts = make_parts(self.task, seed=0)

    @property
    def settings(self) -> TrainingSettings:
        """The settings, with the objective that was chosen."""
        return self.task.settings

    @property
    def objective(self) -> Objective:
        """What networks are trained on."""
        return self.task.objective

    @property
    def inputs(self) -> InputSpace:
        """What networks see of a step."""
        return self.task.inputs

    @property
    def network(self) -> Any:
        """The network of the last run."""
        return self.parts.network

    def run(
        self,
        initialization: Initialization | str,
        seed: int,
        progress: Progress | None = None,
        observer: Observer | None = None,
        *,
        checkpoints: Checkpoints | None = None,
        on_measurements: Callable[[list[Measurement]], None] | None = None,
    ) -> TrainingResult:
        """Train a network from scratch; the same seed gives the same streams to every initialization.

        With `checkpoints`, a run that was interrupted resumes from its last one, and ends with the same figures, to the
        bit, as one that was not.

        Args:
            initialization: what fragments start from, or its name, such as "stored+10".
            seed: of everything.
            progress: is given updates and status after each round.
            observer: looks at replay and learner after each measurement.
            checkpoints: where and how often the run is saved.
            on_measurements: is given new measurements, after each round of updates; those of a checkpoint first.

        Raises:
            ValueError: for an unknown initialization, and for `full` where episodes are cut.
            EnvironmentFault: when the environment raises, hangs, or returns what no training can use.
            TrainingDiverged: when a loss or an output is not finite.
        """
        initialization = parse(initialization)
        check_cut(self.settings.cut_episodes, initialization)
        check_trained_steps(self.settings.replay.sequence_length, initialization)
        began = time.perf_counter()
        settings = self.settings
        acting_env = None if settings.actors else environments.make_vector(settings.environment, settings.num_envs)
        evaluation_env = environments.make_vector(settings.environment, settings.evaluation_episodes)
        run: TrainingRun | None = None
        try:
            options = {"observed": observer is not None, "resumable": checkpoints is not None}
            begin = functools.partial(self._begin, initialization, seed, acting_env, evaluation_env, **options)
            run, spent, reported = *_resumed(begin, checkpoints), 0
            while not run.finished:
                measures = run.advance()
                if measures and observer is not None:
                    observer(run.update, run.replay, run.learner)
                if on_measurements is not None:
                    on_measurements(run.measurements[reported:])
                    reported = len(run.measurements)
                if progress is not None:
                    progress(run.update, run.status)
                if checkpoints is not None and not run.finished:
                    checkpoints.save_if_due(run, spent + time.perf_counter() - began)
        finally:
            failed = run is None or not run.finished
            if run is not None:
                run.collector.close()
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
        env = environments.make_vector(self.settings.environment, self.settings.evaluation_episodes)
        count = min(self.task.actions, MOST_CONSTANT_ACTIONS)
        returns: list[list[float]] = []
        try:
            for action in np.linspace(0, self.task.actions - 1, count).round().astype(int).tolist():
                actor = self._evaluation_actor(env, _seeds(seed).evaluation, ConstantAction(action), False)
                returns.append(evaluate(actor, None).returns)
        finally:
            environments.close(env)
        return max(returns, key=sum)

    def memory_use(
        self,
        seed: int,
        *,
        episodes: int = MOST_EPISODES,
        share: float | None = None,
        progress: Callable[[int], None] = lambda memory: None,
    ) -> MemoryUse:
        """How much memory the network, as it is, uses in fresh episodes of the run with this seed.

        Args:
            seed: of the run; the episodes are the first ones of its evaluations.
            episodes: how many.
            share: part of a run's steps that this may take, None for no limit; see `MemoryMeasure`.
            progress: is given each number of steps of memory before the agent acts with it.

        Raises:
            ValueError: for too few episodes.
            EnvironmentFault: when the environment raises, hangs, or returns what no training can use.
            TrainingDiverged: when an output is not finite.
        """
        seeds = _seeds(seed)
        measure = self.parts.memory_measure
        return measure(
            seeds.evaluation, seeds.evaluation_exploration, episodes=episodes, share=share, progress=progress
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
        seeds = _seeds(seed)
        self._draw_weights(seeds.parameters)
        evaluator = Evaluator(
            self.task.objective,
            functools.partial(self._evaluation_actor, evaluation_env, seeds.evaluation),
            actions=self.task.actions,
            environments=evaluation_env.num_envs,
            exploration_seed=seeds.evaluation_exploration,
        )
        return TrainingRun(
            self.parts,
            initialization,
            sampling_seed=seeds.sampling,
            collector=self._collector(acting_env, seeds, resumable=resumable),
            evaluator=evaluator,
            references=ReferenceSample(np.random.default_rng(seeds.measuring), every=observed),
        )

    def _collector(self, env: VectorEnv[Any, Any, Any] | None, seeds: _Seeds, *, resumable: bool) -> Collector:
        settings, parts = self.settings, self.parts
        if env is None:
            return RayCollector(settings, parts.network, self.task.inputs, seed=seeds.acting)
        return LocalCollector(
            lambda: self.task.actor(
                env,
                parts.acting_step,
                self.task.policy(seeds.exploration, np.arange(settings.num_envs)),
                seed=seeds.acting,
                keeps_actions=resumable and not hasattr(env, "get_state"),
                cuts=True,
            ),
            parts.network,
            parts.acting_step.network,
            parameter_lag=settings.parameter_lag,
            updates_between=settings.updates_between,
        )

    def _evaluation_actor(self, env: VectorEnv[Any, Any, Any], seed: int, act: Act, with_states: bool) -> Actor:
        return self.task.actor(env, self.parts.actor_step, act, seed=seed, keeps_states=with_states)

    def _draw_weights(self, seed: int) -> None:
        """Draw the weights of `seed`; a network of the user's is made anew, as only its factory can draw them."""
        if self.settings.network.network is not None:
            self.parts = make_parts(self.task, seed=seed)
        else:
            self.parts.network.initialize(seed)


def _resumed(begin: Callable[[], TrainingRun], checkpoints: Checkpoints | None) -> tuple[TrainingRun, float]:
    """A run, from its last checkpoint if there is one, and the seconds that it had taken until then."""
    run = begin()
    if checkpoints is None:
        return run, 0.0
    try:
        return run, checkpoints.restore(run)
    except CannotResume as error:
        checkpoints.warn(str(error))
        return begin(), 0.0


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
    parameters, acting, sampling, evaluation, exploration, evaluation_exploration = (
        sequence.generate_state(6) >> 1
    ).tolist()
    measuring = sequence.spawn(1)[0]
    return _Seeds(parameters, acting, sampling, evaluation, exploration, evaluation_exploration, measuring)
