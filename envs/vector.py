"""The natively vectorised bit-stream environment: all streams as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from envs.bit_stream import BitStreamEnv, draw_bits
from envs.checks import check_integer


class BitStreamVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` bit streams [N]; sub-environment i, seeded `seed + i`, has the streams of a single one so seeded.

    Autoreset follows Gymnasium's definitions: `NextStep` (default) spends one step on the reset, whose action is
    ignored and whose reward is 0; `SameStep` resets within the ending step and hands the last observation and info over
    as `info["final_obs"]` and `info["final_info"]`; `Disabled` leaves it to `reset(options={"reset_mask": mask})`.

    Args:
        num_envs: number of streams, N.
        task, length, p, render_mode, settings: as `envs.bit_stream.BitStreamEnv` has them.
        autoreset_mode: a `gymnasium.vector.AutoresetMode` or its value.

    Raises:
        ValueError: for a wrong setting; the message names it.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium declares it so)
        "render_modes": ["ansi"],
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        task: str = "Count",
        length: int = 80,
        p: float = 0.5,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **settings: Any,
    ) -> None:
        check_integer("num_envs", num_envs, least=1)
        single = BitStreamEnv(task, length, p, render_mode, **settings)
        self.num_envs = num_envs
        self.task = task
        self.length = length
        self.p = p
        self.render_mode = render_mode
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.target = single.target
        self.target_space = single.target_space
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generators: list[np.random.Generator] = []
        self._bits = np.zeros((num_envs, length + 1), np.int64)
        self._targets = np.zeros((num_envs, length + 1), np.int64)
        self._position = np.zeros(num_envs, np.int64)
        self._ended = np.ones(num_envs, np.bool_)
        self._last_guess = np.full(num_envs, -1)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw new streams (those that `options["reset_mask"]` [N] selects, by default all) and return the bits."""
        mask = self._reset_mask(options)
        self._seed(seed, mask)
        self._draw(mask)
        return self._observations(), self._infos(mask)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one guess [N] in every stream; streams that ended in the step before are reset (in next-step mode).

        Raises:
            ValueError: for guesses outside the action space.
            gymnasium.error.ResetNeeded: before the first `reset`, and in a stream that is over in `Disabled` mode.
        """
        actions = np.asarray(actions)
        if not self._generators or (self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any()):
            raise gym.error.ResetNeeded("step: a stream is over or was never begun, expected a call of reset first")
        if not self.action_space.contains(actions.astype(np.int64, copy=False)):
            raise ValueError(f"actions: got {actions!r}, expected guesses in {self.action_space}")

        reset_now = self._ended.copy()
        guessing = ~reset_now
        rows = np.arange(self.num_envs)
        rewards = (guessing & (actions == self._targets[rows, self._position])).astype(np.float64)
        self._last_guess = np.where(guessing, actions, -1)
        self._position[guessing] += 1
        self._draw(reset_now)
        terminations = guessing & (self._position == self.length)
        self._ended = terminations.copy()

        everything = np.ones(self.num_envs, np.bool_)
        final: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and terminations.any():
            final = self._final_infos(terminations)
            self._draw(terminations)
        infos = self._infos(everything) | final
        return self._observations(), rewards, terminations, np.zeros(self.num_envs, np.bool_), infos

    def render(self) -> tuple[str, ...] | None:
        """One line a stream, in `ansi` mode."""
        if self.render_mode is None:
            gym.logger.warn("render was called without a render_mode; make the environment with render_mode='ansi'")
            return None
        lines = []
        for i, position in enumerate(self._position):
            bits = "".join(str(bit) for bit in self._bits[i, : position + 1])
            guess = "-" if self._last_guess[i] < 0 else self._last_guess[i]
            target = self._targets[i, position]
            lines.append(f"{self.task} step {position}/{self.length}  {bits}  target {target}  last guess {guess}\n")
        return tuple(lines)

    def _seed(self, seed: int | Sequence[int | None] | None, mask: np.ndarray) -> None:
        seeds: Sequence[int | None]
        if seed is None:
            seeds = [None] * self.num_envs
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = seed
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed: got {len(seeds)} seeds, expected one for each of {self.num_envs} streams")
        if not self._generators:
            self._generators = [seeding.np_random(one)[0] for one in seeds]
            return
        for i, one in enumerate(seeds):
            if one is not None and mask[i]:
                self._generators[i] = seeding.np_random(one)[0]

    def _reset_mask(self, options: dict[str, Any] | None) -> np.ndarray:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(f"reset_mask: got {mask!r}, expected a boolean array of shape ({self.num_envs},)")
        if not mask.any():
            raise ValueError("reset_mask: got no stream to reset, expected at least one True")
        return mask

    def _draw(self, mask: np.ndarray) -> None:
        """Begin a new stream wherever `mask` [N] is set."""
        chosen = np.flatnonzero(mask)
        if len(chosen) == 0:
            return
        for i in chosen:
            self._bits[i] = draw_bits(self._generators[i], self.length, self.p)
        self._targets[chosen] = self.target.values(self._bits[chosen])
        self._position[chosen] = 0
        self._ended[chosen] = False
        self._last_guess[chosen] = -1

    def _observations(self) -> np.ndarray:
        """The current bits `[N, 1]`."""
        return self._bits[np.arange(self.num_envs), self._position, None].astype(np.float32)

    def _infos(self, mask: np.ndarray) -> dict[str, Any]:
        """Targets [N], and Gymnasium's mask [N] of the streams they are given for."""
        targets = self._targets[np.arange(self.num_envs), self._position]
        return {"target": np.where(mask, targets, 0), "_target": mask.copy()}

    def _final_infos(self, ended: np.ndarray) -> dict[str, Any]:
        observations = np.full(self.num_envs, None, dtype=object)
        current = self._observations()
        for i in np.flatnonzero(ended):
            observations[i] = current[i]
        return {
            "final_obs": observations,
            "_final_obs": ended.copy(),
            "final_info": self._infos(ended),
            "_final_info": ended.copy(),
        }


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        expected = ", ".join(repr(known.value) for known in AutoresetMode)
        raise ValueError(f"autoreset_mode: got {mode!r}, expected one of {expected}") from None
