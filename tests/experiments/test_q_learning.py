"""The comparison with the R2D2 agent: on bit streams, on others' environments, with a user's network."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from experiments import burnin_compare
from r2d2_burnin.settings import TrainingSettings
from tests.common.in_process import jobs_in_process
from tests.common.tiny import TINY

USER = "tests.common.user_networks"
USERS_ENVIRONMENTS = "tests.common.user_environments"
FLAGS = [*TINY, "--target-update-period", "5"]


def run(out: Path, *more: str) -> int:
    return burnin_compare.main([*FLAGS, "--out", str(out), *more])


def read_summary(out: Path) -> dict[str, Any]:
    return json.loads((out / "summary.json").read_text())


def read_rows(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_the_same_files_and_the_same_figures_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--env-kwargs", "length=12", "modulo=4", "--objective", "q-learning"]
    flags += ["--strategies", "refreshed+4", "learned+4", "full"]
    assert run(tmp_path / "a", *flags) == 0
    printed = capsys.readouterr().out
    returns = [
        row for row in read_rows(tmp_path / "a") if row["metric"] == "episode_return" and row["strategy"] == "full"
    ]
    assert 1 < len(returns) < 5  # as many as there are
    assert (
        f"Episode return over whole fresh episodes (one seed, mean over the last {len(returns)} evaluations)" in printed
    )
    assert "In the same episodes: random actions " in printed
    assert " and best constant action " in printed
    assert run(tmp_path / "b", *flags) == 0
    contents = [read_summary(tmp_path / name) for name in "ab"]
    for content in contents:
        del content["command"]
        assert content["objective"] == "q-learning"
        for entry in content["strategies"].values():
            for name in ("seconds", "update_seconds"):
                assert entry.pop(name)["mean"] > 0
            entry.pop("at_equal_update_seconds")
            assert entry["eval_error"] is None
            # Of 4 classes the best constant guess is right a little more often than in a quarter of 12 steps.
            assert 3 < entry["constant_return"]["mean"] < 7
            assert entry["constant_return"] == content["strategies"]["full"]["constant_return"]
            assert entry["floor"] is None
            assert 0 <= entry["episode_return"]["mean"] <= 12
            assert entry["delta_q_first"]["mean"] >= 0
    assert contents[0] == contents[1]
    for name in ("learning_curves.png", "error_by_position.png", "delta_q.png", "report.html", "config.json"):
        assert (tmp_path / "a" / name).stat().st_size > 0
    with (tmp_path / "a" / "metrics.csv").open() as file:
        metrics = {row["metric"] for row in csv.DictReader(file)}
    assert {"episode_return", "random_return", "train_loss", "reward_at_step_11", "delta_q_last_exact"} <= metrics


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_an_evaluation_of_random_actions_alone_earns_what_random_actions_earn(tmp_path: Path) -> None:
    flags = ["--env-kwargs", "length=12", "modulo=4", "--objective", "q-learning", "--strategies", "stored"]
    assert run(tmp_path, *flags, "--evaluation-epsilon", "1") == 0
    with (tmp_path / "metrics.csv").open() as file:
        values = {row["metric"]: row["value"] for row in csv.DictReader(file)}
    assert values["episode_return"] == values["random_return"]


@pytest.mark.long
@pytest.mark.parametrize(
    "flags",
    [
        ["--env", "popgym:popgym-CountRecallEasy-v0"],  # MultiDiscrete observations
        ["--env", "popgym:popgym-RepeatPreviousEasy-v0"],  # Discrete observations
        ["--env", "popgym:popgym-PositionOnlyCartPoleEasy-v0"],  # episodes of very different lengths
        ["--env", "minigrid:MiniGrid-MemoryS7-v0", "--wrappers", "minigrid.wrappers:ImgObsWrapper"],  # images
    ],
    ids=lambda flags: flags[1],
)
@pytest.mark.usefixtures("jobs_in_process")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_environments_that_nobody_here_wrote(flags: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, *flags, "--strategies", "stored+4") == 0
    content = read_summary(tmp_path)
    assert content["objective"] == "q-learning"  # chosen by itself
    for entry in content["strategies"].values():
        assert entry["episode_return"]["mean"] is not None
    assert (tmp_path / "report.html").exists()


COMPOSITE = [
    *("--env", f"{USERS_ENVIRONMENTS}:Test/Moody-v0", "--network", f"{USER}:make_network", "--vectorization", "async"),
    *("--num-envs", "2", "--evaluation-episodes", "2", "--strategies", "stored"),
]


@pytest.mark.long
def test_composite_spaces_with_a_network_of_the_users_whose_parameters_the_seed_draws(tmp_path: Path) -> None:
    """In this process, which has drawn other numbers before, and in a new one."""
    with jobs_in_process():
        assert run(tmp_path / "here", *COMPOSITE) == 0
    assert run(tmp_path / "in a worker", *COMPOSITE) == 0
    here, there = (read_summary(tmp_path / name)["strategies"]["stored"] for name in ("here", "in a worker"))
    assert here["train_loss"] == there["train_loss"]


@pytest.mark.long
def test_an_environment_that_breaks_ends_its_run_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One run after another in one process: only those of the first one, the longest, are among the good ones."""
    flags = ["--env", f"{USERS_ENVIRONMENTS}:Test/BreaksLater-v0", "--env-kwargs", "good=20", "--workers", "1"]
    assert run(tmp_path, *flags, "--strategies", "stored", "full") == 1
    printed = capsys.readouterr().out
    assert "stored seed 0 failed: EnvironmentFault: env: " in printed
    assert "BreaksLater-v0, episode 3, step " in printed
    assert "RuntimeError: no power" in printed
    entries = read_summary(tmp_path)["strategies"]
    assert entries["full"]["episode_return"]["mean"] >= 0
    assert entries["stored"]["episode_return"] is None


