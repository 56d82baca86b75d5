"""The console command, started as users start it: the installed script, in a directory of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from r2d2_burnin import console
from r2d2_burnin.console import ordered_path

SCRIPT = Path(sysconfig.get_path("scripts")) / "r2d2-burnin"

ENVIRONMENT = """
import os
import gymnasium as gym
import numpy as np
import envs

class Mine(gym.Env):
    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        with open("processes.txt", "a") as file:
            file.write(f"{os.getpid()} {envs.__file__}\\n")
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.full(1, self.steps % 2, np.float32), float(action), self.steps == 12, False, {}

gym.register("Mine-v0", Mine)
"""


def run(*arguments: str, cwd: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's directory with packages of our names, and an environment."""
    for name in ("envs", "experiments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the package of the user was imported')\n")
    (tmp_path / "mine.py").write_text(ENVIRONMENT)
    return tmp_path


def test_a_worker_process_finds_our_packages_and_not_the_users(project: Path) -> None:
    answer = run("benchmark", "memory", "--out", "out", cwd=project, path=".")
    assert answer.returncode == 0, answer.stderr
    assert (project / "out" / "benchmark.json").exists()
    for name in ("envs", "experiments"):
        assert answer.stderr.count(f"note: {project / name} is not used") == 1


@pytest.mark.long
@pytest.mark.parametrize("path", ["", "."])
def test_a_comparison_runs_where_the_user_has_packages_of_our_names(project: Path, path: str) -> None:
    flags = [
        *("--env", "mine:Mine-v0", "--strategies", "zero", "stored", "--seeds", "1", "--workers", "2"),
        *("--updates", "20", "--measure-every", "10", "--units", "4", "--batch-size", "4", "--num-envs", "2"),
        *("--initial-steps", "100", "--new-steps", "24", "--updates-between", "10", "--sequence-length", "4"),
        *("--period", "2", "--replay-capacity", "500", "--evaluation-episodes", "2", "--measured-fragments", "8"),
    ]
    answer = run("compare", *flags, "--out", "out", cwd=project, path=path)
    assert answer.returncode == 0, answer.stderr
    summary = json.loads((project / "out" / "summary.json").read_text())
    assert summary["env"] == "mine:Mine-v0"
    assert summary["command"].startswith("r2d2-burnin compare --env mine:Mine-v0 ")
    for name in ("envs", "experiments"):
        assert answer.stderr.count(f"note: {project / name} is not used") == 1
    lines = (project / "processes.txt").read_text().splitlines()
    processes, packages = zip(*(line.split(maxsplit=1) for line in lines), strict=True)
    assert len(set(processes)) >= 3  # the command itself and its two workers
    # The package of the installed command, which may be another copy than the one that is tested here.
    find = "import envs; print(envs.__file__)"
    installed = subprocess.run([sys.executable, "-c", find], cwd="/", capture_output=True, text=True, check=True).stdout
    assert {Path(package).resolve() for package in packages} == {Path(installed.strip()).resolve()}


def test_help_has_a_line_for_every_command_and_imports_none(tmp_path: Path) -> None:
    answer = run("--help", cwd=tmp_path)
    assert answer.returncode == 0
    for name, (_, purpose) in console.COMMANDS.items():
        assert f"  {name:<11}{purpose}\n" in answer.stdout
    program = """
import sys
from r2d2_burnin import console
assert console.main(["--help"]) == 0
assert not {"numpy", "tensorflow", "experiments", "envs"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, check=True)


@pytest.mark.parametrize("name", list(console.COMMANDS))
def test_every_command_explains_itself_by_the_name_it_was_started_with(name: str, tmp_path: Path) -> None:
    answer = run(name, "--help", cwd=tmp_path)
    assert answer.returncode == 0
    assert answer.stdout.startswith(f"usage: r2d2-burnin {name} ")
    assert not answer.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["comparee"], "error: command: got 'comparee', expected one of compare, counting, "),
        (["comparee"], "did you mean compare?"),
        ([], "usage: r2d2-burnin COMMAND"),
        (["benchmark", "memori"], "names: got 'memori'"),
        (["compare", "--seeds", "0"], "seeds: got 0"),
        (["check", "--episodes", "0"], "episodes: got 0"),
    ],
)
def test_what_cannot_work_ends_with_2_and_a_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    answer = run(*arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert message in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr


def test_a_users_directories_come_last_on_the_path(tmp_path: Path) -> None:
    ours, here, other, packages = (tmp_path / name for name in ("ours", "here", "other", "packages"))
    for place in (ours / "envs", here, other / "experiments", packages / "numpy"):
        place.mkdir(parents=True)
        (place / "__init__.py").touch()
    path = [str(here), str(other), str(packages), str(ours)]
    assert ordered_path(path, ours, here) == (
        [str(packages), str(ours), str(here), str(other)],
        [other / "experiments"],
    )
    assert ordered_path([str(packages), str(ours)], ours, here) == ([str(packages), str(ours), str(here)], [])
    assert ordered_path([str(ours), str(packages)], ours, ours) == ([str(ours), str(packages)], [])
    assert ordered_path([str(ours)], ours, None) == ([str(ours)], [])


def test_only_python_code_clashes(tmp_path: Path) -> None:
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "notes.txt").touch()
    root = Path(console.__file__).resolve().parents[1]
    assert ordered_path([], root, tmp_path)[1] == []
    (tmp_path / "envs.py").touch()
    (tmp_path / "experiments" / "nested").mkdir(parents=True)
    (tmp_path / "experiments" / "nested" / "__init__.py").touch()
    assert ordered_path([], root, tmp_path)[1] == [tmp_path / "experiments", tmp_path / "envs.py"]
