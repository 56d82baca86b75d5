"""The scale of rewards: what an agent divides rewards by, so that it learns alike in any unit of reward."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from r2d2_burnin.data import Episode


class RewardScale:
    """The root mean square of the rewards that are not zero, of the first round of acting that has any.

    It is defined before the first update that sees a reward. Where that is the first round, in which the network has
    learned nothing, it is the same for all initializations of a seed. Until it is defined it is infinite, and rewards
    are shown to the network as zeros; a run that shows them acts its first round again from the reset, and keeps what
    it acts then. Where the first rewards come later, the states of that round are those of rewards shown as zeros,
    until they leave replay. Divided by it, rewards have the size 1, which R2D2's value rescaling and usual step sizes
    are made for. (A scale of returns, as in Schaul et al., 2021, "Return-based scaling", changes as the agent learns.)

    Args:
        enabled: whether rewards are scaled; the scale is 1 if not.
    """

    def __init__(self, *, enabled: bool) -> None:
        self.value = math.inf if enabled else 1.0
        self._squares = 0.0
        self._count = 0

    @property
    def is_known(self) -> bool:
        """Whether the scale is defined."""
        return math.isfinite(self.value)

    def add(self, episodes: Sequence[Episode]) -> None:
        """Take the rewards of episodes into account, unless the scale is defined."""
        if self.is_known:
            return
        for episode in episodes:
            rewards = episode.rewards.astype(np.float64)
            self._squares += float(np.square(rewards).sum())
            self._count += int(np.count_nonzero(rewards))

    def end_round(self) -> bool:
        """End a round of acting; returns whether the scale is defined by it."""
        if self.is_known or not self._count:
            return False
        self.value = math.sqrt(self._squares / self._count)
        return True

    def get_state(self) -> float | None:
        """The scale, or None until it is defined."""
        return self.value if self.is_known else None

    def set_state(self, state: float | None) -> None:
        """Go on from what `get_state` returned; until the scale is defined all rewards were zero."""
        self.value = math.inf if state is None else state
