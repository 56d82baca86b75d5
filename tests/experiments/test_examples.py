"""The examples in other frameworks, run as the README says: what they print fits the tasks' known answers."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "framework", "delay"), [("torch_dqn", "torch", 3), ("jax_cell", "jax", 2)], ids=lambda value: str(value)
)
def test_an_example_learns_its_task_and_is_given_the_known_answer(
    name: str, framework: str, delay: int, tmp_path: Path
) -> None:
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed (pip install -e '.[{framework}]')")
    for module in ("tensorflow", "keras"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('not to be imported')\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", f"experiments.examples.{name}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    right = re.search(r"(\d+) % of the answers are right", done.stdout)
    assert right is not None
    assert int(right[1]) >= 98
    assert "check: state equivalence holds" in done.stdout
    advised = re.search(r"advice: A burn-in of (\d+) steps from the zero state suffices", done.stdout)
    assert advised is not None, done.stdout
    if name == "torch_dqn":
        assert re.search(r"- No fault found of \d+ looked for in 1024 sequences of 10 steps\.\n", done.stdout), (
            done.stdout
        )
        assert "- Staleness: ΔQ of stored states against the exact state is" in done.stdout
    assert delay <= int(advised[1]) <= delay + 6  # fewer cannot see the bit; a trained network may need more


@pytest.mark.long
def test_the_audit_says_what_the_rollouts_of_recurrent_ppo_store_where_episodes_begin() -> None:
    if importlib.util.find_spec("sb3_contrib") is None:
        pytest.skip("sb3_contrib is not installed (pip install -e '.[sb3]')")
    command = [sys.executable, "-m", "experiments.examples.sb3_recurrent_ppo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "check: state equivalence holds" in done.stdout
    # As published it stores the state of the episode before, and resets it when it is used.
    assert "audit: 1 fault found of 11 " in done.stdout
    assert "States are not reset where an episode begins: found in 16 " in done.stdout
    assert "The actor had the initial state, as its outputs show" in done.stdout
