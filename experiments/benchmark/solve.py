"""Benchmark of learning: what it takes until a published memory task is solved, beside what users would pick instead.

Both agents have 32 units, one thread and a process of their own, one after the other. Every so often each is evaluated
without exploration in 64 fresh episodes. A task counts as solved at the first of three evaluations in a row that reach
the threshold. Costs are those up to it, evaluations, imports and compiling included.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import gymnasium as gym
import numpy as np

from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Row

IN_A_ROW = 3
"""Evaluations that have to reach the threshold."""

EPISODES = 64
"""Episodes of an evaluation."""

INITIALIZATION = "stored"


@dataclasses.dataclass(frozen=True)
class SolvedTask:
    """A task, and the return from which on it counts as solved."""

    env: str
    threshold: float


TASKS = (
    SolvedTask("popgym:popgym-RepeatFirstEasy-v0", 0.95),
    # The best of all models of POPGym's paper; see experiments.atlas.published.
    SolvedTask("popgym:popgym-CountRecallEasy-v0", 0.509),
)


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """An evaluation, and what it took until then."""

    value: float  # mean return
    seconds: float  # of processor time, since the process began
    elapsed: float  # seconds since the process was asked for
    steps: int  # of environments, in training


def solve(settings: Settings) -> list[Row]:
    """Processor seconds, seconds and environment steps until each task is solved; `--minutes` at most for each agent.

    Minutes are of processor time, so that agents get as much of a machine that others use too. An agent that has not
    solved a task by then counts with what it took until then.
    """
    rows: list[Row] = []
    if importlib.util.find_spec("popgym") is None:
        print("POPGym is not installed, so there is nothing to solve: pip install -e '.[envs-extra]'")
        return rows
    for task in TASKS:
        ours = _learn(learn_ours, task, settings.minutes)
        rows += _rows(task, ours, _peer(task, settings.minutes))
    return rows


def _peer(task: SolvedTask, minutes: float) -> list[Evaluated] | None:
    """The evaluations of the peer; None, with a message, where it is not installed or fails."""
    if importlib.util.find_spec("sb3_contrib") is None:
        print("sb3_contrib is not installed and left out: pip install -e '.[bench]'")
        return None
    try:
        return _learn(learn_recurrent_ppo, task, minutes)
    except RuntimeError as error:
        print(f"sb3_contrib is left out: {error}")
        return None


def _rows(task: SolvedTask, ours: list[Evaluated], theirs: list[Evaluated] | None) -> list[Row]:
    work = f"{task.env.split(':')[-1]}, return {task.threshold:g} or more"
    mine, solved = _until_solved(ours, task.threshold)
    name = f"stored, T 20{'' if solved else ' (not solved)'}"
    if theirs is None:
        return [Row(work, name, mine.elapsed, "s", "goal", 15.0, 15.0 / mine.elapsed, 1.0)]
    other, other_solved = _until_solved(theirs, task.threshold)
    best = max(evaluated.value for evaluated in theirs)
    peer = f"sb3-contrib's RecurrentPPO{'' if other_solved else f' (not solved, best {best:.2g})'}"
    return [
        Row(work, name, mine.seconds, "s of processor", peer, other.seconds, other.seconds / mine.seconds, 20.0),
        Row(work, name, mine.elapsed, "s", peer, other.elapsed, other.elapsed / mine.elapsed),
        Row(work, name, mine.steps, "steps", peer, other.steps, other.steps / mine.steps),
    ]


def _until_solved(evaluations: list[Evaluated], threshold: float) -> tuple[Evaluated, bool]:
    """The evaluation by which a task is solved, or the last one, and whether it is solved."""
    for first in range(len(evaluations) - IN_A_ROW + 1):
        if all(evaluated.value >= threshold for evaluated in evaluations[first : first + IN_A_ROW]):
            return evaluations[first], True
    return evaluations[-1], False


Evaluate = Callable[[float, int], bool]
"""Takes a mean return and the environment steps until then; returns whether to go on."""


def _learn(learn: Callable[[SolvedTask, Evaluate], None], task: SolvedTask, minutes: float) -> list[Evaluated]:
    """The evaluations of an agent that learns in a process of its own, until the task is solved or time is over."""
    context = multiprocessing.get_context("spawn")
    connection, remote = context.Pipe()
    began = time.time()
    process = context.Process(target=_serve, args=(remote, learn, task, began, minutes))
    process.start()
    remote.close()
    evaluations: list[Evaluated] = []
    try:
        while True:
            evaluations.append(connection.recv())
    except EOFError:
        process.join()
    if not evaluations:
        raise RuntimeError(f"{learn.__name__} ended without an evaluation, exit code {process.exitcode}")
    return evaluations


def _serve(
    connection: Connection,
    learn: Callable[[SolvedTask, Evaluate], None],
    task: SolvedTask,
    began: float,
    minutes: float,
) -> None:
    evaluations: list[Evaluated] = []

    def evaluate(value: float, steps: int) -> bool:
        evaluated = Evaluated(value, time.process_time(), time.time() - began, steps)
        evaluations.append(evaluated)
        connection.send(evaluated)
        _, solved = _until_solved(evaluations, task.threshold)
        return not solved and evaluated.seconds < 60 * minutes

    learn(task, evaluate)


class _Enough(Exception):
    """Ends a run."""


def learn_ours(task: SolvedTask, evaluate: Evaluate) -> None:
    """This project's agent, with the settings that a comparison takes by itself."""
    from experiments.burnin_compare.settings import read_settings
    from r2d2_burnin.runtime.tensorflow import set_up, use_one_thread
    from r2d2_burnin.settings import environment_steps
    from r2d2_burnin.training.trainer import Trainer

    set_up()
    use_one_thread()
    flags = ["--env", task.env, "--evaluation-episodes", str(EPISODES), "--measure-every", "100"]
    training = dataclasses.replace(read_settings(flags).training, updates=16_000)

    def listen(measurements: list[Any]) -> None:
        for m in measurements:
            if m.metric == "episode_return" and not evaluate(m.value, environment_steps(training, m.update)):
                raise _Enough

    try:
        Trainer(training).run(INITIALIZATION, 0, on_measurements=listen)
    except _Enough:
        return


