"""What settings and environment decide together: objective, inputs and targets, and networks and actors for them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.policies import Act, EpsilonGreedy
from r2d2_burnin.acting.protocols import NetworkStep
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.environments.targets import TargetRange
from r2d2_burnin.learning.objectives import Objective, choose_objective, objective_class, objective_defaults
from r2d2_burnin.networks.factory import make_any_network, make_network
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

    @property
    def _longest(self) -> int:
        """Steps of an episode, at most; where episodes are cut, replay need not hold a whole one."""
        capacity, limit = self.settings.replay.replay_capacity, self.settings.environment.max_episode_steps
        return capacity if self.settings.cut_episodes is None else max(capacity, limit or 0)

    def policy(self, seed: int, environments_of: np.ndarray) -> Act:
        """How an actor with these of the `num_envs` environments [n] chooses actions."""
        epsilons = self.objective.exploration(self.settings.num_envs)
        if epsilons is None:
            return self.objective.act
        return EpsilonGreedy(self.objective.act, self.actions, epsilons[environments_of], seed=seed)

    def actor(
        self,
        env: VectorEnv[Any, Any, Any],
        step: NetworkStep,
        act: Act,
        *,
        seed: int,
        keeps_states: bool = True,
        keeps_actions: bool = False,
        blocks: bool = True,
        cuts: bool = False,
    ) -> Actor:
        """An actor in `env`, of the network that `step` is a step of; `cuts` long episodes if settings say so."""
        return Actor(
            env,
            step,
            act,
            seed=seed,
            inputs=self.inputs,
            longest=self._longest,
            cut=self.settings.cut_episodes if cuts else None,
            step_timeout=self.settings.environment.env_timeout,
            keeps_states=keeps_states,
            keeps_actions=keeps_actions,
            blocks=blocks,
            targets=self.targets,
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
        fill_defaults(settings, objective_defaults(name))
        objective = chosen.make(env, settings)
        previous_action, previous_reward = objective.previous_inputs
        inputs = spaces.input_space(
            env.observation_space, env.action_space, previous_action=previous_action, previous_reward=previous_reward
        )
        return Task(settings, objective, inputs, chosen.target_range(env))
    finally:
        env.close()


def make_task_network(task: Task, *, seed: int, trained: bool = True) -> Any:
    """A network of the kind that the task's settings ask for: one that can be `trained` here, or of any framework."""
    objective = task.objective
    make = make_network if trained else make_any_network
    return make(task.settings.network, task.inputs, objective.outputs, dueling=objective.allows_dueling, seed=seed)
