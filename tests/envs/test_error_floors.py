"""Error floors against the design's worked values and against brute-force enumeration of all streams."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import envs  # noqa: F401 (registers)
from envs.error_floors import Loss, default_loss, error_floor, fragments
from envs.tasks import Count, Parity, Recall, WindowCount
from envs.tasks.task import Task
from r2d2_burnin.replay.fragments import fragment_starts, trained_lengths


@pytest.mark.parametrize(
    ("env", "burn_in", "floor"),
    [
        ("Count", 0, 107.5),
        ("Count", 20, 39.2857),
        ("WindowCount", 0, 2.6403),
        ("WindowCount", 10, 0.1339),
        ("WindowCount", 20, 0.0),
    ],
)
def test_worked_values(env: str, burn_in: int, floor: float) -> None:
    unwrapped: Any = gym.make(f"BitStream/{env}-v0").unwrapped
    fragments_of = {"burn_in": burn_in, "sequence_length": 20, "period": 10}
    assert unwrapped.error_floor(**fragments_of) == pytest.approx(floor, abs=5e-5)
    assert unwrapped.error_floor("zero", burn_in, sequence_length=20, period=10) == pytest.approx(floor, abs=5e-5)
    assert unwrapped.error_floor("stored", burn_in, sequence_length=20, period=10) == 0.0
    assert unwrapped.error_floor(sees_the_past=True, **fragments_of) == 0.0


def test_a_learned_state_knows_which_fragments_begin_the_episode() -> None:
    unwrapped: Any = gym.make("BitStream/Count-v0").unwrapped
    # Start 0 is known; 10, .., 60 are mixed: (35 / 4 + Var(s) / 4) * 6 / 7. With k = 20, starts 0 to 20 are known.
    for burn_in, floor in ((0, 70.0), (20, 21.4286)):
        fragments_of = {"burn_in": burn_in, "sequence_length": 20, "period": 10}
        assert unwrapped.error_floor("learned", **fragments_of) == pytest.approx(floor, abs=5e-5)
        assert unwrapped.error_floor(knows_the_start=True, **fragments_of) == pytest.approx(floor, abs=5e-5)


def test_the_two_hand_computed_mixtures() -> None:
    # Starts 0, 10, .., 60: the variance of Binomial(s, 1/2) mixed over s is E[s] / 4 + Var(s) / 4 = 7.5 + 100.
    assert 30 / 4 + np.var(np.arange(0, 70, 10) / 2) == 107.5
    # k = 20: starts 0 and 10 are known exactly; the five others hide 0, 10, .., 40 bits: (5 + 50) * 5 / 7.
    assert (20 / 4 + np.var(np.arange(0, 50, 10) / 2)) * 5 / 7 == pytest.approx(39.2857, abs=5e-5)


def test_a_floor_with_trained_steps_of_its_own_by_hand() -> None:
    """Count, `zero@40` at T 20: starts 0, 10, 20 train from the first step on, starts 30 to 60 hide 10 to 40 bits."""
    unwrapped: Any = gym.make("BitStream/Count-v0").unwrapped
    # The first 20 steps are those of all seven fragments, the next 10 those of six, the last 10 those of five.
    parts = [(20, [0, 0, 0, 10, 20, 30, 40]), (10, [0, 0, 10, 20, 30, 40]), (10, [0, 10, 20, 30, 40])]
    total = sum(steps * len(hidden) * (np.mean(hidden) + np.var(hidden)) / 4 for steps, hidden in parts)
    floor = unwrapped.error_floor("zero", sequence_length=20, period=10, trained_steps=40)
    assert floor == pytest.approx(total / 250)
    with pytest.raises(ValueError, match="trained_steps: got 10, expected at least sequence_length"):
        unwrapped.error_floor("zero", sequence_length=20, period=10, trained_steps=10)


def enumerated_floor(
    target: Task,
    length: int,
    p: float,
    knows_the_start: bool,
    burn_in: int,
    sequence_length: int,
    period: int,
    loss: Loss,
    trained: int,
) -> float:
    """The floor from its definition: all streams, grouped by exactly what a predictor may use."""
    probabilities: dict[tuple, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    trained_steps = 0
    for fragment in range(0, max(length - sequence_length, 0) + period, period):
        start = max(0, fragment + sequence_length - trained)
        for step in range(start, min(fragment + sequence_length, length)):
            trained_steps += 1
            processed_from = max(0, start - burn_in)
            starts_from = "another state" if knows_the_start and processed_from > 0 else "zeros"
            for bits in itertools.product((0, 1), repeat=length):
                ones = sum(bits)
                seen = (starts_from, start - processed_from, step - start, bits[processed_from : step + 1])
                value = int(target.values(np.array(bits))[step])
                probabilities[seen][value] += p**ones * (1 - p) ** (length - ones)
    total = 0.0
    for distribution in probabilities.values():
        weights = np.array(list(distribution.values()))
        values = np.array(list(distribution.keys()))
        weight = weights.sum()
        if weight == 0:
            continue
        weights = weights / weight
        if loss == "squared error":
            best = weights @ (values - weights @ values) ** 2
        elif loss == "cross-entropy":
            best = -sum(w * np.log(w) for w in weights if w > 0)
        else:
            best = 1 - weights.max()
        total += weight * best
    return total / trained_steps


@pytest.mark.parametrize(
    "target", [Count(), Count(3), WindowCount(3), Parity(), Recall(2)], ids=lambda target: repr(target)
)
@pytest.mark.parametrize(
    ("length", "sequence_length", "period", "burn_in", "p"),
    [(7, 3, 2, 0, 0.5), (7, 3, 2, 1, 0.3), (8, 3, 3, 2, 0.5), (6, 2, 1, 3, 0.8), (5, 8, 4, 2, 0.5), (7, 2, 2, 9, 0.5)],
)
@pytest.mark.parametrize(("knows_the_start", "further"), [(False, 0), (True, 0), (False, 2)])
def test_floor_equals_brute_force_enumeration(
    knows_the_start: bool,
    further: int,
    target: Task,
    length: int,
    sequence_length: int,
    period: int,
    burn_in: int,
    p: float,
) -> None:
    trained = sequence_length + further
    losses: tuple[Loss, ...] = ("cross-entropy", "error rate") if target.is_class else ("squared error",)
    assert default_loss(target) == losses[0]
    for loss in losses:
        computed = error_floor(
            target,
            length=length,
            p=p,
            burn_in=burn_in,
            knows_the_start=knows_the_start,
            sequence_length=sequence_length,
            period=period,
            loss=loss,
            trained_steps=trained if further else None,
        )
        enumerated = enumerated_floor(
            target, length, p, knows_the_start, burn_in, sequence_length, period, loss, trained
        )
        assert computed == pytest.approx(enumerated, abs=1e-12)


@pytest.mark.parametrize(
    ("length", "sequence_length", "period"), [(80, 20, 10), (85, 20, 10), (7, 20, 3), (61, 20, 20)]
)
def test_floors_and_replay_cut_the_same_fragments(length: int, sequence_length: int, period: int) -> None:
    starts = fragment_starts(length, sequence_length, period)
    lengths = trained_lengths(starts, length, sequence_length)
    assert fragments(length, sequence_length, period) == list(zip(starts.tolist(), lengths.tolist(), strict=True))


def test_wrong_start_and_loss_are_named() -> None:
    unwrapped: Any = gym.make("BitStream/Count-v0").unwrapped
    settings: dict[str, Any] = {"burn_in": 0, "sequence_length": 4, "period": 2}
    with pytest.raises(ValueError, match="start: got 'ful', expected one of zero, learned, stored"):
        unwrapped.error_floor("ful", **settings)
    with pytest.raises(ValueError, match="start: got 'zero' beside sees_the_past"):
        unwrapped.error_floor("zero", sees_the_past=True, **settings)
    with pytest.raises(ValueError, match="loss: got 'cross-entropy'"):
        error_floor(Count(), length=8, p=0.5, loss="cross-entropy", **settings)
