"""Error floors: the smallest expected loss that any predictor could reach from what an initialization lets it see.

A fragment's trained steps start at step s of the episode; burn-in processes the min(s, k) steps before them. What a
predictor sees of the episode is stated by three facts:

- `sees_the_past`: its start state was computed from all earlier steps of the episode. Nothing is hidden: floor 0.
- `knows_the_start`: its start state differs from that of an episode's first step, so it tells fragments that are
  processed from the first step on (s <= k) from all others.
- `burn_in`, k. The number of steps processed before the trained ones is known, so a fragment with s < k is known
  exactly: it has fewer than k.

A fragment may have more trained steps than it has without burn-in, m instead of T: the m - T steps before s, as far as
the episode has them, are then trained too, and burn-in comes before them; s is then the first of these steps.

A predictor that does not see the past sees the bits from step b = max(0, s - k) on. What it cannot know is which of the
other starts it is looking at, nor the bits before b. The floor is the loss of the best prediction from what it sees,
averaged over all trained steps.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Literal, get_args

import numpy as np

from envs.tasks.task import Task, TaskWithFloor

Loss = Literal["squared error", "cross-entropy", "error rate"]


def default_loss(task: Task) -> Loss:
    """The loss that networks are trained on: squared error for counts, cross-entropy (in nats) for classes."""
    return "cross-entropy" if task.is_class else "squared error"


def error_floor(
    task: Task,
    *,
    length: int,
    p: float,
    burn_in: int,
    sees_the_past: bool = False,
    knows_the_start: bool = False,
    sequence_length: int,
    period: int,
    loss: Loss | None = None,
    trained_steps: int | None = None,
) -> float:
    """Smallest expected loss per trained step of a predictor that sees of the episode what the three facts say.

    Args:
        task: the environment's task.
        length: steps of an episode.
        p: probability of a one.
        burn_in: steps of burn-in, k.
        sees_the_past: whether the start state was computed from all earlier steps of the episode (then 0).
        knows_the_start: whether the start state differs from that of an episode's first step.
        sequence_length: trained steps of a fragment, T; the last fragment of an episode may have fewer.
        period: steps between the starts of fragments.
        loss: `squared error` (counts), `cross-entropy` in nats or `error rate` (classes); by default `default_loss`.
        trained_steps: trained steps of a fragment, m, where it has more: those before its start are m - T.

    Raises:
        ValueError: for an unknown loss, one that does not fit the target, a task without `unseen`, or fewer trained
            steps than a fragment has.
    """
    loss = default_loss(task) if loss is None else loss
    if loss not in get_args(Loss) or (loss == "squared error") == task.is_class:
        fitting = "cross-entropy, error rate" if task.is_class else "squared error"
        raise ValueError(f"loss: got {loss!r}, expected for this target one of {fitting}")
    if sees_the_past:
        return 0.0
    if not isinstance(task, TaskWithFloor):
        raise ValueError(
            f"error_floor: {type(task).__name__} has no method unseen, expected a TaskWithFloor (envs.tasks)"
        )

    trained = trained_parts(length, sequence_length, period, trained_steps)
    # One entry for everything that the predictor cannot tell apart: the same number of burn-in steps, the same trained
    # step, and whether it knows to see the episode from its first step on. Its value lists the offsets b that it mixes.
    offsets: dict[tuple[int, int, bool], list[int]] = defaultdict(list)
    for s, steps in trained:
        processed_before = min(s, burn_in)
        from_first_step = knows_the_start and s <= burn_in
        for step in range(steps):
            offsets[processed_before, step, from_first_step].append(s - processed_before)

    total = 0.0
    for (processed_before, step, _), mixed in offsets.items():
        parts = [task.unseen(offset, processed_before + step + 1, p) for offset in mixed]
        mixture = np.zeros(max(len(part) for part in parts))
        for part in parts:
            mixture[: len(part)] += part / len(parts)
        total += len(mixed) * _best_loss(mixture, loss)
    return total / sum(len(mixed) for mixed in offsets.values())


def fragments(length: int, sequence_length: int, period: int) -> list[tuple[int, int]]:
    """Start step and number of trained steps of every fragment of an episode of `length` steps.

    Fragments start every `period` steps, up to the first one that reaches the episode's end.
    """
    starts = range(0, max(length - sequence_length, 0) + period, period)
    return [(s, min(sequence_length, length - s)) for s in starts if s < length]


def trained_parts(
    length: int, sequence_length: int, period: int, trained_steps: int | None = None
) -> list[tuple[int, int]]:
    """First trained step and number of trained steps of every fragment, those before its start among them.

    Raises:
        ValueError: for fewer trained steps than `sequence_length`.
    """
    further = 0 if trained_steps is None else trained_steps - sequence_length
    if further < 0:
        raise ValueError(f"trained_steps: got {trained_steps}, expected at least sequence_length ({sequence_length})")
    parts = fragments(length, sequence_length, period)
    return [(max(s - further, 0), trained + min(s, further)) for s, trained in parts]


def _best_loss(distribution: np.ndarray, loss: Loss) -> float:
    """Smallest expected loss of one prediction of a variable with this distribution over 0, 1, .. (`[n]`)."""
    if loss == "squared error":
        values = np.arange(len(distribution))
        mean = distribution @ values
        return float(distribution @ (values - mean) ** 2)
    if loss == "cross-entropy":
        likely = distribution[distribution > 0]
        return float(-(likely @ np.log(likely)))
    return float(1 - distribution.max())
