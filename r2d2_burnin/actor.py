"""The actor: acts in a vector environment, carries its recurrent state along, and yields whole episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from r2d2_burnin import spaces
from r2d2_burnin.compiled import Compiled
from r2d2_burnin.environment_guard import EnvironmentFault, check_numbers
from r2d2_burnin.episodes import Episode
from r2d2_burnin.inputs import InputSpace
from r2d2_burnin.networks import RecurrentNetwork, where
from r2d2_burnin.quiet_tensorflow import tf

Act = Callable[[np.ndarray], np.ndarray]
"""Chooses actions `[N]` from outputs `[N, A]`."""


class ActorStep:
    """One step of a network in N environments, compiled once for every N."""

    def __init__(self, network: RecurrentNetwork) -> None:
        self.network = network
        self._compiled = Compiled(self._one_step)

    def __call__(self, inputs: np.ndarray, state: Any, starts: np.ndarray) -> tuple[Any, Any, Any]:
        """Outputs `[N, A]`, state before (initial where an episode `starts` [N]) and after inputs `[N, F]`."""
        return self._compiled(inputs, state, starts)  # type: ignore[no-any-return]

    def _one_step(self, inputs: Any, state: Any, starts: Any) -> tuple[Any, Any, Any]:
        initial = self.network.initial_state(inputs.shape[0])
        before = where(starts, initial, state)
        outputs, after = self.network.step(inputs, before)
        return outputs, before, after


class Actor:
    """Acts in N environments at once, with a recurrent state that starts anew at every episode's first step.

    Next-step and same-step autoreset both work; the dummy transition of the former reaches no episode.

    Args:
        env: a vector environment.
        step: the network's compiled step.
        act: chooses actions from outputs.
        seed: of the environments' first reset.
        inputs: what the network sees of a step; by default the observation alone.
        longest: steps after which an episode that has not ended is an error.

    Raises:
        ValueError: for spaces that the network cannot use, and for an environment without autoreset.
        EnvironmentFault: while acting, when the environment raises or returns what no training can use.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        step: ActorStep,
        act: Act,
        *,
        seed: int,
        inputs: InputSpace | None = None,
        longest: int | None = None,
    ) -> None:
        mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
            raise ValueError(f"env: got autoreset mode {mode}, expected next-step or same-step")
        self.env = env
        self.update = 0  # learner updates so far, noted beside every state
        self._inputs = inputs or spaces.input_space(env.single_observation_space, env.single_action_space)
        self._same_step = mode is AutoresetMode.SAME_STEP
        self._step = step
        self._act = act
        self._longest = longest
        self._record = _Record(env.num_envs)
        self._count = 0
        observations, self._info = self._call(env.reset, seed=seed)
        self._observations = spaces.encode(observations)
        self._state = step.network.initial_state(env.num_envs)
        self._starts = np.ones(env.num_envs, np.bool_)
        self._resetting = np.zeros(env.num_envs, np.bool_)
        self._previous_actions = np.full(env.num_envs, -1)
        self._previous_rewards = np.zeros(env.num_envs, np.float32)

    def episodes(self) -> Iterator[Episode]:
        """Yield episodes as they end, forever; those that end in one step come in the order of their environments."""
        while True:
            yield from self._advance()[0]

    def collect(self, steps: int) -> Iterator[Episode]:
        """Act for `steps` steps, counted over all environments, and yield the episodes that end meanwhile."""
        while steps > 0:
            episodes, acted = self._advance()
            steps -= acted
            yield from episodes

    def _advance(self) -> tuple[list[Episode], int]:
        inputs = self._inputs.compose(self._observations, self._previous_actions, self._previous_rewards)
        outputs, before, self._state = self._step(inputs, self._state, self._starts)
        outputs = outputs.numpy()
        actions = self._act(outputs)
        self._count += 1
        observations, rewards, terminations, truncations, info = self._call(self.env.step, actions)
        next_observations = spaces.encode(observations)

        acted = ~self._resetting
        ended = acted & (terminations | truncations)
        rewards = np.asarray(rewards, np.float32)
        rows: dict[str, np.ndarray] = {
            "observations": self._observations,
            "actions": actions,
            "rewards": rewards,
            "outputs": outputs,
            "updates": np.full(self.env.num_envs, self.update, np.int64),
        }
        if "target" in self._info:
            rows["targets"] = np.asarray(self._info["target"])
        for i, leaf in enumerate(tf.nest.flatten(before)):
            rows[f"state/{i}"] = leaf.numpy()
        length = self._record.write(acted, rows)
        if self._longest is not None and length > self._longest:
            raise EnvironmentFault(
                f"{self._place}: an episode has {length} steps and no end, but replay_capacity is {self._longest};"
                " expected episodes that fit: give --max-episode-steps, or a larger --replay-capacity"
            )

        finished = []
        for i in np.flatnonzero(ended).tolist():
            final = next_observations[i]
            if self._same_step:
                final = spaces.encode(np.asarray(info["final_obs"][i])[None])[0]
            finished.append(self._episode(i, before, bool(terminations[i]), final))

        self._starts = ended if self._same_step else self._resetting
        self._resetting = np.zeros_like(ended) if self._same_step else ended
        self._observations, self._info = next_observations, info
        # Where an episode starts with the next step, whatever came before is not its own.
        self._previous_actions = np.where(self._starts, -1, actions)
        self._previous_rewards = np.where(self._starts, 0, rewards).astype(np.float32)
        return finished, int(acted.sum())

    @property
    def _place(self) -> str:
        name = self.env.spec.id if self.env.spec is not None else str(self.env)
        return f"env: {name}, step {self._count} of the actor"

    def _call(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call the environment, and check what it returns."""
        try:
            returned = function(*arguments, **keywords)
        except EnvironmentFault:
            raise
        except Exception as error:
            raise EnvironmentFault(f"{self._place}: raised {type(error).__name__}: {error}") from error
        check_numbers(self._place, "the observation", returned[0])
        if len(returned) == 5:
            check_numbers(self._place, "the reward", returned[1])
        return returned

    def _episode(self, environment: int, structure: Any, terminated: bool, final: np.ndarray) -> Episode:
        rows = self._record.pop(environment)
        leaves = [rows[f"state/{i}"] for i in range(len(tf.nest.flatten(structure)))]
        return Episode(
            observations=rows["observations"],
            actions=rows["actions"],
            rewards=rows["rewards"],
            targets=rows.get("targets"),
            outputs=rows["outputs"],
            states=tf.nest.pack_sequence_as(structure, leaves),
            updates=rows["updates"],
            terminated=terminated,
            final_observation=final,
            environment=environment,
        )


class _Record:
    """Rows of N unfinished episodes of different lengths."""

    def __init__(self, environments: int) -> None:
        self._length = np.zeros(environments, np.int64)
        self._arrays: dict[str, np.ndarray] = {}  # [N, size, ...]
        self._size = 0

    def write(self, active: np.ndarray, rows: dict[str, np.ndarray]) -> int:
        """Add one row `[N, ...]` to the episodes of the active environments [N]; returns the longest one's length."""
        if self._length.max() + 1 > self._size:
            self._grow(rows)
        chosen = np.flatnonzero(active)
        for name, values in rows.items():
            self._arrays[name][chosen, self._length[chosen]] = values[chosen]
        self._length[chosen] += 1
        return int(self._length.max())

    def pop(self, environment: int) -> dict[str, np.ndarray]:
        """The rows of one episode, which is then begun anew."""
        length = self._length[environment]
        self._length[environment] = 0
        return {name: array[environment, :length].copy() for name, array in self._arrays.items()}

    def _grow(self, like: dict[str, np.ndarray]) -> None:
        size = max(2 * self._size, 64)
        for name, values in like.items():
            grown = np.zeros((len(values), size, *values.shape[1:]), values.dtype)
            if name in self._arrays:
                grown[:, : self._size] = self._arrays[name]
            self._arrays[name] = grown
        self._size = size