def test_presets_give_what_the_command_line_does_not() -> None:
    supervised = burnin_compare.read_settings([])
    assert supervised.training == TrainingSettings(objective="regression")
    small = burnin_compare.read_settings(["--env", "CartPole-v1", "--updates", "7"]).training
    assert (small.objective, small.updates, small.replay.priority_exponent) == ("q-learning", 7, 0.9)
    paper = burnin_compare.read_settings(["--env", "CartPole-v1", "--preset", "r2d2"])
    replay = paper.training.replay
    assert (replay.sequence_length, replay.period, paper.training.network.units) == (80, 40, 512)
    assert paper.training.batch_size == 64
    assert "stored+40" in paper.strategies
    agent = paper.training.q_learning
    assert (agent.n_step, agent.discount, agent.target_update_period) == (5, 0.997, 2500)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--env", "minigrid:MiniGrid-MemoryS7-v0"], "entry 'mission' MissionSpace"),
        (["--discount", "1.5"], "discount: got 1.5, expected 0 to 1; the nearest is 1"),
        (["--env", "CartPole-v1", "--objective", "classification"], "objective: got 'classification', but"),
    ],
)
def test_bad_input_is_explained(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(tmp_path / "out", *flags)
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


@pytest.mark.long
@pytest.mark.usefixtures("compiled_as_for_users")
def test_stored_states_solve_a_control_task(tmp_path: Path) -> None:
    """Guessing a count modulo 4 for reward: all right in every episode's 80 steps, by update 2200 of three seeds."""
    flags = ["--env-kwargs", "modulo=4", "--objective", "q-learning", "--preset", "guess", "--strategies", "stored"]
    assert burnin_compare.main([*flags, "--updates", "2800", "--seeds", "1", "--out", str(tmp_path)]) == 0
    assert read_summary(tmp_path)["strategies"]["stored"]["episode_return"]["mean"] > 79


def test_auto_takes_the_preset_that_fits_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    guess = burnin_compare.read_settings(["--objective", "q-learning", "--updates", "7"])
    assert "preset: auto takes guess: observations, ends" in capsys.readouterr().err
    assert (guess.preset, guess.training.q_learning.discount, guess.training.updates) == ("guess", 0.0, 7)
    assert guess.training.replay.start_exponent == 0
    long = burnin_compare.read_settings(["--objective", "q-learning", "--env-kwargs", "length=201"])
    assert "episodes of 201 steps" in capsys.readouterr().err
    assert long.training.replay.start_exponent == 1
    control = burnin_compare.read_settings(["--env", "CartPole-v1"])
    assert "preset: auto takes small: the observation after step" in capsys.readouterr().err
    assert (control.preset, control.training.q_learning.discount) == ("small", 0.997)
    given = burnin_compare.read_settings(["--objective", "q-learning", "--preset", "small"])
    assert not capsys.readouterr().err
    assert given.training.q_learning.discount == 0.997
    assert burnin_compare.read_settings([]).preset == "small"  # targets to learn from: no actions to choose
