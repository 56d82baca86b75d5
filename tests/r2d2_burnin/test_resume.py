"""Runs that are interrupted: they go on to the same figures, to the bit, or say why they cannot."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2d2_burnin.acting.policies import EpsilonGreedy
from r2d2_burnin.data import Measurement, TrainingResult
from r2d2_burnin.diagnostics import evaluator
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.faults import TrainingDiverged
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.networks.weights import get_weights, set_weights
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import (
    EnvironmentSettings,
    LearnerSettings,
    NetworkSettings,
    TrainingSettings,
)
from r2d2_burnin.training.trainer import Trainer
from tests.common.interruptions import SMALL, Interrupted, checkpoints, interrupt_at
from tests.common.networks import shared_trainer

USER = "tests.common.user_networks"
USERS_ENVIRONMENTS = "tests.common.user_environments"

PRIORITIZED = dataclasses.replace(SMALL.replay, priority_exponent=0.9, importance_exponent=0.6, replay_capacity=600)
CASES = {
    "stored+2": SMALL,
    "refreshed": SMALL,
    "learned+2": SMALL,
    "full": dataclasses.replace(SMALL, network=NetworkSettings(4, "gru", 2)),
    "stored": dataclasses.replace(SMALL, parameter_lag=23),
    "zero+2": dataclasses.replace(
        SMALL,
        environment=EnvironmentSettings("CartPole-v1", max_episode_steps=30),  # few lengths, so few programs
        objective="q-learning",
        replay=PRIORITIZED,
    ),
    "stored+3": dataclasses.replace(
        SMALL,
        environment=EnvironmentSettings("CartPole-v1", max_episode_steps=30),
        network=NetworkSettings(network=f"{USER}:make_averaging"),
        objective="q-learning",
    ),
    "stored+1": dataclasses.replace(
        SMALL,
        environment=EnvironmentSettings(f"{USERS_ENVIRONMENTS}:Test/Images-v0", vectorization="sync"),
        network=NetworkSettings(network=f"{USER}:make_network"),
        objective="q-learning",
    ),
}


def some(default: set[str]) -> list[Any]:
    """The names of all cases; those beside `default` are marked as long."""
    return [pytest.param(name, marks=() if name in default else pytest.mark.long) for name in CASES]


Interruptions = Callable[[str], tuple[Path, TrainingResult]]


@pytest.fixture(scope="module")
def interruptions(tmp_path_factory: pytest.TempPathFactory) -> Interruptions:
    """By a case's name: the checkpoints that interrupted runs have left, and what the same run gave without."""

    @functools.cache
    def of_case(name: str) -> tuple[Path, TrainingResult]:
        directory, trainer, warnings = tmp_path_factory.mktemp("interrupted"), shared_trainer(CASES[name]), []
        # A network of the user's is made anew, and compiled anew, for every run.
        user_network = CASES[name].network.network is not None
        # At a checkpoint, between two, twice at one place.
        for update in (70, 100) if user_network else (40, 70, 70, 100):
            with pytest.raises(Interrupted):
                trainer.run(parse(name), 3, interrupt_at(update), checkpoints=checkpoints(directory, warnings))
        assert warnings == []
        # It leaves what it ends with in the trainer, which a run that goes on from a checkpoint must not go on with.
        return directory, trainer.run(parse(name), 3)

    return of_case


@pytest.mark.parametrize("name", some({"stored+2", "refreshed"}))
def test_an_interrupted_run_ends_with_the_same_figures(name: str, interruptions: Interruptions, tmp_path: Path) -> None:
    assert_an_interrupted_run_ends_with_the_same_figures(name, *interruptions(name), tmp_path, shared_trainer)


@pytest.mark.parametrize("name", some(set()))
def test_a_trainer_that_has_not_run_before_ends_an_interrupted_run(
    name: str, interruptions: Interruptions, tmp_path: Path
) -> None:
    assert_an_interrupted_run_ends_with_the_same_figures(name, *interruptions(name), tmp_path, Trainer)


