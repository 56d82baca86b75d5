"""The examples in other frameworks, run as the README says: what they print fits the tasks' known answers."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


def run_example(name: str, framework: str, environment: Mapping[str, str] | None = None) -> str:
    """What an example prints; skips the test where its framework is missing."""
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed (pip install -e '.[{EXTRAS.get(framework, framework)}]')")
    command = [sys.executable, "-m", f"experiments.examples.{name}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


EXTRAS = {"sb3_contrib": "sb3"}
"""Of pyproject.toml, where their names differ from the package's."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "framework", "delay", "sequences"), [("torch_dqn", "torch", 3, 1024), ("jax_cell", "jax", 2, 5 * 32 * 7)]
)
def test_an_example_learns_its_task_and_is_given_the_known_answer(
    name: str, framework: str, delay: int, sequences: int, tmp_path: Path
) -> None:
    for module in ("tensorflow", "keras"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('not to be imported')\n")
    printed = run_example(name, framework, os.environ | {"PYTHONPATH": str(tmp_path)})
    right = re.search(r"(\d+) % of the answers are right", printed)
    assert right is not None
    assert int(right[1]) >= 98
    assert "check: state equivalence holds" in printed
    advised = re.search(r"advice: A burn-in of (\d+) steps from the zero state suffices", printed)
    assert advised is not None, printed
    assert re.search(rf"- No fault found of 11 looked for in {sequences} sequences of 10 steps", printed), printed
    assert "- Staleness: ΔQ of stored states against the exact state is" in printed
    assert delay <= int(advised[1]) <= delay + 6  # fewer cannot see the bit; a trained network may need more


@pytest.mark.long
def test_the_audit_says_what_the_rollouts_of_recurrent_ppo_store_where_episodes_begin() -> None:
    printed = run_example("sb3_recurrent_ppo", "sb3_contrib")
    assert "check: state equivalence holds" in printed
    # As published it stores the state of the episode before, and resets it when it is used.
    assert "audit: 1 fault found of 11 " in printed
    # Each of 8 environments begins 3 episodes of 50 steps in its steps 896 to 1023, those of the last rollout.
    assert "States are not reset where an episode begins: found in 24 of " in printed, printed
    assert "The actor had the initial state, as its outputs show" in printed


@pytest.mark.long
def test_slices_of_torchrl_within_episodes_have_the_states_that_the_policy_had() -> None:
    printed = run_example("torchrl_slices", "torchrl")
    begin = re.search(r"128 slices of 15 steps, (\d+) of them begin an episode", printed)
    assert begin is not None, printed
    assert int(begin[1]) < 32  # of 46 starts in an episode one is its first step
    assert "is_init is set at the first step of 128 of 128 slices" in printed
    assert "- No fault found of 11 looked for in 128 sequences of 15 steps" in printed, printed
