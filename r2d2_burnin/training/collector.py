"""Where a run's episodes come from: an actor beside the learner, with parameters as old as the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.data import Episode
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.networks.weights import get_weights, set_weights
from r2d2_burnin.runtime import archive


class Collector(Protocol):
    """A source of episodes."""

    def prepare(self, update: int) -> None:
        """Choose the parameters to act with after `update` learner updates."""

    def collect(self, steps: int) -> Iterable[list[Episode]]:
        """Episodes that ended within about `steps` steps of acting, those together that ended together."""

    def stops(self, update: int, count: int) -> list[int]:
        """After how many of the next `count` updates `note_parameters` has to be called besides at their end."""

    def note_parameters(self, update: int) -> None:
        """Take notice that the network has now made `update` updates."""

    def measures(self) -> dict[str, float]:
        """What there is to say about the acting since the last call, by metric."""

    def begin_again(self) -> None:
        """Leave all episodes that have not ended, and act from new resets; call `prepare` before acting."""

    def close(self) -> None:
        """End what was begun for acting."""

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that decides how acting goes on."""

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` returned."""


class LocalCollector:
    """One actor in this process; with a parameter lag of U updates it acts with the parameters of U updates ago.

    The lag is exact: at update u the actor has the parameters of update max(u - U, 0), however far apart the rounds of
    acting are. So one machine shows what many actors with old parameters do to a learner.

    Args:
        make_actor: an actor that acts with `acting_network`, from its environments' seeded reset.
        network: what the learner trains.
        acting_network: another network of the same kind where there is a lag, else the same one.
        parameter_lag: updates, U.
        updates_between: updates between two rounds of acting.
    """

    def __init__(
        self,
        make_actor: Callable[[], Actor],
        network: RecurrentNetwork,
        acting_network: RecurrentNetwork,
        *,
        parameter_lag: int,
        updates_between: int,
    ) -> None:
        self.actor = make_actor()
        self._make_actor = make_actor
        self._network = network
        self._acting_network = acting_network
        self._lag = parameter_lag
        self._between = updates_between
        self._offset = -parameter_lag % updates_between
        self._snapshots: dict[int, list[np.ndarray]] = {}
        self._update = 0
        self.note_parameters(0)

    def prepare(self, update: int) -> None:
        """Choose the parameters to act with after `update` learner updates."""
        self._update = update
        self.actor.update = max(update - self._lag, 0) if self._lag else update
        if self._lag:
            self._snapshots = {number: p for number, p in self._snapshots.items() if number >= self.actor.update}
            set_weights(self._acting_network, self._snapshots[self.actor.update])

    def collect(self, steps: int) -> Iterable[list[Episode]]:
        """Episodes that ended within `steps` steps of acting, those together that ended together."""
        return self.actor.collect(steps)

    def stops(self, update: int, count: int) -> list[int]:
        """Where within the next `count` updates the parameters are those of a later round of acting."""
        return [self._offset] if self._lag else []

    def note_parameters(self, update: int) -> None:
        """Keep the parameters if a later round of acting wants them."""
        if self._lag and (update == 0 or update % self._between == self._offset):
            self._snapshots[update] = get_weights(self._network)

    def measures(self) -> dict[str, float]:
        """How many updates old the parameters were, where they were not today's."""
        return {"parameter_lag": float(self._update - self.actor.update)} if self._lag else {}

    def begin_again(self) -> None:
        """Act from the environments' seeded reset."""
        self.actor = self._make_actor()

    def close(self) -> None:
        """Nothing to do: whoever made the actor's environments closes them."""

    def get_state(self) -> dict[str, np.ndarray]:
        """The actor's state, and the snapshots of weights."""
        state = archive.with_prefix("actor", self.actor.get_state())
        for number, parameters in self._snapshots.items():
            state |= {f"snapshot/{number}/{i}": parameter for i, parameter in enumerate(parameters)}
        return state

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` returned."""
        self.actor.set_state(archive.part("actor", state))
        snapshots = archive.part("snapshot", state)
        numbers = sorted({int(name.split("/")[0]) for name in snapshots})
        counts = {number: sum(name.startswith(f"{number}/") for name in snapshots) for number in numbers}
        self._snapshots = {
            number: [snapshots[f"{number}/{i}"] for i in range(count)] for number, count in counts.items()
        }
