"""Ray actors: their seeds, and what replaces a dead one."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from r2d2_burnin.settings import EnvironmentSettings
from r2d2_burnin.training.ray_collector import RayCollector, actor_seeds
from r2d2_burnin.training.trainer import Trainer
from tests.common.interruptions import SMALL


def test_seeds_are_those_of_spawned_sequences_and_all_different() -> None:
    result: list[int] = []
    for seed, actor, incarnation in itertools.product((0, 1, 5), range(20), range(20)):
        result += actor_seeds(seed, actor, incarnation)
        child = np.random.SeedSequence(seed).spawn(actor + 1)[actor].spawn(incarnation + 1)[incarnation]
        assert list(actor_seeds(seed, actor, incarnation)) == [int(w) >> 1 for w in child.generate_state(2)]
    assert len(set(result)) == len(result) == 2400
    assert 0 <= min(result) <= max(result) < 2**31
    apart = np.diff(np.sort(result))
    assert np.median(apart) > 10_000  # none is another plus a small number


@pytest.mark.long
@pytest.mark.usefixtures("ray_at_our_priority")
def test_a_replaced_actor_and_a_resumed_run_do_not_repeat_episodes() -> None:
    import ray  # not installed everywhere

    # Of episodes of 13 bits, as small runs have, a few would come again by chance.
    long = EnvironmentSettings("BitStream/Count-v0", {"length": 60})
    settings = dataclasses.replace(SMALL, environment=long, actors=2, num_envs=2, new_steps=60)
    trainer = Trainer(dataclasses.replace(settings, actors=0))
    network, inputs = trainer.network, trainer.inputs

    def collected(acting: Any) -> set[bytes]:
        return {e.observations.tobytes() for episodes in acting.collect(800) for e in episodes}

    acting = RayCollector(settings, network, inputs, seed=4)
    acting.prepare(0)
    first = collected(acting)
    assert len(first) > 10
    assert acting.get_state()["incarnations"].tolist() == [0, 0]
    for actor in acting._actors:
        ray.kill(actor)
    second = collected(acting)
    assert acting.get_state()["incarnations"].tolist() == [1, 1]
    assert len(second) > 10
    assert not first & second
    state = acting.get_state()
    acting.close()

    resumed = RayCollector(settings, network, inputs, seed=4)
    resumed.set_state(state)
    resumed.prepare(0)
    third = collected(resumed)
    assert resumed.get_state()["incarnations"].tolist() == [2, 2]
    assert not third & (first | second)
    resumed.set_state({})  # of a checkpoint that does not know of incarnations
    assert resumed.get_state()["incarnations"].tolist() == [1, 1]
    resumed.close()

    again = RayCollector(settings, network, inputs, seed=4)
    again.prepare(0)
    assert collected(again) & first  # the same seed, from its beginning
    again.close()
