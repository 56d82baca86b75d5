"""Acting on a Ray cluster: actors step environments with old parameters, and send whole episodes with their states.

As in R2D2 (Kapturowski et al., ICLR 2019, section 2.3): actors fetch parameters now and then and act on their own while
the learner updates. How old the parameters of an episode were is measured, in updates and in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.data import Episode
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.learning.task import make_task, make_task_network
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.networks.weights import get_weights, set_weights
from r2d2_burnin.runtime.ray import connect
from r2d2_burnin.runtime.tensorflow import use_one_thread
from r2d2_burnin.settings import TrainingSettings


def actor_seeds(seed: int, actor: int, incarnation: int) -> tuple[int, int]:
    """Seeds of an actor's environments and of its exploration; 31 bits each, as environments take them.

    Spawned from `seed` by the actor's number and its incarnation, the number of actors that it has followed there: one
    that replaces a dead one, or begins after a resume, does not repeat their episodes.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(actor, incarnation))
    environments, exploration = (int(word) >> 1 for word in sequence.generate_state(2))
    return environments, exploration


class RayCollector:
    """Episodes from N Ray actors.

    An actor that dies is replaced. After an interruption actors begin new episodes, from seeds that were not in use
    before, so such a run has not the same figures twice.

    Args:
        settings: of the run; `actors` share its `num_envs` environments.
        network: what the learner trains.
        inputs: what it sees of a step.
        seed: of environments and exploration.

    Raises:
        ValueError: if Ray is not installed or there is no cluster.
    """

    def __init__(self, settings: TrainingSettings, network: RecurrentNetwork, inputs: InputSpace, *, seed: int) -> None:
        self._ray = connect(
            settings.actors_address,
            settings.actors,
            setting="actors",
            value=settings.actors,
            address_setting="actors_address",
        )
        self._settings = settings
        self._network = network
        self._inputs = inputs
        self._seed = seed
        self._incarnations = [0] * settings.actors
        self._steps = max(settings.new_steps // settings.actors, 1)
        self._update = 0
        self._parameters: tuple[Any, int, float] | None = None
        self._running: dict[Any, tuple[int, int, float]] = {}  # of a call: actor, and its parameters' update and time
        self._lags: list[tuple[float, float]] = []
        self._actors: list[Any] = []

    def prepare(self, update: int) -> None:
        """Offer today's parameters to the actors; each takes them when it has sent what it has."""
        if not self._actors:
            self._actors = [self._begin(i) for i in range(self._settings.actors)]
        self._update = update
        self._parameters = self._ray.put(get_weights(self._network)), update, time.monotonic()

    def collect(self, steps: int) -> Iterator[list[Episode]]:
        """Episodes as actors send them, in lists, until they have taken `steps` steps; the actors go on meanwhile."""
        for i in range(len(self._actors)):
            if all(i != actor for actor, _, _ in self._running.values()):
                self._call(i)
        while steps > 0:
            (ready,), _ = self._ray.wait(list(self._running), num_returns=1)
            actor, update, began = self._running.pop(ready)
            try:
                episodes = self._ray.get(ready)
            except self._ray.exceptions.RayActorError:
                self._incarnations[actor] += 1
                self._actors[actor] = self._begin(actor)
                self._call(actor)
                continue
            self._lags.append((self._update - update, time.monotonic() - began))
            self._call(actor)
            steps -= self._steps
            yield episodes

    def stops(self, update: int, count: int) -> list[int]:
        """None: parameters are only taken between rounds."""
        return []

    def note_parameters(self, update: int) -> None:
        """Nothing to do: `prepare` takes them."""

    def measures(self) -> dict[str, float]:
        """Mean age of the parameters of what arrived, in updates and in seconds."""
        lags, self._lags = self._lags, []
        if not lags:
            return {}
        updates, seconds = np.mean(lags, 0)
        return {"parameter_lag": float(updates), "parameter_lag_seconds": float(seconds)}

    def get_state(self) -> dict[str, np.ndarray]:
        """How many actors there have been in each place; they begin new episodes after an interruption."""
        return {"incarnations": np.array(self._incarnations)}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on with new actors, from other seeds than those that `get_state` knows of."""
        self.close()
        used = state.get("incarnations", np.zeros(self._settings.actors, int))
        self._incarnations = [int(number) + 1 for number in used]

    def begin_again(self) -> None:
        """Go on with new actors, from other seeds."""
        self.set_state(self.get_state())

    def close(self) -> None:
        """End the actors."""
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors, self._running = [], {}

    def _begin(self, index: int) -> Any:
        actor = self._ray.remote(num_cpus=0, max_restarts=0)(_RemoteActor)
        return actor.remote(self._settings, index, *actor_seeds(self._seed, index, self._incarnations[index]))

    def _call(self, index: int) -> None:
        assert self._parameters is not None
        parameters, update, began = self._parameters
        call = self._actors[index].act.remote(parameters, update, self._steps, self._inputs.reward_scale)
        self._running[call] = index, update, began


class _RemoteActor:
    """An actor in a process of its own, with its share of the environments."""

    def __init__(self, settings: TrainingSettings, index: int, environment_seed: int, exploration_seed: int) -> None:
        use_one_thread()
        shares = np.array_split(np.arange(settings.num_envs), settings.actors)
        task = make_task(settings)
        self._network = make_task_network(task, seed=0)
        self._inputs = task.inputs
        env = environments.make_vector(settings.environment, len(shares[index]))
        # Each explores as its share of all environments does.
        policy = task.policy(exploration_seed, shares[index])
        self._actor = task.actor(env, ActorStep(self._network), policy, seed=environment_seed, cuts=True)

    def act(self, parameters: list[np.ndarray], update: int, steps: int, reward_scale: float) -> list[Episode]:
        """Take parameters and the scale of rewards, and act for so many steps; returns the episodes that ended."""
        set_weights(self._network, parameters)
        self._inputs.reward_scale = reward_scale
        self._actor.update = update
        return [episode for episodes in self._actor.collect(steps) for episode in episodes]
