"""The evaluations of one run: the same fresh episodes each time, and what is known of them at the run's end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.policies import Act, EpsilonGreedy
from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.discrepancy import DiscrepancyMeasure
from r2d2_burnin.diagnostics.evaluation import Evaluation, evaluate
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.initialization import Initialization
from r2d2_burnin.learning.objectives import Objective, trained_steps
from r2d2_burnin.networks.protocol import State
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.settings import ReplaySettings

LONGEST_PROFILE = 1000
"""Steps of an episode whose errors or rewards are reported one by one."""


class Evaluator:
    """Evaluates a network in the same episodes each time.

    Args:
        objective: decides what is measured.
        make_actor: an actor that begins the episodes anew, with a policy; with its states if asked for.
        actions: A.
        environments: episodes of an evaluation.
        exploration_seed: of random actions.
    """

    def __init__(
        self,
        objective: Objective,
        make_actor: Callable[[Act, bool], Actor],
        *,
        actions: int,
        environments: int,
        exploration_seed: int,
    ) -> None:
        self._objective = objective
        self._make_actor = make_actor
        self._actions = actions
        self._environments = environments
        self._exploration_seed = exploration_seed
        self._random: Evaluation | None = None
        self.last: Evaluation | None = None

    def evaluate(self, *, with_states: bool) -> Evaluation:
        """Evaluate with the objective's own part of random actions."""
        self.last = self._evaluate(self._objective.evaluation_epsilon, with_states=with_states)
        return self.last

    def _evaluate(self, epsilon: float, *, with_states: bool) -> Evaluation:
        act: Act = self._objective.act
        if epsilon > 0:
            epsilons = np.full(self._environments, epsilon)
            act = EpsilonGreedy(act, self._actions, epsilons, seed=self._exploration_seed)
        error_of = self._objective.error if self._objective.reads_targets else None
        return evaluate(self._make_actor(act, with_states), error_of)

    def profiles(self) -> Iterator[tuple[str, float, int | None]]:
        """Errors and rewards of the last evaluation by step of an episode, and what random actions earn (no step)."""
        assert self.last is not None
        for name, profile in (("eval_error", self.last.error_by_position), ("reward", self.last.reward_by_position)):
            if profile is not None:
                for position, value in enumerate(profile[:LONGEST_PROFILE].tolist()):
                    if np.isfinite(value):  # no target at this step of any episode
                        yield f"{name}_at_step", value, position
        if not self._objective.reads_targets:
            self._random = self._evaluate(1.0, with_states=False)
            yield "random_return", self._random.episode_return, None

    def outcomes(self) -> tuple[list[float], dict[str, list[float]]]:
        """Error or return of each episode of the last evaluation, and of what learns nothing in the same episodes."""
        if self.last is None:
            return [], {}
        if self._objective.reads_targets:
            errors, constant = self.last.errors(self._objective.error, self._objective.constant_errors)
            return errors, {"best constant answer": constant}
        random = {} if self._random is None else {"random actions": self._random.returns}
        return self.last.returns, random


def fresh_loss(
    episodes: list[Episode],
    settings: ReplaySettings,
    initialization: Initialization,
    objective: Objective,
    inputs: InputSpace,
    measure: DiscrepancyMeasure,
    learned: State,
    size: int,
) -> tuple[float, float | None] | None:
    """Mean loss on fragments that were never trained, and its standard error over episodes; None without targets.

    One episode has no standard error.

    An error floor holds for these. The loss on replayed fragments can sink a little below it, since the network fits
    the noise of what replay holds.

    Args:
        episodes: with the states that the network had.
        settings: how episodes are cut into fragments.
        initialization: what fragments start from.
        objective: gives the loss.
        inputs: what the network sees.
        measure: computes outputs.
        learned: the trained start state, a nest of `[1, ...]`.
        size: fragments in a batch.
    """
    replay = Replay(settings, initialization, objective, inputs)
    replay.add(*episodes)
    rows = replay.all_rows()
    chunks = np.resize(rows, (-(-len(rows) // size), size))  # whole chunks: no further program to compile
    losses, masks = [], []
    for chunk in chunks:
        batch = replay.batch(chunk)
        _, outputs = measure(batch, replay.references(chunk), learned)
        of_steps = objective.losses(outputs, outputs, batch.labels)
        masks.append(np.asarray(trained_steps(batch.mask, of_steps)))
        losses.append(np.where(masks[-1], of_steps.loss, 0.0))
    of_fragments = np.concatenate(losses).sum(1)[: len(rows)]
    trained = np.concatenate(masks).sum(1)[: len(rows)]
    _, owners = np.unique(replay.episodes_of(rows), return_inverse=True)
    sums, counts = np.bincount(owners, of_fragments), np.bincount(owners, trained)
    if not counts.any():
        return None
    return ratio_estimate(sums[counts > 0], counts[counts > 0])


def ratio_estimate(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float | None]:
    """Mean of all steps from the sums `[E]` and the numbers of steps `[E]` of episodes, and its standard error.

    Episodes are the independent units (a ratio estimator; Cochran, 1977, section 2.11). One has no standard error.
    """
    mean = float(sums.sum() / counts.sum())
    if len(counts) < 2:
        return mean, None
    deviations = (sums - mean * counts) / counts.mean()
    return mean, float(deviations.std(ddof=1) / np.sqrt(len(counts)))