def learn_recurrent_ppo(task: SolvedTask, evaluate: Evaluate) -> None:
    """RecurrentPPO of sb3-contrib, 16 environments, 32 units, its own settings otherwise.

    It does not take observations of several discrete parts (CountRecallEasy), so that all are given one-hot and flat.
    """
    torch = importlib.import_module("torch")
    sb3_contrib = importlib.import_module("sb3_contrib")
    callbacks = importlib.import_module("stable_baselines3.common.callbacks")
    env_util = importlib.import_module("stable_baselines3.common.env_util")
    torch.set_num_threads(1)
    importlib.import_module(task.env.split(":")[0])
    name = task.env.split(":")[1]
    sizes = {"lstm_hidden_size": 32, "net_arch": [32]}
    flat = gym.wrappers.FlattenObservation
    env = env_util.make_vec_env(name, n_envs=16, seed=0, wrapper_class=flat)
    fresh = env_util.make_vec_env(name, n_envs=EPISODES, seed=10_000, wrapper_class=flat)

    class Evaluation(callbacks.BaseCallback):  # type: ignore[misc, name-defined]
        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            if self.num_timesteps and self.num_timesteps % 10_240 < 16 * self.model.n_steps:
                self.going_on = evaluate(_mean_return(self.model, fresh), self.num_timesteps)
                if not self.going_on:
                    raise _Enough

    agent = sb3_contrib.RecurrentPPO("MlpLstmPolicy", env, policy_kwargs=sizes, seed=0, device="cpu")
    try:
        agent.learn(10**9, callback=Evaluation())
    except _Enough:
        return


def _mean_return(agent: Any, env: Any) -> float:
    """Mean return of the first episode of every environment, acted without exploration."""
    observations, state = env.reset(), None
    starts = np.ones(env.num_envs, np.bool_)
    returns, running = np.zeros(env.num_envs), np.ones(env.num_envs, np.bool_)
    while running.any():
        actions, state = agent.predict(observations, state=state, episode_start=starts, deterministic=True)
        observations, rewards, ended, _ = env.step(actions)
        returns += np.where(running, rewards, 0.0)
        starts = ended
        running &= ~ended
    return float(returns.mean())
