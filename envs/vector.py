"""The natively vectorised bit-stream environment: all streams as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from envs.bit_stream import BitStreamEnv
from envs.checks import check_integer
from envs.streams import Streams
from envs.tasks.task import Task


class BitStreamVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` bit streams [N]; sub-environment i has the streams of a single environment reset with `seed + i`.

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
        task: str | type[Task] = "Count",
        length: int = 80,
        p: float = 0.5,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **settings: Any,
    ) -> None:
        check_integer("num_envs", num_envs, least=1)
        single = BitStreamEnv(task, length, p, render_mode, **settings)
        self.num_envs = num_envs
        self.task = single.task
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
        self._streams = Streams(num_envs, length, p, self.target)
        self._guesses = self.target.size(length)
        self._ended = np.ones(num_envs, np.bool_)
        self._last_guess = np.full(num_envs, -1)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw new streams (those that `options["reset_mask"]` [N] selects, by default all) and return the bits."""
        mask = self._reset_mask(options)
        self._seed(seed, mask)
        self._begin(mask)
        return self._streams.bits(), self._infos(mask)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one guess [N] in every stream; streams that ended in the step before are reset (in next-step mode).

        Raises:
            ValueError: for guesses outside the action space.
            gymnasium.error.ResetNeeded: before the first `reset`, and in a stream that is over in `Disabled` mode.
        """
        actions = np.asarray(actions)
        resetting = bool(self._ended.any())
        if not self._streams.seeded or (self.autoreset_mode is AutoresetMode.DISABLED and resetting):
            raise gym.error.ResetNeeded("step: a stream is over or has not started, expected a call of reset first")
        self._check_guesses(actions, (self.num_envs,))

        rewards = (actions == self._streams.targets()).astype(np.float64)
        self._last_guess = actions.astype(np.int64)
        if resetting:
            reset_now = self._ended
            rewards[reset_now] = 0
            self._streams.position[~reset_now] += 1
            self._begin(reset_now)
            terminations = ~reset_now & (self._streams.position == self.length)
        else:
            self._streams.position += 1
            terminations = self._streams.position == self.length
        self._ended = terminations.copy()

        final: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and terminations.any():
            final = self._final_infos(terminations)
            self._begin(terminations)
        infos = self._infos() | final
        return self._streams.bits(), rewards, terminations, np.zeros(self.num_envs, np.bool_), infos

    def peek(self) -> tuple[np.ndarray, np.ndarray]:
        """Bits `[S, N, 1]` and targets `[S, N]` of the current step and those after it, as far as no stream ends.

        They do not depend on guesses, so an agent can process them all at once and then call `step_block`. S is 0 where
        a stream is over: the next step resets it.
        """
        return self._streams.block(self._steps_ahead())

    def step_block(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take guesses `[S, N]` in S steps at once; returns what the last `step` returns, but rewards `[S, N]`.

        Raises:
            ValueError: for guesses outside the action space, and for more steps than `peek` shows.
        """
        actions = np.asarray(actions)
        ahead = self._steps_ahead()
        if not 1 <= len(actions) <= ahead:
            raise ValueError(f"actions: got {len(actions)} steps, expected 1 to {ahead}, as many as peek shows")
        self._check_guesses(actions, (len(actions), self.num_envs))
        _, targets = self._streams.block(len(actions))
        rewards = (actions == targets).astype(np.float64)
        self._streams.position += len(actions) - 1
        observations, rewards[-1], terminations, truncations, infos = self.step(actions[-1])
        return observations, rewards, terminations, truncations, infos

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that decides what comes next, as arrays that need no pickle."""
        return self._streams.get_state() | {"ended": self._ended.copy(), "last_guess": self._last_guess.copy()}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` of an environment with the same settings returned."""
        self._streams.set_state(state)
        self._ended, self._last_guess = state["ended"].copy(), state["last_guess"].copy()

    def render(self) -> tuple[str, ...] | None:
        """One line a stream, in `ansi` mode."""
        if self.render_mode is None:
            gym.logger.warn("render was called without a render_mode; make the environment with render_mode='ansi'")
            return None
        lines = []
        for i, (position, target) in enumerate(zip(self._streams.position, self._streams.targets(), strict=True)):
            bits = "".join(map(str, self._streams.so_far(i)))
            guess = "-" if self._last_guess[i] < 0 else self._last_guess[i]
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
        self._streams.seed(list(seeds), mask)

    def _steps_ahead(self) -> int:
        over = not self._streams.seeded or bool(self._ended.any())
        return 0 if over else self.length - int(self._streams.position.max())

    def _check_guesses(self, actions: np.ndarray, shape: tuple[int, ...]) -> None:
        whole = actions.dtype.kind in "iu" or (actions.dtype.kind == "f" and bool((actions == np.rint(actions)).all()))
        if actions.shape != shape or not whole or actions.min() < 0 or actions.max() >= self._guesses:
            raise ValueError(f"actions: got {actions!r}, expected guesses {list(shape)} in {self.single_action_space}")

    def _reset_mask(self, options: dict[str, Any] | None) -> np.ndarray:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(f"reset_mask: got {mask!r}, expected a boolean array of shape ({self.num_envs},)")
        if not mask.any():
            raise ValueError("reset_mask: got no stream to reset, expected at least one True")
        return mask

    def _begin(self, mask: np.ndarray) -> None:
        """Begin a new stream wherever `mask` [N] is set."""
        self._streams.begin(mask)
        self._ended[mask] = False
        self._last_guess[mask] = -1

    def _infos(self, mask: np.ndarray | None = None) -> dict[str, Any]:
        """Targets [N], and Gymnasium's mask [N] of the streams they are given for (None: all)."""
        targets = self._streams.targets()
        if mask is None:
            return {"target": targets, "_target": np.ones(self.num_envs, np.bool_)}
        return {"target": np.where(mask, targets, 0), "_target": mask.copy()}

    def _final_infos(self, ended: np.ndarray) -> dict[str, Any]:
        observations = np.full(self.num_envs, None, dtype=object)
        current = self._streams.bits()
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
