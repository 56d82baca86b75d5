"""The actor: acts in a vector environment, carries its recurrent state along, and yields whole episodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol, cast

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from r2d2_burnin.acting.episode_builder import UnfinishedEpisodes
from r2d2_burnin.acting.policies import Act
from r2d2_burnin.acting.vector_checks import CheckedCalls, TargetReader
from r2d2_burnin.data import Episode
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.guard import EnvironmentFault, check_numbers
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.environments.targets import TargetRange
from r2d2_burnin.faults import TrainingDiverged
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.networks.unrolling import where
from r2d2_burnin.runtime import archive, nests
from r2d2_burnin.runtime.compiled import Compiled
from r2d2_burnin.runtime.tensorflow import tf

ANY_NUMBER = TargetRange(required=False)
"""Targets that are numbers are kept, and whatever else is called a target is left out."""

LONGEST_BLOCK = 128
"""Most steps in one compiled call: multiples of 16, or powers of two below, so that few programs are compiled."""


class BlockEnv(Protocol):
    """What a vector environment has besides Gymnasium's methods where its observations do not depend on actions.

    The actor then takes many steps in one compiled call of the network.
    """

    def peek(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Observations `[S, N, ...]` and `info["target"]` `[S, N]` (None: no targets) of the current step and of those
        after it, as far as no episode ends before the last one; S is 0 where the next step resets one."""

    def step_block(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take actions `[S, N]`; returns what the last of S calls of `step` returns, but rewards `[S, N]`."""


class StatefulEnv(Protocol):
    """What a vector environment has besides Gymnasium's methods if its state can be put away and brought back."""

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that decides what comes next, as arrays that need no pickle."""

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` of an environment with the same settings returned."""


class ActorStep:
    """One step of a network in N environments, or a block of S steps, compiled once for every N and S."""

    def __init__(self, network: RecurrentNetwork) -> None:
        self.network = network
        self._compiled = Compiled(self._one_step)
        self._compiled_block = Compiled(self._several_steps)

    def __call__(self, inputs: np.ndarray, state: Any, starts: np.ndarray) -> tuple[Any, Any, Any]:
        """Outputs `[N, A]`, state before (initial where an episode `starts` [N]) and after inputs `[N, F]`."""
        return self._compiled(inputs, state, starts)  # type: ignore[no-any-return]

    def block(self, inputs: np.ndarray, state: Any, starts: np.ndarray) -> tuple[Any, Any, Any]:
        """Outputs `[S, N, A]`, states before each step `[S, N, ...]` and after the last, from inputs `[S, N, F]`.

        Episodes may `start` [N] with the first of the steps only.
        """
        return self._compiled_block(inputs, state, starts)  # type: ignore[no-any-return]

    def _one_step(self, inputs: Any, state: Any, starts: Any) -> tuple[Any, Any, Any]:
        initial = self.network.initial_state(inputs.shape[0])
        before = where(starts, initial, state)
        outputs, after = self.network.step(inputs, before)
        return outputs, before, after

    def _several_steps(self, inputs: Any, state: Any, starts: Any) -> tuple[Any, Any, Any]:
        steps = inputs.shape[0]
        first = where(starts, self.network.initial_state(inputs.shape[1]), state)

        def step(t: Any, state: Any, histories: Any) -> tuple[Any, Any, Any]:
            outputs, after = self.network.step(inputs[t], state)
            written = tf.nest.map_structure(lambda history, value: history.write(t, value), histories, (outputs, state))
            return t + 1, after, written

        outputs, _ = self.network.step(inputs[0], first)  # for its shape: the compiler drops what nothing uses
        histories = tf.nest.map_structure(
            lambda leaf: tf.TensorArray(leaf.dtype, steps, element_shape=leaf.shape), (outputs, first)
        )
        _, last, histories = tf.while_loop(lambda t, *_: t < steps, step, (tf.constant(0), first, histories))
        outputs, before = tf.nest.map_structure(lambda history: history.stack(), histories)
        return outputs, before, last


class Actor:
    """Acts in N environments at once, with a recurrent state that starts anew at every episode's first step.

    Next-step and same-step autoreset both work; the dummy transition of the former reaches no episode. Where the
    network sees nothing that depends on actions (see `BlockEnv`), many steps are one compiled call.

    Args:
        env: a vector environment.
        step: the network's compiled step.
        act: chooses actions from outputs.
        seed: of the environments' first reset.
        inputs: what the network sees of a step; by default the observation alone.
        longest: steps after which an episode that has not ended is an error.
        blocks: whether many steps are one call where they can be; the episodes are the same.
        step_timeout: seconds that a call of the environment may take; None for no limit.
        keeps_states: whether episodes hold the recurrent states; an empty tuple if not.
        keeps_actions: whether all actions are kept, so that `get_state` works for an environment without one: its state
            is then brought back by taking them again.
        targets: what `info["target"]` may be; None where it is not read, so that it may be anything.

    Raises:
        ValueError: for spaces that the network cannot use, and for an environment without autoreset.
        EnvironmentFault: while acting, when the environment raises or returns what no training can use.
        TrainingDiverged: while acting, when the network's outputs are not finite.
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
        blocks: bool = True,
        step_timeout: float | None = None,
        keeps_states: bool = True,
        keeps_actions: bool = False,
        targets: TargetRange | None = ANY_NUMBER,
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
        self._call = CheckedCalls(env, step_timeout)
        self._keeps_states = keeps_states
        self._actions_taken = bytearray() if keeps_actions else None
        self._action_type = np.min_scalar_type(self._inputs.actions)
        self._longest = longest
        knows = hasattr(env, "peek") and hasattr(env, "step_block")
        self._blocks = blocks and knows and not (self._inputs.previous_action or self._inputs.previous_reward)
        self._record = UnfinishedEpisodes(env.num_envs)
        self._reader = TargetReader(targets, self._call.name, env.num_envs)
        observations, info = self._call(env.reset, seed=seed)
        self._state = step.network.initial_state(env.num_envs)
        self._starts = np.ones(env.num_envs, np.bool_)
        self._resetting = np.zeros(env.num_envs, np.bool_)
        self._previous_actions = np.full(env.num_envs, -1)
        self._previous_rewards = np.zeros(env.num_envs, np.float32)
        self._receive(spaces.encode(observations), info)

    def episodes(self) -> Iterator[Episode]:
        """Yield episodes as they end, forever; those that end in one step come in the order of their environments."""
        while True:
            yield from self._advance()[0]

    def collect(self, steps: int) -> Iterator[list[Episode]]:
        """Act for `steps` steps, counted over all environments, and yield those episodes that end together."""
        while steps > 0:
            episodes, acted = self._advance(-(-steps // self.env.num_envs))
            steps -= acted
            if episodes:
                yield episodes

    def _advance(self, most: int = LONGEST_BLOCK) -> tuple[list[Episode], int]:
        """Take a step, or a block of `most` steps at most; returns ended episodes and the number of steps acted."""
        observations, targets = self._ahead(min(most, LONGEST_BLOCK))
        steps = len(observations)
        inputs = self._inputs.compose(observations, self._previous_actions[None], self._previous_rewards[None])
        if steps > 1:
            outputs, before, self._state = self._step.block(inputs, self._state, self._starts)
        else:
            outputs, before, self._state = self._step(inputs[0], self._state, self._starts)
        outputs = outputs.numpy().reshape(steps, self.env.num_envs, -1)
        if not np.isfinite(outputs).all():
            raise TrainingDiverged(
                f"the network's outputs after {self.update} updates are not finite, expected finite numbers; a smaller"
                " --learning-rate or --gradient-clip may help"
            )
        actions = self._act(outputs)
        self._call.count += steps
        if self._actions_taken is not None:
            self._actions_taken += actions.astype(self._action_type).tobytes()
        if steps > 1:
            returned = self._call(cast(BlockEnv, self.env).step_block, actions)
        else:
            returned = self._call(self.env.step, actions[0])
        next_observations, rewards, terminations, truncations, info = returned
        next_observations = spaces.encode(next_observations)

        acted = ~self._resetting
        ended = acted & (terminations | truncations)
        rewards = np.asarray(rewards, np.float32).reshape(actions.shape)
        rows: dict[str, np.ndarray] = {
            "observations": observations,
            "actions": actions,
            "rewards": rewards,
            "outputs": outputs,
            "updates": np.full(actions.shape, self.update, np.int64),
        }
        if targets is not None:
            rows["targets"] = targets
        before = before if self._keeps_states else ()
        leaves = [leaf.numpy() for leaf in nests.flatten(before)]
        states = {f"state/{i}": leaf if steps > 1 else leaf[None] for i, leaf in enumerate(leaves)}
        rows |= states
        length = self._record.write(acted, rows)
        if self._longest is not None and length > self._longest:
            raise EnvironmentFault(
                f"{self._call.place}: an episode has {length} steps and no end, but replay_capacity is {self._longest};"
                " expected episodes that fit: give --max-episode-steps, or a larger --replay-capacity"
            )

        numbers = np.flatnonzero(ended)
        final = next_observations[numbers]
        if self._same_step and len(numbers):
            final = spaces.encode(np.stack([np.asarray(one) for one in info["final_obs"][numbers]]))
        finished = [
            Episode(
                observations=rows["observations"],
                actions=rows["actions"],
                rewards=rows["rewards"],
                targets=_given(rows.get("targets")),
                outputs=rows["outputs"],
                states=nests.pack(before, [rows[name] for name in states]),
                updates=rows["updates"],
                terminated=bool(terminations[number]),
                final_observation=last,
                environment=number,
            )
            for number, rows, last in zip(numbers.tolist(), self._record.pop(numbers), final, strict=True)
        ]

        self._starts = ended if self._same_step else self._resetting
        self._resetting = np.zeros_like(ended) if self._same_step else ended
        self._reader.ended += ended
        self._receive(next_observations, info)
        # Where an episode starts with the next step, whatever came before is not its own.
        self._previous_actions = np.where(self._starts, -1, actions[-1])
        self._previous_rewards = np.where(self._starts, 0, rewards[-1]).astype(np.float32)
        return finished, steps * int(acted.sum())

    def _receive(self, observations: np.ndarray, info: dict[str, Any]) -> None:
        """Keep flat observations `[N, O]` and their targets for the next step."""
        self._observations = observations
        self._targets = self._reader.of_info(info, ~self._resetting, self._record.lengths)

    def _ahead(self, most: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Observations `[S, N, O]` and targets `[S, N]` of the current step, and of those after it if known."""
        if self._blocks and most > 1:
            observations, targets = cast(BlockEnv, self.env).peek()
            steps = min(most, len(observations))
            if steps > 1:
                steps = steps // 16 * 16 or 1 << (steps.bit_length() - 1)
                flat = spaces.encode(observations[:steps].reshape(-1, *observations.shape[2:]))
                check_numbers(self._call.place, "the observation", flat)
                targets = self._reader.of_block(targets, steps, self._record.lengths)
                return flat.reshape(steps, self.env.num_envs, -1), targets
        return self._observations[None], None if self._targets is None else self._targets[None]

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that decides how acting goes on, as arrays that need no pickle."""
        state = {
            "count": np.array(self._call.count),
            "update": np.array(self.update),
            "observations": self._observations,
            "starts": self._starts,
            "resetting": self._resetting,
            "previous_actions": self._previous_actions,
            "previous_rewards": self._previous_rewards,
            "ended": self._reader.ended,
            **archive.with_prefix("record", self._record.get_state()),
        }
        if self._targets is not None:
            state["target"] = self._targets
        for i, leaf in enumerate(nests.flatten(self._state)):
            state[f"state/{i}"] = np.asarray(leaf)
        if hasattr(self._act, "generator"):
            state["generator"] = np.array(json.dumps(self._act.generator.bit_generator.state))
        if self._actions_taken is not None:
            taken = np.frombuffer(bytes(self._actions_taken), self._action_type)
            state["actions_taken"] = taken.reshape(-1, self.env.num_envs)
        else:
            state |= archive.with_prefix("env", cast(StatefulEnv, self.env).get_state())
        return state

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` of a fresh actor with the same seed and settings returned.

        Raises:
            EnvironmentFault: when the environment, taken through the same actions, is not where it was.
        """
        if self._actions_taken is not None:
            observations = self._observations
            for actions in state["actions_taken"]:
                observations = spaces.encode(self._call(self.env.step, actions.astype(np.int64))[0])
            if not np.array_equal(observations, state["observations"]):
                raise EnvironmentFault(
                    f"{self._call.place}: the same seed and the same actions led to other observations, expected an"
                    " environment that is deterministic for a seed, or one with get_state and set_state"
                )
            self._actions_taken = bytearray(state["actions_taken"].astype(self._action_type).tobytes())
        else:
            cast(StatefulEnv, self.env).set_state(archive.part("env", state))
        self._call.count, self.update = int(state["count"]), int(state["update"])
        self._observations, self._starts, self._resetting = (
            state[name].copy() for name in ("observations", "starts", "resetting")
        )
        self._previous_actions = state["previous_actions"].copy()
        self._previous_rewards = state["previous_rewards"].copy()
        self._reader.ended = state["ended"].copy() if "ended" in state else np.zeros_like(self._reader.ended)
        self._targets = state["target"].copy() if "target" in state else None
        self._record.set_state(archive.part("record", state))
        leaves = archive.part("state", state)
        self._state = nests.pack(self._state, [tf.constant(leaves[str(i)]) for i in range(len(leaves))])
        if hasattr(self._act, "generator"):
            self._act.generator.bit_generator.state = json.loads(str(state["generator"]))


def _given(targets: np.ndarray | None) -> np.ndarray | None:
    """The targets `[L]` of an episode; None where all are missing."""
    return None if targets is None or np.isnan(targets).all() else targets
