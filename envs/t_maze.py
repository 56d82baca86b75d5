"""The passive T-maze: a cue at the first step, a corridor that shows nothing, a choice at its end."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs.checks import check_integer

ENDS = ("upper", "lower")
"""The ends of the maze, as cues and as actions."""


class PassiveTMazeEnv(gym.Env[np.ndarray, np.integer[Any]]):
    """A T-maze in which the agent is carried along the corridor, and chooses an end where it forks.

    Diagnostic purpose: memory alone. One bit has to be kept for `length - 1` steps; nothing has to be explored, and
    nothing that the agent does before the choice changes what it sees. The task is that of the passive T-maze (Ni et
    al., NeurIPS 2023, section 4.1, after Bakker, NeurIPS 2001) without the actions along the corridor, and of bsuite's
    `memory_len` (Osband et al., ICLR 2020), which pays -1 for a wrong choice.

    - Observation: `Box(0, 1, (3,), float32)`: whether the cue says the upper end, whether it says the lower one,
      whether this is the fork. The cue is shown at an episode's first step alone; along the corridor all three are 0.
    - Action: the end to go to, 0 (upper) or 1 (lower), `Discrete(2)`; without effect before the fork.
    - Reward: 1 for the end that the cue said, else 0, paid for the last action; 0 for every other one.
    - End: terminated after `length` actions. The last observation, at the end of the maze, is 0.

    The best return is exactly 1, `best_return`. Every policy that does not remember the cue earns exactly 1/2 on
    average, random actions and constant ones among them: at the fork both cues look the same, and each has probability
    1/2.

    Args:
        length: actions in an episode: one with the cue, `length - 2` along the corridor, one at the fork.
        render_mode: None, or `ansi`: the maze with the agent's place.

    Raises:
        ValueError: for a wrong setting; the message names it.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 (Gymnasium declares it so)

    best_return = 1.0
    """What a policy that remembers the cue earns."""
    memoryless_return = 0.5
    """What any policy earns on average that does not."""

    def __init__(self, length: int = 50, render_mode: str | None = None) -> None:
        check_integer("length", length, least=2)
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode: got {render_mode!r}, expected None or 'ansi'")
        self.length = length
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0.0, 1.0, (3,), np.float32)
        self.action_space = spaces.Discrete(len(ENDS))
        self._cue = 0
        self._position: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a cue and return the observation that shows it."""
        super().reset(seed=seed)
        self._cue = int(self.np_random.integers(len(ENDS)))
        self._position = 0
        return self._observation(), {}

    def step(self, action: np.integer[Any]) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Go one step along the corridor, or at the fork to the end that the action says.

        Raises:
            ValueError: for an action outside the action space.
            gymnasium.error.ResetNeeded: before the first `reset` and after the episode's end.
        """
        if self._position is None or self._position == self.length:
            raise gym.error.ResetNeeded("step: the episode is over or has not started, expected a call of reset first")
        if not self.action_space.contains(action):
            raise ValueError(f"action: got {action!r}, expected an end in {self.action_space}")
        chooses = self._position == self.length - 1
        self._position += 1
        return self._observation(), float(chooses and int(action) == self._cue), chooses, False, {}

    def render(self) -> str | None:
        """The corridor with the agent's place, and the cue, in `ansi` mode."""
        if self.render_mode is None:
            gym.logger.warn("render was called without a render_mode; make the environment with render_mode='ansi'")
            return None
        position = self._position or 0
        corridor = "".join("A" if place == position else "." for place in range(self.length))
        return f"cue {ENDS[self._cue]}  {corridor}<  step {position}/{self.length}\n"

    def _observation(self) -> np.ndarray:
        observation = np.zeros(3, np.float32)
        if self._position == 0:
            observation[self._cue] = 1
        elif self._position == self.length - 1:
            observation[2] = 1
        return observation
