"""The sample that ΔQ is measured on: random over all positions of all episodes, small, and the same for everyone."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.benchmark.replay import idle_episode
from r2d2_burnin.initialization import Stored, parse
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.replay.references import FEWEST, SHARE, ReferenceSample
from r2d2_burnin.settings import EnvironmentSettings, NetworkSettings, ReplaySettings, TrainingSettings
from r2d2_burnin.training.costs import Costs
from r2d2_burnin.training.trainer import Trainer
from tests.common.episodes import numbered_episode


def filled(lengths: list[int], period: int, seed: int, *, name: str = "zero", every: bool = False) -> Replay:
    """A replay through which episodes of these lengths have gone, three times its capacity."""
    capacity = max(200 * period, 2 * max(lengths))
    sample = ReferenceSample(np.random.default_rng(seed), every=every)
    replay = Replay(ReplaySettings(max(period, 5), period, capacity), parse(name), Regression(2), references=sample)
    order = np.random.default_rng(1000 + seed)
    episodes = {length: numbered_episode(0, length) for length in set(lengths)}
    added = 0
    while added < 3 * capacity:
        length = int(order.choice(lengths))
        replay.add(episodes[length])
        added += length
    return replay


@pytest.mark.parametrize(
    ("lengths", "period"),
    [
        *(([length], 10) for length in (25, 80, 130, 1000)),
        *(pytest.param([length], 10, marks=pytest.mark.long) for length in (30, 50, 90, 170, 200, 360)),
        *(([200], period) for period in (1, 7, 40)),
        ([1000], 40),
        ([3, 25, 90, 200], 10),
        ([1, 1, 1, 500], 20),
    ],
)
def test_measured_positions_are_uniform(lengths: list[int], period: int) -> None:
    """Chi-square of the positions measured, against those of all fragments that replay holds."""
    measured: dict[int, int] = {}
    held: dict[int, float] = {}
    for seed in range(60):
        replay = filled(lengths, period, seed)
        drawn = replay.starts(replay.draw_measured(30))
        everything = replay.starts(replay.all_rows())
        for start in drawn.tolist():
            measured[start] = measured.get(start, 0) + 1
        for start in everything.tolist():
            held[start] = held.get(start, 0.0) + len(drawn) / len(everything)
    assert set(measured) <= set(held)
    # Neighbouring positions together, until at least five measurements are expected of each group.
    groups: list[list[float]] = [[0.0, 0.0]]
    for start in sorted(held):
        groups[-1][0] += measured.get(start, 0)
        groups[-1][1] += held[start]
        if groups[-1][1] >= 5:
            groups.append([0.0, 0.0])
    last = groups.pop()
    groups[-1] = [a + b for a, b in zip(groups[-1], last, strict=True)]
    observed, expected = np.array(groups).T
    if len(groups) > 1:
        assert stats.chisquare(observed, expected).pvalue > 1e-3


@given(
    st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=8), min_size=1, max_size=25),
    st.integers(0, 100),
    st.integers(1, 12),
)
def test_the_sample_is_the_same_for_every_initialization_and_with_all_references(
    rounds: list[list[int]], seed: int, period: int
) -> None:
    settings = ReplaySettings(12, period, 400)
    kinds = [("zero", False), ("stored+3", False), ("full", False), ("stored", True)]
    replays = [
        Replay(
            settings,
            parse(name),
            Regression(2),
            references=ReferenceSample(np.random.default_rng(seed), every=every),
        )
        for name, every in kinds
    ]
    for lengths in rounds:
        for replay in replays:
            replay.add(*map(numbered_episode, range(len(lengths)), lengths))
        drawn = [replay.draw_measured(20) for replay in replays]
        for replay, rows in zip(replays, drawn, strict=True):
            assert rows.tolist() == drawn[0].tolist()
            assert set(rows.tolist()) <= set(replay.all_rows().tolist())
        sampled, every = replays[0].references(drawn[0]), replays[-1].references(drawn[0])
        np.testing.assert_array_equal(sampled.state_first[0][0], every.state_first[0][0])
        np.testing.assert_array_equal(sampled.state_last[0][1], every.state_last[0][1])


@pytest.mark.parametrize(("features", "units"), [(1, 32), (8, 4), (144, 512)])
def test_references_take_a_twentieth_of_the_steps_memory(features: int, units: int) -> None:
    settings = ReplaySettings(20, 10, 20_000)
    sample = ReferenceSample(np.random.default_rng(0))
    replay = Replay(settings, parse("zero"), Regression(2), references=sample)
    for _ in range(300):
        replay.add(idle_episode(np.zeros((90, features), np.float32), np.zeros((90, units), np.float32)))
    steps = replay.steps * (4 * features + 3 * 4)  # observation, action, reward, target
    reference_bytes = 2 * 2 * units * 4 + 16
    assert replay.reference_bytes <= max(SHARE * steps * 1.02, FEWEST * reference_bytes)
    assert len(sample) >= min(0.8 * FEWEST, 0.7 * SHARE * steps / reference_bytes)


def test_there_is_always_something_to_measure_and_short_episodes_do_not_starve_long_ones() -> None:
    sample = ReferenceSample(np.random.default_rng(0))
    replay = Replay(ReplaySettings(20, 20, 40_000), parse("zero"), Regression(2), references=sample)
    for _ in range(200):  # a fragment a step: many fragments, so a small share of them is sampled
        replay.add(*(numbered_episode(0, 1) for _ in range(200)))
    sizes = []
    for _ in range(120):  # a fragment each 20 steps
        replay.add(numbered_episode(0, 1000))
        sizes.append(len(np.unique(replay.draw_measured(500))))
    assert min(sizes) >= 1
    assert min(sizes[-20:]) > 0.5 * FEWEST  # not 64 / 20, which the share of short episodes would give


def test_ages_are_uniform_where_long_episodes_give_way_to_short_ones() -> None:
    """Fewer fragments in replay, so a larger share of the new ones is sampled: the old ones then stand for more."""
    newer = []
    long_episode, short_episode = numbered_episode(0, 1000), numbered_episode(1, 20)
    for seed in range(150):
        sample = ReferenceSample(np.random.default_rng(seed))
        replay = Replay(ReplaySettings(20, 1, 20_000), parse("zero"), Regression(2), references=sample)
        for _ in range(30):
            replay.add(long_episode)
        for _ in range(100):
            replay.add(*[short_episode] * 5)
        rows = replay.draw_measured(200)
        newer.append(float((replay.episodes_of(rows) >= replay.episodes_of(replay.all_rows()[-500:]).min()).mean()))
    share = 500 / len(replay)
    standard_error = np.std(newer, ddof=1) / np.sqrt(len(newer))
    assert standard_error < 0.3 * share
    assert abs(np.mean(newer) - share) < 4 * standard_error


def test_what_is_not_kept_is_refused() -> None:
    replay = filled([90], 10, 0)
    others = np.setdiff1d(replay.all_rows(), replay.draw_measured(5000))
    with pytest.raises(ValueError, match=f"references: got fragment {others[0]}, expected one of the"):
        replay.references(others[:3])
    for ask in (lambda sample: sample.draw(3), lambda sample: sample.take(np.arange(3))):
        with pytest.raises(ValueError, match="references: got a request for fragments while empty"):
            ask(ReferenceSample())
    with pytest.raises(ValueError, match="expected limit_memory to be called"):
        ReferenceSample().add(np.arange(3), lambda chosen: [])


def settings_for(env: str, **more: Any) -> TrainingSettings:
    return TrainingSettings(
        environment=EnvironmentSettings(env, more),
        network=NetworkSettings(units=6),
        replay=ReplaySettings(20, 10, 20_000),
        updates=40,
        batch_size=16,
        num_envs=16,
        initial_steps=10_000,
        new_steps=2000,
        updates_between=10,
        measure_every=10,
        evaluation_episodes=4,
    )


@pytest.mark.parametrize("length", [50, pytest.param(90, marks=pytest.mark.long)])
def test_means_agree_with_those_of_all_fragments(length: int) -> None:
    """ΔQ of a run beside the mean over every fragment of replay: within four standard errors, and never 0."""
    settings = dataclasses.replace(settings_for("BitStream/Count-v0", length=length), measured_fragments=64)
    trainer = Trainer(settings)
    computed: dict[str, list[np.ndarray]] = {}

    def observe(update: int, replay: Replay, learner: Any) -> None:
        rows = replay.all_rows()
        rows = np.resize(rows, (-(-len(rows) // 64), 64))
        parts = [trainer.parts.measure(Stored())(replay.batch(chunk), replay.references(chunk))[0] for chunk in rows]
        for metric in ("delta_q_first", "delta_q_last_exact", "state_error"):
            computed.setdefault(metric, []).append(np.concatenate([getattr(part, metric) for part in parts]))

    result = trainer.run(parse("zero"), 0, None, observe)
    plain = trainer.run(parse("zero"), 0)
    assert result.measured_fragments == plain.measured_fragments
    assert result.measured_fragments is not None
    assert 0 < result.measured_fragments <= 64
    for metric, by_update in computed.items():
        measured = [m.value for m in result.measurements if m.metric == metric]
        assert measured == [m.value for m in plain.measurements if m.metric == metric]  # whoever looks on
        for value, all_values in zip(measured, by_update, strict=True):
            standard_error = all_values.std() / np.sqrt(settings.measured_fragments * 0.7)
            assert abs(value - all_values.mean()) < 4 * standard_error
            assert value > 0


@pytest.mark.long
def test_distinct_fragments_of_the_smallest_measurement_are_counted() -> None:
    """An episode of 80 steps has 7 fragments; 10 are asked for, so the first measurement repeats some."""
    settings = dataclasses.replace(
        settings_for("BitStream/Count-v0", length=80), num_envs=1, initial_steps=80, new_steps=40, measured_fragments=10
    )
    held: list[int] = []
    trainer = Trainer(settings)
    result = trainer.run(parse("zero"), 0, None, lambda update, replay, learner: held.append(len(replay.all_rows())))
    assert min(held) < 10 < max(held)
    assert result.measured_fragments == min(held)
    assert not any("fragments" in m.metric for m in result.measurements)


def test_distinct_fragments_are_counted_across_a_resume() -> None:
    costs = Costs()
    costs.note_measured(np.array([3, 1, 3, 2]))
    costs.note_measured(np.array([7, 8, 9, 10]))
    resumed = Costs()
    resumed.set_state(json.loads(json.dumps(costs.get_state())))
    for counted in (costs, resumed):
        assert counted.get_state()["measured_fragments"] == 3
        counted.note_measured(np.array([5, 5, 6, 6]))
        assert counted.get_state()["measured_fragments"] == 2
