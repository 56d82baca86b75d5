"""The actor: acts in a vector environment, carries its recurrent state along, and yields whole episodes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from r2d2_burnin.acting.callable_step import step_of
from r2d2_burnin.acting.episode_builder import EpisodeBuilder, Part
from r2d2_burnin.acting.next_steps import LONGEST_BLOCK, NextSteps
from r2d2_burnin.acting.policies import Act, greedy
from r2d2_burnin.acting.protocols import BlockEnv, NetworkStep
from r2d2_burnin.acting.resuming import environment_state
from r2d2_burnin.acting.vector_checks import CheckedCalls, TargetReader
from r2d2_burnin.data import Episode
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.environments.targets import TargetRange
from r2d2_burnin.faults import TrainingDiverged
from r2d2_burnin.networks.adapters import CallableNetwork
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.runtime import archive, nests
from r2d2_burnin.settings import EnvironmentSettings

ANY_NUMBER = TargetRange(required=False)
"""Targets that are numbers are kept, and whatever else is called a target is left out."""


class Actor:
    """Acts in N environments at once, with a recurrent state that starts anew at every episode's first step.

    Next-step and same-step autoreset both work; the dummy transition of the former reaches no episode. Where the
    network sees nothing that depends on actions (see `BlockEnv`), many steps are one compiled call.

    Args:
        env: a vector environment, or the id of an environment, of which one is then made.
        network: acts, whatever its framework; or its compiled step, for several actors.
        act: chooses actions from outputs; by default that of the largest output.
        seed: of the environments' first reset.
        inputs: what the network sees of a step; by default the observation alone.
        longest: steps after which an episode that has not ended is an error.
        cut: steps after which what there is of an episode that has not ended is yielded as a part of it.
        blocks: whether many steps are one call where they can be; the episodes are the same.
        step_timeout: seconds that a call of the environment may take; None for no limit.
        keeps_states: whether episodes hold the recurrent states; an empty tuple if not.
        keeps_actions: whether `get_state` works for an environment without one, by taking all actions again.
        targets: what `info["target"]` may be; None where it is not read, so that it may be anything.

    Raises:
        ValueError: for spaces that the network cannot use, and for an environment without autoreset.
        EnvironmentFault: while acting, when the environment raises or returns what no training can use.
        TrainingDiverged: while acting, when the network's outputs are not finite.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any] | str,
        network: NetworkStep | RecurrentNetwork | CallableNetwork,
        act: Act = greedy,
        *,
        seed: int = 0,
        inputs: InputSpace | None = None,
        longest: int | None = None,
        cut: int | None = None,
        blocks: bool = True,
        step_timeout: float | None = None,
        keeps_states: bool = True,
        keeps_actions: bool = False,
        targets: TargetRange | None = ANY_NUMBER,
    ) -> None:
        if isinstance(env, str):
            env = environments.make_vector(EnvironmentSettings(env), 1)
        step = step_of(network)
        mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
            raise ValueError(f"env: got autoreset mode {mode}, expected next-step or same-step")
        self.env = env
        self.update = 0  # learner updates so far, noted beside every state
        self._inputs = inputs or spaces.input_space(env.single_observation_space, env.single_action_space)
        spaces.check_inputs(self._inputs, env.single_observation_space, env.single_action_space)
        self._same_step = mode is AutoresetMode.SAME_STEP
        self._step = step
        self._act = act
        self._call = CheckedCalls(env, step_timeout)
        self._keeps_states = keeps_states
        self._environment_state = environment_state(
            env, self._call, actions=self._inputs.actions, keeps_actions=keeps_actions
        )
        self._longest = longest
        self._cut = math.inf if cut is None else cut
        self._builder = EpisodeBuilder(env.num_envs)
        self._reader = TargetReader(targets, self._call.name, env.num_envs)
        self._sees_previous = self._inputs.previous_action or self._inputs.previous_reward
        self._next = NextSteps(env, self._call, self._reader, blocks=blocks and not self._sees_previous)
        observations, info = self._call(env.reset, seed=seed)
        self._state = step.network.initial_state(env.num_envs)
        self._starts = np.ones(env.num_envs, np.bool_)
        self._resetting = np.zeros(env.num_envs, np.bool_)
        self._previous_actions = np.full(env.num_envs, -1)
        self._previous_rewards = np.zeros(env.num_envs, np.float32)
        self._next.receive(spaces.encode(observations), info, ~self._resetting, self._builder.lengths)

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
        most = int(min(most, LONGEST_BLOCK, self._cut - self._builder.longest_part))
        observations, targets = self._next.ahead(most, self._builder.lengths)
        steps = len(observations)
        outputs, before = self._apply_network(observations)
        actions = self._act(outputs)
        next_observations, rewards, terminations, truncations, info = self._step_environments(actions)
        next_observations = spaces.encode(next_observations)
        rewards = np.asarray(rewards, np.float32).reshape(actions.shape)

        acted = ~self._resetting
        ended = acted & (terminations | truncations)
        rows: dict[str, np.ndarray] = {
            "observations": observations,
            "actions": actions,
            "rewards": rewards,
            "outputs": outputs,
            "updates": np.full(actions.shape, self.update, np.int64),
        }
        if targets is not None:
            rows["targets"] = targets
        leaves = [self._step.to_numpy(leaf) for leaf in nests.flatten(before)]
        rows |= {f"state/{i}": leaf if steps > 1 else leaf[None] for i, leaf in enumerate(leaves)}
        longest = self._builder.write(acted, rows)
        if self._longest is not None and longest > self._longest:
            raise _too_long(self._call.place, longest, self._longest)
        due = ended | (acted & self._builder.longer_than(self._cut)) if longest >= self._cut else ended
        episodes: list[Episode] = []
        if due.any():
            numbers = np.flatnonzero(due)
            final = next_observations[numbers]
            if self._same_step and ended.any():
                of_ended = [np.asarray(observation) for observation in info["final_obs"][ended]]
                final[ended[numbers]] = spaces.encode(np.stack(of_ended))
            parts = self._builder.pop(numbers, ended[numbers])
            episodes = [
                _episode(part, before, bool(terminations[number]), last, number)
                for number, part, last in zip(numbers.tolist(), parts, final, strict=True)
            ]
        self._starts = ended if self._same_step else self._resetting
        self._resetting = np.zeros_like(ended) if self._same_step else ended
        self._reader.ended += ended
        self._next.receive(next_observations, info, ~self._resetting, self._builder.lengths)
        if self._sees_previous:
            # Where an episode starts with the next step, whatever came before is not its own.
            self._previous_actions = np.where(self._starts, -1, actions[-1])
            self._previous_rewards = np.where(self._starts, 0, rewards[-1]).astype(np.float32)
        return episodes, steps * int(acted.sum())

    def _apply_network(self, observations: np.ndarray) -> tuple[np.ndarray, Any]:
        """Outputs `[S, N, A]` for observations `[S, N, O]`, and the states before each step, if they are recorded."""
        steps = len(observations)
        inputs = self._inputs.compose(observations, self._previous_actions[None], self._previous_rewards[None])
        if steps > 1:
            outputs, before, self._state = self._step.block(inputs, self._state, self._starts)
        else:
            outputs, before, self._state = self._step(inputs[0], self._state, self._starts)
        outputs = self._step.to_numpy(outputs).reshape(steps, self.env.num_envs, -1)
        if not np.isfinite(outputs).all():
            raise TrainingDiverged(
                f"the network's outputs after {self.update} updates are not finite, expected finite numbers; a smaller"
                " --learning-rate or --gradient-clip may help"
            )
        return outputs, before if self._keeps_states else ()

    def _step_environments(self, actions: np.ndarray) -> Any:
        """What the environments return for actions `[S, N]`."""
        self._call.count += len(actions)
        if self._environment_state is not None:
            self._environment_state.note(actions)
        if len(actions) > 1:
            return self._call(cast(BlockEnv, self.env).step_block, actions)
        return self._call(self.env.step, actions[0])

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that decides how acting goes on, as arrays that need no pickle."""
        state = {
            "count": np.array(self._call.count),
            "update": np.array(self.update),
            "starts": self._starts,
            "resetting": self._resetting,
            "previous_actions": self._previous_actions,
            "previous_rewards": self._previous_rewards,
            **self._next.get_state(),
            **archive.with_prefix("record", self._builder.get_state()),
        }
        for i, leaf in enumerate(nests.flatten(self._state)):
            state[f"state/{i}"] = np.asarray(leaf)
        if hasattr(self._act, "generator"):
            state["generator"] = np.array(json.dumps(self._act.generator.bit_generator.state))
        assert self._environment_state is not None
        state |= self._environment_state.get_state()
        return state

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` of a fresh actor with the same seed and settings returned.

        Raises:
            EnvironmentFault: when the environment, taken through the same actions, is not where it was.
        """
        assert self._environment_state is not None
        self._environment_state.set_state(state)
        self._call.count, self.update = int(state["count"]), int(state["update"])
        self._next.set_state(state)
        self._starts, self._resetting = state["starts"].copy(), state["resetting"].copy()
        self._previous_actions = state["previous_actions"].copy()
        self._previous_rewards = state["previous_rewards"].copy()
        self._builder.set_state(archive.part("record", state))
        leaves = archive.part("state", state)
        self._state = nests.pack(self._state, [self._step.restored(leaves[str(i)]) for i in range(len(leaves))])
        if hasattr(self._act, "generator"):
            self._act.generator.bit_generator.state = json.loads(str(state["generator"]))


def _too_long(place: str, length: int, longest: int) -> EnvironmentFault:
    return EnvironmentFault(
        f"{place}: an episode has {length} steps and no end, but replay_capacity is {longest}; expected episodes that"
        " fit: give --max-episode-steps, --cut-episodes or a larger --replay-capacity"
    )


def _episode(
    part: Part, states_like: Any, terminated: bool, final_observation: np.ndarray, environment: int
) -> Episode:
    """An episode, or a part of it, from its rows `[L, ...]`; `states_like` is a nest like its recurrent states."""
    rows = part.rows
    targets = rows.get("targets")
    leaves = [rows[f"state/{i}"] for i in range(len(nests.flatten(states_like)))]
    return Episode(
        observations=rows["observations"],
        actions=rows["actions"],
        rewards=rows["rewards"],
        targets=None if targets is None or np.isnan(targets).all() else targets,
        outputs=rows["outputs"],
        states=nests.pack(states_like, leaves),
        updates=rows["updates"],
        terminated=terminated,
        final_observation=final_observation,
        environment=environment,
        first_step=part.first_step,
        previous_action=part.previous_action,
        previous_reward=part.previous_reward,
    )