def assert_an_interrupted_run_ends_with_the_same_figures(
    name: str, left: Path, whole: TrainingResult, tmp_path: Path, trainer_of: Callable[[TrainingSettings], Trainer]
) -> None:
    directory, warnings = tmp_path / "checkpoints", []
    shutil.copytree(left, directory)
    live: list[Measurement] = []
    resumed = trainer_of(CASES[name]).run(
        parse(name), 3, checkpoints=checkpoints(directory, warnings), on_measurements=live.extend
    )
    assert warnings == []
    assert resumed.measurements == whole.measurements == live
    assert resumed.replay_bytes == whole.replay_bytes
    assert sorted(path.name for path in directory.iterdir()) == ["000000000080.npz", "000000000100.npz"]


def test_damaged_checkpoints_are_left_out(tmp_path: Path) -> None:
    trainer, warnings = shared_trainer(SMALL), []
    whole = trainer.run(parse("stored"), 3)
    with pytest.raises(Interrupted):
        trainer.run(parse("stored"), 3, interrupt_at(90), checkpoints=checkpoints(tmp_path))
    newest = tmp_path / "000000000080.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    begun: list[int] = []
    resumed = trainer.run(
        parse("stored"),
        3,
        lambda update, status: begun.append(update),
        checkpoints=checkpoints(tmp_path, warnings),
    )
    assert begun[0] == 70  # from the checkpoint before, of update 60
    assert len(warnings) == 1
    assert "000000000080.npz" in warnings[0]
    assert resumed.measurements == whole.measurements


def test_checkpoints_of_another_run_are_left_alone(tmp_path: Path) -> None:
    trainer, warnings = shared_trainer(SMALL), []
    with pytest.raises(Interrupted):
        trainer.run(parse("stored"), 3, interrupt_at(50), checkpoints=checkpoints(tmp_path))
    other = checkpoints(tmp_path, warnings, identity={"seed": 4})
    result, expected = trainer.run(parse("stored"), 4, checkpoints=other), trainer.run(parse("stored"), 4)
    assert result.measurements == expected.measurements
    assert "another run" in warnings[0]


def test_an_environment_that_cannot_be_repeated_is_begun_anew(tmp_path: Path) -> None:
    settings = dataclasses.replace(
        SMALL,
        environment=EnvironmentSettings(f"{USERS_ENVIRONMENTS}:Test/Unrepeatable-v0", {"at": 0}, vectorization="sync"),
        objective="q-learning",
    )
    trainer, warnings, begun = Trainer(settings), [], []
    with pytest.raises(Interrupted):
        trainer.run(parse("stored"), 3, interrupt_at(50), checkpoints=checkpoints(tmp_path))
    trainer.run(
        parse("stored"), 3, lambda update, status: begun.append(update), checkpoints=checkpoints(tmp_path, warnings)
    )
    assert begun[0] == 10
    assert "the same seed and the same actions led to other observations" in warnings[0]


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    settings = dataclasses.replace(
        SMALL,
        environment=EnvironmentSettings(f"{USERS_ENVIRONMENTS}:Test/Overflowing-v0", vectorization="sync"),
        objective="q-learning",
        q_learning=dataclasses.replace(SMALL.q_learning, value_rescaling=False, reward_scaling=False),
        learner=LearnerSettings(learning_rate=0.1),
    )
    with pytest.raises(TrainingDiverged, match=r"the loss of update \d+ is (nan|inf), expected a finite number"):
        Trainer(settings).run(parse("stored"), 3, checkpoints=checkpoints(tmp_path))
    assert (tmp_path / "000000000020.npz").exists()
    healthy = shared_trainer(SMALL).run(parse("stored"), 3)  # other runs of the process go on
    assert all(np.isfinite(m.value) for m in healthy.measurements)


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_environment_that_hangs_is_given_up(way: str) -> None:
    environment = EnvironmentSettings(
        f"{USERS_ENVIRONMENTS}:Test/Hangs-v0", {"at": 40}, vectorization=way, env_timeout=2.0
    )
    settings = dataclasses.replace(SMALL, environment=environment, objective="q-learning")
    with pytest.raises(EnvironmentFault, match=r"env: .*Hangs-v0.*took longer than 2 s"):
        Trainer(settings).run(parse("stored"), 3)


