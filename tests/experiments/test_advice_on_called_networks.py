"""The advisor on networks that it only calls: with recorded episodes, or acting in an environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import burnin_advisor, burnin_compare
from r2d2_burnin.acting.episode_files import save_episodes
from tests.common.commands import run_command
from tests.r2d2_burnin.test_advice_on_other_frameworks import Window, window_episodes

HERE = "tests.experiments.test_advice_on_called_networks"
SHORT = ["--sequence-length", "10", "--period", "5", "--tolerance", "0.02"]
seen: list[int] = []


def make_window(observation_space: Any, action_space: Any) -> Window:
    seen.append(observation_space.shape[0])
    return Window(6)


def save(path: Path, episodes: list[Any]) -> str:
    save_episodes(path, episodes)
    return str(path)


@pytest.mark.usefixtures("jobs_in_process")
def test_recorded_episodes_give_the_known_answer_without_an_environment(tmp_path: Path) -> None:
    episodes = window_episodes(6)
    files = [save(tmp_path / "a.npz", episodes[:10]), save(tmp_path / "b.npz", episodes[10:])]
    flags = [*SHORT, "--network", f"{HERE}:make_window", "--episodes", *files, "--out", str(tmp_path / "out")]
    done = run_command(burnin_advisor.main, flags)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["burn_in"], summary["env"], summary["objective"]) == (5, None, None)
    assert list(summary["seeds"]) == ["0"]
    assert "a.npz, b.npz: a burn-in of 5 steps" in (tmp_path / "out" / "report.html").read_text()
    assert "A burn-in of 5 steps from the zero state suffices for the recorded episodes" in done.stdout
    assert "seed" not in done.stdout.lower()
    assert "Stored states are those that the files hold." in done.stdout
    # Other content under the same name is another task.
    save(tmp_path / "b.npz", episodes[11:])
    assert run_command(burnin_advisor.main, flags).returncode == 2


@pytest.mark.usefixtures("jobs_in_process")
def test_a_called_network_acts_in_the_environment_and_sees_what_was_asked_for(tmp_path: Path) -> None:
    flags = [*SHORT, "--env", "BitStream/Count-v0", "--env-kwargs", "length=40", "--episodes", "16", "--seeds", "1"]
    flags += ["--objective", "q-learning", "--network", f"{HERE}:make_window", "--out", str(tmp_path)]
    seen.clear()
    done = run_command(burnin_advisor.main, flags)
    assert done.returncode == 0, done.stderr
    assert seen[-1] == 1  # the bit alone, although this project's own agent sees its previous action and reward
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["burn_in"], summary["env"]) == (5, "BitStream/Count-v0")
    assert "Stored states were computed by the same parameters" in done.stdout
    assert burnin_advisor.read_settings([*flags, "--previous-reward"]).training.q_learning.previous_reward


def test_what_cannot_be_advised_on_is_refused_before_any_work(tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", window_episodes(6)[:9])
    enough = save(tmp_path / "b.npz", window_episodes(6))
    np.savez(tmp_path / "other.npz", observations=np.zeros((3, 2)))
    network = ["--network", f"{HERE}:make_window"]
    for flags, message in (
        (["--episodes", file], "module:factory too, which returns the agent that acted in them"),
        (["--episodes", file, *network], "episodes: got 9, expected at least 16"),
        (["--episodes", "nowhere.npz", *network], "there is no file nowhere.npz"),
        (["--episodes", str(tmp_path / "other.npz"), *network], "other.npz has no array actions"),
        (["--episodes", enough, "--sequence-length", "100", *network], "recorded episodes are longer"),
        (["--episodes", enough, "--checkpoint", file, *network], "checkpoint: got"),
        (["--env", "CartPole-v1", "--checkpoint", file, *network], "its factory returns it with its parameters"),
    ):
        done = run_command(burnin_advisor.main, [*flags, "--out", str(tmp_path / "out")])
        shown = " ".join(done.stderr.replace("│", " ").split())  # in a box, its lines are broken anywhere
        assert (done.returncode, message in shown) == (2, True), shown
        assert not (tmp_path / "out" / "runs").exists()


@pytest.mark.long
def test_training_a_network_of_another_framework_is_refused_and_told_what_works(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[torch]')")
    flags = ["--env", "CartPole-v1", "--network", "tests.r2d2_burnin.torch_networks:make_agent"]
    done = run_command(burnin_compare.main, [*flags, "--out", str(tmp_path / "out")])
    assert done.returncode == 2
    assert "an object of class Agent, which can be called, but not trained here" in done.stderr
    assert "experiments.burnin_advisor" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_the_advisor_and_its_workers_do_without_tensorflow(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[torch]')")
    for name in ("tensorflow", "keras"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not to be imported')\n")
    flags = ["--env", "CartPole-v1", "--network", "tests.r2d2_burnin.torch_networks:make_agent", "--seeds", "1"]
    flags += ["--sequence-length", "4", "--period", "2", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "experiments.burnin_advisor", *flags]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "suffices for the only seed" in done.stdout
