"""How much memory an agent uses: its outcome when its recurrent state is cut to the last k steps.

With memory k the output at step t is that of the network unrolled from its initial state over steps max(0, t - k)..t
(Kapturowski et al., ICLR 2019, figure 5). For t <= k that is the agent itself; k = 0 is the current observation alone.
The agent acts by what it then outputs. Where what it sees does not depend on its actions and its outputs are compared
with targets, recorded episodes are computed again instead, which gives every k at once.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.acting.policies import Act, EpsilonGreedy
from r2d2_burnin.data import FEWEST_MEMORY_EPISODES, Episode, MemoryUse
from r2d2_burnin.diagnostics.cut_memory import CutNetwork, EveryStart
from r2d2_burnin.diagnostics.evaluation import evaluate
from r2d2_burnin.diagnostics.memory_statistics import LEVEL, memory_use
from r2d2_burnin.environments import make as environments
from r2d2_burnin.learning.objectives import Objective
from r2d2_burnin.learning.task import Task
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.settings import TrainingSettings, environment_steps

MOST_EPISODES = 96
"""Episodes that are measured by default: without any failure they show a loss of less than 4 % of the largest one."""

FEWEST_ACTED = 16
"""Episodes that a small budget leaves of them, where the agent acts with every memory."""

FEWEST_MEMORIES = 4
"""Memories that are tried whatever the budget, the uncut one among them."""

ENVIRONMENT_STEP = 50
"""Steps of a small network in a large batch that take about as long as one step of an environment in Python."""

SLOTS: tuple[int, ...] = tuple(4**power + 1 for power in range(12))
"""Numbers of recurrent states that programs are compiled for: two powers of two share one."""


class MemoryMeasure:
    """Measures how much memory a network uses in a task; programs are compiled once for all calls.

    Args:
        task: the environment and the objective.
        network: what is measured, with the parameters that it has when this is called.
        step: its compiled step.
    """

    def __init__(self, task: Task, network: RecurrentNetwork, step: ActorStep) -> None:
        self._task = task
        self._network = network
        self._step = step
        self._every_start = EveryStart(network)
        self._cut: dict[int, tuple[CutNetwork, ActorStep]] = {}

    def __call__(
        self,
        seed: int,
        exploration_seed: int,
        *,
        episodes: int = MOST_EPISODES,
        share: float | None = None,
        progress: Callable[[int], None] = lambda memory: None,
    ) -> MemoryUse:
        """Measure in the first episode of each of some environments, the same ones for every k.

        Args:
            seed: of the environments.
            exploration_seed: of random actions.
            episodes: how many.
            share: part of a run's steps that this may take. Where episodes are long there are fewer of them then, and k
                farther apart. None: no limit.
            progress: is given each k before the agent acts with it.

        Raises:
            ValueError: for fewer episodes than `FEWEST_MEMORY_EPISODES`.
            EnvironmentFault: when the environment raises, hangs, or returns what no training can use.
        """
        if episodes < FEWEST_MEMORY_EPISODES:
            raise ValueError(
                f"episodes: got {episodes}, expected at least {FEWEST_MEMORY_EPISODES}: fewer cannot be tested"
            )
        while True:
            with self._environments(episodes) as env:
                uncut = self._act(env, seed, exploration_seed, self._step)
                longest = max(map(len, uncut)) - 1
                budget = math.inf if share is None else share * run_cost(self._task.settings, longest + 1)
                if self._inputs_are_given(env):
                    return self._recorded(uncut, longest, budget)
                fitting = max(_fitting_episodes(longest, budget), FEWEST_ACTED)
                if episodes <= fitting:
                    return self._acted(env, seed, exploration_seed, uncut, budget, progress)
            episodes = fitting

    @contextlib.contextmanager
    def _environments(self, count: int) -> Iterator[VectorEnv[Any, Any, Any]]:
        env = environments.make_vector(self._task.settings.environment, count)
        failed = True
        try:
            yield env
            failed = False
        finally:
            environments.close(env, at_once=failed)

    def _inputs_are_given(self, env: VectorEnv[Any, Any, Any]) -> bool:
        """Whether what the network sees, and what it is compared with, are known not to depend on its actions."""
        sees_actions = any(self._task.objective.previous_inputs)
        return self._task.objective.reads_targets and hasattr(env, "peek") and not sees_actions

    def _act(
        self,
        env: VectorEnv[Any, Any, Any],
        seed: int,
        exploration_seed: int,
        step: ActorStep,
        epsilon: float | None = None,
    ) -> list[Episode]:
        """An episode of each environment, with a part of random actions; by default that of an evaluation."""
        objective = self._task.objective
        act: Act = objective.act
        epsilon = objective.evaluation_epsilon if epsilon is None else epsilon
        if epsilon > 0:
            epsilons = np.full(env.num_envs, epsilon)
            act = EpsilonGreedy(act, self._task.actions, epsilons, seed=exploration_seed)
        return evaluate(self._task.actor(env, step, act, seed=seed, keeps_states=False, blocks=False), None).episodes

    def _cut_step(self, memory: int) -> ActorStep:
        """The step of the network cut to this memory."""
        slots = next(slots for slots in SLOTS if slots > memory)
        if slots not in self._cut:
            network = CutNetwork(self._network, slots)
            self._cut[slots] = network, ActorStep(network)
        network, step = self._cut[slots]
        network.remember(memory)
        return step

    def _recorded(self, episodes: list[Episode], longest: int, budget: float) -> MemoryUse:
        """What recorded episodes say of every memory."""
        objective = self._task.objective
        fitting = budget / ((longest + 1) * (longest / 2 + 1))
        episodes = episodes[: max(int(min(fitting, len(episodes))), FEWEST_MEMORY_EPISODES)]
        errors = recorded_errors(self._every_start, episodes, self._task.inputs.of_episode, objective.error)
        return memory_use(
            {memory: errors[:, memory] for memory in range(errors.shape[1])},
            _constant_errors(objective, episodes),
            margin=objective.outcome.margin,
            higher_is_better=False,
        )

    def _acted(
        self,
        env: VectorEnv[Any, Any, Any],
        seed: int,
        exploration_seed: int,
        uncut: list[Episode],
        budget: float,
        progress: Callable[[int], None],
    ) -> MemoryUse:
        """What the agent reaches when it acts with some memories, as many as the budget allows."""
        objective, count = self._task.objective, env.num_envs
        if objective.reads_targets:
            baseline = _constant_errors(objective, uncut)
        else:
            baseline = self._outcomes(self._act(env, seed, exploration_seed, self._step, epsilon=1.0))
        length = max(map(len, uncut))
        outcomes = {length - 1: self._outcomes(uncut)}

        def measured(memory: int) -> np.ndarray | None:
            nonlocal length, budget
            # Episodes may be longer with a cut, so that fewer memories are tried than the budget seemed to allow.
            if _cost(memory, length, count) > budget and len(outcomes) >= FEWEST_MEMORIES:
                return None
            progress(memory)
            episodes = self._act(env, seed, exploration_seed, self._cut_step(memory))
            budget -= _cost(memory, max(map(len, episodes)), count)
            length = max(length, *map(len, episodes))
            return self._outcomes(episodes)

        return search(
            measured,
            outcomes,
            baseline,
            first=_first_memories(length - 1, count, budget),
            margin=objective.outcome.margin,
            higher_is_better=objective.outcome.higher_is_better,
        )

    def _outcomes(self, episodes: list[Episode]) -> np.ndarray:
        """Return or mean error of each episode, `[E]`."""
        objective = self._task.objective
        if objective.reads_targets:
            return np.array([_mean_error(episode, objective.error) for episode in episodes])
        return np.array([episode.rewards.sum() for episode in episodes], np.float64)


def search(
    measured: Callable[[int], np.ndarray | None],
    outcomes: dict[int, np.ndarray],
    baseline: np.ndarray,
    *,
    first: list[int],
    margin: float,
    higher_is_better: bool,
) -> MemoryUse:
    """Memory use by some memories, and by those between them where the mean loss passes the margin.

    The search follows mean outcomes, not the test: it leaves a memory that is too small for a larger one only where
    that one's mean is worse than the margin allows. So it may find a second memory that passes the test by chance in
    half of all cases, a third in a quarter, and so on, which half of the level makes up for.

    Args:
        measured: outcomes `[E]` with a memory; None where that costs too much, which ends the search.
        outcomes: `[E]` of the agent itself, by its memory; those of the others are put into it.
        baseline: what learns nothing reaches in each episode, `[E]`.
        first: the memories to begin with.
        margin: part of what was learned.
        higher_is_better: True for returns, False for errors.
    """
    waiting = first
    while True:
        tried = len(outcomes)
        for memory in waiting:
            if (values := measured(memory)) is not None:
                outcomes[memory] = values
        outcomes = dict(sorted(outcomes.items()))
        use = memory_use(outcomes, baseline, margin=margin, higher_is_better=higher_is_better, level=LEVEL / 2)
        waiting = _between(use, 1.0 if higher_is_better else -1.0)
        if not waiting or len(outcomes) == tried:
            return use


def _between(use: MemoryUse, sign: float) -> list[int]:
    """The middle between the largest memory that loses more than the margin, in the mean, and the next larger one."""
    failing = [i for i, outcome in enumerate(use.outcomes) if sign * (use.uncut - outcome) >= use.margin]
    if not use.learned or not failing:
        return []
    low, high = use.steps[failing[-1]], use.steps[failing[-1] + 1]
    return [(low + high) // 2] if high - low > 1 else []


def recorded_errors(
    every_start: EveryStart,
    episodes: list[Episode],
    inputs_of: Callable[[Episode], np.ndarray],
    error_of: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Mean error `[E, L]` of each episode with memory 0, 1, .. L - 1, over the steps that have a target; NaN without.

    Args:
        every_start: of the network.
        episodes: recorded ones, the longest one of L steps; their outputs are not used.
        inputs_of: what the network sees of an episode, `[L, F]`.
        error_of: errors `[n]` by outputs `[n, A]` and targets `[n]`, NaN where the target is.
    """
    lengths = np.array([len(episode) for episode in episodes])
    longest = int(lengths.max())
    sums = np.zeros((len(episodes), longest))
    counts = np.zeros(len(episodes))
    group = max(1, MOST_ROWS // longest)
    for first in range(0, len(episodes), group):
        part = slice(first, min(first + group, len(episodes)))
        inputs = np.stack([_padded(inputs_of(episode), longest, 0.0) for episode in episodes[part]])
        targets = np.stack([_padded(_targets(episode), 2 * longest, np.nan) for episode in episodes[part]])
        sums[part] = _error_sums(every_start, inputs, lengths[part], targets, error_of)
        counts[part] = np.isfinite(targets).sum(1)
    with np.errstate(invalid="ignore"):
        return sums / np.where(counts > 0, counts, np.nan)[:, None]


MOST_ROWS = 16_384
"""Unrolls whose states are held at once."""


def _error_sums(
    every_start: EveryStart,
    inputs: np.ndarray,
    lengths: np.ndarray,
    targets: np.ndarray,
    error_of: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Sums over steps of the errors, `[E, L]`, of E episodes with memory 0 to L - 1; targets `[E, 2 L]`, NaN behind."""
    count, longest = inputs.shape[:2]
    of_start = np.zeros((count, longest))  # [E, L] of the unroll from the first step, the agent itself
    sums = np.zeros((count, longest))
    for episodes, starts, memory, outputs in every_start(inputs, lengths):
        steps = starts[:, None] + np.arange(memory, memory + outputs.shape[1])  # [R, C]
        wanted = targets[episodes[:, None], np.minimum(steps, targets.shape[1] - 1)]
        errors = np.nan_to_num(error_of(outputs.reshape(-1, outputs.shape[-1]), wanted.ravel())).reshape(steps.shape)
        width = min(outputs.shape[1], longest - memory)
        here = slice(memory, memory + width)
        for column in range(width):
            sums[:, memory + column] += np.bincount(episodes, errors[:, column], count)
        firsts = starts == 0
        of_start[episodes[firsts], here] = errors[firsts, :width]
    # The steps before the first that a memory cuts are those of the agent itself.
    before = np.cumsum(of_start, 1) - of_start
    return sums + before


def _padded(rows: np.ndarray, length: int, value: float) -> np.ndarray:
    """Rows `[L, ...]` with more of a value behind them, `[length, ...]`."""
    return np.pad(rows, ((0, length - len(rows)), *((0, 0),) * (rows.ndim - 1)), constant_values=value)


def _targets(episode: Episode) -> np.ndarray:
    """Targets `[L]`, NaN where there are none."""
    return np.full(len(episode), np.nan) if episode.targets is None else episode.targets.astype(np.float64)


def _mean_error(episode: Episode, error_of: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """Mean error over the steps that have a target; NaN where none has."""
    targets = _targets(episode)
    given = ~np.isnan(targets)
    return float(error_of(episode.outputs[given], targets[given]).mean()) if given.any() else math.nan


def _constant_errors(objective: Objective, episodes: list[Episode]) -> np.ndarray:
    """Mean errors `[E]` of the best constant answer; NaN for an episode without a target."""
    targets = [_targets(episode) for episode in episodes]
    every = np.concatenate(targets)
    if np.isnan(every).all():
        return np.full(len(episodes), np.nan)
    errors = np.full(len(every), np.nan)
    errors[~np.isnan(every)] = objective.constant_errors(every[~np.isnan(every)])
    parts = np.split(errors, np.cumsum([len(part) for part in targets])[:-1])
    return np.array([np.nan if np.isnan(part).all() else np.nanmean(part) for part in parts])


def _powers_of_two(longest: int) -> list[int]:
    """Those below `longest`, ascending."""
    return [1 << power for power in range(max(longest - 1, 0).bit_length())]


def _cost(memory: int, length: int, episodes: int) -> float:
    """Of an evaluation with this memory in episodes of `length` steps, in steps of the network."""
    slots = next(slots for slots in SLOTS if slots > memory)
    return episodes * length * (slots + ENVIRONMENT_STEP)


def _first_memories(longest: int, episodes: int, budget: float) -> list[int]:
    """0, then powers of two below `longest` from the largest down, or of four, .. where the budget is too small."""
    powers = _powers_of_two(longest)
    for stride in (1, 2, 3, 4):
        memories = [0, *powers[::-1][::stride]] if longest else []
        if sum(_cost(memory, longest + 1, episodes) for memory in memories) <= budget:
            break
    return memories


def _fitting_episodes(longest: int, budget: float) -> int:
    """Episodes, a power of two, for which the budget covers 0 and the powers of two."""
    memories = [0, *_powers_of_two(longest)]
    fitting = min(budget / sum(_cost(memory, longest + 1, 1) for memory in memories), 2**30)
    return 1 << (max(int(fitting), 1).bit_length() - 1)


def run_cost(settings: TrainingSettings, length: int) -> float:
    """About what a run takes, in steps of the network; an update counts three times, a step of the environment as
    `ENVIRONMENT_STEP`.

    Args:
        settings: of the run.
        length: steps of an episode of an evaluation.
    """
    trained = settings.updates * settings.batch_size * settings.replay.sequence_length
    acted = environment_steps(settings, settings.updates)
    evaluated = settings.updates / settings.measure_every * settings.evaluation_episodes * length
    return 3.0 * trained + ENVIRONMENT_STEP * (acted + evaluated)
