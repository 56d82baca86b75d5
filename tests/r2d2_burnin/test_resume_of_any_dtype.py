"""Runs with recurrent states of any dtype go on from a checkpoint to the same figures, to the bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import EnvironmentSettings, NetworkSettings
from r2d2_burnin.training.trainer import Trainer
from tests.common.interruptions import SMALL, Interrupted, checkpoints, interrupt_at


@pytest.mark.long
@pytest.mark.parametrize(
    ("dtype", "name", "objective"),
    [
        # Every dtype and every initialization; learned states with and without a float to learn.
        ("int32", "zero+2", "q-learning"),
        ("int32", "learned", "regression"),
        ("float16", "refreshed", "regression"),
        ("bfloat16", "stored", "q-learning"),
        ("float64", "full", "regression"),
        ("complex64", "learned+2", "q-learning"),
    ],
)
def test_whole_runs_and_interrupted_ones(dtype: str, name: str, objective: str, tmp_path: Path) -> None:
    settings = dataclasses.replace(
        SMALL,
        network=NetworkSettings(network=f"tests.common.user_networks:mixed_states_{dtype}"),
        environment=EnvironmentSettings("BitStream/Count-v0", {"length": 6}),
        replay=dataclasses.replace(SMALL.replay, sequence_length=3, period=2, priority_exponent=0.9),
        objective=objective,
        updates=40,
        measure_every=20,
    )
    whole = Trainer(settings).run(parse(name), 3)
    assert all(np.isfinite(m.value) for m in whole.measurements)
    warnings: list[str] = []
    begun: list[int] = []
    with pytest.raises(Interrupted):
        Trainer(settings).run(parse(name), 3, interrupt_at(30), checkpoints=checkpoints(tmp_path, warnings))
    resumed = Trainer(settings).run(
        parse(name), 3, lambda update, status: begun.append(update), checkpoints=checkpoints(tmp_path, warnings)
    )
    assert warnings == []
    assert begun == [30, 40]  # the rest of it, after the checkpoint of update 20
    assert resumed.measurements == whole.measurements
