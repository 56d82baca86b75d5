"""What runs of the same settings share: network, compiled programs, objective, inputs; and actors made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.acting.policies import Act, EpsilonGreedy
from r2d2_burnin.diagnostics.discrepancy import DiscrepancyMeasure
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.environments.targets import TargetRange
from r2d2_burnin.initialization import Initialization
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import Objective, choose_objective, objective_class
from r2d2_burnin.networks.factory import make_network
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.settings import TrainingSettings, fill_defaults


@dataclasses.dataclass(frozen=True)
class Task:
    """What the settings and the environment decide before a network is made."""

    settings: TrainingSettings
    objective: Objective
    inputs: InputSpace
    targets: TargetRange | None
    """What the environment's targets may be; None where none are read."""

    @property
    def actions(self) -> int:
        """Actions of the environment."""
        return self.inputs.actions

    def policy(self, seed: int, environments_of: np.ndarray) -> Act:
        """How an actor with these of the `num_envs` environments [n] chooses actions."""
        epsilons = self.objective.exploration(self.settings.num_envs)
        if epsilons is None:
            return self.objective.act
        return EpsilonGreedy(self.objective.act, self.actions, epsilons[environments_of], seed=seed)

    def actor(
        self,
        env: VectorEnv[Any, Any, Any],
        step: ActorStep,
        act: Act,
        *,
        seed: int,
        keeps_states: bool = True,
        keeps_actions: bool = False,
        reads_targets: bool = True,
    ) -> Actor:
        """An actor in `env`, of the network that `step` was compiled from."""
        return Actor(
            env,
            step,
            act,
            seed=seed,
            inputs=self.inputs,
            longest=self.settings.replay.replay_capacity,
            step_timeout=self.settings.environment.env_timeout,
            keeps_states=keeps_states,
            keeps_actions=keeps_actions,
            targets=self.targets if reads_targets else None,
        )


def make_task(settings: TrainingSettings) -> Task:
    """Look at the environment, and choose the objective where the settings leave it to the environment.

    Raises:
        ValueError: for an environment, space or objective that cannot be used.
    """
    env = environments.make(settings.environment)
    try:
        name = choose_objective(settings.objective, env)
        settings = dataclasses.replace(settings, objective=name)
        chosen = objective_class(name)
        fill_defaults(settings, chosen.defaults)
        objective = chosen.make(env, settings)
        previous_action, previous_reward = objective.previous_inputs
        inputs = spaces.input_space(
            env.observation_space, env.action_space, previous_action=previous_action, previous_reward=previous_reward
        )
        return Task(settings, objective, inputs, chosen.target_range(env))
    finally:
        env.close()


def make_task_network(task: Task, *, seed: int) -> Any:
    """A network of the kind that the task's settings ask for."""
    objective = task.objective
    return make_network(
        task.settings.network, task.inputs, objective.outputs, dueling=objective.allows_dueling, seed=seed
    )


@dataclasses.dataclass(frozen=True)
class Parts:
    """The networks of a task, and the programs that runs of it share."""

    task: Task
    network: Any
    target_network: RecurrentNetwork | None
    actor_step: ActorStep
    """Of the network that is trained."""
    acting_step: ActorStep
    """Of the network that acts: another one where parameters lag."""
    learners: dict[Any, Learner] = dataclasses.field(default_factory=dict)
    measures: dict[Any, DiscrepancyMeasure] = dataclasses.field(default_factory=dict)

    def learner(self, initialization: Initialization) -> Learner:
        """A learner that starts anew; initializations with the same `programs` share one."""
        settings, key = self.task.settings, initialization.programs
        if key not in self.learners:
            self.learners[key] = Learner(
                self.network,
                self.task.objective,
                settings.learner,
                updates=settings.updates,
                target_network=self.target_network,
                target_update_period=settings.q_learning.target_update_period,
                priority_eta=settings.replay.priority_eta,
                refresh_period=settings.replay.period if initialization.refreshes else None,
                initialization=initialization,
            )
        self.learners[key].reset()
        return self.learners[key]

    def measure(self, initialization: Initialization) -> DiscrepancyMeasure:
        """The measure of ΔQ; initializations whose start states are made alike share one."""
        key: Callable[..., Any] = type(initialization).fragment_state
        if key not in self.measures:
            objective = self.task.objective
            self.measures[key] = DiscrepancyMeasure(self.network, objective.values, objective.scale, initialization)
        return self.measures[key]


def make_parts(task: Task, *, seed: int) -> Parts:
    """Networks and programs of a task.

    Raises:
        ValueError: for a network that cannot be used.
    """
    network = make_task_network(task, seed=seed)
    target_network = make_task_network(task, seed=seed) if task.objective.uses_target_network else None
    actor_step = acting_step = ActorStep(network)
    if task.settings.parameter_lag:
        acting_step = ActorStep(make_task_network(task, seed=seed))
    return Parts(task, network, target_network, actor_step, acting_step)
