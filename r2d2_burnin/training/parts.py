"""What runs of the same settings share: networks and compiled programs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.diagnostics.discrepancy import DiscrepancyMeasure
from r2d2_burnin.diagnostics.memory_use import MemoryMeasure
from r2d2_burnin.initialization import Initialization
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.task import Task, make_task_network
from r2d2_burnin.networks.protocol import RecurrentNetwork


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

    @functools.cached_property
    def memory_measure(self) -> MemoryMeasure:
        """The measure of how much memory the network uses."""
        return MemoryMeasure(self.task, self.network, self.actor_step)

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
