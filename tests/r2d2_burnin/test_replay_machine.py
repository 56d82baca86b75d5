"""Replay against a naive model, through thousands of random sequences of everything that is done to it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.replay.buffer import SMALLEST_PRIORITY, Replay
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.runtime import archive
from r2d2_burnin.settings import ReplaySettings
from tests.common.episodes import naive_fragments, numbered_episode


class NaiveReplay:
    """Lists of everything."""

    def __init__(self, settings: ReplaySettings) -> None:
        self.settings = settings
        self.episodes: list[tuple[int, int]] = []
        self.fragments: list[dict[str, Any]] = []
        self.rows = 0

    def add(self, number: int, length: int) -> list[int]:
        self.episodes.append((number, length))
        while sum(steps for _, steps in self.episodes) > self.settings.replay_capacity:
            gone, _ = self.episodes.pop(0)
            self.fragments = [fragment for fragment in self.fragments if fragment["episode"] != gone]
        added = []
        for steps in naive_fragments(length, self.settings.sequence_length, self.settings.period):
            self.fragments.append({"row": self.rows, "episode": number, "steps": steps, "priority": 1.0})
            added.append(self.rows)
            self.rows += 1
        return added


class ReplayMachine(RuleBasedStateMachine):
    """What is done to replay, in any order."""

    @initialize(
        sequence_length=st.integers(1, 7),
        period=st.integers(1, 7),
        capacity=st.integers(20, 90),
        strategy=st.sampled_from(["zero", "stored", "stored+2", "zero+9", "full", "refreshed+1"]),
        prioritized=st.booleans(),
        every=st.booleans(),
    )
    def begin(
        self, sequence_length: int, period: int, capacity: int, strategy: str, prioritized: bool, every: bool
    ) -> None:
        chosen = ReplaySettings(
            sequence_length, min(period, sequence_length), capacity, priority_exponent=0.5 if prioritized else 0.0
        )
        self.strategy, self.every = strategy, every
        self.number = 0
        self.replay = self.fresh(chosen)
        self.naive = NaiveReplay(chosen)

    def fresh(self, chosen: ReplaySettings) -> Replay:
        sample = ReferenceSample(np.random.default_rng(0), every=self.every)
        return Replay(chosen, parse(self.strategy), Regression(2), references=sample)

    @rule(length=st.integers(1, 20))
    def add(self, length: int) -> None:
        assert self.replay.add(numbered_episode(self.number, length)).tolist() == self.naive.add(self.number, length)
        self.number += 1

    @rule(lengths=st.lists(st.integers(1, 20), max_size=12))
    def add_several(self, lengths: list[int]) -> None:
        numbers = range(self.number, self.number + len(lengths))
        result = self.replay.add(*map(numbered_episode, numbers, lengths))
        assert result.tolist() == list(itertools.chain.from_iterable(map(self.naive.add, numbers, lengths)))
        self.number += len(lengths)

    @rule(length=st.integers(91, 200))
    def add_too_long(self, length: int) -> None:
        with pytest.raises(ValueError, match="replay_capacity: got"):
            self.replay.add(numbered_episode(self.number, length))

    @precondition(lambda self: self.naive.fragments)
    @rule(seed=st.integers(0, 1000), count=st.integers(1, 5))
    def sample(self, seed: int, count: int) -> None:
        rows = self.replay.sample(np.random.default_rng(seed), 2, count)
        known = {fragment["row"]: fragment for fragment in self.naive.fragments}
        assert set(rows.ravel().tolist()) <= known.keys()
        batch = self.replay.batch(rows)
        for place in np.ndindex(*rows.shape):
            fragment = known[int(rows[place])]
            seen = batch.observations[place][batch.mask[place]][:, 0]
            assert seen.tolist() == [100 * fragment["episode"] + t + 1 for t in fragment["steps"]]

    @precondition(lambda self: not self.naive.fragments)
    @rule()
    def sample_from_nothing(self) -> None:
        with pytest.raises(ValueError, match="while empty"):
            self.replay.sample(np.random.default_rng(0), 1)

    @precondition(lambda self: self.naive.fragments)
    @rule(data=st.data())
    def set_priorities(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.naive.fragments), min_size=1, max_size=6))
        values = data.draw(st.lists(st.floats(0, 1e3), min_size=len(chosen), max_size=len(chosen)))
        self.replay.set_priorities(np.array([fragment["row"] for fragment in chosen]), np.array(values))
        for fragment, value in zip(chosen, values, strict=True):
            fragment["priority"] = max(value, SMALLEST_PRIORITY) ** 0.5

    @rule()
    def save_and_load(self) -> None:
        state = archive.part("x", archive.with_prefix("x", self.replay.get_state()))
        loaded = self.fresh(self.replay.settings)
        loaded.set_state(state, ((0, 0),))
        assert loaded.nbytes == self.replay.nbytes
        self.replay = loaded

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "naive"):
            return
        assert len(self.replay) == len(self.naive.fragments)
        assert self.replay.steps == sum(steps for _, steps in self.naive.episodes)
        assert self.replay.steps <= self.replay.settings.replay_capacity
        rows = self.replay.all_rows()
        assert rows.tolist() == [fragment["row"] for fragment in self.naive.fragments]
        if not len(rows):
            return
        assert self.replay.starts(rows).tolist() == [fragment["steps"][0] for fragment in self.naive.fragments]
        batch = self.replay.batch(rows)
        expected = [[1000 * f["episode"] + t for t in f["steps"]] for f in self.naive.fragments]
        assert [row[m].tolist() for row, m in zip(batch.labels["target"], batch.mask, strict=True)] == expected
        assert not batch.observations[:, : batch.mask.shape[1]][~batch.mask].any()  # padding is zeros
        if self.replay.settings.priority_exponent:
            tree = self.replay.get_state()
            priorities = [fragment["priority"] for fragment in self.naive.fragments]
            np.testing.assert_allclose(tree["priorities/priorities"], priorities)
        referred = rows if self.every else np.unique(self.replay.draw_measured(2 * len(rows)))
        assert set(referred.tolist()) <= set(rows.tolist())
        references = self.replay.references(referred)
        for which, states in ((0, references.state_first), (-1, references.state_last)):
            at = {f["row"]: 100 * f["episode"] + f["steps"][which] + 1 for f in self.naive.fragments}
            assert states[0][0][:, 0].tolist() == [at[row] for row in referred.tolist()]


TestReplay = ReplayMachine.TestCase
TestReplay.settings = settings(max_examples=100, stateful_step_count=30, deadline=None, derandomize=True)


@pytest.mark.long
class TestReplayOften(ReplayMachine.TestCase):  # type: ignore[name-defined, misc]
    """More sequences of what is done to it."""

    settings = settings(max_examples=400, stateful_step_count=30, deadline=None, derandomize=True)
