"""The bit-stream environment: one random bit a step, and a target to guess after each."""

from __future__ import annotations

from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs import error_floors
from envs.checks import check_integer, check_probability
from envs.tasks import make_task
from envs.tasks.task import Task

Start = Literal["zero", "learned", "stored"]

_STARTS: dict[str, tuple[bool, bool]] = {"zero": (False, False), "learned": (False, True), "stored": (True, True)}
"""Of a fragment's start: whether its state sees the past, and whether it knows an episode's first step."""


class BitStreamEnv(gym.Env[np.ndarray, np.integer[Any]]):
    """A stream of Bernoulli(`p`) bits; the action is a guess of the target that belongs to the last bit.

    Diagnostic purpose: the targets need memory of a known kind (all of the past, a window of it, one bit of it), so
    what a wrong recurrent state costs can be computed exactly.

    - Observation: the bit, `Box(0, 1, (1,), float32)`.
    - Action: a guess of `info["target"]`, `Discrete(n)`.
    - Reward: 1.0 for a right guess, else 0.0, paid by the next `step`.
    - End: terminated after `length` guesses. The last observation, which nobody guesses about, is a 0.
    - `info["target"]`, in `reset` and `step`: the target that belongs to the observation just returned.

    Args:
        task: a name in `envs.tasks.TASKS` (`Count`, `WindowCount`, `Parity`, `Recall`), or a class of a task.
        length: guesses in an episode.
        p: probability of a one.
        render_mode: None, or `ansi`: the stream so far, with the target and the last guess.
        settings: the task's own settings, such as `window` of WindowCount.

    Raises:
        ValueError: for a wrong setting; the message names it.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 (Gymnasium declares it so)

    def __init__(
        self,
        task: str | type[Task] = "Count",
        length: int = 80,
        p: float = 0.5,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        check_integer("length", length, least=1)
        check_probability("p", p)
        check_render_mode(render_mode)
        self.task = task if isinstance(task, str) else task.__name__
        self.length = length
        self.p = p
        self.render_mode = render_mode
        self.target = make_task(task, settings)
        self.observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
        self.action_space = spaces.Discrete(self.target.size(length))
        self.target_space = target_space(self.target, length)
        self._bits = np.zeros(0, np.int64)  # [L + 1]
        self._targets = np.zeros(0, np.int64)  # [L + 1]
        self._position = 0
        self._last_guess: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a new stream and return its first bit."""
        super().reset(seed=seed)
        self._bits = draw_bits(self.np_random, self.length, self.p)
        self._targets = self.target.values(self._bits)
        self._position = 0
        self._last_guess = None
        return self._observation(), self._info()

    def step(self, action: np.integer[Any]) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take a guess of the current target, pay for it, and return the next bit.

        Raises:
            ValueError: for a guess outside the action space.
            gymnasium.error.ResetNeeded: before the first `reset` and after the episode's end.
        """
        if len(self._bits) == 0 or self._position == self.length:
            raise gym.error.ResetNeeded("step: the episode is over or has not started, expected a call of reset first")
        if not self.action_space.contains(action):
            raise ValueError(f"action: got {action!r}, expected a guess in {self.action_space}")
        self._last_guess = int(action)
        reward = float(self._last_guess == self._targets[self._position])
        self._position += 1
        return self._observation(), reward, self._position == self.length, False, self._info()

    def render(self) -> str | None:
        """The stream so far, the current target and the last guess, in `ansi` mode."""
        if self.render_mode is None:
            gym.logger.warn("render was called without a render_mode; make the environment with render_mode='ansi'")
            return None
        bits = "".join(str(bit) for bit in self._bits[: self._position + 1])
        guess = "-" if self._last_guess is None else self._last_guess
        target = self._targets[self._position] if len(self._targets) else "-"
        return f"{self.task} step {self._position}/{self.length}  {bits}  target {target}  last guess {guess}\n"

    def error_floor(
        self,
        start: Start | None = None,
        burn_in: int = 0,
        *,
        sequence_length: int,
        period: int,
        sees_the_past: bool | None = None,
        knows_the_start: bool | None = None,
        loss: error_floors.Loss | None = None,
        length: int | None = None,
        trained_steps: int | None = None,
    ) -> float:
        """This environment's error floor; see `envs.error_floors.error_floor`.

        Args:
            start: a name for the two facts below: `zero` (neither), `learned` (`knows_the_start`) or `stored` (both).
            burn_in: steps of burn-in.
            sequence_length: trained steps of a fragment, unless it has more.
            period: steps between the starts of fragments.
            sees_the_past: whether the start state was computed from all earlier steps of the episode.
            knows_the_start: whether the start state differs from that of an episode's first step.
            loss: what is minimized; by default the one that fits the target.
            length: steps after which episodes are truncated; by default they end where the stream does.
            trained_steps: trained steps of a fragment, those that it has before its start included.

        Raises:
            ValueError: for an unknown start, a start beside one of the facts, a loss that does not fit the target, and
                a task of which no floor is known.
        """
        if start is None:
            facts = (bool(sees_the_past), bool(knows_the_start))
        elif sees_the_past is not None or knows_the_start is not None:
            raise ValueError(f"start: got {start!r} beside sees_the_past or knows_the_start, expected one or the other")
        elif start not in _STARTS:
            raise ValueError(f"start: got {start!r}, expected one of {', '.join(_STARTS)}")
        else:
            facts = _STARTS[start]
        return error_floors.error_floor(
            self.target,
            length=self.length if length is None else min(length, self.length),
            p=self.p,
            burn_in=burn_in,
            sees_the_past=facts[0],
            knows_the_start=facts[1],
            sequence_length=sequence_length,
            period=period,
            loss=loss,
            trained_steps=trained_steps,
        )

    def _observation(self) -> np.ndarray:
        return self._bits[self._position : self._position + 1].astype(np.float32)

    def _info(self) -> dict[str, Any]:
        return {"target": int(self._targets[self._position])}


def draw_bits(generator: np.random.Generator, length: int, p: float) -> np.ndarray:
    """A stream `[L + 1]` of `length` random bits and the closing 0 that a terminal observation shows, int64."""
    bits = np.zeros(length + 1, np.int64)
    bits[:length] = generator.random(length) < p
    return bits


def target_space(task: Task, length: int) -> spaces.Space[Any]:
    """The space of `info["target"]`: `Discrete` where it is a class, a scalar `Box` where it is a number."""
    size = task.size(length)
    return spaces.Discrete(size) if task.is_class else spaces.Box(0.0, float(size - 1), (), np.float32)


def check_render_mode(render_mode: str | None) -> None:
    """Raise a ValueError unless `render_mode` is one that bit streams have."""
    if render_mode not in (None, *BitStreamEnv.metadata["render_modes"]):
        raise ValueError(f"render_mode: got {render_mode!r}, expected None or 'ansi'")
