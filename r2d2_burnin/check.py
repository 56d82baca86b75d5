"""Check your own network: are its recurrent states equivalent, however they are reached?

Acts a few episodes in the environment with the network, and looks for: a state that is not reset at an episode's start,
that advances over padding, that depends on the rest of the batch, that differs between step and unroll, or whose nest
has a wrong shape; and for an unroll that XLA cannot compile. The network may be of any framework: --network names a
factory that is called with the environment's (observation_space, action_space), and returns a torch.nn.Module, a JAX
tuple (function, parameters, initial_state), a Keras model, a RecurrentNetwork, or an object of NumPy functions.

Ends with 0 if all checks pass, with 1 if a fault was found (batch normalization in training mode is one), and with 2 if
nothing could be checked: wrong flags, no such factory, an environment or a network that raises or fits no environment.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.learning.task import make_task, make_task_network
from r2d2_burnin.networks.adapters import FaultyNetwork, is_recurrent_network
from r2d2_burnin.runtime.command_line import fail, from_command_line
from r2d2_burnin.runtime.tensorflow import set_up
from r2d2_burnin.settings import EnvironmentSettings, NetworkSettings, QLearningSettings, TrainingSettings
from r2d2_burnin.testing import StateEquivalenceError, check_state_equivalence, record_episodes


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    environment: EnvironmentSettings = dataclasses.field(default_factory=EnvironmentSettings)
    network: NetworkSettings = dataclasses.field(default_factory=NetworkSettings)
    objective: str = "auto"
    """regression, classification, q-learning, or auto: decides how many outputs the network gives."""
    previous_action: bool = False
    """The network sees its previous action, one-hot, after the observation (Q-learning only)."""
    previous_reward: bool = False
    """The network sees the previous reward after that (Q-learning only)."""
    episodes: int = 4
    """Episodes to act."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; returns 0 if all pass, 1 if a fault was found."""
    set_up()
    settings = from_command_line(
        Settings, "r2d2_burnin.check", __doc__ or "", sys.argv[1:] if arguments is None else arguments
    )
    if settings.episodes < 1:
        fail(f"episodes: got {settings.episodes}, expected at least 1")
    agent = QLearningSettings(previous_action=settings.previous_action, previous_reward=settings.previous_reward)
    training = TrainingSettings(
        environment=settings.environment, network=settings.network, q_learning=agent, objective=settings.objective
    )
    try:
        task = make_task(training)
        network = make_task_network(task, seed=0, trained=False)
        inputs = task.inputs
        episodes = record_episodes(network, settings.environment, count=settings.episodes, inputs=inputs)
        check_state_equivalence(network, episodes, inputs=inputs)
    except (StateEquivalenceError, FaultyNetwork) as error:
        print(f"FAULTS\n{error}")
        return 1
    except (ValueError, EnvironmentFault) as error:
        fail(str(error))
    steps = sum(len(episode) for episode in episodes)
    print(f"state equivalence holds: {len(episodes)} episodes of {settings.environment.env}, {steps} steps")
    if not is_recurrent_network(network):
        print(
            "not checked: masked padding and compilation, which only networks that are trained here have; and methods"
            " of its own beside the one that takes sequences, such as a step"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