@pytest.mark.parametrize("lag", [23, *(pytest.param(lag, marks=pytest.mark.long) for lag in (7, 10, 1000))])
def test_a_lag_is_exact_to_the_update(lag: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a lag of U updates, acting after update u uses the parameters of update max(u - U, 0)."""
    trainer = shared_trainer(dataclasses.replace(SMALL, parameter_lag=lag))
    network, acting = trainer.network, trainer.parts.acting_step.network
    assert network is not acting
    used: dict[int, list[np.ndarray]] = {}
    batches: list[Any] = []
    make_updates = Learner.update

    def update(learner: Learner, batch: Any) -> Any:
        batches.extend(tf.nest.map_structure(lambda leaf, i=i: leaf[i : i + 1], batch) for i in range(len(batch.mask)))
        return make_updates(learner, batch)

    def note(done: int, status: str) -> None:  # the acting network has still what the round before these updates used
        used[done - 10] = get_weights(acting)

    monkeypatch.setattr(Learner, "update", update)
    trainer.run(parse("stored"), 3, note)
    monkeypatch.undo()
    last = get_weights(network)

    # The same updates again, one by one.
    learner = trainer.parts.learner(parse("stored"))
    by_update = [used[0]]
    set_weights(network, by_update[0])
    learner.reset()
    for batch in batches:
        learner.update(batch)
        by_update.append(get_weights(network))
    assert len(by_update) == 121
    assert sorted(used) == list(range(0, 120, 10))
    assert nearest(last, by_update) == 120
    assert [nearest(used[update], by_update) for update in sorted(used)] == [max(u - lag, 0) for u in sorted(used)]


def nearest(parameters: list[np.ndarray], by_update: list[list[np.ndarray]]) -> int:
    """The update whose parameters these are: programs of one and of many updates may differ in the last digits."""
    distances = [
        max(float(np.abs(a - b).max()) for a, b in zip(parameters, candidate, strict=True)) for candidate in by_update
    ]
    first, second = np.sort(distances)[:2]
    assert first < 1e-5 < 10 * 1e-5 < second
    return int(np.argmin(distances))


def test_evaluations_explore_by_a_stream_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = CASES["zero+2"]
    seeds: list[int] = []

    class Noted(EpsilonGreedy):
        def __init__(self, *arguments: Any, seed: int) -> None:
            seeds.append(seed)
            super().__init__(*arguments, seed=seed)

    monkeypatch.setattr(evaluator, "EpsilonGreedy", Noted)
    trainer, environment = shared_trainer(settings), environments.make_vector(settings.environment, 3)
    run = trainer._begin(parse("zero"), 7, environment, environment, observed=False, resumable=False)
    for _ in range(2):
        returns = [run._evaluator._evaluate(1.0, with_states=False).episode_return for _ in range(2)]
        assert returns[0] == returns[1]  # all evaluations are over the same episodes
    environment.close()
    # The five seeds of before stay what they were, and the sixth is new.
    seeds_of_run = [int(word) >> 1 for word in np.random.SeedSequence(7).generate_state(6)]
    assert seeds_of_run[:5] == [int(word) >> 1 for word in np.random.SeedSequence(7).generate_state(5)]
    assert run._evaluator._make_actor.args[1] == seeds_of_run[3]  # type: ignore[attr-defined]
    assert set(seeds) == {seeds_of_run[5]}
    assert all(abs(seeds_of_run[5] - word) > 1000 for word in seeds_of_run[:5])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "the network's outputs after 10 updates are not finite"),
        # Finite itself, but a sum of two is not.
        (3e38, "the errors of new fragments after update 10 are not finite"),
    ],
)
def test_numbers_that_are_not_finite_end_the_run(value: float, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = shared_trainer(CASES["zero+2"])
    update = Learner.update

    def diverges(learner: Learner, batch: Any) -> Any:
        results = update(learner, batch)
        for network in (learner.network, learner.target_network):
            (bias,) = (variable for variable in network.trainable_variables if variable.name.startswith("value/bias"))
            bias.assign(np.full(bias.shape, value))
        return results

    monkeypatch.setattr(Learner, "update", diverges)
    with pytest.raises(TrainingDiverged, match=message):
        trainer.run(parse("zero+2"), 3)


def test_headers_are_plain_json(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        shared_trainer(SMALL).run(parse("stored"), 3, interrupt_at(50), checkpoints=checkpoints(tmp_path))
    with np.load(tmp_path / "000000000040.npz", allow_pickle=False) as file:
        assert json.loads(str(file["header"]))["update"] == 40
        assert all(file[name].dtype != object for name in file.files)
